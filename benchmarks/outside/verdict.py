"""What a campaign with an outside publisher proved, for people."""

from collections.abc import Iterator

from benchmarks.outside import account
from benchmarks.outside.run import Outcome
from benchmarks.tables import table

HEAD = ["strategy", "run", "published", "processed", "bad", "missed", "unsent", "spans", "lost"]


def accounts(untouched: Outcome, struck: Outcome) -> str:
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


def compared(untouched: Outcome, struck: Outcome) -> tuple[str, list[str]]:
    """A table of the lines that had to be equal, and where they are not."""
    rows, differences = [], []
    for name, one in untouched.accounts.items():
        given_up = [*untouched.given_up[name], *struck.given_up[name]]
        until = account.comparable_until(one, struck.accounts[name], given_up)
        parted, lines = account.parted(untouched.evidence, struck.evidence, name, until)
        logs = struck.evidence
        all_lines = sum(len(log[name]) for log in (logs.decisions, logs.orders, logs.deals))
        rows.append([name, f"{lines:,}", f"{all_lines:,}", str(len(given_up)), str(len(parted))])
        differences += [str(difference) for difference in parted]
    head = ["strategy", "lines compared", "of", "orders given up", "logs that differ"]
    return table(head, rows), differences


def violations(untouched: Outcome, struck: Outcome, planned: int) -> Iterator[str]:
    """Every bound that is not kept."""
    for run, outcome in (("untouched", untouched), ("struck", struck)):
        for name, found in outcome.accounts.items():
            if found.lost:
                yield f"{run}: {name} lost {found.lost} ticks without a word"
            if found.twice:
                yield f"{run}: {name} processed {found.twice} ticks that it should not have"
            if found.unknown:
                yield f"{run}: {name} names {found.unknown} spans that there were not"
        if outcome.leftovers:
            yield f"{run}: left behind: {', '.join(outcome.leftovers)}"
        if not outcome.evidence.books_agree:
            yield f"{run}: the books do not agree"
    for injury in struck.injuries:
        if injury.others:
            yield f"{injury.fault.kind} disturbed {', '.join(injury.others)}"
    if len(struck.injuries) != planned:
        yield f"{planned - len(struck.injuries)} faults did not happen"
    yield from compared(untouched, struck)[1]
