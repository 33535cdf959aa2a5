"""CSV and TSV: a header line that names the columns, then rows; fields in quotes may hold delimiters and line breaks.

Commas are read by the common standard (RFC 4180): a field that opens with a quote is quoted, a quote inside it is
doubled, and it closes before the next comma or the line's end. Whatever breaks this is a problem.

Tabs are read the same way, but many tab-separated files know no quoting, and a text in them may just start with a
quote character. So where the standard's reading does not give a row the header's number of fields, and taking quotes
as plain characters does, they are plain. The same holds where a quoted field would swallow several lines each of which
is a full row by itself. Texts with both tabs and line breaks in them are therefore better kept in another format.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from minbert.data.delimiters import advice_on_row, advice_on_width, likely_delimiter, quoted_whole, said_delimiter
from minbert.data.jsonl import is_json
from minbert.data.lines import Line, without_break
from minbert.data.row import Flaw, Problem, Row
from minbert.data.web_pages import refuse_web_page
from minbert.errors import UserError, shown

# A quote that is still open after so many lines was never meant to open a field; looking on would read the whole file.
longest_field = 1000

_OPEN = Flaw("a quote opens a field here and never closes it")
_SINGLE = Flaw(
    'a quote opens a field here; inside it, quotes must be doubled ("")',
    "If quotes mean nothing in the file, keep it as JSON lines or separated by tabs (.tsv), where they are characters.",
)

_quoted = re.compile(r'"(?:[^"]|"")*"')
_inside_quotes = re.compile(r'(?:[^"]++|"")*+')


class _Record(NamedTuple):
    """The fields of one row, or what is wrong with it, and the line that this is about."""

    line: int
    fields: list[str]
    flaw: Flaw | None = None


class _OpenQuote(NamedTuple):
    """A quote that opens a field at ``position`` and does not close it: by the text's end, or at all."""

    position: int
    may_close: bool


def read_delimited(
    lines: Iterator[Line], path: Path, delimiter: str, *, header_decides: bool = False
) -> Iterator[Row | Problem]:
    """Yield the rows. Columns without a name are ignored.

    Where ``header_decides``, the file is separated by what a first line ``sep=;`` says, as Excel writes and reads it,
    or by what the header holds outside of quotes: a tab, or else the most frequent of comma, semicolon and bar.
    ``delimiter`` then counts where the header has none of them.

    Raises:
        UserError: there is no header, it names a column twice or none at all, it has another delimiter instead of this
            one, or of the first rows (up to a hundred) none can be used, all for the same reason; or it is a page of
            the web.
    """
    header = next((line for line in lines if line.text.strip()), None)
    if header is not None and (said := said_delimiter(header.content)) is not None:
        header = next((line for line in lines if line.text.strip()), None)
        delimiter = said if header_decides else delimiter
    else:
        said = None
    if header is None:
        raise UserError(f"{path}: the file is empty. Its first line must name the columns.")
    refuse_web_page(header, path)
    if is_json(header.text):
        raise UserError(f"{path}:{header.number}: is JSON; give the file a name that ends in .jsonl.")
    likely = said or likely_delimiter(header.content)
    if header_decides:
        delimiter = likely or delimiter
    elif likely not in (None, delimiter):
        raise UserError(
            f"{path}:{header.number}: the header has no tab, but it has '{likely}', so the file looks separated by "
            f"'{likely}'. Give it a name that ends in .csv; or, if it has one column, name that without '{likely}'."
        )
    names = _column_names(header, path, delimiter)
    for record in _fitting(_records(lines, delimiter, len(names)), path, header.number, names, delimiter):
        if record.flaw is not None:
            yield Problem(path, record.line, *record.flaw)
        elif len(record.fields) != len(names):
            counts = f"{len(record.fields)} in the row, {len(names)} in the header"
            advice = advice_on_row(delimiter, len(names), len(record.fields))
            yield Problem(path, record.line, f"number of fields: {counts}", advice)
        else:
            values = {name: field for name, field in zip(names, record.fields, strict=True) if name}
            yield Row(record.line, values)


def _column_names(header: Line, path: Path, delimiter: str) -> list[str]:
    if header.flaw is not None:
        message, advice = header.flaw
        raise UserError(f"{path}:{header.number}: {message}, in the header. {advice or 'Is this a text file?'}")
    fields = _split(header.content, delimiter)
    if isinstance(fields, _OpenQuote):
        raise UserError(f"{path}:{header.number}: a quote in the header does not close.")
    names = [field.strip() for field in fields]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UserError(f"{path}:{header.number}: the header names the column '{shown(twice[0])}' twice.")
    if not any(names):
        raise UserError(f"{path}:{header.number}: the header names no column.")
    return names


