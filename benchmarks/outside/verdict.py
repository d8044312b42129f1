"""What a campaign with an outside publisher proved, for people."""

from collections.abc import Iterator
from itertools import chain

from benchmarks.outside import account
from benchmarks.outside.run import OutsideRun
from benchmarks.tables import table

HEAD = ["strategy", "run", "published", "processed", "bad", "missed", "unsent", "spans", "lost"]


def accounts(untouched: OutsideRun, struck: OutsideRun) -> str:
    """A table of every strategy's ticks in both runs."""
    rows = [
        [
            name,
            run,
            *(f"{n:,}" for n in (a.published, a.processed, a.judged_bad, a.missed)),
            *(f"{n:,}" for n in (a.unsent, a.spans, a.lost)),
            f"{a.twice:,}",
        ]
        for run, outcome in (("untouched", untouched), ("struck", struck))
        for name, a in outcome.accounts.items()
    ]
    return table([*HEAD, "twice"], rows)


def redecided(untouched: OutsideRun, struck: OutsideRun) -> str:
    """A table of every strategy's decisions beside those of a process that never died."""
    rows = [
        [name, run, f"{found.decided:,}", f"{found.expected:,}", f"{found.equal:,}"]
        for run, outcome in (("untouched", untouched), ("struck", struck))
        for name, found in outcome.redecided.items()
    ]
    return table(["strategy", "run", "decisions", "expected", "equal"], rows)


def compared(untouched: OutsideRun, struck: OutsideRun) -> tuple[str, list[str]]:
    """A table of the lines that had to be equal, and where they are not."""
    rows, differences = [], []
    given_up = {
        name: [*untouched.given_up[name], *struck.given_up[name]] for name in struck.given_up
    }
    until = account.comparable_until(
        untouched.accounts, struck.accounts, chain.from_iterable(given_up.values())
    )
    for name in untouched.accounts:
        parted, lines = account.parted(untouched.logs, struck.logs, name, until)
        logs = struck.logs
        all_lines = sum(len(log[name]) for log in (logs.decisions, logs.orders, logs.deals))
        rows.append(
            [name, f"{lines:,}", f"{all_lines:,}", str(len(given_up[name])), str(len(parted))]
        )
        differences += [str(difference) for difference in parted]
    head = ["strategy", "lines compared", "of", "orders given up", "logs that differ"]
    return table(head, rows), differences


def violations(untouched: OutsideRun, struck: OutsideRun, planned: int) -> Iterator[str]:
    """Every bound that is not kept."""
    for run, outcome in (("untouched", untouched), ("struck", struck)):
        for name, found in outcome.accounts.items():
            if found.lost:
                yield f"{run}: {name} lost {found.lost} ticks without a word"
            if found.twice:
                yield f"{run}: {name} processed {found.twice} ticks that it should not have"
            if found.unknown:
                yield f"{run}: {name} names {found.unknown} spans that there were not"
        for name, again in outcome.redecided.items():
            if again.parting:
                yield f"{run}: {name} decided otherwise at line {again.equal}: {again.parting}"
        if outcome.leftovers:
            yield f"{run}: left behind: {', '.join(outcome.leftovers)}"
        if not outcome.logs.books_agree:
            yield f"{run}: the books do not agree"
    for result in struck.results:
        if result.others:
            yield f"{result.fault.kind} disturbed {', '.join(result.others)}"
    if len(struck.results) != planned:
        yield f"{planned - len(struck.results)} faults did not happen"
    yield from compared(untouched, struck)[1]
