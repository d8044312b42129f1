"""`keys`: pairs of CURVE keys in files, for this installation and for gateways beside terminals."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mt5crs_shared.configuration.structs import GlobalConfig
from mt5crs_shared.process.paths import PRIVATE
from mt5crs_shared.sockets.client_list import OWN as GATEWAY
from mt5crs_shared.sockets.curve import (
    PUBLIC,
    SECRET,
    KeyFileError,
    read_pair,
    read_public,
    require_curve,
)
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.failures import CommandError, ExitCode
from mt5crs_supervisor.display.folding import say

OWN: Final = "supervisor"

CARRIED: Final = "for-"
"""What the name of a folder begins with that is brought to a gateway's machine."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def make_keys(folder: Path, gateway: str | None) -> None:
    """Make what is missing, and say what there is; a key that is there is never changed.

    Args:
        folder: Where the keys are.
        gateway: Name of a gateway that is to have keys, too; None: none.

    Raises:
        CommandError: They cannot be made.
        KeyFileError: One that is there cannot be used.
    """
    if gateway is not None and (not NAME.fullmatch(gateway) or gateway == OWN):
        expected = f"a name of a-z, 0-9, _ and -, and not {OWN}"
        raise CommandError(f"--for {gateway}: expected {expected}", ExitCode.USAGE)
    require_curve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        _make_pair(folder / f"{OWN}{PUBLIC}", folder / f"{OWN}{SECRET}")
        if gateway is not None:
            _make_gateway(folder, gateway)
    except OSError as error:
        raise CommandError(f"{folder}: keys cannot be made: {error}") from error
    for line in (*_told(folder), *_next_steps(folder)):
        say(line)


def _make_gateway(folder: Path, name: str) -> None:
    """A gateway's pair: its public key stays here, its secret one is carried over."""
    public, carried = folder / f"{name}{PUBLIC}", folder / f"{CARRIED}{name}"
    secret = carried / f"{GATEWAY}{SECRET}"
    if public.exists() and not secret.exists():
        return  # It is where it belongs.
    carried.mkdir(exist_ok=True, mode=PRIVATE)
    _make_pair(public, secret)
    _place(carried / f"{OWN}{PUBLIC}", (folder / f"{OWN}{PUBLIC}").read_bytes(), 0o644)


def _make_pair(public: Path, secret: Path) -> None:
    """Make a pair of keys where there is none.

    Raises:
        KeyFileError: One half is there without the other, or they are none of one pair.
    """
    if not secret.exists():
        if public.exists():
            raise KeyFileError(
                f"{public} is there, and {secret} is not: put it back from a copy; or remove"
                f" {public}, call this again, and bring the new one to whoever knows the old one"
            )
        _place(secret, _fresh(secret.parent), 0o600)
    pair = read_pair(secret)
    if not public.exists():
        lines = secret.read_bytes().splitlines(keepends=True)
        # What is left of it is what `zmq.auth` takes for a public one.
        kept = [each for each in lines if not each.lstrip().startswith((b"#", b"secret-key"))]
        _place(public, b"".join(kept).lstrip(), 0o644)
    if read_public(public) != pair.public:
        raise KeyFileError(f"{public} is not the public key of {secret}: put the right one back")


def _fresh(folder: Path) -> bytes:
    """What a file with a new secret key holds; it never was in one that others could read."""
    from zmq.auth import create_certificates

    with tempfile.TemporaryDirectory(dir=folder) as closed:
        _, secret = create_certificates(closed, "fresh")
        return Path(secret).read_bytes()


def _place(path: Path, body: bytes, mode: int) -> None:
    """Put a file where there is none: whole, on the disk, and never over another one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".") as file:
        os.fchmod(file.fileno(), mode)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return  # Somebody was faster, or has called this before.
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _told(folder: Path) -> Iterator[str]:
    """One line for each key, with what may be shown of it."""
    for file in sorted(folder.glob(f"*{PUBLIC}")):
        whose = "ours, for whoever lets us in" if file.stem == OWN else "a gateway's"
        yield f"{nearby(str(file))}  public, {whose}: {read_public(file).decode()}"
    for file in sorted(folder.rglob(f"*{SECRET}")):
        whose = "ours" if file.stem == OWN and file.parent == folder else "a gateway's"
        yield f"{nearby(str(file))}  secret, {whose}, of this user alone"


def _next_steps(folder: Path) -> Iterator[str]:
    gateways = [file.stem for file in sorted(folder.glob(f"*{PUBLIC}")) if file.stem != OWN]
    if not gateways:
        yield ""
        yield "`keys --for gateway` makes those of a gateway beside a terminal, and says what to do"
        return
    for carried in sorted(folder.glob(f"{CARRIED}*")):
        yield ""
        yield f"bring {nearby(str(carried))} to the terminal's machine as the folder keys beside"
        yield "mt5crs-gateway.yaml, write `keys: keys` into that file, and remove the folder here"
    yield ""
    yield "in the strategies file:"
    yield "global:"
    own = folder / f"{OWN}{SECRET}"
    if own.absolute() != Path(GlobalConfig().secret_key).absolute():
        yield f"  secret_key: {own}"
    for section in ("market", "execution"):
        yield f"  {section}: {{server_key: {nearby(str(folder / f'{gateways[0]}{PUBLIC}'))}}}"
