"""Tries the risk rules of a configuration, in a process of its own: ``validate`` asks for it."""

import os
import sys

import msgspec

from mt5crs_services.gateway.risk.rule_set import RuleError, load_rule
from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.errors import Unusable


def faults_of_rules(config: Config) -> list[Unusable]:
    """Which of its rules cannot be used, and why."""
    found = []
    for number, entry in enumerate(config.globals.risk):
        try:
            load_rule(entry)
        except RuleError as error:
            found.append(Unusable(f"risk[{number}]", str(error)))
    return found


def validate_rules() -> None:
    """Read a configuration from stdin, and write what was found to stdout."""
    # As at a start: where Python would, and then in the folder that the trader works in.
    sys.path.append(os.getcwd())  # noqa: PTH109 - a string is wanted
    # What a rule prints is not the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    found = faults_of_rules(decode_config(sys.stdin.buffer.read()))
    os.write(answer, msgspec.json.encode(found))


if __name__ == "__main__":
    validate_rules()
