"""The names of a table's columns: those of its first line, or names that are given where the first line is a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minbert.data.delimiters import likely_delimiter, said_delimiter
from minbert.data.fields import OpenQuote, split_fields
from minbert.data.jsonl import is_json
from minbert.data.lines import Line
from minbert.data.row import DELIMITERS
from minbert.data.web_pages import refuse_web_page
from minbert.errors import UserError, shown
from minbert.tasks.numbers import number


class NoHeaderError(UserError):
    """A file's first line cannot name its columns, and is probably a row, as its part ``value`` tells."""

    def __init__(self, path: Path, line: int, why: str, value: str) -> None:
        self.value = value
        super().__init__(
            f"{path}:{line}: {why}. If this line is a row, put a line before it that names the columns, or name them "
            "as 'header' in the recipe."
        )


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, and what separates fields."""

    names: Sequence[str]
    delimiter: str
    line: int | None
    """Where the file names its columns; None where the names were given."""
    rows: Sequence[Line] = ()
    """The line that was read in search of a header, where it is a row."""

    @property
    def advice(self) -> str:
        """What to do where given names are not as many as a row has fields."""
        return "" if self.line is not None else "Give it one name, which may be empty, for each field of a row."

    def __str__(self) -> str:
        """Return how many columns it names, as the beginning of a sentence."""
        count = len(self.names)
        columns = "1 field" if count == 1 else f"{count} fields"
        if self.line is None:
            return f"the recipe's 'header' has {columns}"
        return f"the header has {columns}" + (f" (line {self.line}: {shown(self.names[0])})" if count == 1 else "")


def read_header(
    lines: Iterator[Line], path: Path, delimiter: str, given: Sequence[str] = (), *, decides: bool = False
) -> Header:
    """Take a file's first line, and return what the columns are called.

    Args:
        lines: the file's; those that the header takes are gone afterwards.
        path: for messages.
        delimiter: what separates fields.
        given: names of the columns of a file whose first line is a row. But a first line that holds one of them is the
            file's own header.
        decides: whether the first line tells the delimiter: by what it says in Excel's way (``sep=;``), by having as
            many fields as there are given names, or by what it holds outside of quotes, a tab or else the most
            frequent of the others. ``delimiter`` then counts where it has none of them.

    Raises:
        NoHeaderError: a quote in the line does not close, or a number comes twice in it.
        UserError: the file is empty, JSON or a page of the web; its header names a column twice or none at all, or has
            another delimiter than this one.
    """
    first = next((line for line in lines if line.text.strip()), None)
    said = None
    if first is not None and (said := said_delimiter(first.content)) is not None:
        first = next((line for line in lines if line.text.strip()), None)
        delimiter = said if decides else delimiter
    if first is None:
        raise UserError(f"{path}: the file is empty. Its first line must name the columns.")
    refuse_web_page(first, path)
    if is_json(first.text):
        raise UserError(f"{path}:{first.number}: is JSON; give the file a name that ends in .jsonl.")
    likely = said or _delimiter_into(len(given), first.content) or likely_delimiter(first.content)
    if decides:
        delimiter = likely or delimiter
    elif likely not in (None, delimiter) and not given:
        raise UserError(
            f"{path}:{first.number}: the header has no tab, but it has '{likely}', so the file looks separated by "
            f"'{likely}'. Give it a name that ends in .csv; or, if it has one column, name that without '{likely}'."
        )
    fields = split_fields(first.content, delimiter)
    if given and (
        isinstance(fields, OpenQuote) or set(filter(None, given)).isdisjoint(field.strip() for field in fields)
    ):
        return Header(given, delimiter, None, [first])
    return Header(_names(first, fields, path), delimiter, first.number)


def _delimiter_into(fields: int, line: str) -> str | None:
    """Return what separates a line into so many fields, more than one."""
    for delimiter in DELIMITERS if fields > 1 else ():
        found = split_fields(line, delimiter)
        if not isinstance(found, OpenQuote) and len(found) == fields:
            return delimiter
    return None


def _names(header: Line, fields: list[str] | OpenQuote, path: Path) -> list[str]:
    if header.flaw is not None:
        message, advice = header.flaw
        raise UserError(f"{path}:{header.number}: {message}, in the header. {advice or 'Is this a text file?'}")
    if isinstance(fields, OpenQuote):
        raise NoHeaderError(path, header.number, "a quote in the header does not close", header.content)
    names = [field.strip() for field in fields]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        told = f"the header names the column '{shown(twice[0])}' twice"
        if number(twice[0]) is not None:
            raise NoHeaderError(path, header.number, told, twice[0])
        raise UserError(f"{path}:{header.number}: {told}.")
    if not any(names):
        raise UserError(f"{path}:{header.number}: the header names no column.")
    return names
