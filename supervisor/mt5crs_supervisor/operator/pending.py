"""What the file says beyond what runs: found out by whoever asks, since reading it takes time."""

from pathlib import Path

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.deaths import running
from mt5crs_supervisor.operator.difference import beside_fixed, difference


def compared(report: StatusReport, paths: VarPaths) -> StatusReport:
    """The status of a supervisor whose file has changed, with what is new in it.

    Args:
        report: Its status.
        paths: Its ``var`` folder.
    """
    runs = running.load_running(paths)
    if runs is None or report.config_problem:
        return report
    try:
        read = loading.load_config(Path(report.config), cwd=Path(report.folder))
    except ConfigError as error:
        return msgspec.structs.replace(report, config_problem=unusable(error))
    wanted = beside_fixed(read, runs)
    children = plans.everybody(runs, paths.ledger), plans.everybody(wanted, paths.ledger)
    found = difference(runs, wanted, children, models=({}, {}), held=())
    return msgspec.structs.replace(report, config_differences=found.count)


def unusable(error: ConfigError) -> str:
    """What is said of a file with a mistake: the first one, and how many there are."""
    first, *others = error.problems
    told = msgspec.structs.replace(first, excerpt="")
    more = f" (and {len(others)} more: `validate`)" if others else ""
    return f"cannot be used: {told}{more}"
