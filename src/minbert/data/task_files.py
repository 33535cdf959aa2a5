"""Where a task's rows come from: its files, and which of their columns hold what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic.config import JsonDict

from minbert.data.lines import UTF8, keeps_ascii
from minbert.data.subsample import WantedRows
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.methods import Settings

_OWN: JsonDict = {"default": "the task's own"}


def as_written(value: Any) -> Any:
    """Return a label from a recipe as the text that a file would hold.

    Raises:
        ValueError: YAML has made a truth value of it, and what was written is lost.
    """
    if isinstance(value, bool):
        raise ValueError("put the label in quotes: YAML reads true and false as truth values")
    return str(value) if isinstance(value, int | float) else value


LabelText = Annotated[str, BeforeValidator(as_written)]


def _can_be_a_file(name: str) -> str:
    try:
        to_path(name)
    except UserError as error:
        raise ValueError(str(error)) from None
    return name


FileName = Annotated[str, AfterValidator(_can_be_a_file)]
"""The name of a file of data, from the data folder; nothing needs to be there yet."""


class Columns(Settings):
    """What the columns of a file of rows are called."""

    header: list[str] | None = Field(
        None,
        min_length=1,
        description="names of all columns in order, where the files have no line of them; '' for one not needed",
    )
    encoding: str = Field(UTF8, description="the encoding of CSV, TSV and JSON lines, such as windows-1252 or gbk")
    text: str | tuple[str, str] = Field(description="the column of the text, or the two columns of a pair of texts")
    label: str | list[str] = Field(
        description="the column of the label; of multilabel also a list: a 0/1 column for each class"
    )
    labels_separator: str | None = Field(
        None, min_length=1, description="multilabel only: what stands between the classes, where a file writes a|b"
    )
    id: str | None = Field(None, description="the column of the row's id; without it, the row's number is its id")
    labels: dict[LabelText, LabelText | None] | None = Field(
        None,
        min_length=1,
        description="from labels in the files to the task's, {0: 0, 1: 4}; null leaves rows out, alone no others",
    )

    skip_unlabelled: bool = Field(False, description="leave out rows without a complete label; every run says which")
    skip_empty: bool = Field(
        False, description="leave out rows without a text, or one of the two; every run says which"
    )

    @field_validator("encoding")
    @classmethod
    def _text_can_be_cut(cls, value: str) -> str:
        if not keeps_ascii(value):
            raise ValueError(
                f"'{value}' is no encoding of text that keeps ASCII, as utf-8, windows-1252 or gbk do. Make the file "
                "UTF-8: iconv -f ENCODING -t UTF-8 OLD > NEW"
            )
        return value

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        columns = [*self.text_columns, *self.label_columns]
        if not all(columns):
            raise ValueError("a column's name is empty")
        self._check_header()
        if len(set(self.label_columns)) < len(self.label_columns):
            raise ValueError("'label' names a column twice")
        if len(set(columns)) < len(columns):
            raise ValueError("'text' and 'label' must be different columns")
        if self.labels_separator is not None and isinstance(self.label, list):
            raise ValueError("'labels_separator' goes with one column of labels")
        return self

    def _check_header(self) -> None:
        names = [name for name in self.header or () if name]
        if len(set(names)) < len(names):
            raise ValueError("'header' names a column twice")
        wanted = [*self.text_columns, *self.label_columns, *([self.id] if self.id else [])]
        if self.header is not None and (unknown := next((name for name in wanted if name not in names), None)):
            raise ValueError(f"'header' does not name the column '{unknown}'")

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The column of the label, or one for each class."""
        return (self.label,) if isinstance(self.label, str) else tuple(self.label)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """One column, or the two of a pair."""
        return (self.text,) if isinstance(self.text, str) else self.text


