"""What a configuration changes in one that runs: by strategy, field by field; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from mt5crs_shared.configuration.structs import Config, StrategyConfig, decode_config
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.operator.control import ChangedStrategy, ConfigDifference, FieldChange

CHANGEABLE = frozenset(
    {
        "paper",
        "tape",
        "retention",
        "risk",
        "notify",
        "metrics",
        "page",
        "zmq_execution_host",
        "zmq_execution_port",
        "account",
        "execution",
        "feature_api_url",
    }
)
"""Fields of ``global`` that take effect by fresh processes; all others need a new start."""

CHANGING = ("tape", "gateway", "notifier", "metrics", "page")
"""Services that a change may concern, in the order in which they get fresh processes."""

BY_RELOAD: Final = ("`reload --keep`", "`reload --flatten`")
"""What there is to say of open positions where the file is changed already."""

HELD = ("symbol", "magic")
"""Fields of a strategy that its open position depends on."""


def beside_fixed(read: Config, runs: Config) -> Config:
    """What a file that was read comes to beside what the command line says (`Config.fixed`).

    Args:
        read: As the file has it; a feed of its own goes before the command line's.
        runs: What runs.
    """
    own_feed = {"feed"} if read.globals.feed is not None else set()
    kept = {name: getattr(runs.globals, name) for name in runs.fixed if name not in own_feed}
    globals_ = msgspec.structs.replace(read.globals, **kept)
    return msgspec.structs.replace(read, globals=globals_, fixed=runs.fixed)


def left_open(names: Iterable[str], keep: str = "--keep", flatten: str = "--flatten") -> str:
    """What is said of strategies that would leave with a position, of which nobody has spoken.

    Args:
        names: Of the strategies.
        keep: What is said to leave it to the gateway.
        flatten: What is said to close it.
    """
    left = f"{', '.join(names)} would leave a position open"
    return f"{left}: {keep} leaves it to the gateway, {flatten} closes it"


def difference(
    running: Config,
    wanted: Config,
    children: tuple[Mapping[str, Plan], Mapping[str, Plan]],
    models: tuple[Mapping[str, str], Mapping[str, str]],
    held: Collection[str],
) -> ConfigDifference:
    """Compare a configuration with the one that runs.

    Args:
        running: What runs.
        wanted: What the file says.
        children: The plan of each child by its name, as it runs and as it is wanted.
        models: By strategy, the hash of the model that runs, and of the file as it is now.
        held: Strategies that have an open position.
    """
    before = {strategy.name: strategy for strategy in running.enabled}
    after = {strategy.name: strategy for strategy in wanted.enabled}
    both = [name for name in after if name in before]
    runs, wants = children
    differing = {
        name
        for name, plan in wants.items()
        if name in runs and runs[name].config_hash != plan.config_hash
    }
    globals_ = tuple(_globals(running, wanted))
    changed = tuple(
        found
        for name in both
        if (found := _changed(before[name], after[name], name in differing, models)) is not None
    )
    names = {found.name for found in changed}
    removed = tuple(name for name in before if name not in after)
    return ConfigDifference(
        added=tuple(name for name in after if name not in before),
        removed=removed,
        held=tuple(name for name in removed if name in held),
        changed=changed,
        untouched=tuple(name for name in both if name not in names),
        globals=globals_,
        services=tuple(n for n in CHANGING if n in differing or n in wants.keys() - runs.keys()),
        ended=tuple(name for name in CHANGING if name in runs.keys() - wants.keys()),
        refused=(*_fixed(globals_), *_unquoted(runs, wanted), *_bound(changed, held)),
    )


def _changed(
    before: StrategyConfig,
    after: StrategyConfig,
    differs: bool,
    models: tuple[Mapping[str, str], Mapping[str, str]],
) -> ChangedStrategy | None:
    name = after.name
    fields = [*_fields("", before, after)]
    runs, now = models[0].get(name, ""), models[1].get(name, "")
    model = bool(runs and now and runs != now)
    if model:
        fields.append(FieldChange("contents of model_path", runs[:12], now[:12]))
    replaced = model or differs
    return ChangedStrategy(name, tuple(fields), replaced) if fields or replaced else None


def _globals(running: Config, wanted: Config) -> Iterator[FieldChange]:
    yield from _fields("global.", running.globals, wanted.globals)
    for name, spec in wanted.symbols.items():
        if name in running.symbols:
            yield from _fields(f"symbols.{name}.", running.symbols[name], spec)


def _fields(path: str, before: msgspec.Struct, after: msgspec.Struct) -> Iterator[FieldChange]:
    for name in after.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if isinstance(old, msgspec.Struct) and type(old) is type(new):
            yield from _fields(f"{path}{name}.", old, new)
        else:
            yield FieldChange(f"{path}{name}", _shown(old), _shown(new))


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _fixed(changes: tuple[FieldChange, ...]) -> Iterator[str]:
    for change in changes:
        place, _, field = change.path.partition(".")
        if place == "global" and field.partition(".")[0] not in CHANGEABLE:
            yield f"{change.path} cannot change while it runs: `stop`, then `start`"


def _unquoted(runs: Mapping[str, Plan], wanted: Config) -> Iterator[str]:
    """A made-up market quotes what it quoted at its start, whoever has left since."""
    started = decode_config(runs["feed"].payload) if "feed" in runs else None
    feed = started.globals.feed if started is not None else None
    if started is None or feed is None or feed.kind != "synthetic":
        return
    quoted = started.symbols
    for strategy in wanted.enabled:
        for symbol in plans.symbols_of(wanted, (strategy,)).keys() - quoted.keys():
            yield (
                f"{strategy.name}: the synthetic feed does not quote {symbol} while it runs:"
                " `stop`, then `start`"
            )


def _bound(changed: tuple[ChangedStrategy, ...], held: Collection[str]) -> Iterator[str]:
    for strategy in changed:
        for change in strategy.fields:
            if change.path in HELD and strategy.name in held:
                yield (
                    f"{strategy.name}: {change.path} cannot change while its position is open:"
                    f" `flatten {strategy.name}` closes it"
                )
