"""README and docs say what the code does: links, verbs, tables, examples, frames, sums."""

import configparser
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import msgspec
import pytest
import yaml

from mt5crs_services.feed.synthetic import SyntheticMarket
from mt5crs_services.gateway.brokers import pricing
from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import (
    GlobalConfig,
    PaperConfig,
    RiskConfig,
    StrategyConfig,
)
from mt5crs_shared.events import Died
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.event_files import EventWriter
from mt5crs_shared.trading.orders import Code, Fill, Position
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.init import STARTER
from mt5crs_worker.features import FEATURES
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.trading.sizing import position_size
from scripts import config_table, module_table, wire_table
from tests.unit.gateway_cases import tick as quote
from tests.unit.instance_cases import Book
from tests.unit.test_risk_rules import proposal

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", STARTER / "README.md", *sorted(DOCS.glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")

each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are written in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def code_in(page: Path) -> str:
    """All code of a page: fenced blocks and inline spans."""
    text = page.read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", rest)])


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, wanted = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), target
        if wanted:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert wanted in map(anchor, headings), target


@each_page
def test_every_verb_exists(page: Path) -> None:
    called = re.findall(
        r"(?:mt5crs-supervisor|scripts/run|-m mt5crs_supervisor) ([a-z][a-z-]*)(?: ([a-z]+))?",
        code_in(page),
    )
    for verb, below in called:
        assert verb in cli.commands, verb
        group = cli.commands[verb]
        if isinstance(group, click.Group) and below:
            assert below in group.commands, f"{verb} {below}"


def test_the_command_lines_page_has_every_verb() -> None:
    page = (DOCS / "cli.md").read_text()
    for verb in cli.commands:
        assert f"`{verb}" in page


