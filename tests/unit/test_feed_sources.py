"""How far a feed has come stands in files; what else stands there is not waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mt5crs_services.feed.files import FeedFileError
from mt5crs_services.feed.sources import FeedPosition, SyntheticSource
from mt5crs_shared.configuration.structs import FeedConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_position(path: Path) -> FeedPosition:
    return FeedPosition(path, "a source")


def make_source(path: Path) -> SyntheticSource:
    return SyntheticSource(FeedConfig(kind="synthetic"), [EURUSD], path, 0)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("put", [Path.mkdir, a_fifo, an_endless_device])
@pytest.mark.parametrize("make", [make_position, make_source])
def test_what_is_no_file_is_refused_with_what_to_do(
    tmp_path: Path, make: Callable[[Path], object], put: Callable[[Path], None]
) -> None:
    path = tmp_path / "feed"
    put(path)
    with pytest.raises(FeedFileError, match=r"feed is no regular file: remove it, and restart"):
        make(path)


def test_a_file_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(b"")
    os.truncate(path, 1 << 40)
    assert next(make_source(path).ticks(0))[0] == 0
    assert make_position(path).published == 0
    assert path.stat().st_size == 32
