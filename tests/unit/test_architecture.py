import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "mt5crs_supervisor": ROOT / "supervisor" / "mt5crs_supervisor",
    "mt5crs_worker": ROOT / "worker" / "mt5crs_worker",
    "mt5crs_services": ROOT / "services" / "mt5crs_services",
    "mt5crs_shared": ROOT / "shared" / "mt5crs_shared",
}
FOLDERS = ("supervisor", "worker", "services", "shared", "scripts", "tests")
MODULES = [
    (package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))
]
HEAVY = ("numpy", "talib", "xgboost")


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize(
    ("package", "path"), MODULES, ids=[str(path.relative_to(ROOT)) for _, path in MODULES]
)
def test_a_package_imports_only_itself_and_shared(package: str, path: Path) -> None:
    ours = imported(path.read_text()) & PACKAGES.keys()
    assert ours <= {package, "mt5crs_shared"}


def test_no_file_is_over_400_lines() -> None:
    files = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in ("", ".py", ".bash", ".sh")
    ]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_bytes().splitlines())
        for path in files
        if "__pycache__" not in path.parts
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def module_names(package: str) -> list[str]:
    folder = PACKAGES[package]
    parts = (path.relative_to(folder.parent).with_suffix("").parts for path in folder.rglob("*.py"))
    return sorted(".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts)


def test_the_supervisor_never_loads_the_heavy_libraries() -> None:
    names = [name for name in module_names("mt5crs_supervisor") if not name.endswith("__main__")]
    code = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(result.stdout))
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"mt5crs_worker", "mt5crs_services"})


def test_every_package_is_installed_with_its_types() -> None:
    listed = (ROOT / "setup.cfg").read_text()
    for package, folder in PACKAGES.items():
        assert (folder / "py.typed").exists()
        for init in folder.rglob("__init__.py"):
            name = ".".join((package, *init.parent.relative_to(folder).parts))
            assert f"    {name}\n" in listed
