"""Trades as a table for other programs."""

import csv
import io
from collections.abc import Sequence

import msgspec

from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.trading.trades import Trade


def trades_csv(found: Sequence[Trade]) -> str:
    """Each trade a row: its fields by name, times ISO 8601 in UTC."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(Trade.__struct_fields__)
    for trade in found:
        fields = msgspec.structs.asdict(trade)
        fields["net"] = round(trade.net, 6)
        fields["opened_us"], fields["closed_us"] = map(
            format_iso, (trade.opened_us, trade.closed_us)
        )
        rows.writerow(fields.values())
    return out.getvalue()
