"""The files of deploy/ fit what they are for."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mt5crs_shared.configuration.structs import SupervisorConfig
from mt5crs_shared.control.states import State
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.operator.exporter.counters import ORDERS
from scripts import metrics_table
from tests.integration.test_package import SOURCES
from tests.system import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "mt5crs-supervisor.service"


def settings(unit: Path) -> dict[str, str]:
    """The lines of a unit."""
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))


def test_the_unit_has_what_a_supervisor_needs() -> None:
    found = settings(UNIT)
    assert found["Type"] == "notify"
    assert found["KillMode"] == "process", "strategies outlive a supervisor that is killed"
    assert found["OOMPolicy"] == "continue"
    assert int(found["WatchdogSec"]) >= 10
    assert found["WorkingDirectory"] in found["ReadWritePaths"].split()
    assert found["ExecStart"].endswith("mt5crs-supervisor start")
    assert found["ExecReload"].endswith("mt5crs-supervisor reload")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # What is not on this machine, and every other line as it is.
    text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    copy = tmp_path / "desk.service"
    copy.write_text(text.replace("User=trader", "User=root"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PROMETHEUS_S_OWN = {"job", "instance", "le"}
"""Labels that everything gets when it is scraped, and that of buckets."""


def strings(found: Any) -> Iterator[str]:
    """Every text in a JSON document."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for value in found.values() if isinstance(found, dict) else found:
            yield from strings(value)


def exported() -> dict[str, set[str]]:
    """Every series by its name, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in metrics_table.every_family():
        for sample in metric.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


EXPRESSIONS = [
    *(text for text in strings(DASHBOARD) if "mt5crs_" in text),
    *(rule["expr"] for rule in RULES),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_drawn_and_watched_is_exported(expression: str) -> None:
    known = exported()
    named = re.findall(r"\b(mt5crs_\w+)(?:\{([^}]*)\})?", expression)
    assert named
    for name, matchers in named:
        assert name in known, name
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
        assert labels <= known[name] | PROMETHEUS_S_OWN, name
    every = set().union(*(known[name] for name, _ in named)) | PROMETHEUS_S_OWN
    for labels in re.findall(r"\b(?:by|on|without|ignoring) ?\(([^)]*)\)", expression):
        assert set(re.split(r"[, ]+", labels)) <= every, labels


def test_states_and_results_that_are_asked_for_exist() -> None:
    asked = re.findall(r'\b(state|result)(?:=~|=)"([^"$]+)"', " ".join(EXPRESSIONS))
    known = {"state": set(State), "result": set(ORDERS)}
    assert asked
    for label, values in asked:
        assert set(values.split("|")) <= known[label]


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another"
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["targets"]
    variables = {f"${found['name']}" for found in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\w+", " ".join(EXPRESSIONS)))
    assert used <= variables


def test_each_alert_says_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
        labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        names = re.findall(r"\bmt5crs_\w+", rule["expr"])
        assert labels <= set().union(*(exported()[name] for name in names)) | PROMETHEUS_S_OWN


def test_the_verbs_that_alerts_name_exist() -> None:
    text = " ".join(rule["annotations"]["description"] for rule in RULES)
    for called in re.findall(r"`([a-z][a-z-]+)[^`]*`", text):
        assert called in cli.commands, called


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_the_rules_do_what_they_say() -> None:
    for words in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        result = subprocess.run(
            ["promtool", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=DEPLOY / "prometheus",
        )
        assert result.returncode == 0, result.stdout + result.stderr


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction and what it says, continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = (line.partition(" ") for line in lines if line.strip())
    return [(word, said) for word, _, said in found]


def test_the_image_runs_a_supervisor_that_is_not_root() -> None:
    found = instructions(DEPLOY / "Dockerfile")
    last = dict(found)
    assert last["USER"].split(":")[0] not in ("0", "root")
    assert [word for word, _ in found].index("USER") < [word for word, _ in found].index("CMD")
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(last["ENTRYPOINT"]) == ["mt5crs-supervisor"]
    _, _, check = last["HEALTHCHECK"].partition("CMD ")
    for called in (json.loads(last["CMD"]), json.loads(check)[1:]):
        assert called[0] in cli.commands
    assert all(":" in said.split(" AS ")[0] for word, said in found if word == "FROM")


def test_the_image_is_built_of_what_a_wheel_needs_and_nothing_else() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    needed = {"scripts/build_backend.py" if name == "scripts" else name for name in SOURCES}
    assert taken == needed
    assert all((ROOT / name).exists() for name in taken)


def test_the_container_is_stopped_in_order_and_keeps_its_books() -> None:
    desk = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["desk"]
    image = dict(instructions(DEPLOY / "Dockerfile"))
    assert (DEPLOY / desk["build"]["context"] / desk["build"]["dockerfile"]).exists()
    assert desk["user"] == image["USER"]
    assert desk["stop_signal"] == image["STOPSIGNAL"]
    assert int(desk["stop_grace_period"].removesuffix("s")) >= 2 * SupervisorConfig().stop_timeout
    assert f"var:{image['VOLUME']}" in desk["volumes"]
    assert f"MT5CRS_VAR={image['VOLUME']}" in image["ENV"]
    assert desk["healthcheck"]["test"][1:] == json.loads(image["HEALTHCHECK"].partition("CMD ")[2])
    verb, *options = desk["command"]
    known = [name for option in cli.commands[verb].params for name in option.opts]
    assert all(option in known for option in options if option.startswith("--"))
    assert all(port.startswith("127.0.0.1:") for port in desk["ports"]), "there is no password"
