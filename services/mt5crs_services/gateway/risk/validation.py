"""Tries the risk rules of a configuration, in a process of its own: ``validate`` asks for it."""

from mt5crs_services.gateway.risk.loading import RuleError, load_rule
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import Unusable
from mt5crs_shared.process.validation import answer


def faults_of_rules(config: Config) -> list[Unusable]:
    """Which of its rules cannot be used, and why."""
    found = []
    for number, entry in enumerate(config.globals.risk):
        try:
            load_rule(entry)
        except RuleError as error:
            found.append(Unusable(f"risk[{number}].{error.field}", str(error)))
    return found


if __name__ == "__main__":
    answer(faults_of_rules)
