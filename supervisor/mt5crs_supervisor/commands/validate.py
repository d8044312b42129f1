"""`validate`: everything that is wrong in a configuration and in what it names.

Classes, models and recorded files are tried, each in a process of its own.
"""

import io
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.parsing import yaml_nodes
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport
from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.errors import ConfigError, Mark, Problem, Unusable
from mt5crs_shared.process.validation import WITHIN, TrialAnswer, packed_messages, unpacked_messages
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.commands.failures import refuse_missing
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.processes import forkserver
from mt5crs_supervisor.processes.handle import ExitStatus

STRATEGY: Final = "mt5crs_worker.process.validation"
FEED: Final = "mt5crs_services.feed.validation"
RISK: Final = "mt5crs_services.gateway.risk.validation"
"""Modules that try, by name only: the supervisor imports neither worker nor services."""

SERVICES: Final = {"feed": FEED, "gateway": RISK}
"""Who tries what a service's part of the configuration names."""

MANY: Final = 8
"""Trials that take as long as the imports of the process that makes them."""

PLACES: Final = 5
"""Further places that are named where the same is wrong."""

UNTRIED: Final = "what it names (classes, models, files) is tried once the file itself is right"

Steps = tuple[str | int, ...]
"""From the document down to a value."""

_trial = msgspec.msgpack.Decoder(TrialAnswer).decode


def check_configuration(path: Path) -> None:
    """Load a configuration, try what it names, and print its strategies.

    Raises:
        CommandError: There is none.
        ConfigError: It is refused, or names something that cannot be used.
    """
    refuse_missing(path)
    try:
        config = loading.load_config(path)
    except ConfigError as error:
        raise ConfigError(error.problems, UNTRIED) from error
    if problems := problems_of(config, path):
        raise ConfigError(tuple(problems))
    longest = max(len(s.name) for s in config.strategies)
    for strategy in config.strategies:
        say(_line(strategy, longest))
    for rule in config.globals.risk:
        say(f"risk rule {rule.name}")
    count = len(config.strategies)
    what = "strategy" if count == 1 else "strategies"
    say(f"{count} {what}, {len(config.enabled)} enabled: valid")


def _line(strategy: StrategyConfig, longest: int) -> str:
    runs = strategy.strategy or nearby(strategy.model_path or "-")
    enabled = "enabled" if strategy.enabled else "disabled"
    name = strategy.name.ljust(longest)
    return f"{name}  {strategy.symbol:<8}  {strategy.timeframe:<3}  {enabled:<8}  {runs}"


def problems_of(config: Config, path: Path) -> list[Problem]:
    """What a good configuration names and cannot be used, in the order of the file.

    Args:
        config: The configuration.
        path: Its file, as it was given.
    """
    found = _found(config, range(len(config.strategies)), SERVICES)
    root = yaml_nodes.read_yaml(path.absolute(), ProblemReport(str(path)))
    return _problems(config, path, root, found)


def problems_of_strategies(
    config: Config, path: Path, text: bytes, numbers: Sequence[int]
) -> list[Problem]:
    """What some of its strategies name and cannot be used.

    Args:
        config: The configuration.
        path: Its file, as it was given.
        text: What that file is about to hold.
        numbers: Places of these strategies in the file, from 0.
    """
    found = _found(config, numbers, services=())
    root = yaml_nodes.parse(text, ProblemReport(str(path)))
    return _problems(config, path, root, found)


def problems_of_children(
    config: Config, path: Path, text: bytes, names: Collection[str]
) -> list[Problem]:
    """What a fresh process of some, strategies or services, could not use.

    Args:
        config: The configuration.
        path: Its file, as it was given.
        text: What the file holds; empty: it says something else by now.
        names: Theirs.
    """
    numbers = [number for number, each in enumerate(config.strategies) if each.name in names]
    found = _found(config, numbers, names)
    root = yaml_nodes.parse(text, ProblemReport(str(path))) if text else None
    return _problems(config, path, root, found)


def _found(
    config: Config, numbers: Sequence[int], services: Collection[str]
) -> list[tuple[Steps, Unusable]]:
    """What trials find of what strategies, by their places, and services name; all at once."""
    whole, feeds = [msgspec.json.encode(config)], config.globals.feed
    names_something = {
        "feed": feeds is not None and bool(feeds.files),
        "gateway": bool(config.globals.risk),
    }
    modules = [SERVICES[name] for name in SERVICES if name in services and names_something[name]]
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        shared = [pool.submit(_all_tried, module, whole) for module in modules]
        found = list(_tried_strategies(config, numbers))
        faults = [fault for tried in shared for each in tried.result() for fault in each]
    return [*found, *((("global",), fault) for fault in faults)]


