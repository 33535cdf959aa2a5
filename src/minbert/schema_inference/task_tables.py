"""The tables of a task's files: read in their encoding, and by names of ours where they have no header."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from minbert.data.header import NoHeaderError
from minbert.errors import UserError, printable, shown
from minbert.schema_inference.encoding import find_encoding
from minbert.schema_inference.finding_files import FoundTask
from minbert.schema_inference.first_line import guess_header, row_for_a_header
from minbert.schema_inference.found import Findings
from minbert.schema_inference.tables import Column, Table, read_table

ReadTable = Callable[[Path], Table]
"""Reads a file of a task as all its files are written."""


def read_tables(
    task: FoundTask, data: Path, findings: Findings, remarks: list[str]
) -> tuple[dict[str, Table], ReadTable]:
    """Return the files of the splits as tables, and what reads further files; set ``encoding`` and ``header``.

    A dev or test file that cannot be read is left out.

    Raises:
        UserError: the train file cannot be read.
    """
    encoding = find_encoding([data / file for file in (*task.files.values(), *task.more_train)], findings)
    read_file: ReadTable = partial(read_table, encoding=encoding)
    left_out: list[str] = []
    try:
        tables = _read(task, data, read_file, left_out)
        row = row_for_a_header(tables)
    except NoHeaderError as error:
        row = error.value
    if row is not None:
        header = guess_header(data / task.files["train"], row, encoding, findings)
        read_file = partial(read_table, header=header, encoding=encoding)
        left_out.clear()
        tables = _read(task, data, read_file, left_out)
    remarks += left_out
    return tables, read_file


def _read(task: FoundTask, data: Path, read_file: ReadTable, remarks: list[str]) -> dict[str, Table]:
    """Return the task's files as tables; a dev or test file that cannot be read is left out.

    Raises:
        UserError: the train file cannot be read.
    """
    tables = {"train": read_file(data / task.files["train"])}
    for split in ("dev", "test"):
        if split in task.files:
            try:
                table = read_file(data / task.files[split])
            except UserError as error:
                remarks.append(f"{str(error).removesuffix('.')}; left out")
                continue
            if split == "dev" and len(table.columns) == 1:
                remarks.append(told_unlabelled(task))
            else:
                tables[split] = table
    return tables


def further_parts(
    task: FoundTask, data: Path, read_file: ReadTable, columns: Sequence[Column], remarks: list[str]
) -> dict[str, Table]:
    """Return the further parts of the train file that can be read and have these columns, by their names."""
    parts = {}
    for file in task.more_train:
        try:
            part = read_file(data / file)
        except UserError as error:
            remarks.append(f"{str(error).removesuffix('.')}; left out")
            continue
        if lacking := [shown(column.name) for column in columns if column.name not in part.columns]:
            remarks.append(f"{printable(file)}: left out; it has no column {', '.join(lacking)}")
        else:
            parts[file] = part
    return parts


def told_unlabelled(task: FoundTask) -> str:
    """Say that the dev file is left out."""
    return f"{printable(task.files['dev'])}: left out; it seems to have no labels"
