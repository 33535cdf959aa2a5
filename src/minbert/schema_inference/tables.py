"""The start of a file of rows, column by column: enough to tell what the columns hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from minbert.data.lines import UTF8
from minbert.data.opened import PARQUET, opened
from minbert.data.parquet import read_class_labels
from minbert.data.rows import Problem, read_rows, told_empty
from minbert.errors import UserError, printable, shown
from minbert.tasks.numbers import number

MOST_ROWS = 100_000
"""More rows tell nothing new of a column."""
MOST_READ = 1_000_000
"""Among so many the rows are chosen, which takes half a minute."""
MOST_CHARACTERS = 200_000_000

_BYTES_AT_A_TIME = 1 << 20
_SOME = 2000
"""Values that words are counted of: so many give a mean to a few percent."""
_TRUTHS = frozenset(["0", "1", "true", "false"])
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{1,2}:\d\d(:\d\d)?")
_WITHOUT_SPACES = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PAIR_OF_LETTERS = re.compile(rf"[{_WITHOUT_SPACES}]{{2}}")


@dataclass(frozen=True)
class Column:
    """The values of one column, without outer white space; a row that lacks it has an empty one."""

    name: str
    values: Sequence[str]
    lists: bool = False
    """Whether the file's own type of the values is a list; they are JSON then."""
    nulls: int = 0
    """How many rows hold null or lack the column, where the format tells that from an empty text."""
    code_names: Sequence[str] = ()
    """The names of 0, 1 and so on, where the file says that its numbers stand for classes."""

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value that is not empty occurs."""
        return Counter(value for value in self.values if value)

    @cached_property
    def filled(self) -> int:
        """How many values are not empty."""
        return self.counts.total()

    @cached_property
    def distinct_share(self) -> float:
        """The share of different values among those that are not empty."""
        return len(self.counts) / max(self.filled, 1)

    @cached_property
    def numbers(self) -> float:
        """The share of numbers among values that are not empty."""
        return self._share(value for value in self.counts if number(value) is not None)

    @cached_property
    def words(self) -> float:
        """How many words a value has on average, of some of them."""
        return sum(count_words(value) for value in self._some) / max(len(self._some), 1)

    @cached_property
    def prose(self) -> float:
        """The share of values that are several words, of some of them."""
        return sum(map(_is_prose, self._some)) / max(len(self._some), 1)

    @cached_property
    def _some(self) -> list[str]:
        filled = [value for value in self.values if value]
        return filled[:: max(1, len(filled) // _SOME)]

    @cached_property
    def dates(self) -> float:
        """The share of dates and times."""
        return self._share(value for value in self.counts if _DATE.fullmatch(value))

    @property
    def is_truth(self) -> bool:
        """Whether every value is 0 or 1, or true or false."""
        return len(self.counts) == 2 and all(_plain(value) in _TRUTHS for value in self.counts)

    def _share(self, values: Iterable[str]) -> float:
        return sum(self.counts[value] for value in values) / max(self.filled, 1)


@dataclass(frozen=True)
class Table:
    """A file as far as it was read."""

    path: Path
    rows: int
    columns: dict[str, Column]
    bad: int
    """How many of those that were looked at cannot be used."""
    rows_in_all: int
    """How many the file has; an estimate where it has more than ``MOST_READ``."""
    unusable: Counter[str]
    """How many rows hold in a column what is neither a text nor a list of texts."""

    @property
    def whole(self) -> bool:
        """Whether all rows of the file are here."""
        return self.rows_in_all == self.rows + self.bad


def read_table(path: Path, header: Sequence[str] = (), encoding: str = UTF8) -> Table:
    """Return the rows of a file, at most ``MOST_ROWS`` of them; bad ones are counted, and otherwise passed over.

    Of more, every second row is taken, or every fourth, and so on: a file may be sorted by its labels.
    ``header`` and ``encoding`` are those of ``read_rows``.

    Raises:
        UserError: the file cannot be read, or no row of it can.
    """
    rows: list[dict[str, str]] = []
    names: dict[str, bool] = {}
    unusable: Counter[str] = Counter()
    read = bad = characters = last_line = 0
    every, rows_in_all = 1, None
    for row in read_rows(path, header, encoding):
        if read >= MOST_READ:
            rows_in_all = max(read + 1, round(read * _count_lines(path) / last_line))
            break
        read, last_line = read + 1, row.line
        if (read - 1) % every:
            continue
        if isinstance(row, Problem):
            bad += 1
            continue
        if len(rows) >= MOST_ROWS or characters > MOST_CHARACTERS:
            rows, bad, every, characters = rows[::2], bad // 2, 2 * every, characters // 2
        rows.append({name: value for name, value in (row.values | dict(row.lists)).items() if name not in row.nulls})
        unusable.update(row.unusable.keys() - row.lists.keys() - set(row.nulls))
        characters += sum(map(len, row.values.values()))
        names |= {name: names.get(name, False) for name in row.values} | dict.fromkeys(row.lists, True)
    if not rows:
        raise UserError(f"{path}: none of its {bad:,} rows can be read." if bad else told_empty(path))
    code_names = _code_names(path)
    columns = {
        name: Column(
            name,
            [row.get(name, "").strip() for row in rows],
            lists,
            sum(name not in row for row in rows),
            code_names.get(name, ()),
        )
        for name, lists in names.items()
    }
    return Table(path, len(rows), columns, bad, rows_in_all or read, unusable)


def _code_names(path: Path) -> dict[str, list[str]]:
    """Return the names of the classes whose numbers a column holds, by column."""
    with opened(path) as (stream, suffix):
        return read_class_labels(stream) if suffix == PARQUET else {}


def _count_lines(path: Path) -> int:
    """Return how many lines a file has, or a Parquet file rows, which are its lines."""
    with opened(path) as (stream, suffix):
        if suffix == PARQUET:
            from pyarrow.parquet import ParquetFile

            return int(ParquetFile(stream).metadata.num_rows)
        return sum(part.count(b"\n") for part in iter(partial(stream.read, _BYTES_AT_A_TIME), b""))


def told_columns(tables: Mapping[str, Table]) -> str:
    """Return the columns of the train file in words, and those of each other file that has not all of them."""
    train = tables["train"]
    told = [f"its columns: {_first_names(train)}"]
    for table in tables.values():
        if not train.columns.keys() <= table.columns.keys():
            told.append(f"those of {printable(table.path.name)}: {_first_names(table)}")
    return "; ".join(told)


def _first_names(table: Table) -> str:
    return ", ".join(shown(name) for name in list(table.columns)[:10])


def count_words(value: str) -> int:
    """Return how many words a value has; two letters of a script that sets no spaces count as one."""
    pairs = len(_PAIR_OF_LETTERS.findall(value))
    return pairs + sum(any(map(str.isalpha, word)) for word in _PAIR_OF_LETTERS.sub(" ", value).split())


def _is_prose(value: str) -> bool:
    """Return whether a value has three words or more, which no code and few names of classes have."""
    return count_words(value) >= 3


def _plain(value: str) -> str:
    known = number(value)
    return value.lower() if known is None else str(int(known)) if known == int(known) else value
