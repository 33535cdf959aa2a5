"""What was inferred, in words for the terminal and as a recipe with comments."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minbert.errors import printable
from minbert.files.strict_yaml import to_yaml, to_yaml_line

if TYPE_CHECKING:
    from minbert.schema_inference.found import Findings, InferredFolder, InferredTask

_ORDER = (
    *("kind", "classes", "range", "files", "also_train_on", "held_out"),
    *("encoding", "header", "id", "text", "skip_empty", "pair"),
    *("label", "labels_separator", "labels", "skip_unlabelled", "thresholds"),
    *("head", "loss", "metric", "batch_size"),
)
"""The keys of a task as a reader looks for them."""
_TOLD = (
    *("kind", "encoding", "header", "text", "skip_empty", "label", "id", "held_out", "also_train_on"),
    *("labels", "skip_unlabelled", "metric"),
)
"""The keys that the terminal tells; of the others, the recipe."""
_WIDTH = 100


def understood(inferred: InferredFolder) -> list[str]:
    """Return what was understood, and what was not, as lines for the terminal."""
    lines = []
    for task in inferred.tasks:
        lines.append(task.name)
        lines.append(f"  files: {', '.join(f'{split} {rows:,} rows' for split, rows in task.rows.items())}")
        for key in _TOLD:
            if key in task.findings.settings:
                lines.append(f"  {key}: {_said(task.findings, key)}")
        if task.unused:
            lines.append(f"  not used: {printable(_in_words(task.unused))}")
        lines += [f"  unsure: {printable(doubt)}" for doubt in task.findings.unsure]
    told = [key for key in ("max_length", "new_characters") if key in inferred.encoder.settings]
    lines += [
        f"encoder: {inferred.encoder.settings['name']}",
        *(f"{key}: {_said(inferred.encoder, key)}" for key in told),
    ]
    if "keep" in inferred.training.settings:
        lines.append(f"keep: {_said(inferred.training, 'keep')}")
    return [*lines, *(f"note: {printable(remark)}" for remark in inferred.remarks)]


def recipe_text(inferred: InferredFolder, folder: Path) -> str:
    """Return the recipe as commented YAML for a file in ``folder``; a data folder within it is named from there."""
    data, place = inferred.data.resolve(), folder.resolve()
    named = os.path.relpath(data, place) if data.is_relative_to(place) else str(data)
    lines = [
        "# Written by 'minbert new' from what the files hold. Change what is not so.",
        *(f"# Note: {printable(remark)}" for remark in inferred.remarks),
        to_yaml({"data": named}).rstrip(),
        *_section("encoder", inferred.encoder),
        "tasks:",
        *(line for task in inferred.tasks for line in _task(task)),
        *_section("schedule", inferred.schedule),
        *_section("optimizer", inferred.optimizer),
        *_section("training", inferred.training),
    ]
    return "\n".join(lines) + "\n"


def _section(name: str, findings: Findings) -> list[str]:
    return [f"{name}:", *_entries(findings, list(findings.settings), "  ")] if findings.settings else []


def _task(task: InferredTask) -> list[str]:
    keys = [key for key in _ORDER if key in task.findings.settings]
    return [
        f"  {to_yaml({task.name: None}).partition(':')[0]}:",
        *([f"    # Columns not used: {printable(_in_words(task.unused))}"] if task.unused else []),
        *(f"    # Unsure: {printable(doubt)}" for doubt in task.findings.unsure),
        *_entries(task.findings, keys, "    "),
    ]


def _entries(findings: Findings, keys: list[str], indent: str) -> list[str]:
    lines = []
    for key in keys:
        value = findings.settings[key]
        if reason := findings.reasons.get(key):
            lines.append(f"{indent}# {printable(reason)}")
        line = f"{key}: {to_yaml_line(value)}"
        if len(indent + line) > _WIDTH:
            line = textwrap.indent(to_yaml({key: value}).rstrip(), indent).lstrip()
        lines.append(indent + line)
    return lines


def _said(findings: Findings, key: str) -> str:
    """Return a setting and the reason for it on a line."""
    reason = findings.reasons.get(key)
    value = _in_words(findings.settings[key])
    if key == "kind":
        value += "".join(
            _KIND_DETAILS[more](findings.settings[more]) for more in _KIND_DETAILS if more in findings.settings
        )
    return printable(f"{value} ({reason})" if reason else value)


def _in_words(value: Any) -> str:
    """Return a value as a person would say it, cut where it is long."""
    if isinstance(value, dict):
        value = [f"{key} is {'left out' if inner is None else inner}" for key, inner in value.items()]
    if not isinstance(value, list):
        return str(value)
    told = ", ".join(map(str, value))
    return told if len(told) <= _WIDTH else f"{', '.join(map(str, value[:5]))}, ... ({len(value)} of them)"


_KIND_DETAILS: dict[str, Callable[[Any], str]] = {
    "classes": lambda classes: f" of {classes} classes" if isinstance(classes, int) else f" of {_in_words(classes)}",
    "range": lambda ends: f" from {ends[0]} to {ends[1]}",
}
"""How the terminal tells what stands beside a kind."""
