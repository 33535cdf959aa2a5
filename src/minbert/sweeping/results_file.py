"""``sweep.json``, as reports read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, TypeAdapter, model_validator

from minbert.files.json_text import Number, read_object

SWEEP_RESULTS = "sweep.json"


class _Spread(BaseModel):
    mean: Number
    sd: Number | None
    n: int


class _Configuration(BaseModel):
    name: str
    values: dict[str, Any]
    scores: dict[str, _Spread | None]
    difference: Number | None
    train_seconds: Number | None
    state: str


class _Sweep(BaseModel):
    score: str
    keys: dict[str, Any]
    best: str | None
    base: str | None
    configurations: list[_Configuration]

    @model_validator(mode="after")
    def _every_key_has_a_value(self) -> Self:
        for one in self.configurations:
            if missing := self.keys.keys() - one.values.keys():
                raise ValueError(f"configuration {one.name} has no value of {min(missing)}")
        return self


_SHAPE = TypeAdapter(_Sweep)


def read_sweep(folder: Path) -> dict[str, Any]:
    """Return what a sweep's ``sweep.json`` says.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return read_object(folder / SWEEP_RESULTS, _SHAPE)
