"""CSV and TSV: a header line that names the columns, then rows; fields in quotes may hold delimiters and line breaks.

A file without a header line is read by names that are given instead.

Commas are read by the common standard (RFC 4180): a field that opens with a quote is quoted, a quote inside it is
doubled, and it closes before the next comma or the line's end. Whatever breaks this is a problem.

Tabs are read the same way, but many tab-separated files know no quoting, and a text in them may just start with a
quote character. So where the standard's reading does not give a row the header's number of fields, and taking quotes
as plain characters does, they are plain. The same holds where a quoted field would swallow several lines each of which
is a full row by itself. Texts with both tabs and line breaks in them are therefore better kept in another format.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from minbert.data.delimiters import advice_on_row, advice_on_width, quoted_whole
from minbert.data.fields import OpenQuote, split_fields
from minbert.data.header import Header, read_header
from minbert.data.lines import Line, without_break
from minbert.data.row import Flaw, Problem, Row
from minbert.errors import UserError, shown

# A quote that is still open after so many lines was never meant to open a field; looking on would read the whole file.
longest_field = 1000

_OPEN = Flaw("a quote opens a field here and never closes it")
_SINGLE = Flaw(
    'a quote opens a field here; inside it, quotes must be doubled ("")',
    "If quotes mean nothing in the file, keep it as JSON lines or separated by tabs (.tsv), where they are characters.",
)


class _Record(NamedTuple):
    """The fields of one row, or what is wrong with it, and the line that this is about."""

    line: int
    fields: list[str]
    flaw: Flaw | None = None


def read_delimited(
    lines: Iterator[Line], path: Path, delimiter: str, given: Sequence[str] = (), *, header_decides: bool = False
) -> Iterator[Row | Problem]:
    """Yield the rows. Columns without a name are ignored.

    ``delimiter``, ``given`` and ``header_decides`` are as in ``read_header``.

    Raises:
        UserError: there is no header, it names a column twice or none at all, it has another delimiter instead of this
            one, or of the first rows (up to a hundred) none can be used, all for the same reason; or it is a page of
            the web.
    """
    header = read_header(lines, path, delimiter, given, decides=header_decides)
    names, delimiter = header.names, header.delimiter
    records = _records(chain(header.rows, lines), delimiter, len(names))
    for record in _fitting(records, path, header):
        if record.flaw is not None:
            yield Problem(path, record.line, *record.flaw)
        elif len(record.fields) != len(names):
            counts = f"{len(record.fields)} in the row, {len(names)} in the header"
            advice = advice_on_row(delimiter, len(names), len(record.fields))
            yield Problem(path, record.line, f"number of fields: {counts}", advice)
        else:
            values = {name: field for name, field in zip(names, record.fields, strict=True) if name}
            yield Row(record.line, values)


def _fitting(records: Iterator[_Record], path: Path, header: Header) -> Iterator[_Record]:
    """Pass the records on, unless none of the first hundred fits the header, all for the same reason.

    A wrong header or delimiter is one mistake, and should be told once, not for every row.
    """
    names, delimiter = header.names, header.delimiter
    width, first = len(names), list[_Record]()
    for record in islice(records, 100):
        first.append(record)
        if len(record.fields) == width and record.flaw is None and not (width == 1 and "\t" in record.fields[0]):
            break
    if first and header.line and quoted_whole(names, first[0].fields):
        raise UserError(
            f"{path}:{header.line}: quotes stand around whole lines, so there is one column, '{shown(names[0])}'. "
            "Remove the first and the last quote of each line."
        )
    tabs = {sum(field.count("\t") for field in record.fields) for record in first}
    if width == 1 and delimiter != "\t" and len(tabs) == 1 and tabs != {0}:
        raise UserError(
            f"{path}: {header}, but every row has {tabs.pop() + 1}, separated by tabs (see line "
            f"{first[0].line}). {header.advice or 'Give the header a name for each, separated by tabs.'}"
        )
    reasons = {record.flaw or len(record.fields) for record in first}
    if len(reasons) == 1 and width not in reasons:
        reason = reasons.pop()
        if isinstance(reason, int):
            advice = header.advice or advice_on_width(delimiter, names, [record.fields for record in first])
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
    fields = split_fields(line.content, delimiter)
    while isinstance(fields, OpenQuote) and fields.may_close and more < longest_field:
        if more == len(ahead):
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        text += ahead[more].text
        if '"' in ahead[more].text:
            fields = split_fields(without_break(text), delimiter)
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
