"""Models that were prepared once, kept for the processes to come: they need no XGBoost.

A process that gives a model to XGBoost and asks it once holds 5 MB that it shares with nobody, and
needs 10 ms for it. What is kept here is what a prediction needs, in a file named after the model's
contents. The first process that meets a model makes it, and the others wait for that one.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from mt5crs_shared.process.files import read_named, read_regular, replace_file
from mt5crs_worker.features import FEATURES
from mt5crs_worker.tree_ensemble import MOST_NODES, Tables

logger = logging.getLogger(__name__)


def _version() -> str:
    """XGBoost's, read where it reads its own: its import takes longer than all else at a boot."""
    found = find_spec("xgboost")
    assert found is not None and found.origin is not None, "it is a dependency"
    return Path(found.origin).with_name("VERSION").read_text().strip()


WAITED: Final = 5.0
"""Seconds that another process is waited for, which prepares the same model just now."""

LOOK_EVERY: Final = (0.002, 0.016)
"""Shortest and longest wait, in seconds, between two looks whether it has; doubled each time."""

MOST_BESIDE: Final = 8
"""Models that one process prepares while all others begin; more are prepared by those themselves,
side by side."""

KEPT_DAYS: Final = 30
"""Days after which a file that no process has asked for is removed."""

MADE_BY: Final = f"1, XGBoost {_version()}"
"""Version of what is kept, and whom it was checked against; another's is made anew."""

LARGEST: Final = 20_000_000
"""Bytes of a file that are read."""

MOST_BYTES: Final = 10_000_000
"""Of a model's file; with more, tables are not tried."""

_MAKER: Final = hashlib.blake2b(repr((MADE_BY, FEATURES)).encode(), digest_size=4).hexdigest()
_TABLED: Final = f"{_MAKER}.prepared"
_UNTABLED: Final = f"{_MAKER}.untabled"
"""Behind a model's name: what it was made by, and whether XGBoost has to be asked all the same."""

_DIGEST: Final = 32
_OURS: Final = frozenset({".prepared", ".untabled", ".lock", ".new"})
_LOCK_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class PreparedModel(msgspec.Struct, frozen=True):
    """What a strategy needs of a model.

    Attributes:
        blake2: BLAKE2b-256 of the model's file, hexadecimal.
        objective: What the model was trained for.
        rounds: Boosting rounds that a prediction uses.
        features: The features it was checked against.
        tables: Its trees; None: XGBoost itself has to be asked.
        why: Why there are no tables; empty: there are.
        made_by: See :data:`MADE_BY`.
    """

    blake2: str
    objective: str
    rounds: int
    features: tuple[str, ...] = FEATURES
    tables: Tables | None = None
    why: str = ""
    made_by: str = MADE_BY


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PreparedModel).decode


class _Tree(msgspec.Struct):
    split_type: tuple[int, ...] = ()
    """Of each node; 0: by a number."""


class _Trees(msgspec.Struct, frozen=True):
    trees: tuple[_Tree, ...] = ()
    weight_drop: tuple[float, ...] = ()
    """What each of them counts; XGBoost from 3.4 on calls DART a gbtree that has this."""


class _Booster(msgspec.Struct):
    name: str
    model: _Trees = _Trees()


class _Learner(msgspec.Struct):
    gradient_booster: _Booster


class _ModelFile(msgspec.Struct):
    """What a model's JSON says of how its trees are added up."""

    learner: _Learner


_decode_file = msgspec.json.Decoder(_ModelFile).decode


