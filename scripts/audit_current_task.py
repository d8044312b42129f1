"""Audits the task "multi-strategy orchestration": configuration, classes, the six tests.

Run it from anywhere; the exit code is 0 when all is there.
"""

import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLASSES = (
    "mt5crs_worker.instance:StrategyInstance",
    "mt5crs_supervisor.runner:MultiStrategyRunner",
    "mt5crs_worker.adapter:LiveStrategyAdapter",
    "mt5crs_worker.trading.bot:TradingBot",
)


def configuration() -> str:
    """The configuration exists and loads."""
    from mt5crs_shared.configuration import loading

    config = loading.load_config(ROOT / "config" / "strategies.yaml", cwd=ROOT)
    return f"{len(config.strategies)} strategies, {len(config.enabled)} enabled"


def classes() -> str:
    """The classes can be imported."""
    found = [pkgutil.resolve_name(name) for name in CLASSES]
    return ", ".join(cls.__name__ for cls in found)


def six_tests() -> str:
    """The six tests pass."""
    script = ROOT / "scripts" / "test_multi_strategy.py"
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith("Results:")]
    summary = lines[-1] if lines else result.stderr[-500:]
    if result.returncode:
        raise RuntimeError(summary)
    return summary


CHECKS: tuple[Callable[[], str], ...] = (configuration, classes, six_tests)


def main() -> int:
    """Run every check, print one line for each."""
    failures = 0
    for check in CHECKS:
        what = (check.__doc__ or "").rstrip(".")
        try:
            print(f"PASS | {what}: {check()}")
        except Exception as error:
            failures += 1
            print(f"FAIL | {what}: {error}")
    print(f"Audit: {len(CHECKS) - failures}/{len(CHECKS)} checks passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
