"""Anything on any socket, anything in any file of `var`: nobody else dies.

A real system is sent messages of every kind, gets a thousand connections at once, and finds its
files replaced while it runs and between two runs. Exit code 1 where a process dies that was not
hit, where one that is given up does not say why, or where the supervisor dies or does not answer.

What is done in a step is a function of its seed, which is printed with every violation;
`python -m benchmarks.fuzz --step SEED` does that step alone, in a fresh system. Of files and
processes there it chooses among those that there are: a longer run may have had others.
"""

import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import click

from benchmarks.fuzzing.scene import Market, Scene
from benchmarks.fuzzing.steps import WEIGHTS, Act, Cell, Result, step
from benchmarks.tables import table
from mt5crs_supervisor.chaos.campaign_system import ChaosError

LIFE = 45.0
"""Seconds after which another system is made, with the other kind of market."""

LONGEST = 60
"""Characters of a process's name that are shown."""

MARKETS: tuple[Market, Market] = ("feed", "publisher")


class Tally:
    """What was done so far, and what came of it.

    Attributes:
        steps: How many.
        counts: What was sent and replaced, by kind.
        deaths: Deaths that were allowed: of the owner of a file, of a strategy whose name was
            borrowed; by who and why.
        violations: Everything else, with the step's seed.
        slowest: Seconds of the supervisor's slowest answer.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.counts: Counter[Cell] = Counter()
        self.deaths: Counter[str] = Counter()
        self.violations: list[str] = []
        self.slowest = 0.0

    def add(self, seed: str, result: Result) -> None:
        """Count a step."""
        self.steps += 1
        self.counts += result.counts
        self.deaths += Counter(f"{d.who} {d.cause[:100]}" for d in result.deaths)
        for violation in result.violations:
            self.blame(seed, f"{result.said}: {violation.who}: {violation.what}")

    def blame(self, seed: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"--step {seed}: {what}")

    def lines(self) -> list[str]:
        """As a table for people."""
        kinds = [*dict.fromkeys(kind for kind, _ in sorted(self.counts))]
        places = [*dict.fromkeys(place for _, place in self.counts)]
        rows = [[kind, *(f"{self.counts[kind, p]:,}" for p in places)] for kind in kinds]
        fell = [f"{count:>9,}  {who}" for who, count in sorted(self.deaths.items())]
        return [
            f"{self.steps:,} steps; {sum(self.counts.values()):,} things sent or replaced:",
            table(["", *places], rows),
            f"{sum(self.deaths.values()):,} deaths that are allowed:",
            *fell,
            f"the supervisor's slowest answer took {self.slowest:.2f} s",
            f"{len(self.violations)} violations",
            *self.violations,
        ]


def act_of(seed: str, acts: Sequence[Act]) -> Act:
    """What a step does, of what may be done."""
    (act,) = Random(f"act {seed}").choices(acts, [WEIGHTS[each] for each in acts])
    return act


def live(
    folder: Path,
    market: Market,
    steps: Iterable[tuple[str, Act]],
    tally: Tally,
    tell: Callable[[str], None] = lambda _line: None,
) -> None:
    """One system, from its start to its end, and steps as long as there are seeds."""
    scene = Scene(folder, market)
    seed = "the start"
    try:
        for seed, act in steps:
            try:
                result = step(scene, act, Random(seed), folder)
            except ChaosError as error:
                tally.blame(seed, f"{act}: {error}")
                tell(tally.violations[-1])
                return
            before = len(tally.violations)
            tally.add(seed, result)
            fell = ", ".join(death.who for death in result.deaths) or "nobody"
            tell(f"{seed}: {result.said}; {fell} fell")
            for violation in tally.violations[before:]:
                tell(violation)
            if result.violations:
                return  # Nobody knows what state it is in.
    finally:
        tally.slowest = max(tally.slowest, scene.slowest)
        for name in scene.close():
            tally.blame(seed, f"a process outlived the stop: {name[:LONGEST]}")


def fuzz(
    folder: Path,
    seconds: float,
    seed: int,
    acts: Sequence[Act] = tuple(WEIGHTS),
    life: float = LIFE,
    tell: Callable[[str], None] = lambda _line: None,
) -> Tally:
    """Do steps for so many seconds, in one system after the other."""
    tally = Tally()
    numbers = itertools.count()
    until = time.monotonic() + seconds

    def steps(market: Market, end: float) -> Iterator[tuple[str, Act]]:
        while time.monotonic() < end:
            name = f"{market}:{seed}:{next(numbers)}"
            yield name, act_of(name, acts)

    for number, market in enumerate(itertools.cycle(MARKETS)):
        now = time.monotonic()
        if now >= until:
            return tally
        end = min(now + life, until)
        live(folder / str(number), market, steps(market, end), tally, tell)
    raise AssertionError("a cycle has no end")


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--only", help="Kinds of steps, separated by commas [all].")
@click.option("--step", "alone", help="This step alone, by its seed.")
@click.option("--quiet", is_flag=True, help="The table alone.")
def main(seconds: float, seed: int, only: str | None, alone: str | None, quiet: bool) -> None:
    """Run, and print what came of it."""
    acts = tuple(act for act in WEIGHTS if only is None or act in only.split(","))
    tell: Callable[[str], None] = (lambda _line: None) if quiet else click.echo
    with tempfile.TemporaryDirectory(prefix="mt5crs-fuzz-") as folder:
        if alone is not None:
            tally = Tally()
            market = next(m for m in MARKETS if alone.startswith(m))
            live(Path(folder) / "alone", market, [(alone, act_of(alone, acts))], tally, tell)
        else:
            tally = fuzz(Path(folder), seconds, seed, acts, tell=tell)
    click.echo("\n".join(tally.lines()))
    sys.exit(1 if tally.violations else 0)


if __name__ == "__main__":
    main()
