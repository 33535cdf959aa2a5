"""Which column holds the labels, or which columns of 0 and 1 do; and which tells rows apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minbert.errors import UserError, shown
from minbert.schema_inference.found import Ask, Findings, Question
from minbert.schema_inference.labels import MISSING
from minbert.schema_inference.split_names import split_of_folder
from minbert.schema_inference.tables import Column, Table, told_columns
from minbert.schema_inference.words import is_beside_labels, known_words, says, words_of
from minbert.tasks.numbers import number

_WITHHELD = frozenset(["", "-1", "-1.0"])
_SAID = 3
"""The points of a column whose header says that it holds labels."""
_ALL = 0.9
"""Of the rows with a label in one of several columns of 0 and 1, so many have one in each."""
_MOST_WORDS_OF_A_LIST = 30
"""More are texts, as paragraphs are, and no names of classes."""
_MOST_SPLITS = 10
_OF_A_CATEGORY = 3
"""The rank of a header such as ``product_category``."""
_FEW = 50
"""So many classes are few: codes and dates have more."""


def find_id(tables: Mapping[str, Table], texts: Sequence[Column], findings: Findings) -> Column | None:
    """Return the column of the train file that tells rows apart, if one does in every file, and set ``id``."""
    for name, column in tables["train"].columns.items():
        if column in texts or not says(name, "identity"):
            continue
        in_files = [table.columns.get(name) for table in tables.values()]
        if not all(table.whole for table in tables.values()):
            findings.unsure.append(
                f"'{shown(name)}' is not used as id: not all rows were read to see whether it repeats"
            )
        elif all(each is not None and len(each.counts) == len(each.values) for each in in_files):
            findings.set("id", name, "different in every row")
            return column
    return None


def find_labels(
    tables: Mapping[str, Table], texts: Sequence[Column], row_id: Column | None, findings: Findings, ask: Ask
) -> list[Column]:
    """Return the column of the train file that holds labels, or several columns of 0 and 1, and set ``label``.

    Raises:
        UserError: none does.
    """
    train, test = tables["train"], tables.get("test")
    needed = [table for split, table in tables.items() if split != "test"]
    columns = [c for c in train.columns.values() if all(c.name in table.columns for table in needed)]
    withheld = {c.name for c in columns if test is not None and _is_withheld(test, c.name)}
    last = columns[-1] if columns else None
    points = {
        column.name: _points(column, column.name in withheld, column is last)
        for column in columns
        if column not in texts
        and column is not row_id
        and _may_be_labels(column, column.name in withheld)
        and not says_splits(column)
    }
    candidates = sorted(
        (train.columns[name] for name in points), key=lambda column: (-points[column.name], _rank(column.name))
    )
    candidates = _without_twins(candidates, findings)
    if not candidates:
        others = [c for c in train.columns.values() if c not in texts and c is not row_id]
        reasons = [f"'{shown(c.name)}' {_why_no_labels(c, c in columns)}" for c in others[:5]]
        reasons[:0] = ["the file has 1 row, and a task needs more"] if train.rows == 1 else []
        why = f": {'; '.join(reasons)}" if reasons else ""
        raise UserError(f"no column holds labels ({told_columns(tables)}){why}")
    named = [column for column in candidates if says(column.name, "label")]
    several = _truth_columns(columns, candidates)
    if len(named) == 1 and named[0] is candidates[0]:
        several = []
    if len(several) > 2 or (several and _both_count(several, findings, ask)):
        reason = f"{len(several)} columns of {_written(several[0])}, a class each"
        findings.set("label", [column.name for column in several], reason)
        return several
    best = candidates[0]
    # Where no header and no test file speaks for the best, its place in the file is no reason to prefer it.
    least = points[best.name] if points[best.name] >= _SAID else max(0, points[best.name] - 1)
    rivals = [column for column in candidates if points[column.name] in (least, points[best.name])] or [best]
    if len(rivals) > 1:
        told = ", ".join(f"'{shown(column.name)}'" for column in rivals)
        question = Question(f"Columns {told} could all be labels. Which one is?", [column.name for column in rivals])
        best = rivals[findings.decide(question, ask)]
    reason = "the test file lacks it" if best.name in withheld else ""
    findings.set("label", best.name, reason)
    if points[best.name] < 1:
        findings.unsure.append(f"no header says 'label'; '{shown(best.name)}' is taken for it")
    for column in candidates:
        if column is not best and column not in rivals and points[column.name] >= _SAID:
            other = shown(column.name)
            findings.unsure.append(
                f"'{other}' could be a label, too; a copy of the task with 'label: {other}' learns it"
            )
    return [best]


def lacks_labels(tables: Mapping[str, Table], texts: Sequence[Column], row_id: Column | None) -> bool:
    """Return whether headers of the train file say that columns hold labels, and none of the dev file does."""
    train, dev = tables["train"], tables["dev"]
    others = [c for c in train.columns.values() if c not in texts and c is not row_id and _may_be_labels(c, False)]
    said = {column.name for column in others if _points(column, False, False) >= _SAID}
    renamed = any(says(name, "label", "score") for name in dev.columns.keys() - train.columns.keys())
    return bool(said) and not said & dev.columns.keys() and not renamed


def _is_withheld(test: Table, name: str) -> bool:
    """Return whether the test file has no labels in this column."""
    return name not in test.columns or test.columns[name].counts.keys() <= _WITHHELD


def says_splits(column: Column) -> bool:
    """Return whether a column says of each row whether it is for training, dev or test."""
    if not 1 < len(column.counts) <= _MOST_SPLITS:
        return False
    splits = {split_of_folder(value, loosely=True) for value in column.counts}
    return "train" in splits and "" not in splits and len(splits) > 1


def _may_be_labels(column: Column, withheld: bool) -> bool:
    if column.lists:
        return len(column.counts.keys() - {"[]"}) > 1 and column.words <= _MOST_WORDS_OF_A_LIST
    tells_rows_apart = says(column.name, "identity") and not says(column.name, "label")
    if len(column.counts) < 2 or column.dates >= 0.5 or tells_rows_apart:
        return False
    named = withheld or says(column.name, "label", "score")
    if column.numbers >= 0.5:
        whole = all("." not in value for value in column.counts)
        return named or not (whole and column.distinct_share > 0.9 and column.filled > 20)
    return column.distinct_share <= (0.95 if named else 0.5) or column.filled < 20


def _why_no_labels(column: Column, everywhere: bool) -> str:
    """Return why a column is not taken for labels, and what would make it one."""
    if not everywhere:
        return "is not in the dev file; it needs the same name there"
    if not column.counts:
        return "is empty"
    if len(column.counts) == 1:
        return f"has one value, '{shown(min(column.counts))}', and labels need two or more"
    if column.dates >= 0.5:
        return "holds dates; write what they mean as names or numbers"
    if says(column.name, "identity") and not says(column.name, "label"):
        return "tells rows apart by its name; call it 'label' if it holds labels"
    return "differs in nearly every row; names of classes repeat, and scores are plain numbers such as 3.5"


def _points(column: Column, withheld: bool, last: bool) -> int:
    """Return how much speaks for a column of labels."""
    words = words_of(column.name)
    points = 4 * withheld + _points_of_words(column.name, words, withheld)
    points += 2 * (words[:1] != [] and words[0] in known_words("statement"))
    points += len(column.counts) <= _FEW and (column.distinct_share <= 0.2 or len(column.counts) <= 5)
    return points + (last if _labelled(column) >= 0.5 * len(column.values) else -2)


def _labelled(column: Column) -> int:
    """Return how many rows have more in a column than a word for a missing label."""
    return column.filled - sum(times for value, times in column.counts.items() if value.lower() in MISSING)


def _points_of_words(header: str, words: Sequence[str], withheld: bool) -> int:
    """Return what a header's words say for a column of labels: what the test file lacks is not about a row."""
    if is_beside_labels(header):
        return -4
    if words and all(word in known_words("exactly") for word in words):
        return 6
    if says(header, "label"):
        return 2 if _rank(header) == _OF_A_CATEGORY else 4
    if says(header, "score"):
        return 3
    return -4 * (says(header, "about") and not withheld)


