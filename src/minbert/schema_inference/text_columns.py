"""Which columns hold the texts: one, or the two of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from minbert.errors import UserError, printable, shown
from minbert.schema_inference.found import Ask, Findings, Question
from minbert.schema_inference.prose import are_alike, have_words_in_common, holds_prose, holds_words, is_full
from minbert.schema_inference.tables import Column, Table, told_columns
from minbert.schema_inference.words import are_translations, is_version, pairing, says, words_of

_MUCH_LONGER = 5
"""A text so many times as long as the one beside it is hardly half of a pair: the other is its title or the like."""


def find_texts(tables: Mapping[str, Table], findings: Findings, ask: Ask) -> tuple[Column, ...]:
    """Return the column of the text in the train file, or the two of a pair, and set ``text``.

    Raises:
        UserError: no column that every file has holds texts.
    """
    train = tables["train"]
    common = [column for name, column in train.columns.items() if all(name in each.columns for each in tables.values())]
    _check_case(tables)
    prose = _prose(common)
    texts = _short_pair(common, prose) or prose or _words(common)
    if not texts:
        raise UserError(_told_no_texts(tables, common))
    taken, left = _chosen(texts, findings, ask)
    lengths = " and ".join(f"{column.words:.0f}" for column in taken)
    if len(taken) == 1:
        findings.set("text", taken[0].name, f"about {lengths} words a row, {_different(taken[0])}")
    else:
        findings.set("text", [column.name for column in taken], f"a pair: about {lengths} words")
    for column in left:
        findings.unsure.append(f"column '{shown(column.name)}' holds texts, too, and is left out")
    return taken


def leave_out_empty(tables: Mapping[str, Table], texts: Sequence[Column], findings: Findings) -> None:
    """Set ``skip_empty`` where rows of a task's tables, by their names, lack a text."""
    told = []
    for name, table in tables.items():
        columns = (table.columns[column.name].values for column in texts)
        if empty := sum(not all(row) for row in zip(*columns, strict=True)):
            told.append(f"{empty:,} of {name}")
    if told:
        findings.set("skip_empty", True, f"rows without a text: {', '.join(told)}")


def _check_case(tables: Mapping[str, Table]) -> None:
    """Refuse files that spell the name of a column of texts in different cases.

    Raises:
        UserError: they do.
    """
    train, *others = tables.values()
    for table in others:
        spelled = {name.casefold(): name for name in table.columns}
        twins = {name: spelled.get(name.casefold(), name) for name in train.columns if name not in table.columns}
        differ = {name: twin for name, twin in twins.items() if twin != name}
        if _prose([train.columns[name] for name in differ]):
            told = ", ".join(f"'{shown(name)}' is '{shown(twin)}'" for name, twin in differ.items())
            raise UserError(f"{told} in {printable(table.path.name)}; write the names of columns alike in all files")


def _told_no_texts(tables: Mapping[str, Table], common: Sequence[Column]) -> str:
    """Return why no column holds texts, and what would make one do so."""
    train = tables["train"]
    several = "of all its files " if len(tables) > 1 else ""
    remedy = "; a column needs the same name in each of them" if len(common) < len(train.columns) else ""
    reasons = [f"'{shown(column.name)}' {_why_no_texts(column)}" for column in common[:5]]
    nested = [name for name in train.unusable if name not in train.columns][:5]
    reasons += [f"'{shown(name)}' holds lists or objects" for name in nested]
    if nested:
        remedy += '; write each text into a column of its own, as {"text": "...", "label": "..."}'
    columns = f" ({told_columns(tables)})" if train.columns else ""
    return f"no column {several}holds texts{columns}{': ' if reasons else ''}{'; '.join(reasons)}{remedy}"


def _why_no_texts(column: Column) -> str:
    if not column.counts:
        return "is empty"
    if len(column.counts) == 1:
        return "has one value"
    if column.lists:
        return "holds lists"
    if max(column.numbers, column.dates) >= 0.5:
        return "holds numbers or dates"
    if not _may_be_text(column.name):
        return "tells about a row by its name; call it 'text' if it is one"
    return "repeats or is short, as names of classes are; call it 'text' if it is one"


def _different(column: Column) -> str:
    return "all different" if column.distinct_share == 1 else f"{int(column.distinct_share * 100)} % of them different"


def _may_be_text(name: str) -> bool:
    """Return whether a header lets a column be a text: ``product`` tells about a row, and ``product_title`` is one."""
    title = says(" ".join(words_of(name)[-1:]), "part")
    return says(name, "text") or title or not says(name, "about")


