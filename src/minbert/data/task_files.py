"""Where a task's rows come from: its files, and which of their columns hold what."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from minbert.data.subsample import WantedRows
from minbert.methods import Settings


class SplitFiles(Settings):
    """The files of a task, named from the data folder. A run that only evaluates needs no train file."""

    train: str | None = Field(None, description="file of the rows to train on")
    dev: str | None = Field(None, description="file of the rows that choices are made on")
    test: str | None = Field(None, description="file of the rows for the final check; it may lack labels")

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.by_split:
            raise ValueError("name at least one file: train, dev or test")
        return self

    @property
    def by_split(self) -> dict[str, str]:
        """The files that are named, by split: train, dev, test."""
        named = {"train": self.train, "dev": self.dev, "test": self.test}
        return {split: file for split, file in named.items() if file is not None}


class TaskFiles(Settings):
    """The piece of a recipe that tells where a task's texts and labels stand."""

    files: SplitFiles = Field(description="the file of each split, named from the data folder")
    text: str | tuple[str, str] = Field(description="the column of the text, or the two columns of a pair of texts")
    label: str = Field(description="the column of the label")
    id: str | None = Field(None, description="the column of the row's id; without it, the row's number is its id")
    rows: WantedRows | None = Field(
        None, description="train on a part of the rows: their number, or a share such as '10%'"
    )
    dev_rows: WantedRows | None = Field(
        None, description="score a part of dev's rows while training: their number, or a share such as '10%'"
    )

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        columns = [*self.text_columns, self.label]
        if not all(columns):
            raise ValueError("a column's name is empty")
        if len(set(columns)) < len(columns):
            raise ValueError("'text' and 'label' must be different columns")
        return self

    @property
    def text_columns(self) -> tuple[str, ...]:
        """One column, or the two of a pair."""
        return (self.text,) if isinstance(self.text, str) else self.text
