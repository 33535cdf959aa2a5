"""The names of a table's columns: those of its first line, or names that are given where the first line is a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from minbert.data.delimiters import likely_delimiter, said_delimiter
from minbert.data.fields import OpenQuote, split_fields
from minbert.data.jsonl import is_json
from minbert.data.lines import Line
from minbert.data.web_pages import refuse_web_page
from minbert.errors import UserError, shown

_LINES = 20
"""So many are looked at for what separates them."""
_SUREST_FIRST = "\t;|,"
"""Of delimiters that cut lines equally well: commas stand in texts, too."""
_IF_A_ROW = (
    "If this line is a row, put a line before it that names the columns, or name them as 'header' in the recipe."
)


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, and what separates fields."""

    names: Sequence[str]
    delimiter: str
    line: int | None
    """Where the file names its columns; None where the names were given."""
    rows: Sequence[Line] = ()
    """The lines that were read in search of it, and are rows."""

    @property
    def advice(self) -> str:
        """What to do where given names are not as many as a row has fields."""
        if self.line is not None:
            return ""
        return (
            "Give 'header' one name for each field, '' for one not needed. Or put a line before the rows that names "
            "the columns."
        )

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
        decides: whether the first lines tell the delimiter: by what the first says in Excel's way (``sep=;``), by
            having as many fields as there are given names, or by what a header holds outside of quotes, a tab or else
            the most frequent of the others. ``delimiter`` then counts where it has none of them.

    Raises:
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
    likely = said or likely_delimiter(first.content)
    delimiter = (decides and likely) or delimiter
    if given and not _holds_one(first.content, delimiter, given):
        ahead = list(islice(lines, _LINES))
        if decides and not said:
            contents = [line.content for line in (first, *ahead)]
            alike = {by: _widths(contents, by)[len(given)] for by in _SUREST_FIRST}
            if any(alike.values()):
                delimiter = max(_SUREST_FIRST, key=alike.__getitem__)
        return Header(given, delimiter, None, [first, *ahead])
    if not decides and likely not in (None, delimiter):
        raise UserError(
            f"{path}:{first.number}: the header has no tab, but it has '{likely}', so the file looks separated by "
            f"'{likely}'. Give it a name that ends in .csv; or, if it has one column, name that without '{likely}'."
        )
    return Header(_names(first, split_fields(first.content, delimiter), path), delimiter, first.number)


def _holds_one(line: str, delimiter: str, names: Sequence[str]) -> bool:
    """Return whether a field of the line is one of the names."""
    fields = split_fields(line, delimiter)
    return not isinstance(fields, OpenQuote) and not {f.strip() for f in fields if f}.isdisjoint(names)


def likely_width(lines: Sequence[str], delimiters: str) -> tuple[str, int]:
    """Return the delimiter by which most rows have equally many fields, and how many; 0 where it is one or none."""
    best: tuple[int, float, str, int] = (0, 0.0, "", 0)
    for delimiter in (each for each in _SUREST_FIRST if each in delimiters):
        for quoted in (True, False) if delimiter == "\t" else (True,):  # between tabs, quotes may mean nothing
            widths = _widths(lines, delimiter, quoted=quoted)
            for width, count in widths.most_common(1):
                share = count / widths.total()
                if width > 1 and share > 0.5 and (count, share) > best[:2]:
                    best = count, share, delimiter, width
    return best[2:]


def _widths(lines: Sequence[str], delimiter: str, *, quoted: bool = True) -> Counter[int]:
    """Return how many rows have how many fields."""
    widths: Counter[int] = Counter()
    row = ""
    for line in lines:
        row = f"{row}\n{line}" if row else line
        fields = split_fields(row, delimiter) if quoted else row.split(delimiter)
        if isinstance(fields, list):
            widths[len(fields)] += 1
        if isinstance(fields, list) or not fields.may_close:
            row = ""
    return widths


def _names(header: Line, fields: list[str] | OpenQuote, path: Path) -> list[str]:
    if header.flaw is not None:
        message, advice = header.flaw
        raise UserError(f"{path}:{header.number}: {message}, in the header. {advice or 'Is this a text file?'}")
    if isinstance(fields, OpenQuote):
        raise UserError(f"{path}:{header.number}: a quote in the header does not close. {_IF_A_ROW}")
    names = [field.strip() for field in fields]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UserError(f"{path}:{header.number}: the header names the column '{shown(twice[0])}' twice. {_IF_A_ROW}")
    if not any(names):
        raise UserError(f"{path}:{header.number}: the header names no column.")
    return names