def _prose(columns: Sequence[Column]) -> list[Column]:
    """Return the columns whose values are mostly several words, and do not repeat as names of classes do."""
    prose = [
        column
        for column in columns
        if holds_prose(column)
        and _may_be_text(column.name)
        and (column.distinct_share > 0.5 or not says(column.name, "label"))
    ]
    most = max((column.distinct_share for column in prose), default=0)
    return [
        column
        for column in prose
        if column.distinct_share >= 0.2 * most or (column.distinct_share >= 0.02 and says(column.name, "text"))
    ]


def _short_pair(columns: Sequence[Column], prose: Sequence[Column]) -> list[Column]:
    """Return the two columns of words or phrases that their headers call a pair, where no other column holds more."""
    words = [column for column in columns if holds_words(column) and not says(column.name, "identity")]
    pairs = (pair for pair in permutations(words, 2) if pairing(pair[0].name, pair[1].name) == 3)
    fitting = (pair for pair in pairs if are_alike(*pair) and all(column in pair for column in prose))
    return list(next(fitting, ()))


def _words(columns: Sequence[Column]) -> list[Column]:
    """Return the column that holds single words, names or the like, where none holds more; at most one."""
    words = [
        column
        for column in columns
        if holds_words(column)
        and column.distinct_share > 0.5
        and (says(column.name, "text") or not says(column.name, "about"))
    ]
    return sorted(words, key=lambda column: (not says(column.name, "text"), -column.distinct_share))[:1]


def _chosen(texts: list[Column], findings: Findings, ask: Ask) -> tuple[tuple[Column, ...], list[Column]]:
    """Return the columns that are taken, and those that are left."""
    taken = _taken(_without_versions(texts), findings, ask)
    return taken, [column for column in texts if column not in taken]


def _without_versions(texts: Sequence[Column]) -> list[Column]:
    """Leave out what is another text once more: cleaned, with marks in it, or translated."""
    kept = [one for one in texts if not any(_is_version(one, other) for other in texts if other is not one)]
    return [
        column
        for place, column in enumerate(kept)
        if not any(are_translations(column.name, before.name) for before in kept[:place])
    ]


def _is_version(one: Column, other: Column) -> bool:
    # A title's words stand in its text, too, and that is no reason to take the title for the plain form of it.
    beside = says(other.name, "part") and not says(one.name, "part")
    return not beside and is_version(one.name, other.name) and have_words_in_common(one, other)


def _taken(texts: Sequence[Column], findings: Findings, ask: Ask) -> tuple[Column, ...]:
    """Return the text that counts, or the two of a pair."""
    if len(texts) == 1:
        return (texts[0],)
    if pair := _pair_by_name(texts):
        return pair if pairing(pair[0].name, pair[1].name) > 1 else _asked(pair, pair, findings, ask)
    claims = [column for column in texts if says(column.name, "claim")]
    if len(claims) == 1:
        return (claims[0],)
    whole = [column for column in texts if not says(column.name, "part")] or texts
    named = [column for column in whole if says(column.name, "text")]
    likely = named if len(named) == 1 else [column for column in whole if is_full(column)] or whole
    longest = max(likely, key=lambda column: column.words)
    if len(likely) != 2:
        return (longest,)
    (other,) = (column for column in likely if column is not longest)
    return _asked(likely, [longest] if longest.words >= _MUCH_LONGER * other.words else likely, findings, ask)


def _pair_by_name(texts: Sequence[Column]) -> tuple[Column, ...]:
    """Return the two texts whose headers belong together; of several such pairs the likeliest."""

    def unlikely(pair: tuple[Column, ...]) -> tuple[int, ...]:
        names = [column.name for column in pair]
        return (
            -pairing(names[0], names[1]),
            sum(not is_full(column) for column in pair),
            sum(says(name, "part") for name in names),
            sum(len(words_of(name)) for name in names),
            sum(not says(name, "text") for name in names),
        )

    least = 1 if len(texts) == 2 else 2  # what may be a pair is none where there are more texts to choose from
    pairs = [pair for pair in permutations(texts, 2) if pairing(pair[0].name, pair[1].name) >= least]
    return min(pairs, key=unlikely, default=())


def _asked(two: Sequence[Column], likelier: Sequence[Column], findings: Findings, ask: Ask) -> tuple[Column, ...]:
    """Return what somebody says of two texts, or what is likelier."""
    readings = [tuple(two), *((column,) for column in two)]
    readings.sort(key=lambda reading: reading != tuple(likelier))
    question = Question(
        f"Columns {', '.join(shown(column.name) for column in two)} hold texts. Is a row a pair of them, or does one "
        "of them count?",
        ["a pair" if len(reading) == 2 else f"'{shown(reading[0].name)}' alone" for reading in readings],
    )
    return readings[findings.decide(question, ask)]