def _fitting(records: Iterator[_Record], path: Path, line: int, names: list[str], delimiter: str) -> Iterator[_Record]:
    """Pass the records on, unless none of the first hundred fits the header, all for the same reason.

    ``line`` and ``names`` are the header's.

    A wrong header or delimiter is one mistake, and should be told once, not for every row.
    """
    width, first = len(names), list[_Record]()
    for record in islice(records, 100):
        first.append(record)
        if len(record.fields) == width and record.flaw is None and not (width == 1 and "\t" in record.fields[0]):
            break
    if first and quoted_whole(names, first[0].fields):
        raise UserError(
            f"{path}:{line}: quotes stand around whole lines, so there is one column, '{shown(names[0])}'. "
            "Remove the first and the last quote of each line."
        )
    tabs = {sum(field.count("\t") for field in record.fields) for record in first}
    if width == 1 and delimiter != "\t" and len(tabs) == 1 and tabs != {0}:
        raise UserError(
            f"{path}: the header has 1 field (line {line}: {shown(names[0])}), but every row has {tabs.pop() + 1}, "
            f"separated by tabs (see line {first[0].line}). Give the header a name for each, separated by tabs."
        )
    reasons = {record.flaw or len(record.fields) for record in first}
    if len(reasons) == 1 and width not in reasons:
        reason = reasons.pop()
        if isinstance(reason, int):
            header = f"the header has {width} field{'s' * (width > 1)}"
            if width == 1:
                header += f" (line {line}: {shown(names[0])})"
            advice = advice_on_width(delimiter, names, [record.fields for record in first])
            raise UserError(f"{path}: {header}, but every row has {reason} (see line {first[0].line}). {advice}")
        if len(first) > 5:  # fewer are told one by one
            why = f"{reason.message}. {reason.advice}".strip()
            raise UserError(f"{path}: no row can be used. Line {first[0].line}: {why}")
    yield from chain(first, records)


def _records(lines: Iterator[Line], delimiter: str, width: int) -> Iterator[_Record]:
    ahead: deque[Line] = deque()  # lines read before their turn, to see where a quote closes
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        if not line.content:
            continue
        taken = [line]
        if '"' in line.text:
            record, more = _quoted_record(line, lines, ahead, delimiter, width)
            taken += [ahead.popleft() for _ in range(more)]
        else:
            record = _Record(line.number, line.content.split(delimiter))
        flawed = next((line for line in taken if line.flaw is not None), None)
        yield _Record(flawed.number, [], flawed.flaw) if flawed else record


def _quoted_record(
    line: Line, lines: Iterator[Line], ahead: deque[Line], delimiter: str, width: int
) -> tuple[_Record, int]:
    """Return the record that starts with ``line``, and how many more lines it takes, which then stand in ``ahead``."""
    text, more = line.text, 0
    fields = _split(line.content, delimiter)
    while isinstance(fields, _OpenQuote) and fields.may_close and more < longest_field:
        if more == len(ahead):
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        text += ahead[more].text
        if '"' in ahead[more].text:
            fields = _split(without_break(text), delimiter)
        more += 1

    if delimiter == "\t":
        plain = line.content.split(delimiter)
        full_rows = all(part.content.count(delimiter) == width - 1 for part in (line, *islice(ahead, more)))
        fits = isinstance(fields, list) and len(fields) == width
        if len(plain) == width and (not fits or (more and full_rows)):
            return _Record(line.number, plain), 0
    if isinstance(fields, list):
        return _Record(line.number, fields), more
    opened = line.number + text.count("\n", 0, fields.position)
    if fields.may_close:
        return _Record(opened, [], _OPEN), 0
    return _Record(opened, [], _SINGLE), 0


def _split(text: str, delimiter: str) -> list[str] | _OpenQuote:
    """Return the fields of a row by the standard, or the first quote that does not close its field."""
    fields: list[str] = []
    position = 0
    while True:
        if text.startswith('"', position):
            inside = _inside_quotes.match(text, position + 1)
            assert inside is not None  # the pattern matches the empty text
            end = inside.end() + 1
            if end > len(text):
                return _OpenQuote(position, may_close=True)
            if text[end : end + 1] not in ("", delimiter):
                return _OpenQuote(position, may_close=False)
            fields.append(inside.group().replace('""', '"'))
        else:
            end = text.find(delimiter, position)
            end = len(text) if end < 0 else end
            fields.append(text[position:end])
        if end == len(text):
            return fields
        position = end + 1
