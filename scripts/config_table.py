"""Writes the tables of docs/configuration.md and docs/windows.md from structs and docstrings.

Run it after changing one of them; a test holds the page equal to the code.
"""

import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.mt5_gateway.settings import WindowsGatewayConfig
from mt5crs_shared.configuration.execution_structs import (
    AccountConfig,
    ExecutionConfig,
    MarketConfig,
)
from mt5crs_shared.configuration.notify_structs import (
    DestinationConfig,
    NotifyConfig,
    NotifyRuleConfig,
    PageConfig,
    QuietHoursConfig,
)
from mt5crs_shared.configuration.parsing.yaml_structs import PATTERNS
from mt5crs_shared.configuration.structs import (
    FeatureApiConfig,
    FeedConfig,
    GlobalConfig,
    LimitsConfig,
    PaperConfig,
    RestartConfig,
    RetentionConfig,
    RiskConfig,
    RiskRuleConfig,
    StrategyConfig,
    SupervisorConfig,
    TapeConfig,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
WINDOWS_PAGE = PAGE.with_name("windows.md")
BEGIN, END = "<!-- fields -->\n", "<!-- end of fields -->\n"
SECTIONS: dict[type[msgspec.Struct], str] = {
    StrategyConfig: "strategies",
    RiskConfig: "risk_config",
    FeatureApiConfig: "feature_api",
    RestartConfig: "restart",
    LimitsConfig: "limits",
    GlobalConfig: "global",
    MarketConfig: "global.market",
    SupervisorConfig: "global.supervisor",
    PaperConfig: "global.paper",
    AccountConfig: "global.account",
    ExecutionConfig: "global.execution",
    TapeConfig: "global.tape",
    RetentionConfig: "global.retention",
    RiskRuleConfig: "global.risk",
    NotifyConfig: "global.notify",
    DestinationConfig: "global.notify.to",
    NotifyRuleConfig: "global.notify.rules",
    QuietHoursConfig: "global.notify.quiet_hours",
    PageConfig: "global.page",
    FeedConfig: "global.feed",
    SymbolSpec: "symbols",
}
ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", re.MULTILINE)
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}
SIGNS = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}


def tables() -> str:
    """A section for each struct."""
    return "\n".join(section(struct, title) for struct, title in SECTIONS.items())


def section(struct: type[msgspec.Struct], title: str) -> str:
    """One struct: what it is, and a line for each of its fields."""
    text = inspect.cleandoc(struct.__doc__ or "")
    said = {name: " ".join(words.split()) for name, words in ATTRIBUTE.findall(text)}
    hints = typing.get_type_hints(struct, include_extras=True)
    lines = [f"### {title}", "", markdown(text.partition("\n")[0]), ""]
    lines += ["| field | value | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        value, default = kind(hints[field.name]), default_of(field)
        lines.append(f"| `{field.name}` | {value} | {default} | {markdown(said[field.name])} |")
    return "\n".join(lines) + "\n"


def kind(hint: Any) -> str:
    """What may stand there."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return limited(arguments[0], arguments[1])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is types.UnionType or origin is typing.Union:
        return " or ".join(kind(a) for a in arguments if a is not type(None)) + ", or nothing"
    if origin in (list, tuple):
        return f"list of {kind(arguments[0])}"
    if origin is dict:
        return "mapping"
    if hint in SECTIONS:
        return f"[mapping](#{SECTIONS[hint].replace('.', '')})"
    return NAMES[hint]


def limited(base: Any, meta: msgspec.Meta) -> str:
    """A number's range, or a text's pattern."""
    if meta.pattern is not None:
        return PATTERNS[meta.pattern]
    if base is str:
        return NAMES[base]
    limits = ((word, getattr(meta, name)) for name, word in SIGNS.items())
    ranges = [f"{word} {limit:,.12g}" for word, limit in limits if limit is not None]
    return f"{NAMES[base]}, {', '.join(ranges)}"


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """The value of a field that is left out."""
    if field.default_factory is not msgspec.NODEFAULT:
        made = field.default_factory()
        return "its own defaults" if isinstance(made, msgspec.Struct) else f"`{made}`"
    if field.default is msgspec.NODEFAULT:
        return "required"
    if isinstance(field.default, msgspec.Struct):
        return "its own defaults"
    if field.default is None:
        return "nothing"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default}`"


def markdown(text: str) -> str:
    """Docstring markup as Markdown; what Python calls None is called nothing."""
    return text.replace("``", "`").replace("None:", "nothing:").replace("|", "\\|")


def renew(page: str, made: str) -> str:
    """A page with its tables made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{made}{END}{tail}"


def windows_table() -> str:
    """That of the Windows gateway's own file."""
    return section(WindowsGatewayConfig, "mt5crs-gateway.yaml")


PAGES = {PAGE: tables, WINDOWS_PAGE: windows_table}

if __name__ == "__main__":
    for page, make in PAGES.items():
        page.write_text(renew(page.read_text(), make()))