class PreparedModels:
    """A folder of them.

    Args:
        folder: Where they are; None: nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._preparing: set[str] = set()

    def find(self, blake2: str) -> PreparedModel | None:
        """The one that is kept of a model; None: there is none that can be used."""
        if self._folder is None:
            return None
        return self._read(blake2, _TABLED) or self._read(blake2, _UNTABLED)

    def _read(self, blake2: str, kind: str) -> PreparedModel | None:
        path = self._path(blake2, kind)
        try:
            read = read_regular(path, LARGEST)
            digest, body = read[:_DIGEST], read[_DIGEST:]
            found = _decode(body) if digest == _digest(body) else None
        except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        if found is None or (found.blake2, found.features, found.made_by) != (
            blake2,
            FEATURES,
            MADE_BY,
        ):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # it is of use still
        return found

    def claim(self, blake2: str) -> int | None:
        """Say that a model is being prepared, unless somebody is at it.

        Returns:
            A descriptor for `preparing`. The others wait until all processes that have it, by a
            fork, have closed it or ended. None: somebody is at it, or it cannot be said.
        """
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            lock = self._open_lock(blake2)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stack.pop_all()
            return lock
        return None

    @contextlib.contextmanager
    def preparing(self, blake2: str, claimed: int | None = None) -> Iterator[None]:
        """While a model is prepared; another process that does is waited for, but not for long.

        Nothing is waited for inside another one of the same model.

        Args:
            blake2: The model.
            claimed: What `claim` gave for it; closed at the end.
        """
        if self._folder is None or blake2 in self._preparing:
            yield
            return
        with contextlib.ExitStack() as stack:
            # Without it two make the same.
            with contextlib.suppress(OSError):
                lock = self._open_lock(blake2) if claimed is None else claimed
                stack.callback(os.close, lock)
                _wait_for(lock)  # not at all, where it is claimed
            self._preparing.add(blake2)
            stack.callback(self._preparing.discard, blake2)
            yield

    def keep(self, model: PreparedModel) -> None:
        """Keep one; where the disk refuses, the next process makes it again."""
        if self._folder is None:
            return
        body = _encode(model)
        kind = _UNTABLED if model.tables is None else _TABLED
        try:
            replace_file(self._path(model.blake2, kind), _digest(body) + body)
        except OSError as error:
            logger.warning("a prepared model cannot be kept: %s", error)
        self._remove_unused()

    def _open_lock(self, blake2: str) -> int:
        return os.open(self._path(blake2, "lock"), _LOCK_FLAGS, 0o600)

    def _path(self, blake2: str, kind: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{blake2}.{kind}"

    def _remove_unused(self) -> None:
        assert self._folder is not None
        oldest = time.time() - KEPT_DAYS * 86_400.0
        for path in self._folder.glob("*.*"):
            # What is not ours stays; of what is, another process may be ahead of this one.
            with contextlib.suppress(OSError):
                if path.suffix in _OURS and path.lstat().st_mtime < oldest:
                    path.unlink()


def unprepared(named: str) -> dict[str, str] | None:
    """Models that are still to be prepared, as far as that can be told.

    Args:
        named: See `environment.MODELS`.

    Returns:
        Their files, by what each is known by; None: it is better that every process has XGBoost.
    """
    missing: dict[str, str] = {}
    try:
        folder, *models = json.loads(named)
        kept = PreparedModels(Path(folder))
        for model in models:
            body = read_named(Path(model), MOST_BYTES)  # of a larger one a part, which is none
            blake2 = model_digest(body)
            found = kept.find(blake2)
            if found is not None and found.tables is not None:
                continue
            if found is not None or not _may_be_tabled(body):
                return None
            missing[blake2] = model
            if len(missing) > MOST_BESIDE:
                return None
    except (OSError, ValueError):
        return None
    return missing


def _may_be_tabled(body: bytes) -> bool:
    """Whether a model's file is JSON of trees that have tables; of UBJ it is not known.

    It is what `tree_ensemble.tables_of` refuses, as far as it can be seen without XGBoost.
    """
    try:
        booster = _decode_file(body).learner.gradient_booster
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    trees = booster.model.trees
    return (
        booster.name == "gbtree"
        and not booster.model.weight_drop
        and not any(any(tree.split_type) for tree in trees)
        and sum(len(tree.split_type) for tree in trees) <= MOST_NODES
    )


def model_digest(body: bytes) -> str:
    """What a model is known by: BLAKE2b-256 of its file, hexadecimal."""
    return hashlib.blake2b(body, digest_size=_DIGEST).hexdigest()


_in_use = PreparedModels()


def use(folder: Path) -> None:
    """Keep the models of this process in a folder, and find them there."""
    global _in_use
    _in_use = PreparedModels(folder)


def in_use() -> PreparedModels:
    """Where this process keeps models; unless `use` was called nowhere."""
    return _in_use


def _wait_for(lock: int) -> None:
    deadline = time.monotonic() + WAITED
    pause, longest = LOOK_EVERY
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)  # between two looks
            pause = min(2.0 * pause, longest)
        else:
            return


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()
