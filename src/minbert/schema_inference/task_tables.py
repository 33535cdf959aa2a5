"""The tables of a task's files: read in their encoding, and by names of ours where they have no header."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from minbert.errors import UserError, printable, shown
from minbert.schema_inference.encoding import find_encoding
from minbert.schema_inference.finding_files import FoundTask
from minbert.schema_inference.first_line import Start, has_a_header, lacks_its_header, read_start, row_for_a_header
from minbert.schema_inference.found import Findings
from minbert.schema_inference.guessed_header import guess_header
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
    starts = _read_starts(task, data, encoding)
    header: Sequence[str] = ()
    if "train" in starts and (row := row_for_a_header(starts)) is not None:
        header = guess_header(starts, row, printable(task.files["train"]), findings)
        for split in [split for split in starts if split != "train" and has_a_header(starts[split], starts["train"])]:
            remarks.append(_told_other_header(task.files.pop(split), starts[split].fields, header))
    elif without := [split for split in starts if lacks_its_header(starts[split], starts["train"])]:
        header = starts["train"].fields
        findings.set("header", header, f"that of the train file, for {task.files[without[0]]} has none")
    read_file = partial(read_table, header=header, encoding=encoding)
    return _read(task, data, read_file, remarks), read_file


def _read_starts(task: FoundTask, data: Path, encoding: str) -> dict[str, Start]:
    """Return the start of each split's file that is a table and can be read, that of train first."""
    starts: dict[str, Start] = {}
    for split in ("train", "dev", "test"):
        if split in task.files:
            with suppress(UserError):  # it is told when all is read
                if (start := read_start(data / task.files[split], encoding)) is not None:
                    starts[split] = start
    return starts if "train" in starts else {}


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


def _told_other_header(file: str, fields: Sequence[str], header: Sequence[str]) -> str:
    return (
        f"{printable(file)}: left out; its first line names columns ({', '.join(map(shown, fields))}), and that "
        f"of the train file does not. Call them {', '.join(header)}, as 'header' in the recipe does"
    )
