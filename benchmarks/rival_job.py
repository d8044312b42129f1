"""The same job as a script, for process managers that know nothing of ticks.

Usage: rival_job.py NAME FOLDER MARKET_URL MODEL
"""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"

import json
import time
from pathlib import Path

import numpy as np
import xgboost
import zmq


def main(name: str, folder: str, url: str, model: str) -> None:
    """Subscribe, and ask the model at every tick."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(model)
    row = np.linspace(0.5, 1.5, 18).reshape(1, -1)
    market = zmq.Context().socket(zmq.SUB)
    market.setsockopt(zmq.RECONNECT_IVL, 50)
    market.setsockopt(zmq.SUBSCRIBE, b"EURUSD")
    market.connect(url)
    first = True
    while True:
        json.loads(market.recv().partition(b" ")[2])
        booster.inplace_predict(row)
        if first:
            first = False
            Path(folder, f"{name}.{os.getpid()}").write_text(repr(time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
