"""Which columns hold the texts: one, or the two of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Ask, Findings, Question
from minbert.schema_inference.tables import Column, Table, count_words, told_columns
from minbert.schema_inference.words import are_a_pair, says, words_of
from minbert.tasks.numbers import number

_ROLES = ("text", "part", "label", "score", "about")
"""Of words that headers have and rows seldom."""


def find_texts(tables: Mapping[str, Table], findings: Findings, ask: Ask) -> tuple[Column, ...]:
    """Return the column of the text in the train file, or the two of a pair, and set ``text``.

    Raises:
        UserError: no column that every file has holds texts.
    """
    train = tables["train"]
    common = [column for name, column in train.columns.items() if all(name in each.columns for each in tables.values())]
    _check_header(train)
    texts = _prose(common) or _words(common)
    if not texts:
        several = "of all its files " if len(tables) > 1 else ""
        remedy = "; a column needs the same name in each of them" if len(common) < len(train.columns) else ""
        why = "; ".join(f"'{shown(column.name)}' {_why_no_texts(column)}" for column in common[:5])
        told = f": {why}" if why else ""
        raise UserError(f"no column {several}holds texts ({told_columns(tables)}){told}{remedy}")
    taken, left = _chosen(texts, findings, ask)
    lengths = " and ".join(f"{column.words:.0f}" for column in taken)
    if len(taken) == 1:
        findings.set("text", taken[0].name, f"about {lengths} words a row, {_different(taken[0])}")
    else:
        findings.set("text", [column.name for column in taken], f"a pair: about {lengths} words")
    for column in left:
        findings.unsure.append(f"column '{shown(column.name)}' holds texts, too, and is left out")
    return taken


def _why_no_texts(column: Column) -> str:
    if not column.counts:
        return "is empty"
    if len(column.counts) == 1:
        return "has one value"
    if column.lists:
        return "holds lists"
    if max(column.numbers, column.dates) >= 0.5:
        return "holds numbers or dates"
    if says(column.name, "about") and not says(column.name, "text"):
        return "tells about a row by its name; call it 'text' if it is one"
    return "repeats or is short, as names of classes are; call it 'text' if it is one"


def _check_header(table: Table) -> None:
    """Refuse a file whose first line is a row.

    Raises:
        UserError: it is.
    """
    most_words = max(map(count_words, table.columns))
    known = any(count_words(name) <= 2 and says(name, *_ROLES) for name in table.columns)
    for name, column in table.columns.items():
        own_value = name in column.counts and len(column.counts) < 50
        is_number = number(name) is not None
        tells = most_words > 4 or is_number
        if (own_value and (tells or (most_words > 1 and not known))) or (
            is_number and column.numbers > 0.9 and not known
        ):
            raise UserError(
                f"its first line seems to be a row ('{shown(name)}'); put one before it that names the columns"
            )


def _different(column: Column) -> str:
    return "all different" if column.distinct_share == 1 else f"{int(column.distinct_share * 100)} % of them different"


def _prose(columns: Sequence[Column]) -> list[Column]:
    """Return the columns whose values are mostly several words, and do not repeat as names of classes do."""
    prose = [
        column
        for column in columns
        if not column.lists
        and len(column.counts) > 1
        and (column.prose >= 0.4 or column.words >= 4)
        and max(column.numbers, column.dates) < 0.5
        and (says(column.name, "text") or not says(column.name, "about"))
        and (column.distinct_share > 0.5 or not says(column.name, "label"))
    ]
    most = max((column.distinct_share for column in prose), default=0)
    return [
        column
        for column in prose
        if column.distinct_share >= 0.2 * most or (column.distinct_share >= 0.02 and says(column.name, "text"))
    ]


def _words(columns: Sequence[Column]) -> list[Column]:
    """Return the column that holds single words, names or the like, where none holds more; at most one."""
    words = [
        column
        for column in columns
        if not column.lists
        and column.words >= 0.8
        and column.distinct_share > 0.5
        and sum(any(map(str.isdigit, value)) for value in column.counts) < 0.5 * len(column.counts)
        and (says(column.name, "text") or not says(column.name, "about"))
    ]
    return sorted(words, key=lambda column: (not says(column.name, "text"), -column.distinct_share))[:1]


def _chosen(texts: list[Column], findings: Findings, ask: Ask) -> tuple[tuple[Column, ...], list[Column]]:
    """Return the columns that are taken, and those that are left."""

    def those(*names: Column) -> tuple[tuple[Column, ...], list[Column]]:
        return names, [column for column in texts if column not in names]

    if len(texts) == 1:
        return those(texts[0])
    pairs = [pair for pair in permutations(texts, 2) if are_a_pair(pair[0].name, pair[1].name)]
    if pairs:
        return those(*min(pairs, key=lambda pair: sum(len(words_of(column.name)) for column in pair)))
    whole = [column for column in texts if not says(column.name, "part")] or texts
    named = [column for column in whole if says(column.name, "text")]
    likely = named if len(named) == 1 else whole
    longest = max(likely, key=lambda column: column.words)
    if len(likely) == 1 or len(likely) > 2:
        return those(longest)
    both = ", ".join(shown(column.name) for column in likely)
    question = Question(
        f"Columns {both} hold texts. Is a row a pair of them, or does one of them count?",
        ["a pair", *(f"'{shown(column.name)}' alone" for column in likely)],
    )
    choice = findings.decide(question, ask)
    return those(likely[choice - 1]) if choice else those(*likely)
