"""Names for the columns of files that have no header, by what the columns hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minbert.errors import shown
from minbert.schema_inference.first_line import Start, places
from minbert.schema_inference.found import Findings
from minbert.schema_inference.prose import holds_prose, holds_words
from minbert.schema_inference.tables import Column

_LEAST_TRUTHS = 3
"""So many columns of 0 and 1 are classes that a row may have; none of them is the label."""
_MOST_CLASSES = 50


def guess_header(starts: Mapping[str, Start], value: str, file: str, findings: Findings) -> list[str]:
    """Return names for the columns of train files whose first line is a row, as ``value`` in it tells; set ``header``.

    Columns that seem to hold texts and labels are called ``text`` and ``label``, others ``column_3``.
    """
    columns = starts["train"].columns
    texts = _texts(columns)
    others = _perhaps_labels(columns, [*texts.values()])
    label = others[0] if others and sum(column.is_truth for column in others) < _LEAST_TRUTHS else None
    named = {column.name: name for name, column in texts.items()} | ({label.name: "label"} if label else {})
    header = [_apart(named.get(name, name), [*starts.values()]) for name in places(len(columns))]
    findings.set("header", header, "names of ours: the files have no line that names their columns")
    findings.unsure.append(
        f"the first line of {file} seems to be a row ('{shown(value)}'): what each column is was guessed from its "
        "values, see 'header'"
    )
    if label and (rivals := [column for column in others[1:] if len(column.counts) < _MOST_CLASSES]):
        told = ", ".join(f"'{column.name}' ({len(column.counts)} different values)" for column in rivals)
        findings.unsure.append(f"'label' ({len(label.counts)} different values) may be another column: {told}")
    return header


def _apart(name: str, starts: Sequence[Start]) -> str:
    """Return a name that is no value of the files: else a first line that has it would be taken for the header."""
    while any(name in start.fields or any(name in column.counts for column in start.columns) for start in starts):
        name += "_column"
    return name


def _texts(columns: Sequence[Column]) -> dict[str, Column]:
    """Return the columns that seem to hold texts, by the names that they might have."""
    prose = [column for column in columns if holds_prose(column)]
    most = max((column.distinct_share for column in prose), default=0)
    prose = [
        column for column in prose if (column.distinct_share >= 0.2 * most or _asks(column)) and not _has_digits(column)
    ] or prose
    words = [column for column in columns if holds_words(column) and column.distinct_share > 0.5]
    longest = max(prose or words, key=lambda column: column.words, default=None)
    if longest is None:
        return {}
    if len(prose) != 2:
        return {"text": longest}
    first, second = prose
    if first.words < 0.5 * second.words and not _asks(first):
        return {"title": first, "text": second}
    if second.words < 0.25 * first.words:
        return {"text": first, "title": second}
    return {"text1": first, "text2": second}


def _asks(column: Column) -> bool:
    """Return whether most values are questions."""
    return sum(value.endswith(("?", "？")) for value in column.counts) > 0.5 * len(column.counts)


def _has_digits(column: Column) -> bool:
    """Return whether every value has digits, as times and places have: ``Mon Apr 06 22:19:45 PDT 2009``."""
    return all(any(map(str.isdigit, value)) for value in column.counts)


def _perhaps_labels(columns: Sequence[Column], texts: Sequence[Column]) -> list[Column]:
    """Return the columns that may hold labels: of pairs, those of scores with decimals first; few values first."""
    others = [column for column in columns if column not in texts and len(column.counts) > 1]

    def rank(column: Column) -> tuple[bool, int]:
        is_score = column.numbers > 0.9 and any("." in value for value in column.counts)
        return not (is_score and len(texts) == 2), len(column.counts)

    return sorted(others, key=rank)
