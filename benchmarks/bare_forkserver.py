"""The least that brings a killed job back: a forkserver, and a loop that waits for deaths.

No heartbeat, no checkpoint, no order, no log: what is slower than this is the price of the rest.

Usage: bare_forkserver.py FOLDER MARKET_URL MODEL JOBS
"""

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import rival_job


def main(folder: str, url: str, model: str, jobs: str) -> None:
    """Keep the jobs running until SIGTERM."""
    # A forkserver does not look where its parent looks for what it preloads.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rival_job"])

    def start(name: str) -> ForkServerProcess:
        process = context.Process(
            target=rival_job.main, args=(name, folder, url, model), daemon=True
        )
        process.start()
        return process

    running = {f"job{number}": start(f"job{number}") for number in range(int(jobs))}
    while True:
        dead = wait([process.sentinel for process in running.values()])
        for name, process in running.items():
            if process.sentinel in dead:
                running[name] = start(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
