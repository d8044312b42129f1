"""`validate`: everything that is wrong in a configuration and in what it names."""

from pathlib import Path

import click

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.errors import ConfigError
from mt5crs_supervisor.commands import trials
from mt5crs_supervisor.operator.render import nearby


def validate(path: Path) -> None:
    """Load a configuration, try what it names, and print its strategies.

    Raises:
        ConfigError: It is refused, or names something that cannot be used.
    """
    config = loading.load(path)
    if problems := trials.problems(config, path):
        raise ConfigError(tuple(problems))
    longest = max(len(s.name) for s in config.strategies)
    for strategy in config.strategies:
        click.echo(_line(strategy, longest))
    click.echo(f"{len(config.strategies)} strategies, {len(config.enabled)} enabled: valid")


def _line(strategy: StrategyConfig, longest: int) -> str:
    runs = strategy.strategy or nearby(strategy.model_path or "-")
    enabled = "enabled" if strategy.enabled else "disabled"
    name = strategy.name.ljust(longest)
    return f"{name}  {strategy.symbol:<8}  {strategy.timeframe:<3}  {enabled:<8}  {runs}"