def test_what_an_operator_can_do_is_a_verb_that_exists() -> None:
    page = (DOCS / "comparison.md").read_text()
    spans = [span.split() for span in re.findall(r"`([^`]+)`", page)]
    words = {span[0] for span in spans if re.fullmatch(r"[a-z][a-z-]+", span[0])}
    assert words - cli.commands.keys() == {"hour", "month", "ps", "ssh", "week"}
    for verb, *rest in (span for span in spans if span[0] in cli.commands):
        known = {name for parameter in cli.commands[verb].params for name in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= known, verb


def test_the_table_of_modules_is_that_of_the_code() -> None:
    page = module_table.PAGE.read_text()
    assert module_table.renew(page) == page, "run: .venv/bin/python scripts/module_table.py"
    assert "|  |" not in page, "a module has no docstring"


def test_the_tables_of_fields_are_those_of_the_code() -> None:
    for file, make in config_table.PAGES.items():
        page = file.read_text()
        assert config_table.renew(page, make()) == page, "run: python -m scripts.config_table"


def test_every_dependency_is_accounted_for() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = setup["options"]["install_requires"]
    required += "".join(setup["options.extras_require"].values())
    page = (DOCS / "dependencies.md").read_text()
    for line in required.split("\n"):
        name = re.split(r"[<>=;\[ ]", line)[0]
        assert name in page, name


@pytest.mark.parametrize("picture", sorted(DOCS.glob("*.svg")), ids=lambda path: path.name)
def test_pictures_need_nothing_from_elsewhere(picture: Path) -> None:
    ElementTree.parse(picture)
    text = re.sub(r"<!--.*?-->", "", picture.read_text(), flags=re.DOTALL)
    assert set(re.findall(r"https?://[^\"') ]+", text)) == {"http://www.w3.org/2000/svg"}


@each_page
def test_examples_of_configurations_are_accepted(page: Path, tmp_path: Path) -> None:
    (tmp_path / "symbols.yaml").write_text((ROOT / "config" / "symbols.yaml").read_text())
    file = tmp_path / "strategies.yaml"
    for block in blocks(page, "yaml"):
        if block.startswith("strategies:"):
            file.write_text(block)
            assert loading.load_config(file, cwd=ROOT).enabled
        else:
            msgspec.convert(yaml.safe_load(block)["global"], GlobalConfig)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a page's examples are written into and imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_strategies", raising=False)
    return tmp_path


def entry_of(page: Path) -> StrategyConfig:
    """The entry of a page that runs its own class."""
    entries = [
        entry
        for block in blocks(page, "yaml")
        for entry in yaml.safe_load(block).get("strategies", [])
    ]
    own = next(entry for entry in entries if "strategy" in entry)
    return msgspec.convert(own, StrategyConfig)


@pytest.mark.parametrize("name", ["README.md", "docs/strategies.md"])
def test_the_example_of_a_strategy_trades(name: str, examples: Path) -> None:
    page = ROOT / name
    (examples / "my_strategies.py").write_text(blocks(page, "python")[0])
    entry = entry_of(page)
    book = Book()
    strategy = StrategyInstance(entry, EURUSD, book, 10_000.0, "USD")
    market = SyntheticMarket([EURUSD], seed=1, ticks_per_second=1.0, bad_ticks=0.0, start_us=0)
    for minute in range(600):
        for tick in market.minute(minute):
            assert strategy.on_tick(tick), strategy.get_status().last_error
    sides = {result.fill.side for result in book.results.values() if result.fill is not None}
    assert sides == {"BUY", "SELL"}
    assert len(blocks(page, "python")[0].splitlines()) <= 35


def test_the_example_of_a_test_passes(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "strategies.md"
    strategy, trial = blocks(page, "python")
    (examples / "my_strategies.py").write_text(strategy)
    config = examples / "config"
    config.mkdir()
    (config / "strategies.yaml").write_text(blocks(page, "yaml")[0])
    (config / "symbols.yaml").write_text((ROOT / "config" / "symbols.yaml").read_text())
    monkeypatch.chdir(examples)
    exec(compile(trial, "docs/strategies.md", "exec"), {})


def test_the_risk_rules_of_the_docs_judge() -> None:
    stateless, stateful = blocks(DOCS / "extending.md", "python")[:2]
    made: dict[str, Any] = {"__name__": "my_rules"}
    for block in (stateless, stateful):
        exec(compile(block, "docs/extending.md", "exec"), made)
    spread = msgspec.convert({"points": 20.0}, made["WidestSpread"])
    wide = proposal(on=quote(0, 1.1, 1.1003))
    refusal = spread.before(wide, made["NoState"]())
    assert refusal is not None
    assert refusal.detail == "the spread is 30.0 points; the most is 20"
    rule = msgspec.convert({"most": 10.0}, made["DailyLoss"])
    at = wide.tick.time_us
    lost = Fill("a", "euro", "EURUSD", 1, "OUT", "SELL", 0.1, 1.1, at, Code.FILLED, -9.0)
    once = rule.after(lost, made["Lost"]())
    assert rule.before(wide, once) is None
    assert rule.before(wide, rule.after(lost, once)) is not None


def test_the_follower_of_the_docs_follows(tmp_path: Path) -> None:
    block = next(b for b in blocks(DOCS / "extending.md", "python") if "def follow(" in b)
    made: dict[str, Any] = {}
    exec(compile(block, "docs/extending.md", "exec"), made)
    paths, told = VarPaths(tmp_path / "var"), []
    paths.create()
    looks = iter([lambda: EventWriter(paths.events).write(Died("one", "x")), lambda: None])

    class Clock:
        @staticmethod
        def sleep(_seconds: float) -> None:
            look = next(looks, None)
            if look is None:
                raise KeyboardInterrupt
            look()

    made["time"], made["print"] = Clock, lambda *words: told.append(words[1:])
    with pytest.raises(KeyboardInterrupt):
        made["follow"](paths.var, tmp_path / "cursor")
    assert told == [("one", "died", "x")]
    assert (tmp_path / "cursor").read_text() == "1"


@each_page
def test_examples_of_python_compile(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def test_the_tables_of_frames_are_those_of_the_code() -> None:
    page = wire_table.PAGE.read_text()
    assert wire_table.renew(page) == page, "run: .venv/bin/python scripts/wire_table.py"


def test_the_features_in_the_docs_are_those_of_the_code() -> None:
    page = (DOCS / "strategies.md").read_text()
    listed = page.partition("in this order:")[2].partition("They are")[0]
    assert tuple(re.findall(r"`(\w+)`", listed)) == FEATURES


def test_the_sums_of_the_paper_book_are_right() -> None:
    paper = PaperConfig()
    risk = RiskConfig(risk_per_trade=0.02, max_position_size=1.0, stop_loss_atr_multiple=2.0)
    assert position_size(risk, 10_000.0, 0.0015, EURUSD, 1.0).lots == 0.66
    risk = msgspec.structs.replace(risk, max_position_size=0.10)
    assert position_size(risk, 10_000.0, 0.0015, EURUSD, 1.0).lots == 0.10
    held = Position(1, "s", "EURUSD", 1, "BUY", 0.10, 1.10008, 0)
    assert pricing.profit(EURUSD, held, 1.10108, 1.0) == 10.00
    assert round(pricing.margin(paper, EURUSD, 0.10, 1.10008, 1.0), 2) == 110.01
