"""What differs between two states of the page: a JSON merge patch (RFC 7386); pure."""

from collections.abc import Mapping

Json = object
"""Whatever JSON can say."""


def pruned(value: Json) -> Json:
    """The same without what is null in its mappings: a merge patch says "gone" with null."""
    if isinstance(value, Mapping):
        return {key: pruned(inner) for key, inner in value.items() if inner is not None}
    return value


def merge_patch(before: Json, after: Json) -> Json:
    """What makes `after` of `before`; an empty mapping where nothing differs.

    Args:
        before: JSON without nulls in its mappings.
        after: Likewise.
    """
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    patch: dict[str, Json] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif before[key] != value:
            patch[key] = merge_patch(before[key], value)
    return patch
