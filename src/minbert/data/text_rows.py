"""The texts of a file that a model is asked about, row by row, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from minbert.data.lines import read_lines
from minbert.data.opened import opened
from minbert.data.row import missing_column
from minbert.data.rows import Problem, Row, holds_lines, read_rows, standard_input, told_path
from minbert.errors import UserError

COUNTED_AT_ONCE = 2048


class TextRow(NamedTuple):
    """One row: the line it starts on, its id, and its text or the two texts of a pair."""

    line: int
    id: str
    texts: tuple[str, ...]

    @property
    def lacks_text(self) -> bool:
        """Whether a text is empty. Such a row is answered, too: whoever asks wants a line for each row."""
        return not all(map(str.strip, self.texts))


@dataclass(frozen=True, slots=True)
class TextRows:
    """The rows of a file, or of standard input (``-``), each with a text, be it empty, of every one of ``columns``.

    Without ``id_column``, ids are those of ``usual_id_column``, if the first row has that: then a row without one has
    an empty id. Otherwise an id is the row's number, from 1. Of a ``.txt`` file that is no table, each line is a text
    if one column is wanted. Then blank lines are left out, and an id is the line's number. A first line that is the
    column's name is left out too.
    """

    path: Path
    columns: Sequence[str]
    id_column: str | None = None
    usual_id_column: str | None = None
    header: Sequence[str] = ()
    """The names of the file's columns, where it has no line for that."""

    def __iter__(self) -> Iterator[TextRow]:
        """Yield the rows.

        Raises:
            UserError: at the first row that cannot be used, or as ``read_rows`` does.
        """
        place = told_path(self.path)
        plain = len(self.columns) == 1 and self.id_column is None and holds_lines(self.path)
        rows = _lines(self.path, self.columns[0]) if plain else read_rows(self.path, self.header)
        id_column = self.id_column
        for number, row in enumerate(rows, start=1):
            if isinstance(row, Problem):
                raise UserError(f"{row}. {row.advice}".strip())
            if missing := missing_column(row, self.columns):
                names = "the text's column" if len(self.columns) == 1 else "both columns of a pair"
                raise UserError(f"{place}:{row.line}: {missing} Name {names} with --text.")
            if self.id_column and (missing := missing_column(row, [self.id_column])):
                raise UserError(f"{place}:{row.line}: {missing} Name the id's column with --id, or leave it out.")
            texts = tuple(row.values[column] for column in self.columns)
            if number == 1 and id_column is None and self.usual_id_column in row.values:
                id_column = self.usual_id_column
            own = str(row.line if plain else number) if id_column is None else row.values.get(id_column, "")
            yield TextRow(row.line, own, texts)

    def count(self, progress: Callable[[int], None]) -> int | None:
        """Read all rows and return how many there are; None of what can be read only once, which is not touched.

        So a bad row at the end of a long file is told before the first is answered. ``progress`` is called with the
        number of rows just read.

        Raises:
            UserError: as iterating does.
        """
        if self.path == standard_input or not self.path.is_file():  # a pipe, or nothing at all
            return None
        count = 0
        for count, _ in enumerate(self, start=1):
            if count % COUNTED_AT_ONCE == 0:
                progress(COUNTED_AT_ONCE)
        return count


def _lines(path: Path, column: str) -> Iterator[Row | Problem]:
    """Yield each line of a text file as a row of one column, but blank ones, and the first where it is its name."""
    with opened(path) as (stream, _):
        for line in read_lines(stream, path):
            if line.flaw:
                yield Problem(path, line.number, *line.flaw)
            elif line.content.strip() and (line.number, line.content.strip()) != (1, column):
                yield Row(line.number, {column: line.content})
