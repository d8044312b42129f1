"""Trials of what a configuration names: none harms the next one, whatever it does."""

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.errors import Unusable
from mt5crs_shared.process.validation import TrialAnswer, packed_messages, unpacked_messages
from mt5crs_supervisor.commands import validate

TRIALS = """
import os, signal, sys, time
from mt5crs_shared.errors import Unusable
from mt5crs_shared.process import validation

validation.WITHIN = 0.5

def find(config):
    match config.strategies[0].name:
        case "fault":
            print("to be left out")
            return [Unusable("strategy", "why")]
        case "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(60)
        case "leave":
            print("last words")
            sys.exit(3)
        case "lie":
            os._exit(0)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "parent":
            os.kill(os.getppid(), signal.SIGKILL)
    return []

validation.answer(find)
"""


def payload(name: str) -> bytes:
    strategy = StrategyConfig(name, "EURUSD", strategy="a:B")
    return msgspec.json.encode(Config("", (strategy,), GlobalConfig(), {}))


def tried(folder: Path, *names: str) -> list[TrialAnswer]:
    file = folder / "trials.py"
    file.write_text(TRIALS)
    body = packed_messages([payload(name) for name in names])
    done = subprocess.run([sys.executable, str(file)], input=body, stdout=subprocess.PIPE)
    return [
        msgspec.msgpack.decode(each, type=TrialAnswer)
        for each in unpacked_messages(io.BytesIO(done.stdout))
    ]


def test_each_is_tried_whatever_those_before_it_did(tmp_path: Path) -> None:
    found = tried(tmp_path, "fine", "hang", "leave", "lie", "crash", "fault", "fine")
    assert [trial.exit for trial in found] == [0, None, 3, 0, -11, 0, 0]
    fault = [Unusable("strategy", "why")]
    assert [trial.found for trial in found] == [[], None, None, None, None, fault, []]
    assert found[2].words == "last words\n"


def test_who_ends_what_tries_it_takes_the_answers_of_those_behind_it_along(tmp_path: Path) -> None:
    assert [trial.found for trial in tried(tmp_path, "fine", "parent", "fine")] == [[]]


def test_what_cannot_make_trials_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "STRATEGY", "no_such_module")
    found = validate._all_tried("no_such_module", [payload("fine"), payload("fine")])
    assert [len(faults) for faults in found] == [1, 1]
    assert "No module named no_such_module" in found[0][0].reason


@pytest.mark.parametrize("cut", range(8 + 3))
def test_a_message_that_is_cut_is_none(cut: int) -> None:
    assert list(unpacked_messages(io.BytesIO(packed_messages([b"ab", b"cde"])[: 10 + cut]))) == [
        b"ab"
    ]
