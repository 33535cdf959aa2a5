"""Where two recipes differ, key by key."""

from __future__ import annotations

from typing import Any

_AT_MOST = 8


def leaves(tree: Any, key: str = "") -> dict[str, Any]:
    """Return a tree of mappings as one mapping: dotted keys with what stands there."""
    if not isinstance(tree, dict) or not tree:
        return {key: tree}
    return {
        place: leaf
        for name, part in tree.items()
        for place, leaf in leaves(part, f"{key}.{name}" if key else name).items()
    }


def told_differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """Return what differs between a folder's recipe and the one that is given, both as trees, in a sentence's part."""
    old, new = leaves(there), leaves(here)
    keys = [key for key in [*old, *(key for key in new if key not in old)] if old.get(key) != new.get(key)]
    told = [f"{key} is {_shown(old, key)} there and {_shown(new, key)} here" for key in keys[:_AT_MOST]]
    return "; ".join([*told, *([f"and {len(keys) - _AT_MOST} more keys differ"] if len(keys) > _AT_MOST else [])])


def _shown(settings: dict[str, Any], key: str) -> str:
    if key not in settings:
        return "absent"
    text = str(settings[key])
    return text if len(text) <= 60 else f"{text[:57]}..."
