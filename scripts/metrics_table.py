"""Writes the table of docs/metrics.md from the figures that the exporter makes.

Run it after changing one of them; a test holds the page equal to the code.
"""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

from mt5crs_shared.control.status_report import StatusReport, StrategyStatus, Totals
from mt5crs_shared.metrics import AccountReport, Durations, StrategyMetrics, Timings
from mt5crs_shared.trading.locks import KILL_SWITCH, TradingLock, TradingState
from mt5crs_supervisor.operator.exporter.counters import SteadyCounters
from mt5crs_supervisor.operator.exporter.families import families, recovery_family
from mt5crs_supervisor.operator.exporter.recoveries import BOUNDS, Observed
from mt5crs_supervisor.operator.reporting import NO_PROCESS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def every_family() -> Iterator[Metric]:
    """Each figure, of a system that has one of everything."""
    yield from families(_one_of_everything(), SteadyCounters(), "desk")
    yield recovery_family({"euro": Observed([1] * (len(BOUNDS) + 1))})


def names_of(metric: Metric) -> list[str]:
    """The names of its series, in their order."""
    return list(dict.fromkeys(sample.name for sample in metric.samples))


def table() -> str:
    """A line for each figure."""
    lines = ["| figure | type | labels | meaning |", "|---|---|---|---|"]
    for metric in every_family():
        names = ", ".join(f"`{name}`" for name in names_of(metric))
        labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels)
        listed = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| {names} | {metric.type} | {listed} | {metric.documentation} |")
    return "\n".join(lines) + "\n"


def renew(page: str) -> str:
    """A page with its table made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


def _one_of_everything() -> StatusReport:
    lock = TradingLock(KILL_SWITCH, "", TradingState.HALTED, "root", "", 0.0)
    account = AccountReport("USD", 1.0, 1.0, 0.0, 1.0, locks=(lock,))
    process = NO_PROCESS(name="euro", state="RUNNING", uptime=1.0, beat_age=0.1, recovery_ms=200.0)
    tape = NO_PROCESS(name="tape", kind="tape", state="RUNNING", uptime=1.0, beat_age=0.1)
    trading, metrics = TradingState.ACTIVE, StrategyMetrics()
    timings = Timings(Durations((0,) * 8), Durations((0,) * 8))
    euro = StrategyStatus(process, "EURUSD", trading, 4.0, 0.1, metrics, 0.1, 0.0, 0.0, 1, timings)
    return StatusReport(
        schema=1,
        pid=1,
        uptime=1.0,
        stopping=False,
        reloading="",
        config="",
        config_changed=None,
        config_differences=None,
        config_problem="",
        config_watcher=None,
        folder="",
        var_dir="",
        market_url="",
        forkserver_pid=None,
        account=account,
        strategies=(euro,),
        former=(),
        services=(tape,),
        totals=Totals(1, 1, 0, 0, 0, 0, 4.0, 0, 0, 0.0, 0.0, 1),
        events=(),
    )


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text()))
