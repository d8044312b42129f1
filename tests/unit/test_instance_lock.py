import threading
from pathlib import Path

from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.processes.instance_lock import InstanceLock, holder


def test_who_looks_while_a_supervisor_begins_again_in_place_sees_it(tmp_path: Path) -> None:
    paths = VarPaths(tmp_path)
    paths.create()
    InstanceLock(paths, "a long name of a file.yaml").close()
    over = threading.Event()

    def begin_again() -> None:
        lives = 0
        while not over.is_set():
            lives += 1
            InstanceLock(paths, "config" * (lives % 4)).close()

    supervisor = threading.Thread(target=begin_again)
    supervisor.start()
    seen = [holder(paths) for _ in range(100)]
    over.set()
    supervisor.join()
    assert None not in seen
