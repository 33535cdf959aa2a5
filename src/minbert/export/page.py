"""The page in an exported folder: its tasks, what is exact, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from minbert.display.columns import escaped
from minbert.export.carrying import Carried
from minbert.export.formats.base import Format
from minbert.files.strict_yaml import to_yaml
from minbert.multitask.model import MultitaskModel
from minbert.tasks.heads.base import Pair

CARD = "README.md"

SEQUENCES: dict[Pair | None, str] = {
    None: "one text",
    "bi": "two texts, a sequence each",
    "cross": "two texts in one sequence",
    "joint": "two texts in one sequence",
    "both": "two texts, a sequence each, then both in one",
}
"""How a task's row becomes sequences."""


def folder_page(name: str, model: MultitaskModel, written: Format, carried: Mapping[str, Carried]) -> str:
    """Return the page of a folder called ``name`` in Markdown."""
    lines = ["| task | a row is | an answer is | carried |", "|---|---|---|---|"]
    for task, settings in model.tasks.items():
        told = carried[task]
        extent = told.extent if not told.why else f"{told.extent}: {told.why}"
        cells = (f"`{task}`", SEQUENCES[settings.pair], settings.kind.answer_described, extent)
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    tasks = "\n".join(lines)
    body = (
        f"# {name}\n\nA minbert model, exported by minbert {version('minbert')} as `{written.name}`: {written.title}.\n"
        f"A sequence has at most {model.max_length} tokens.\n\n{tasks}\n\n{written.usage(model)}\n"
    )
    return with_metadata(written.metadata(model), body)


def with_metadata(metadata: Mapping[str, Any], body: str) -> str:
    """Return a page that begins with what the hub wants to know of it, if there is anything."""
    return f"---\n{to_yaml(dict(metadata))}---\n\n{body}" if metadata else body
