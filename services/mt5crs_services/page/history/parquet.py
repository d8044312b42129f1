"""The trades as a Parquet file, made in a process of its own: what that takes is given back."""

import asyncio
import sys

from mt5crs_shared.trading.trade_table import trades_parquet

WITHIN = 60.0
"""Seconds that it may take: a year of trades takes one."""


class ParquetError(Exception):
    """It could not be made. The answer says why."""


async def parquet_of(table: str) -> bytes:
    """A table of `trade_table.trades_csv` as a Parquet file.

    Raises:
        ParquetError: It could not be made.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        made, said = await asyncio.wait_for(process.communicate(table.encode()), WITHIN)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise ParquetError(f"not made within {WITHIN:g} s") from error
    if process.returncode != 0:
        words = said.decode(errors="replace").strip().splitlines()
        raise ParquetError(words[-1] if words else f"it ended with {process.returncode}")
    return made


def convert() -> None:
    """Make one of the table that comes in, and put it out."""
    sys.stdout.buffer.write(trades_parquet(sys.stdin.buffer.read().decode()))


if __name__ == "__main__":
    convert()
