"""An operator's day: what is asked of a system that runs, those that it is not about do not notice.

Twenty strategies run through a made-up market twice: untouched, and at 60 times real speed while an
operator pauses, flattens, changes, adds, removes, writes bad files, and throws the kill switch, and
while two of them are killed. Who was not touched keeps its process and takes every tick, decides
what it decided in the untouched run, and every act stands in the events once, and in the notifier's
outbox once. Exit code 1 where one of these does not hold.
"""

import contextlib
import http.server
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import msgspec

from benchmarks.operating.acts import Act, Operator
from benchmarks.operating.desk import KILLED, RECORDERS, SYMBOLS, TOUCHED, Desk, entries
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.symbols_file import load_symbols
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import outbox_file, recorded, store
from mt5crs_shared.storage.story import StoryCursor, StoryLine, StoryReader
from mt5crs_supervisor.chaos import replay_run, run_logs, scenario
from mt5crs_supervisor.chaos.run_logs import Line, RunLogs
from tests.chaos.strategies import RECORD
from tests.system import ROOT

SPEED = 60.0
"""Event time to real time."""


@contextlib.contextmanager
def somebody() -> Iterator[str]:
    """Somebody who is told, and takes whatever is sent; the address."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def story(paths: VarPaths) -> Counter[Act]:
    """What stands in the events, by kind and name."""
    lines = StoryReader(paths, StoryCursor()).read()
    return Counter((line.kind, line.name) for line in lines)


def told(paths: VarPaths) -> Counter[Act]:
    """What stands in the notifier's outbox, by kind and name."""
    with contextlib.closing(store.open_readonly(paths.outbox, outbox_file.SCHEMA)) as db:
        bodies = db.execute("SELECT line FROM lines").fetchall()
    lines = [msgspec.json.decode(body, type=StoryLine) for (body,) in bodies]
    return Counter((line.kind, line.name) for line in lines)


def miscounted(expected: Mapping[Act, int], found: Counter[Act], where: str) -> Iterator[str]:
    """Acts that stand somewhere more or less often than they were done."""
    kinds = {kind for kind, _ in expected}
    for act in {*expected, *(act for act in found if act[0] in kinds)}:
        times = expected.get(act, 0)
        if found[act] != times:
            yield f"{act} was done {times} times, and stands {found[act]} times {where}"


def parted(untouched: RunLogs, operated: RunLogs, name: str, until_us: int) -> Iterator[str]:
    """Where a strategy's decisions up to an event time are others than in the untouched run."""
    one, other = (_until(logs.decisions[name], until_us) for logs in (untouched, operated))
    if one != other:
        lost, added = run_logs.lost_and_added(one, other)
        yield f"{name}: {lost} of {len(one)} decisions are missing, {added} should not be there"


def _until(lines: list[Line], until_us: int) -> list[Line]:
    return [line for line in lines if int(str(line[0])) <= until_us]


def unseen(folder: Path, published: Mapping[str, int]) -> Iterator[str]:
    """Recorders that have not taken every tick of the replay, each once."""
    for name, symbol in RECORDERS.items():
        body = (folder / f"{name}.ticks").read_bytes()
        seen = [event for event, _ in RECORD.iter_unpack(body)]
        if len(seen) != published[symbol] or seen != sorted(seen):
            yield f"{name} took {len(seen)} of {published[symbol]} ticks"


@click.command()
@click.option("--minutes", default=5.0, show_default=True, help="How long the operated run takes.")
@click.option("--seed", default=1, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave everything in this folder.")
def main(minutes: float, seed: int, keep: Path | None) -> None:
    """Run both, compare, print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        specs = load_symbols(ROOT / "config" / "symbols.yaml", ProblemReport("symbols.yaml"))
        assert specs is not None
        wanted = [specs.specs[name] for name in SYMBOLS]
        replay = scenario.make_up(folder, wanted, round(minutes * 60.0 * SPEED), seed)
        published = {s: recorded.count_rows(file, Mt5crsError) for s, file in replay.items()}
        click.echo(f"untouched: {sum(published.values()):,} ticks as fast as possible")
        quiet = Desk(folder / "untouched", replay, 0.0)
        untouched = replay_run.run_replay(quiet.system, published).logs
        click.echo(f"operated, {SPEED:.0f} times real speed")
        with somebody() as hook:
            desk = Desk(folder / "operated", replay, SPEED, hook)
            broken = list(operated(desk, untouched, published))
    click.echo("\n".join(broken))
    click.echo("A BOUND IS BROKEN" if broken else "every bound is kept")
    sys.exit(1 if broken else 0)


def operated(desk: Desk, untouched: RunLogs, published: Mapping[str, int]) -> Iterator[str]:
    """Do the acts of a day, and say what did not hold."""
    others = [entry["name"] for entry in entries(desk.folder) if entry["name"] not in TOUCHED]
    operator, system = Operator(desk), desk.system
    system.start()
    try:
        system.wait_running()
        before = system.pids()
        operator.work()
        pids = system.pids()
        for name in set(others) - set(KILLED):
            if pids[name] != before[name]:
                yield f"{name} has another process than before"
        until_us = operator.throw_kill_switch()
        report = replay_run.last_tick(system, published)
    finally:
        left = system.close()
    yield from (f"{process} did not end" for process in left)
    paths = VarPaths(desk.folder / "var")
    logs = run_logs.gather(paths, replay_run.taken(report))
    for name in others:
        yield from parted(untouched, logs, name, until_us)
    yield from unseen(desk.folder, published)
    missed = {s.process.name: s.metrics.ticks_missed for s in report.strategies if s.metrics}
    yield from (f"{name} missed {missed[name]} ticks" for name in others if missed[name])
    yield from miscounted(operator.expected, story(paths), "in the events")
    yield from miscounted(operator.expected, told(paths), "in the outbox")
    click.echo(f"{sum(operator.expected.values())} acts, closed by hand: {operator.closed}")
    compared = {name: len(_until(logs.decisions[name], until_us)) for name in others}
    yield from (f"{n} decided nothing" for n in others if n not in RECORDERS and not compared[n])
    total = sum(compared.values())
    click.echo(f"{len(others)} untouched strategies, {total:,} decisions compared")


if __name__ == "__main__":
    main()
