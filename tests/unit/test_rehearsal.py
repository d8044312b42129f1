"""A rehearsal leaves nothing behind that a forked child could inherit."""

import gc
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from mt5crs_worker.process import rehearsal


def held() -> tuple[int, int, object]:
    """Descriptors, threads of the system, and who takes SIGTERM."""
    process = psutil.Process()
    return process.num_fds(), process.num_threads(), signal.getsignal(signal.SIGTERM)


def test_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()  # what other tests have left is none of its business
    before = held()
    rehearsal.rehearse()
    gc.collect()
    assert held() == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_it_comes_as_far_as_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    answer = rehearsal.StandIn.on_bar

    def on_bar(strategy: rehearsal.StandIn, bars: object) -> int:
        said = answer(strategy, bars)  # type: ignore[arg-type]
        assert strategy.probability is not None
        asked.append(strategy.probability)
        return said

    monkeypatch.setattr(rehearsal.StandIn, "on_bar", on_bar)
    rehearsal.rehearse()
    assert len(asked) == rehearsal.TICKS - rehearsal.WINDOW
