"""Who is let in, while the listening side goes on: clients come and go with their keys."""

import shutil
from pathlib import Path

from mt5crs_shared.sockets.curve import KeyPlaces
from tests.integration.test_encrypted_links import Listener, keys, publisher, reading, strange
from tests.system import wait_for

__all__ = ["keys", "publisher", "strange"]


def test_a_client_is_known_from_when_its_key_is_brought_until_it_is_removed(
    tmp_path: Path, publisher: Listener, strange: KeyPlaces, keys: KeyPlaces
) -> None:
    """Nobody has to restart the gateway: that would interrupt everybody else."""
    folder = tmp_path / "keys" / "for-gateway"
    with reading(publisher.url, strange) as reader:
        wait_for(lambda: reader.refusal, "a refusal")
        (folder / "broken.key").write_text("no key")
        shutil.copy(tmp_path / "strange" / "supervisor.key", folder / "laptop.key")
        wait_for(lambda: reader.hears(publisher), "a tick, by itself")
    (folder / "laptop.key").unlink()
    with reading(publisher.url, strange) as reader:
        wait_for(lambda: reader.refusal, "it is not let in any more")
    with reading(publisher.url, keys) as reader:
        wait_for(lambda: reader.hears(publisher), "the others are let in as before")
