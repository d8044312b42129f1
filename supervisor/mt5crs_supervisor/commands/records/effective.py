"""`config`: every field with its value, defaults included, of the file or of what runs."""

from pathlib import Path

import click
import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands.failures import CommandError, ExitCode, refuse_missing, unknown_name
from mt5crs_supervisor.deaths import running


def show_config(
    paths: VarPaths, path: Path, name: str | None, of_what_runs: bool, as_json: bool
) -> None:
    """Print a configuration as YAML that could take its file's place, or as JSON.

    Args:
        paths: The ``var`` folder.
        path: The YAML file.
        name: Of this strategy alone.
        of_what_runs: What the supervisor runs, instead of what the file says.
        as_json: Print JSON.

    Raises:
        CommandError: Nothing runs, or there is no such strategy.
        ConfigError: The file is refused.
    """
    config = _running(paths) if of_what_runs else _written(path)
    found = {strategy.name: strategy for strategy in config.strategies}
    if name is not None and name not in found:
        raise unknown_name(name, found, "strategy")
    shown = msgspec.to_builtins(found[name] if name is not None else _document(config))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(shown)))
        return
    # Imported where it is needed: it takes 20 ms, and other verbs do without.
    import yaml

    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


def _written(path: Path) -> Config:
    refuse_missing(path)
    return loading.load_config(path)


def _running(paths: VarPaths) -> Config:
    found = running.load_running(paths)
    if found is None:
        raise CommandError(f"nothing runs in {paths.var}", ExitCode.NOT_RUNNING)
    return found


def _document(config: Config) -> dict[str, object]:
    return {"strategies": config.strategies, "global": config.globals}
