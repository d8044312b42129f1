"""Strategies files that commands change, and how a test sees what they did."""

import difflib
import shutil
from pathlib import Path

from click.testing import CliRunner

from mt5crs_supervisor.cli import cli
from tests.system import ROOT

SHIPPED = (ROOT / "config" / "strategies.yaml").read_text()
MA_CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
TWO = (
    "-   {name: two, symbol: GBPUSD, strategy: *class, params: {<<: *fast, list: [1,2 , 3]}}   # 2"
)
UGLY = f"""\
%YAML 1.1
---
# of everybody

strategies:     # all of them
- name:   "one"     # who
  symbol: 'EURUSD'
  enabled: yes   # for now
  strategy: &class  {MA_CROSS}
  params: &fast
      fast: 3
      slow: 6_0
      text: >
        folded - text
        here

  risk_config: {{
    risk_per_trade: 0.02,   # inside

    max_position_size: 0.10
  }}
  # of one, too


# before two
{TWO}

# before three
-   name: three
    # it is on, by default
    "symbol":  EURUSD
    strategy: *class
    params:
        <<: *fast
        empty: ~

# of the rest

global:
  default_balance:   1e4
...
"""
IN_BRACKETS = """\
{"strategies": [
  {"name": "one", "symbol": "EURUSD", "strategy": "CLASS"},
  {"name": "two", "symbol": "GBPUSD", "strategy": "CLASS"}
]}
""".replace("CLASS", MA_CROSS)
MORE = f"""\
# My new one
name: four   # the fourth
symbol: EURUSD
strategy: {MA_CROSS}
params:
  fast: 3
  # deep
  slow: 6
"""


def furnish(folder: Path) -> Path:
    """Put the shipped configuration into a folder, and ``four.yaml``; the strategies file."""
    (folder / "config").mkdir()
    for name in ("strategies.yaml", "symbols.yaml"):
        shutil.copy(ROOT / "config" / name, folder / "config")
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "four.yaml").write_text(MORE)
    return folder / "config" / "strategies.yaml"


def run(*arguments: str, code: int = 0) -> str:
    """What a command says that ends with this code; on stderr where that is an error's."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    return result.output if code == 0 else result.stderr


def changes(file: Path) -> list[str]:
    """The lines that differ from the version before, which stands beside the file."""
    before = file.with_name(f"{file.name}.bak").read_bytes().decode()
    after = file.read_bytes().decode()
    return [
        line for line in difflib.ndiff(before.split("\n"), after.split("\n")) if line[0] in "+-"
    ]
