"""Any bytes as a bridge's answer, or as a publisher's frame: guided by what they reach in the code.

    python -m benchmarks.replies -max_total_time=600 [CORPUS_FOLDER]

Options are libFuzzer's. It ends with the first input that is answered with anything but a value or
a refusal, and leaves that input behind as `crash-...`.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports():
    import msgspec

    from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
        BadReplyError,
        DealVerdict,
        DealWord,
        Instruction,
    )
    from mt5crs_services.gateway.brokers.bridge.dialects.known import DIALECTS
    from mt5crs_shared.market import wire

OPENING = Instruction("id-1", "EURUSD", "SELL", 0.1, 7, "m5 ab", 1.0832, 1.09, 1.07)
CLOSING = msgspec.structs.replace(OPENING, ticket=77)

READERS = tuple(make() for make in DIALECTS)

SEEDS = (
    b'{"status":"ok","ticket":1,"symbol":"EURUSD","type":"MARKET_SELL","volume":0.1,"price":1.08}',
    b'{"status":"ok","positions":[{"ticket":3,"symbol":"X","type":0,"volume":1,"sl":1.0,"tp":0}]}',
    b'{"status":"OK","data":{"balance":1,"equity":2,"margin_free":3,"login":4,"trade_mode":0}}',
    b'{"uuid":"id-1","status":"FILLED","retcode":10009,"ticket":5,"price":"1.08","volume":0.05}',
    b'{"req_id":"id-1","error":true,"retcode":10004,"message":"requote"}',
    b'{"status":"error","message":"10019 no money","error_code":10019}\x00',
    b'EURUSD {"bid":1.08,"ask":1.0801,"time":"2026-11-26T12:00:00Z","volume":3}',
    b'{"symbol":"EURUSD","bid":1.08,"ask":1.0801,"timestamp":1700000000.5}',
    b"EURUSD|1.08|1.0801|1700000000",
)


def look_at(data: bytes) -> None:
    """Have one input read by everything that reads a stranger's bytes."""
    for dialect in READERS:
        for instruction in (OPENING, CLOSING):
            word = _read(lambda body, d=dialect, i=instruction: d.read_order(body, i), data)
            if isinstance(word, DealWord) and word.verdict is DealVerdict.DONE:
                assert word.ticket > 0 and word.price >= 0.0
                assert 0.0 <= word.lots <= instruction.lots * (1 + 1e-9)
        for read in (dialect.read_positions, dialect.read_account, dialect.read_ping):
            _read(read, data)
    for frames in ([data], data.split(b" ", 1), [b"EURUSD", data]):
        wire.decode(frames, 0)


def _read(read: Callable[[bytes], object], data: bytes) -> object:
    try:
        return read(data)
    except BadReplyError:
        return None


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, folder], look_at)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