def _rank(header: str) -> int:
    """Return which of headers with as many points comes first."""
    words = words_of(header)
    if any(word in known_words("label") - known_words("category") for word in words):
        return 0
    if says(header, "label"):
        return 1 if len(words) == 1 else _OF_A_CATEGORY
    return 2 if says(header, "score") else _OF_A_CATEGORY


def _without_twins(candidates: Sequence[Column], findings: Findings) -> list[Column]:
    """Drop columns that say the same as another in numbers: ``label`` beside ``label_text``."""
    kept: list[Column] = []
    for column in candidates:
        twin = next((other for other in kept if _say_the_same(column, other)), None)
        if twin is None:
            kept.append(column)
            continue
        by_name, other = (column, twin) if twin.numbers > column.numbers else (twin, column)
        kept[kept.index(twin)] = by_name
        findings.reasons["label"] = f"'{shown(other.name)}' says the same"
    return kept


def _say_the_same(one: Column, other: Column) -> bool:
    if len(one.counts) != len(other.counts) or len(one.counts) > 0.5 * one.filled or (one.is_truth and other.is_truth):
        return False
    return len(set(zip(one.values, other.values, strict=True)) - {("", "")}) == len(one.counts)


def _truth_columns(columns: Sequence[Column], candidates: Sequence[Column]) -> list[Column]:
    """Return the columns of 0 and 1, or of true and false, in the file's order, where there are at least two."""
    truths = [
        column
        for column in candidates
        if column.is_truth and not says(column.name, "about") and not is_beside_labels(column.name)
    ]
    if not truths:
        return []
    most = max(map(_labelled, truths))  # what a part of the rows have is asked of rows of one class alone
    truths = [column for column in truths if _labelled(column) >= _ALL * most]
    in_digits = [c for c in truths if c.numbers == 1]
    kept = in_digits if len(in_digits) * 2 > len(truths) else [c for c in truths if c.numbers < 1]
    never = [c for c in columns if len(kept) > 2 and len(c.counts) == 1 and number(min(c.counts)) == 0]
    those = [column for column in columns if column in kept or column in never]
    return those if len(those) > 1 else []


def _written(column: Column) -> str:
    return " and ".join(sorted(column.counts)[:2])


def _both_count(columns: Sequence[Column], findings: Findings, ask: Ask) -> bool:
    both = " and ".join(f"'{shown(column.name)}'" for column in columns)
    question = Question(
        f"Columns {both} hold 0 and 1. Is each a class that a row may have, or is one of them the label?",
        ["each is a class (kind: multilabel)", "one is the label (kind: binary)"],
    )
    return findings.decide(question, ask) == 0
