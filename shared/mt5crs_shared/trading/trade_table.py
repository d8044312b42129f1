"""Trades as a table for other programs."""

import csv
import importlib.util
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.trading.trades import Trade

TIMES = {"opened_us": "opened", "closed_us": "closed"}
"""Fields that are no longer microseconds in a table, and what they are called there."""

NAMES = tuple(TIMES.get(name, name) for name in Trade.__struct_fields__)

TYPES = {int: "BIGINT", float: "DOUBLE"}
"""DuckDB's types of fields; others are text."""


def trades_csv(found: Sequence[Trade]) -> str:
    """Each trade a row: its fields by name, times ISO 8601 in UTC."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(NAMES)
    for trade in found:
        fields = msgspec.structs.asdict(trade)
        fields["net"] = round(trade.net, 6)
        fields |= {name: format_iso(fields[name]) for name in TIMES}
        rows.writerow(fields.values())
    return out.getvalue()


def parquet_problem() -> str:
    """What would have to be otherwise for :func:`trades_parquet`; empty: nothing."""
    if importlib.util.find_spec("duckdb") is None:
        return "Parquet needs the package duckdb: pip install 'mt5crs-supervisor[parquet]'"
    return ""


def trades_parquet(table: str) -> bytes:
    """The same table as a Parquet file: its columns have types, times are timestamps in UTC.

    Args:
        table: What :func:`trades_csv` has made.

    Raises:
        ImportError: See :func:`parquet_problem`.
    """
    import duckdb  # 75 MB of memory

    types = [
        "TIMESTAMPTZ" if field.name in TIMES else TYPES.get(field.type, "VARCHAR")
        for field in msgspec.structs.fields(Trade)
    ]
    columns = dict(zip(NAMES, types, strict=True))
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as database:
        source, made = Path(folder, "trades.csv"), Path(folder, "trades.parquet")
        source.write_text(table, encoding="utf-8")
        rows = database.read_csv(
            str(source), header=True, sep=",", quotechar='"', escapechar='"', columns=columns
        )
        rows.write_parquet(str(made))
        return made.read_bytes()
