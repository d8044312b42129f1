import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_code() -> None:
    path = ROOT / "scripts" / "status_schema.py"
    spec = importlib.util.spec_from_file_location("status_schema", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.page()
    assert (ROOT / "docs" / "status-schema.md").read_text() == page, (
        "run: .venv/bin/python scripts/status_schema.py"
    )
    assert "|  |" not in page, "a field has no meaning in its docstring"
