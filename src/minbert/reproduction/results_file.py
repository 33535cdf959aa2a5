"""``results.json`` of a reproduction, as reports read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from minbert.files.json_text import Number, read_object

RESULTS = "results.json"


class _Row(BaseModel):
    label: str
    single_task: bool = False
    """Absent in results that were written before it was told."""
    published: dict[str, Number]
    ours: dict[str, list[Number]]
    seconds: Number
    failures: list[str]


class _Table(BaseModel):
    caption: str
    columns: dict[str, str]
    less_is_better: list[str] = []
    """The same."""
    baseline: str
    rows: dict[str, _Row]


class _Results(BaseModel):
    title: str
    conditions: str
    notes: str
    budget: str
    encoder: str
    seeds: int
    device: str
    threads: int
    torch: str
    runs: int
    finished: int
    single_task: dict[str, list[Number]]
    tables: dict[str, _Table]


_SHAPE = TypeAdapter(_Results)


def read_results(folder: Path) -> dict[str, Any]:
    """Return what the ``results.json`` of a reproduction says.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return read_object(folder / RESULTS, _SHAPE)
