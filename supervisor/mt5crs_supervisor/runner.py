"""`MultiStrategyRunner`: the supervisor as a Python object."""

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StatusReport, StrategyStatus
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import describe_error
from mt5crs_supervisor.commands.failures import refuse_unmeant
from mt5crs_supervisor.commands.running import background
from mt5crs_supervisor.deaths import restart_in_place
from mt5crs_supervisor.deaths.restart_in_place import EarlierError
from mt5crs_supervisor.operator import orphans, reporting
from mt5crs_supervisor.operator.control import ControlClient, StopRequest
from mt5crs_supervisor.supervisor import Supervisor

logger = logging.getLogger(__name__)

ENDED_WITHIN = 10.0
"""Seconds that processes have to end by themselves when the supervisor is given up."""


class MultiStrategyRunner:
    """Runs every enabled strategy of a configuration, each in its own process.

    Example::

        runner = MultiStrategyRunner("config/strategies.yaml")
        runner.run(duration_seconds=60)
        print(runner.get_status())

    Args:
        config_path: The strategies file.
        var_dir: The ``var`` folder; None: ``MT5CRS_VAR``, or ``./var``.
        live: A configuration with ``paper_trading: false`` is meant; without, it is refused.

    Raises:
        ConfigError: The configuration is refused.
        CommandError: It trades money, and `live` was not said; or the other way round.
    """

    def __init__(
        self,
        config_path: str | Path,
        var_dir: str | Path | None = None,
        live: bool = False,
    ) -> None:
        self.config = loading.load_config(Path(config_path))
        refuse_unmeant(self.config, live)
        chosen = var_dir if var_dir is not None else os.environ.get("MT5CRS_VAR", "var")
        self._paths = VarPaths(Path(chosen))
        self._last: StatusReport | None = None
        self._running = threading.Event()

    def run(self, duration_seconds: float = 60) -> None:
        """Start everything and watch it, in this thread.

        Args:
            duration_seconds: Seconds after which everything is stopped; 0: when :meth:`stop` is
                called, or a signal comes.

        Raises:
            AlreadyRunning: A supervisor runs on this ``var`` folder.
            CommandError: A demo of the same folder publishes a made-up market.
            Exception: An error of the supervisor's own, for the third time within a minute;
                before that it begins again, and its children live on. No process is left.
        """
        background.refuse_beside_demo(self.config, self._paths)
        until = time.monotonic() + duration_seconds if duration_seconds > 0 else None
        self._running.set()
        try:
            self._run_until(until)
        finally:
            self._running.clear()

    def _run_until(self, until: float | None) -> None:
        earlier_errors: list[EarlierError] = []
        while True:
            try:
                supervisor = Supervisor(self.config, self._paths)
            except Exception:
                if earlier_errors:
                    orphans.end(self._paths, self.config.path, ENDED_WITHIN)
                raise
            try:
                supervisor.run(until, earlier_errors[-1].what if earlier_errors else "")
                return
            except Exception as error:
                logger.critical("the supervisor failed", exc_info=error)
                self.config = supervisor.roster.config  # a reload may have changed it
                earlier_errors.append(EarlierError(time.monotonic(), describe_error(error), until))
                if supervisor.stopping or restart_in_place.are_too_many(
                    earlier_errors, time.monotonic()
                ):
                    # This process lives on: its children would wait for another supervisor.
                    orphans.end(self._paths, self.config.path, ENDED_WITHIN)
                    raise
            finally:
                self._last = reporting.report(supervisor, time.monotonic())

    def get_status(self) -> dict[str, Any]:
        """The status of all enabled strategies; callable from any thread, at any time.

        Returns:
            ``{"strategies": [...], "total_strategies": n}``. Before and after the run every
            state is STOPPED, and the counters are the last ones known.
        """
        report = self._ask() or self._last
        if report is not None:
            strategies = [_running(status) for status in report.strategies]
        else:
            strategies = [_entry(s.name, s.symbol) for s in self.config.enabled]
        return {"strategies": strategies, "total_strategies": len(strategies)}

    def stop(self) -> None:
        """Ask for the end; from any thread. :meth:`run` returns when every process is gone."""
        if self._running.is_set():
            ControlClient(self._paths.var).request(StopRequest())

    def _ask(self) -> StatusReport | None:
        if not self._running.is_set():
            return None
        try:
            return ControlClient(self._paths.var).status()
        except (NotRunning, ControlTimeout):
            return None


def _running(status: StrategyStatus) -> dict[str, Any]:
    process = status.process
    entry = _entry(process.name, status.symbol, status.metrics or StrategyMetrics())
    entry.update(
        state=process.state,
        degraded=process.degraded,
        pid=process.pid,
        restarts=process.restarts,
        last_error=process.last_error,
    )
    return entry


def _entry(
    name: str,
    symbol: str,
    metrics: StrategyMetrics = StrategyMetrics(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    seen = metrics.last_tick_time_us
    return {
        "name": name,
        "symbol": symbol,
        "enabled": True,
        "state": State.STOPPED.value,
        "degraded": "",
        "pid": None,
        "restarts": 0,
        **msgspec.structs.asdict(metrics),
        "last_tick_time": format_iso(seen) if seen else None,
    }