class SplitFiles(Settings):
    """The files of a task, named from the data folder. A run that only evaluates needs no train file."""

    train: FileName | None = Field(None, description="file of the rows to train on")
    dev: FileName | None = Field(None, description="file of the rows that choices are made on")
    test: FileName | None = Field(None, description="file of the rows for the final check; it may lack labels")

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


class SharedFile(Columns):
    """A file of another task, or of another origin, whose rows train this task too."""

    file: FileName = Field(description="the file, named from the data folder")
    header: list[str] | None = Field(
        min_length=1, description="names of its columns in order, where it has no line of them", json_schema_extra=_OWN
    )
    encoding: str = Field(description="its encoding", json_schema_extra=_OWN)
    text: str | tuple[str, str] = Field(
        description="its column of the text, or its two columns of a pair", json_schema_extra=_OWN
    )
    label: str | list[str] = Field(description="its column of the label, or its columns", json_schema_extra=_OWN)
    labels_separator: str | None = Field(
        min_length=1, description="what stands between its classes; multilabel only", json_schema_extra=_OWN
    )
    id: str | None = Field(
        description="its column of the row's id; null: the row's number is its id", json_schema_extra=_OWN
    )
    labels: dict[LabelText, LabelText | None] | None = Field(
        min_length=1,
        description="from labels in the file to labels of the task; null leaves rows out",
        json_schema_extra=_OWN,
    )
    skip_unlabelled: bool = Field(
        description="leave out its rows without a complete label; every run says which", json_schema_extra=_OWN
    )
    skip_empty: bool = Field(
        description="leave out its rows without a text, or one of the two; every run says which", json_schema_extra=_OWN
    )
    rows: WantedRows | None = Field(
        None, description="a part of its rows: their number, or a share such as '10%'; where not given, all"
    )


class TaskFiles(Columns):
    """The piece of a recipe that tells where a task's texts and labels stand."""

    files: SplitFiles = Field(description="the file of each split, named from the data folder")
    held_out: WantedRows | None = Field(
        None,
        description="instead of a dev file: this part of the train file's rows, their number, or a share such as '10%'",
    )
    rows: WantedRows | None = Field(
        None, description="train on a part of the train file's rows: their number, or a share such as '10%'"
    )
    also_train_on: list[SharedFile] = Field(
        [], description="further files whose rows train the task, for example another task's, with labels translated"
    )
    dev_rows: WantedRows | None = Field(
        None, description="score a part of dev's rows while training: their number, or a share such as '10%'"
    )

    @model_validator(mode="before")
    @classmethod
    def _columns_are_the_tasks_own_by_default(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("also_train_on"), list):
            return value
        own = {name: field.default for name, field in Columns.model_fields.items() if not field.is_required()}
        own |= {name: value[name] for name in Columns.model_fields if name in value}
        files = [own | dict(file) if isinstance(file, Mapping) else file for file in value["also_train_on"]]
        return value | {"also_train_on": files}

    @model_validator(mode="after")
    def _dev_is_a_file_or_held_out(self) -> Self:
        if self.held_out is not None and (self.files.train is None or self.files.dev is not None):
            raise ValueError("'held_out' takes dev's rows from a train file; name that under 'files', and no dev file")
        return self

    @property
    def split_files(self) -> dict[str, str]:
        """The file that each split's rows stand in; of dev, the train file where rows are held out of it."""
        named = self.files.by_split
        if self.held_out is None:
            return named
        return {"train": named["train"], "dev": named["train"]} | named

    @model_validator(mode="after")
    def _shared_rows_have_as_many_texts(self) -> Self:
        if self.also_train_on and self.files.train is None:
            raise ValueError("'also_train_on' adds to a train file; name that under 'files'")
        for file in self.also_train_on:
            if len(file.text_columns) != len(self.text_columns):
                wanted = "pairs of texts" if len(self.text_columns) == 2 else "single texts"
                raise ValueError(f"also_train_on: the task is one on {wanted}, and so must {file.file} be")
        return self
