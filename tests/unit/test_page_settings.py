"""`global.page`: what may be served where, and to whom."""

from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.configuration import checks, loading
from mt5crs_shared.configuration.notify_structs import PageConfig
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.commands.running.foreground import with_metrics, with_page
from mt5crs_supervisor.deaths import running
from mt5crs_supervisor.operator.pending import compared
from tests.system import ROOT
from tests.unit.test_render import report


def read(folder: Path, page: str) -> PageConfig:
    """The section of a configuration, after every check."""
    text = (ROOT / "config" / "strategies.yaml").read_text()
    file = folder / "strategies.yaml"
    file.write_text(f"{text}\n  page:\n    {page}\n")
    (folder / "symbols.yaml").write_text((ROOT / "config" / "symbols.yaml").read_text())
    found = loading.load_config(file, cwd=ROOT).globals.page
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("address: 192.0.2.7:8090", "which other machines reach, without a certificate"),
        ("address: 0.0.0.0:8090", "which other machines reach, without a certificate"),
        ("address: desk.example.org:8090", "which other machines reach, without a certificate"),
        ("certificate: strategies.yaml", "the PEM file with the key"),
        ("key: strategies.yaml", "the PEM file with the certificate"),
        ("{certificate: nowhere.pem, key: strategies.yaml}", "no file 'nowhere.pem'"),
        ("address: 127.0.0.1:80900", "a port of 1 to 65535"),
        ("address: 8090", "host:port"),
        ("hosts: ['https://desk.example.org']", "without a port"),
        ("port: 8090", "unknown"),
    ],
)
def test_what_is_refused(tmp_path: Path, page: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read(tmp_path, page)


def test_a_certificate_and_insecure_are_one_too_many(tmp_path: Path) -> None:
    both = "{certificate: strategies.yaml, key: strategies.yaml, insecure: true}"
    with pytest.raises(ConfigError, match="true beside a certificate"):
        read(tmp_path, both)


@pytest.mark.parametrize(
    ("page", "local"),
    [
        ("address: 127.0.0.1:8090", True),
        ("address: localhost:8090", True),
        ("address: '[::1]:8090'", True),
        ("hosts: [desk.example.org]", False),
        ("{address: '192.0.2.7:8090', insecure: true}", False),
        (
            "{address: '192.0.2.7:8090', certificate: strategies.yaml, key: strategies.yaml}",
            False,
        ),
    ],
)
def test_who_may_look_without_the_token(tmp_path: Path, page: str, local: bool) -> None:
    assert read(tmp_path, page).is_local is local


def test_its_address_says_whether_it_is_encrypted() -> None:
    assert PageConfig("127.0.0.1:8090").url == "http://127.0.0.1:8090/"
    assert PageConfig("192.0.2.7:1", "c.pem", "k.pem").url == "https://192.0.2.7:1/"


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.importlib.util, "find_spec", {"uvicorn": object()}.get)
    assert "pip install 'mt5crs-supervisor[page]'" in checks.page_problem("127.0.0.1:8090")


def test_nobody_but_the_page_depends_on_it(tmp_path: Path) -> None:
    config = loading.load_config(ROOT / "config" / "strategies.yaml", cwd=ROOT)
    before = plans.everybody(config, tmp_path / "ledger.db")
    shown = plans.everybody(with_page(config, "127.0.0.1:8090"), tmp_path / "ledger.db")
    elsewhere = plans.everybody(with_page(config, "127.0.0.1:8091"), tmp_path / "ledger.db")
    assert shown.keys() - before.keys() == {"page"}
    assert {n for n in before if before[n].config_hash != shown[n].config_hash} == set()
    changed = {n for n in shown if shown[n].config_hash != elsewhere[n].config_hash}
    assert changed == {"page"}


def test_what_the_command_line_says_is_no_difference_to_the_file(tmp_path: Path) -> None:
    file = ROOT / "config" / "strategies.yaml"
    paths = VarPaths(tmp_path)
    paths.create()
    runs = with_metrics(with_page(loading.load_config(file), "127.0.0.1:8090"), "127.0.0.1:9100")
    running.keep_running(paths, runs, just_read=True)
    asked = msgspec.structs.replace(report(), config=str(file), folder=str(ROOT))
    assert compared(asked, paths).config_differences == 0
    running.keep_running(paths, with_page(runs, "127.0.0.1:8091"), just_read=True)
    assert compared(asked, paths).config_differences == 0
    other = msgspec.structs.replace(runs, fixed=())
    running.keep_running(paths, other, just_read=True)
    assert compared(asked, paths).config_differences == 2