def _tried_strategies(config: Config, numbers: Sequence[int]) -> Iterator[tuple[Steps, Unusable]]:
    payloads = [plans.plan_of(config, config.strategies[number]).payload for number in numbers]
    for number, faults in zip(numbers, _all_tried(STRATEGY, payloads), strict=True):
        yield from ((("strategies", number), fault) for fault in faults)


def _problems(
    config: Config, path: Path, root: Node | None, found: Iterable[tuple[Steps, Unusable]]
) -> list[Problem]:
    """One for each thing that is wrong: a module that fails may be that of fifty strategies."""
    alike: dict[tuple[str, str], list[Steps]] = {}
    for inside, fault in found:
        reason = fault.reason.removeprefix(f"{fault.field}: ")
        alike.setdefault((fault.field, reason), []).append((*inside, *fault.field.split(".")))
    names = [strategy.name for strategy in config.strategies]
    return [_problem(path, root, reason, names, *places) for (_, reason), places in alike.items()]


def _problem(
    path: Path,
    root: Node | None,
    reason: str,
    names: Sequence[str],
    steps: Steps,
    *others: Steps,
) -> Problem:
    mark, places = _mark(root, steps), [_place(root, names, each) for each in others]
    if len(places) > PLACES:
        places[PLACES:] = [f"{len(places) - PLACES} more"]
    also = f"; so in {', '.join(places)}" if places else ""
    problem = Problem(str(path), mark.line, mark.column, _path(steps), reason + also)
    return problem.of_strategy(names)


def _place(root: Node | None, names: Sequence[str], steps: Steps) -> str:
    line, where = _mark(root, steps).line, steps[1]
    if line:
        return f"line {line}"
    return names[where] if isinstance(where, int) else _path(steps)


def _all_tried(module: str, payloads: Sequence[bytes]) -> list[list[Unusable]]:
    """What trials found, in order; a second process that makes them is worth it for many."""
    count = min(os.cpu_count() or 1, 1 + len(payloads) // MANY)
    shares = [payloads[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        answers = [iter(each) for each in pool.map(lambda share: _tried(module, share), shares)]
    return [next(answers[number % count]) for number in range(len(payloads))]


def _tried(module: str, payloads: Sequence[bytes]) -> list[list[Unusable]]:
    """What trials of one process found; one that fails says so for the whole entry."""
    if not payloads:
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module],
            input=packed_messages(payloads),
            capture_output=True,
            timeout=WITHIN * (len(payloads) + 1),
            env={**os.environ, **forkserver.ONE_THREAD},
        )
        output, code, words = done.stdout, done.returncode, done.stderr
    except subprocess.TimeoutExpired as error:
        output, code, words = error.stdout or b"", None, b""
    trials = [_trial(body) for body in unpacked_messages(io.BytesIO(output))]
    # Somebody's code has ended, or stopped, the process that makes the trials.
    ended = TrialAnswer(code, None, words.decode(errors="replace"))
    trials += [ended] * (len(payloads) - len(trials))
    return [_faults(module, trial) for trial in trials]


def _faults(module: str, trial: TrialAnswer) -> list[Unusable]:
    if trial.exit == 0 and trial.found is not None:
        return trial.found
    field = {STRATEGY: "strategy", FEED: "feed.files", RISK: "risk"}[module]
    if trial.exit is None:
        return [Unusable(field, f"is not ready after {WITHIN:g} s; a process would hang")]
    said = trial.words.strip().rpartition("\n")[2]
    return [Unusable(field, f"ends its process ({ExitStatus(trial.exit)}) {said}".rstrip())]


def _path(steps: Steps) -> str:
    """``strategies[0].strategy``."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _mark(root: Node | None, steps: Steps) -> Mark:
    """Where a value stands in the file, or the nearest thing around it."""
    node, mark = root, Mark()
    for step in steps:
        node = _inside(node, step)
        if node is None:
            break
        mark = node.mark
    return mark


def _inside(node: Node | None, step: str | int) -> Node | None:
    if node is None:
        return None
    if isinstance(node.value, dict):
        if step in node.value:
            return node.value[str(step)]
        key, _, number = str(step).partition("[")
        index = number.removesuffix("]")
        return _inside(node.value.get(key), int(index)) if index.isdecimal() else None
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None
