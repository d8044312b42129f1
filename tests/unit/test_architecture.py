import ast
import functools
import graphlib
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


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A source of ours."""
    return ast.parse(path.read_text())


@functools.cache
def imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Every import of a module, wherever it stands."""
    return [n for n in ast.walk(parsed(path)) if isinstance(n, ast.Import | ast.ImportFrom)]


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports by name."""
    found: set[str] = set()
    for node in imports(path):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


def test_a_package_imports_only_itself_and_shared() -> None:
    upward = {
        str(path.relative_to(ROOT)): found
        for package, path in MODULES
        if (found := imported(path) & PACKAGES.keys() - {package, "mt5crs_shared"})
    }
    assert upward == {}


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


def rooms() -> dict[str, list[str]]:
    """What lies directly in each package and folder of ours."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for name in module_names(package):
            if "." in name:
                room, _, entry = name.rpartition(".")
                found.setdefault(room, []).append(entry)
    return found


def test_a_room_has_at_most_twelve_entries() -> None:
    assert {room: len(entries) for room, entries in rooms().items() if len(entries) > 12} == {}


def arrows() -> dict[str, set[str]]:
    """Who imports whom: rooms by their names, modules beside rooms by their own."""
    names = {name for package in PACKAGES for name in module_names(package)}
    halls = {room.rpartition(".")[0] for room in rooms()} | {""}

    def place(module: str) -> str:
        room = module.rpartition(".")[0]
        return module if room in halls else room

    found: dict[str, set[str]] = {}
    for folder in PACKAGES.values():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            for node in imports(path):
                if not isinstance(node, ast.ImportFrom) or node.module is None:
                    continue
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    target = whole if whole in names else node.module
                    if target in names and place(target) != place(module):
                        found.setdefault(place(module), set()).add(place(target))
    return found


def test_rooms_are_no_circle() -> None:
    try:
        graphlib.TopologicalSorter(arrows()).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def definitions() -> list[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """Every class and function that is no method, and where it is."""
    return [
        (str(path.relative_to(ROOT)), node)
        for _, path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]


def test_no_class_is_over_250_lines() -> None:
    lengths = {
        f"{path}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, node in definitions()
        if isinstance(node, ast.ClassDef)
    }
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_no_two_classes_or_functions_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path, node in definitions():
        # A verb of the command line is called like what it does.
        if not node.name.startswith("_") and "/cli/" not in path:
            places.setdefault(node.name, []).append(path)
    assert {n: p for n, p in places.items() if len(p) > 1} == {}


def module_names(package: str) -> list[str]:
    folder = PACKAGES[package]
    parts = (path.relative_to(folder.parent).with_suffix("").parts for path in folder.rglob("*.py"))
    return sorted(".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts)


def loaded_by(names: list[str]) -> set[str]:
    """What is there after a fresh process has imported these modules."""
    code = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout))


def test_a_strategys_process_begins_without_what_only_some_need() -> None:
    loaded = loaded_by(["mt5crs_worker.process.preload"])
    assert "mt5crs_worker.features.computing" in loaded
    asking = {
        f"mt5crs_worker.features.{name}" for name in ("api_source", "http_request", "serving")
    }
    assert loaded.isdisjoint({*asking, "http.client", "fastapi", "uvicorn"})
    # Of XGBoost only who has a model that is not prepared; see `forkserver.FOR_MODELS`.
    assert loaded.isdisjoint({"xgboost", "scipy", "asyncio"})


def test_the_supervisor_never_loads_the_heavy_libraries() -> None:
    names = [name for name in module_names("mt5crs_supervisor") if not name.endswith("__main__")]
    loaded = loaded_by(names)
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"mt5crs_worker", "mt5crs_services"})


def test_every_package_is_installed_with_its_types() -> None:
    listed = (ROOT / "setup.cfg").read_text()
    for package, folder in PACKAGES.items():
        assert (folder / "py.typed").exists()
        for init in folder.rglob("__init__.py"):
            name = ".".join((package, *init.parent.relative_to(folder).parts))
            assert f"    {name}\n" in listed


def called(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_every_socket_has_a_bound_on_what_it_receives() -> None:
    """All are opened by one function, which sets it."""
    opened: dict[str, list[str]] = {}
    for _, path in MODULES:
        for call in called(parsed(path)):
            words = ast.unparse(call)
            # `context.socket(zmq.SUB)`, `zmq.Socket(...)`; `socket.socket()` is none of ZMQ's.
            if ast.unparse(call.func) in ("zmq.Socket", "Socket") or (
                words.split("(")[0].endswith(".socket") and not words.startswith("socket.socket(")
            ):
                opened.setdefault(str(path.relative_to(ROOT)), []).append(words)
    assert opened == {"shared/mt5crs_shared/sockets/opening.py": ["context.socket(kind)"]}


def test_every_ipc_address_is_bound_for_this_user_alone() -> None:
    bound = {
        str(path.relative_to(ROOT))
        for _, path in MODULES
        for call in called(parsed(path))
        if isinstance(call.func, ast.Attribute) and call.func.attr == "bind"
    }
    assert bound == {
        "shared/mt5crs_shared/sockets/opening.py",  # bind_own
        "shared/mt5crs_shared/sockets/client_list.py",  # inproc
        "services/mt5crs_services/mt5_gateway/server.py",  # TCP, with keys
        "supervisor/mt5crs_supervisor/chaos/scenario.py",  # a port that is given back at once
        "shared/mt5crs_shared/trading/methods.py",  # a signature
    }


def test_nothing_that_arrives_can_become_code() -> None:
    """Only multiprocessing unpickles: what the supervisor hands a child that it starts."""
    modules = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy"}
    builtins = {"eval", "exec", "compile", "__import__"}
    found = []
    for _, path in MODULES:
        tree = parsed(path)
        names = imported(path) & modules
        for call in called(tree):
            words = ast.unparse(call.func)
            if words in builtins or words in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
                names.add(words)
            if words.endswith((".recv_pyobj", ".send_pyobj")):
                names.add(words)
            names |= {"allow_pickle" for word in call.keywords if word.arg == "allow_pickle"}
        found += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(names)]
    assert found == []
