"""What files say of a task's classes beside the labels: Parquet of its numbers, a list of names or of numbers too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minbert.data.lines import read_lines
from minbert.errors import UserError, printable
from minbert.schema_inference.tables import Column, Table

_CODED = re.compile(r"(-?\d+)(?:\s*[\t:,;]\s*| +)(\S.*)", re.ASCII)


@dataclass(frozen=True)
class ClassList:
    """The classes that a file tells."""

    file: str = ""
    """Its name; empty where no file tells any."""
    names: list[str] = field(default_factory=list)
    """In order: that of their numbers, where it has numbers, else that of the lines."""
    codes: dict[str, str] = field(default_factory=dict)
    """The name of each number, where the file has numbers."""


def read_class_list(path: Path | None, remarks: list[str]) -> ClassList:
    """Return what a file lists; nothing where there is none, or where it is no such list, which is told."""
    if path is None:
        return ClassList()
    try:
        with path.open("rb") as file:
            lines = list(read_lines(file, path))
    except (OSError, UserError):
        return ClassList(path.name)
    if any(line.flaw for line in lines):
        remarks.append(f"{path.name}: not used; it is no UTF-8 text")
        return ClassList(path.name)
    names = list(dict.fromkeys(filter(None, (line.text.strip() for line in lines))))
    coded = [found for name in names if (found := _CODED.fullmatch(name))]
    by_number = {int(found[1]): found[2].strip() for found in coded}
    if len(coded) == len(names) == len(by_number) == len(set(by_number.values())):
        codes = {str(code): by_number[code] for code in sorted(by_number)}
        return ClassList(path.name, list(codes.values()), codes)
    return ClassList(path.name, names)


def read_code_names(
    tables: dict[str, Table], parts: dict[str, Table], columns: Sequence[Column], remarks: list[str]
) -> ClassList | None:
    """Return what Parquet files say of the numbers in the labels' column; None where they say nothing.

    Where a number means another class in one file than in those before it, that file is taken out of the tables, and
    a remark says so.
    """
    known = None
    for group in (tables, parts):
        for key, table in list(group.items()) if len(columns) == 1 else ():
            column = table.columns.get(columns[0].name)
            names = [] if column is None else list(column.code_names)
            if names and known is None:
                known = ClassList(table.path.name, names, {str(code): name for code, name in enumerate(names)})
            elif names and known is not None and names != known.names:
                told = f"its numbers stand for other classes than those of {printable(known.file)}"
                remarks.append(f"{printable(table.path.name)}: left out; {told}")
                del group[key]
    return known
