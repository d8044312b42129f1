"""What a campaign proved: figures, and whether each keeps its bound."""

from collections.abc import Mapping, Sequence

import msgspec

from mt5crs_supervisor.chaos import run_logs
from mt5crs_supervisor.chaos.faults import FaultResult
from mt5crs_supervisor.chaos.replay_run import ReplayRun


class Recovery(msgspec.Struct, frozen=True):
    """How long one kind of fault took to heal, in milliseconds."""

    kind: str
    faults: int
    p50: float
    p95: float
    longest: float


class CampaignVerdict(msgspec.Struct, frozen=True):
    """The result of a campaign; every count but the first three has to be 0.

    Attributes:
        faults: Injected.
        detected: Of those, healed.
        identical: Lines of the decision, order and deal logs that are the same in both runs.
        differing: Logs that differ.
        ticks_lost: Published and not taken, over all strategies.
        ticks_twice: Taken more often than published.
        orders_lost: In the untouched run only.
        orders_twice: In this run only, or executed again.
        others: Times that a strategy which was not hit got another process.
        leftovers: Processes that outlived the stop.
        books: Accounts whose balance is not what their deals made.
        recoveries: By kind of fault.
        differences: Where the logs part, for people.
    """

    faults: int
    detected: int
    identical: int
    differing: int
    ticks_lost: int
    ticks_twice: int
    orders_lost: int
    orders_twice: int
    others: int
    leftovers: int
    books: int
    recoveries: tuple[Recovery, ...]
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Every bound is kept."""
        counts = (self.differing, self.ticks_lost, self.ticks_twice, self.orders_lost)
        rest = (self.orders_twice, self.others, self.leftovers, self.books)
        return self.detected == self.faults and not any((*counts, *rest))


UNLIKE = (
    "Every tick was taken, and the decisions differ: the strategy itself decides otherwise the"
    " second time.\nDoes it keep something outside of `state`, or read a clock, random numbers or"
    " the network? See docs/strategies.md"
)


def judge(
    untouched: ReplayRun,
    found: ReplayRun,
    published: Mapping[str, int],
    symbols: Mapping[str, str],
    planned: int,
) -> CampaignVerdict:
    """Compare a run with faults to one without.

    Args:
        untouched: The run without.
        found: The run with.
        published: Ticks of each symbol.
        symbols: Each strategy's symbol.
        planned: How many faults there were to be.
    """
    differences = run_logs.differences(untouched.logs, found.logs, symbols)
    lost = twice = 0
    for name in symbols:
        more = found.logs.ticks[name] - published[symbols[name]]
        lost, twice = lost + max(-more, 0), twice + max(more, 0)
    orders = [
        run_logs.lost_and_added(untouched.logs.orders[name], found.logs.orders[name])
        for name in symbols
    ]
    return CampaignVerdict(
        faults=planned,
        detected=len(found.results),
        identical=sum(
            len(log[name])
            for log in (found.logs.decisions, found.logs.orders, found.logs.deals)
            for name in symbols
        ),
        differing=len(differences),
        ticks_lost=lost,
        ticks_twice=twice,
        orders_lost=sum(gone for gone, _ in orders),
        orders_twice=sum(added for _, added in orders),
        others=sum(len(result.others) for result in found.results),
        leftovers=len(found.leftovers),
        books=0 if found.logs.books_agree else 1,
        recoveries=_recoveries(found.results),
        differences=tuple(str(difference) for difference in differences),
    )


def lines(verdict: CampaignVerdict) -> list[str]:
    """The verdict as a table for people."""
    rows = [
        ("faults injected", verdict.faults),
        ("healed", verdict.detected),
        ("identical lines of decisions, orders, deals", verdict.identical),
        ("logs that differ", verdict.differing),
        ("ticks lost", verdict.ticks_lost),
        ("ticks twice", verdict.ticks_twice),
        ("orders lost", verdict.orders_lost),
        ("orders twice", verdict.orders_twice),
        ("other strategies disturbed", verdict.others),
        ("processes left behind", verdict.leftovers),
        ("books that do not agree", verdict.books),
    ]
    table = [f"{name:<44}{count:>10,}" for name, count in rows]
    table += ["", f"{'recovery, ms':<24}{'faults':>8}{'p50':>9}{'p95':>9}{'max':>9}"]
    table += [
        f"{r.kind:<24}{r.faults:>8}{r.p50:>9.0f}{r.p95:>9.0f}{r.longest:>9.0f}"
        for r in verdict.recoveries
    ]
    hint = [f"\n{UNLIKE}"] if verdict.differing and not verdict.ticks_lost else []
    return [*table, *hint, "", "every bound is kept" if verdict.holds else "A BOUND IS BROKEN"]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; values must not be empty."""
    ordered = sorted(values)
    return ordered[min(round(share * (len(ordered) - 1)), len(ordered) - 1)]


def _recoveries(results: Sequence[FaultResult]) -> tuple[Recovery, ...]:
    times: dict[str, list[float]] = {}
    for result in results:
        times.setdefault(result.fault.kind, []).append(result.recovery * 1000.0)
    return tuple(
        Recovery(kind, len(t), percentile(t, 0.5), percentile(t, 0.95), max(t))
        for kind, t in sorted(times.items())
    )
