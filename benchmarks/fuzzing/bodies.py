"""What is sent: bytes of every kind, and valid messages that something was done to."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

BIG_INTEGERS = (2**31, 2**62, 2**63 - 1, -(2**63), 2**64 - 1)
HUGE = 10**400
"""No integer of JSON has to end where a machine's do."""

DEEPEST = 20_000
LARGEST = 300_000
"""Bytes of a message; now and then a hundred times that."""

Body = Callable[[Random, Sequence[bytes]], bytes]


def _noise(random: Random, _valid: Sequence[bytes]) -> bytes:
    length = random.choice((0, 1, 7, 40, 300, 9_000, random.randrange(LARGEST)))
    return random.randbytes(length)


def _any_msgpack(random: Random, _valid: Sequence[bytes]) -> bytes:
    return msgspec.msgpack.encode(_thing(random, 4))


def _any_json(random: Random, _valid: Sequence[bytes]) -> bytes:
    return json.dumps(_thing(random, 4, binary=False)).encode()


def _deep(random: Random, valid: Sequence[bytes]) -> bytes:
    depth = random.choice((10, 500, 1_100, DEEPEST))
    opened, inner, closed = random.choice(
        (
            (b"[", b"1", b"]"),
            (b'{"a":', b"1", b"}"),
            (b"\x91", b"\xc0", b""),
            (b"\x81\xa1a", b"\xc0", b""),
            (b"\xdc\x00\x01", b"\xc0", b""),
        )
    )
    nested = opened * depth + inner + closed * random.choice((0, depth))
    if opened.startswith(b"\x81") or not random.randrange(2):
        return nested
    # The same as a field that nobody knows, of a message that would have been good.
    message = random.choice(valid)
    if message.endswith(b"}"):
        return message[:-1] + b',"more":' + nested + b"}"
    if message[:1] in {bytes((kind,)) for kind in range(0x80, 0x8F)}:
        return bytes((message[0] + 1,)) + message[1:] + b"\xa4more" + nested
    return nested


def _huge_integers(random: Random, valid: Sequence[bytes]) -> bytes:
    message = random.choice(valid)
    topic, fields, encode = _open(message)
    if encode is None:
        return str(HUGE).encode()
    number = HUGE if encode is _as_json else random.choice(BIG_INTEGERS)
    return topic + encode(_replaced(random, fields, lambda _r: number))


def _damaged(random: Random, valid: Sequence[bytes]) -> bytes:
    """Bytes changed, taken out, put in, or cut off."""
    body = bytearray(random.choice(valid))
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(body) + 1)
        match random.randrange(4):
            case 0 if at < len(body):
                body[at] = random.randrange(256)
            case 1:
                del body[at : at + random.randrange(1, 9)]
            case 2:
                body[at:at] = random.randbytes(random.randrange(1, 9))
            case 3:
                del body[at:]
    return bytes(body)


def _mistaken(random: Random, valid: Sequence[bytes]) -> bytes:
    """A message whose form is right, with a field that is something else."""
    topic, fields, encode = _open(random.choice(valid))
    if encode is None:
        return _damaged(random, valid)
    for _ in range(random.randrange(1, 4)):
        fields = _replaced(random, fields, _strange)
    return topic + encode(fields)


def _as_sent(random: Random, valid: Sequence[bytes]) -> bytes:
    return random.choice(valid)


BODIES: dict[str, Body] = {
    "any bytes": _noise,
    "any msgpack": _any_msgpack,
    "any JSON": _any_json,
    "deep nesting": _deep,
    "huge integers": _huge_integers,
    "damaged bytes": _damaged,
    "a strange field": _mistaken,
    "valid": _as_sent,
}


def _several(random: Random, body: bytes, valid: Sequence[bytes]) -> list[bytes]:
    more = random.choices(list(BODIES.values()), k=random.choice((1, 1, 2, 5, 200)))
    return [body, *(make(random, valid)[:2_000] for make in more)]


TOPICS = (b"EURUSD", b"tick.EURUSD", b"tick.demo.EURJPY", b"TICK:USDJPY", b"EURUSD.s", b"tick.")


def _topical(random: Random, body: bytes, _valid: Sequence[bytes]) -> list[bytes]:
    return [random.choice(TOPICS), body]


SHAPES: dict[str, Callable[[Random, bytes, Sequence[bytes]], list[bytes]]] = {
    "several frames": _several,
    "a topic first": _topical,
    "an empty frame first": lambda _random, body, _valid: [b"", body],
    "an empty frame last": lambda _random, body, _valid: [body, b""],
}
"""What is put around a body of any kind."""


def frames(random: Random, valid: Sequence[bytes]) -> tuple[str, list[bytes]]:
    """The kind of a message, and its frames.

    Args:
        random: What is made is a function of its state.
        valid: Messages that the receiver understands.
    """
    kind = random.choice([*BODIES, *SHAPES])
    if kind in BODIES:
        return kind, [BODIES[kind](random, valid)]
    body = random.choice(list(BODIES.values()))(random, valid)
    return kind, SHAPES[kind](random, body, valid)


def _as_json(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _open(message: bytes) -> tuple[bytes, Any, Callable[[Any], bytes] | None]:
    """A valid message's topic, its fields, and what makes bytes of them again."""
    topic, brace, rest = message.partition(b"{")
    if brace and b"\x00" not in topic and len(topic) < 20:
        return topic, json.loads(brace + rest.rstrip(b"\0")), _as_json
    try:
        return b"", msgspec.msgpack.decode(message), msgspec.msgpack.encode
    except msgspec.MsgspecError:
        return b"", None, None


def _replaced(random: Random, thing: Any, by: Callable[[Random], Any]) -> Any:
    """The same with one value of it replaced, on a random level."""
    if isinstance(thing, dict) and thing and random.randrange(5):
        name = random.choice(list(thing))
        return {**thing, name: _replaced(random, thing[name], by)}
    if isinstance(thing, list) and thing and random.randrange(5):
        at = random.randrange(len(thing))
        return [*thing[:at], _replaced(random, thing[at], by), *thing[at + 1 :]]
    return by(random)


def _strange(random: Random) -> Any:
    return random.choice(
        (
            *BIG_INTEGERS,
            0,
            -1,
            1,
            1e308,
            5e-324,
            float("inf"),
            float("nan"),
            None,
            True,
            "",
            "\0",
            "EURUSD",
            "../../x",
            "a:b:c",
            "\ud7ff\U0010ffff",
            "x" * random.choice((1, 300, 100_000)),
            [],
            {},
            [[]] * 500,
            {"type": "Beat"},
        )
    )


def _thing(random: Random, depth: int, binary: bool = True) -> Any:
    """Anything that a message can carry."""
    match random.randrange(9 if depth else 5):
        case 0:
            return random.choice((None, True, False, *BIG_INTEGERS, random.randrange(1000)))
        case 1:
            return random.uniform(-1e6, 1e6)
        case 2 | 3:
            return "".join(map(chr, random.choices(range(0xD800), k=random.randrange(12))))
        case 4:
            return random.randbytes(random.randrange(40)) if binary else random.random()
        case 5 | 6:
            return [_thing(random, depth - 1, binary) for _ in range(random.randrange(5))]
    return {
        random.choice(("type", "name", "epoch", "symbol", "bid", str(random.random()))): _thing(
            random, depth - 1, binary
        )
        for _ in range(random.randrange(5))
    }
