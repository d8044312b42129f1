"""What a trader installs: a wheel, in an environment that knows of no checkout."""

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from mt5crs_supervisor.commands.init import FILES
from tests.system import ROOT, free_port, listens, wait_for

PACKAGES = ("mt5crs_services", "mt5crs_shared", "mt5crs_supervisor", "mt5crs_worker")
SOURCES = (
    *("supervisor", "worker", "services", "shared", "scripts", "docs", "deploy"),
    *("pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE"),
)
BUILD_SDIST = """
import sys
sys.path.insert(0, "scripts")
import build_backend
build_backend.build_sdist(sys.argv[1])
"""
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]+)")
"""A link of a page to another file."""

OF_THIS_RUN = ("PYTHON", "PYTEST", "MT5CRS")
"""Begins of variables that a trader's shell does not have."""


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(OF_THIS_RUN)}


def run(folder: Path, *command: str | Path, code: int = 0) -> str:
    """What a command prints that ends with this code."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90.0,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def build(source: Path, out: Path) -> Path:
    """The wheel of a folder or an sdist; with this environment's setuptools, and no network."""
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    run(out, sys.executable, "-m", "pip", "wheel", "-q", *offline, "-w", out, source)
    (made,) = out.glob("*.whl")
    return made


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: what is built in a checkout leaves files behind."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            litter = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=litter)
        else:
            shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(source, sys.executable, "-c", BUILD_SDIST, out)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the sdist: whatever it is built with comes along."""
    return build(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of an environment with the wheel; what it depends on is borrowed from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    found = folder / "bin" / "python"
    install = ("install", "-q", "--no-deps", "--no-index", wheel)
    run(folder, sys.executable, "-m", "pip", "--python", found, *install)
    # A folder that a .pth file names is looked into, and the .pth files in it are not: that of the
    # checkout's editable install stays without effect.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return found


@pytest.fixture(scope="module")
def desk(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of `init`, on a port of its own."""
    folder = tmp_path_factory.mktemp("home") / "my-desk"
    run(folder.parent, command_of(python), "init", "my-desk")
    file = folder / "config" / "strategies.yaml"
    text = file.read_text()
    assert text.count("5556") == 1
    file.write_text(text.replace("5556", str(free_port())))
    return folder


def command_of(python: Path) -> Path:
    return python.with_name("mt5crs-supervisor")


def port_of(desk: Path) -> int:
    text = (desk / "config" / "strategies.yaml").read_text()
    return int(text.partition("tcp://localhost:")[2].split()[0])


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_has_all_that_is_promised(wheel: Path) -> None:
    names = names_in(wheel)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    for file in FILES:
        assert f"mt5crs_supervisor/starter/{file.source or file.target}" in names
    static = ROOT / "services" / "mt5crs_services" / "page" / "static"
    shown = {str(path.relative_to(ROOT / "services")) for path in static.rglob("*.*")}
    assert len(shown) > 15
    assert shown <= names, "what runs in the browser"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    modules = {str(path.relative_to(path.parents[1])) for path in ROOT.glob("*/mt5crs_*/*.py")}
    assert modules <= names


def test_a_wheel_of_a_checkout_has_nothing_of_an_earlier_one(source: Path, tmp_path: Path) -> None:
    gone = source / "build" / "lib" / "mt5crs_worker" / "gone.py"
    gone.parent.mkdir(parents=True)
    gone.touch()
    names = names_in(build(source, tmp_path))
    assert "mt5crs_worker/strategy.py" in names
    assert "mt5crs_worker/gone.py" not in names


def test_its_metadata_say_what_it_is_and_needs(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["License"]) == ("mt5crs-supervisor", "MIT")
    assert said["Requires-Python"] == ">=3.11"
    prefix = "Programming Language :: Python :: 3."
    versions = [c.removeprefix(prefix) for c in said.get_all("Classifier", []) if prefix in c]
    assert versions == ["11", "12", "13"]
    assert said["Description-Content-Type"] == "text/markdown"
    described = said.get_payload(decode=True)
    assert isinstance(described, bytes)
    assert described.decode().strip() == (ROOT / "README.md").read_text().strip()


def test_the_sdist_has_what_a_wheel_is_built_with(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.cfg"}
    assert wanted | {"scripts/build_backend.py"} <= names


def test_the_environment_runs_the_wheel_and_not_the_checkout(python: Path, desk: Path) -> None:
    code = f"import {', '.join(PACKAGES)}\nfor m in ({', '.join(PACKAGES)}): print(m.__file__)"
    files = run(desk, python, "-c", code).splitlines()
    assert len(files) == len(PACKAGES)
    for file in files:
        assert Path(file).is_relative_to(python.parents[1])


def test_a_folder_without_anything_is_told_what_to_do(python: Path, tmp_path: Path) -> None:
    said = run(tmp_path, command_of(python), "demo", code=4)
    assert "`mt5crs-supervisor init`" in said
    assert list(tmp_path.iterdir()) == []


def test_the_pages_that_messages_name_come_along(python: Path, tmp_path: Path) -> None:
    folder = Path(run(tmp_path, command_of(python), "--help").splitlines()[-1].strip())
    assert folder.is_relative_to(python.parents[1])
    pages = {path.name for path in (ROOT / "docs").glob("*.*")}
    assert {path.name for path in folder.iterdir()} == pages
    links = {link for page in folder.glob("*.md") for link in LINK.findall(page.read_text())}
    assert len(links) > 20
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_project_is_valid_and_its_own_tests_pass(python: Path, desk: Path) -> None:
    assert run(desk, command_of(python), "validate").endswith("2 strategies, 2 enabled: valid\n")
    # -P: as plain `pytest`, which does not look into the current folder by itself.
    assert "4 passed" in run(desk, python, "-P", "-m", "pytest", "-p", "no:cacheprovider")


def test_the_project_runs_its_demo(python: Path, desk: Path) -> None:
    said = run(desk, command_of(python), "demo", "--duration", "5")
    assert "demo: 2 strategies on a made-up market" in said
    _, _, sum_ = said.partition("demo over after ")
    ticks = int(sum_.partition(": ")[2].partition(" ticks")[0].replace(",", ""))
    assert ticks > 0
    assert "0 restarts" in sum_


@pytest.fixture
def market(python: Path, desk: Path) -> Iterator[None]:
    """Somebody publishes where the project listens."""
    command = [str(command_of(python)), "feed", "synthetic", "--symbol", "EURUSD"]
    command += ["--symbol", "GBPUSD", "--ticks-per-second", "20", "--history-minutes", "0"]
    feed = subprocess.Popen(
        command, cwd=desk, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=-1
    )
    port = port_of(desk)

    def publishes() -> bool:
        assert feed.poll() is None, feed.communicate()
        return listens(port)

    try:
        wait_for(publishes, f"the feed on port {port}")
        yield
    finally:
        feed.terminate()
        feed.communicate(timeout=30.0)


def test_the_doctor_finds_it_fit(python: Path, desk: Path, market: None) -> None:
    said = run(desk, command_of(python), "doctor", "--listen", "2")
    assert "2 of 2 enabled, all tried" in said
    assert not [line for line in said.splitlines() if line.startswith("error")]
