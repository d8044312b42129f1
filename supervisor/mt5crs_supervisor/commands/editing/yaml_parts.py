"""Where each value of a YAML text begins and ends, so that it can be changed in its place."""

from collections.abc import Iterator

import msgspec
import yaml


class Part(msgspec.Struct, frozen=True):
    """One value as it is written.

    Attributes:
        start: Offset of its first character, an anchor included.
        end: Offset after its last one, without what may follow before the next value.
        text: A scalar's value; empty for everything else.
        inside: The items of a list; of a mapping, its keys and values in turn.
        is_mapping: It is a mapping.
        is_list: It is a list.
        is_flow: It is written in brackets.
    """

    start: int
    end: int
    text: str = ""
    inside: tuple["Part", ...] = ()
    is_mapping: bool = False
    is_list: bool = False
    is_flow: bool = False

    def entries(self) -> dict[str, tuple["Part", "Part"]]:
        """The keys of a mapping that stand in it, with their values; of anything else, none."""
        pairs = zip(self.inside[::2], self.inside[1::2], strict=True) if self.is_mapping else ()
        return {key.text: (key, value) for key, value in pairs}


def read_parts(text: str) -> Part:
    """The document of a text that `yaml_nodes.parse` takes."""
    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return _part(event, events, text)
    return Part(len(text), len(text))


def _part(event: yaml.NodeEvent, events: Iterator[yaml.Event], text: str) -> Part:
    start, end = _span(event)
    if not isinstance(event, yaml.CollectionStartEvent):
        value = event.value if isinstance(event, yaml.ScalarEvent) else ""
        # A text of several lines that begins with | or > ends after the empty ones below it.
        return Part(start, start + len(text[start:end].rstrip()), value)
    inside = []
    while isinstance(below := next(events), yaml.NodeEvent):
        inside.append(_part(below, events, text))
    closing, end = _span(below)
    # Without brackets it ends where the next thing begins, with comments and empty lines between.
    is_flow = closing < end
    is_mapping = isinstance(below, yaml.MappingEndEvent)
    last = end if is_flow else inside[-1].end
    return Part(start, last, "", tuple(inside), is_mapping, not is_mapping, is_flow)


def _span(event: yaml.Event) -> tuple[int, int]:
    assert event.start_mark is not None and event.end_mark is not None, "it was read from a text"
    return event.start_mark.index, event.end_mark.index
