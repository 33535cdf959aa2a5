"""Which split the name of a file or of a folder says, and what else it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PLAIN = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
}
_RARE = {
    "trn": "train",
    "validate": "dev",
    "tst": "test",
    "eval": "eval",
    "holdout": "eval",
    "hold_out": "eval",
    "heldout": "eval",
    "held_out": "eval",
}
"""Looked for where no plain word stands: ``eval-train`` has been the train file of a task ``eval``."""
_ALSO_NO_SPLIT = {"trial": "trial", "evaluation": "eval"}
"""Words of what a file may be about, too: ``drug-trial``, ``evaluation-of-teachers``."""
_GENRES = frozenset(["matched", "mismatched"])
"""MNLI's dev and test files, of the train file's genres and of others: two of one task, not two tasks."""

_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
"""Where a word begins within ``drugsComTrain``, ``NLITest`` and ``2016dev``."""
_BREAK = "/"
"""Put where a word begins; no name holds it."""
_BETWEEN = rf"[-_. {_BREAK}]"
_COUNTED = re.compile(rf"(?:^|{_BETWEEN}+)((?:part-?)?\d+-?of-?\d+)(?:-[0-9a-f]{{16}})?$")
"""How a part is numbered that knows how many there are: ``00000-of-00002``, with a hash or without."""


@dataclass(frozen=True)
class SplitName:
    """What a file's name says."""

    task: str
    """What stands before the split's word, or else after it: ``quora`` of ``quora-train-large``."""
    split: str
    """``train``, ``dev`` or ``test``; ``eval`` or ``trial``, whose meaning the other files decide; or ``""``."""
    beside: str
    """All that stands beside the split's word: ``quora large``."""
    number: str
    """Which part of a file it is: ``00000-of-00002``, ``3``, or ``""``."""
    before: str = field(default="", compare=False)
    """What stands before the split's word: ``quora`` of ``quora-train-large``, nothing of ``train_large``."""


def read_name(stem: str, *, loosely: bool = False) -> SplitName:
    """Return what a name without its suffix says.

    Args:
        stem: the name.
        loosely: take words for splits that can mean something else, and those within camel case or beside digits.
    """
    counted = _COUNTED.search(stem)
    name, number = (stem[: counted.start()], counted[1]) if counted else (stem, "")
    split, before, after = _parted(name, loosely)
    if not split:
        return SplitName(name, "", name, number, name)
    if not number and re.fullmatch(r"(part-?)?\d*", after):
        number, after = after, ""
    of_task = "" if after.lower() in _GENRES else after
    return SplitName(before or of_task, split, f"{before} {after}".strip(), number, before)


def split_of_folder(name: str, *, loosely: bool = False) -> str:
    """Return the split that is all a folder's name says (``train``, ``train-set``, ``train_data``), or ``""``."""
    split, before, after = _parted(name, loosely)
    return "" if before or after.lower() not in ("", "set", "data") else split


def _parted(name: str, loosely: bool) -> tuple[str, str, str]:
    """Return the split, and what stands before and after its word; ``"", "", ""`` where no word says one."""
    broken = _CHANGE.sub(_BREAK, name)
    exact = [(_PLAIN_WORD, name), (_WORD, name)]
    loose = [(_WORD, broken), (_LOOSE_WORD, broken)]
    for word, text in exact + loose if loosely else exact:
        if found := word.search(text):
            split = _MEANT[re.sub(_BETWEEN, "", found["word"]).lower()]
            sides = (text[: found.start()], text[found.end() :])
            before, after = (side.replace(_BREAK, "").strip("-_. ") for side in sides)
            return split, before, after
    return "", "", ""


def _pattern(words: Mapping[str, str], end: str = "") -> re.Pattern[str]:
    """Return what finds the first of these words that stands alone."""
    either = "|".join(word.replace("_", f"{_BETWEEN}?") for word in words)
    return re.compile(rf"(?:^|(?<={_BETWEEN}))(?P<word>{either}){end}(?={_BETWEEN}|$)", re.IGNORECASE)


_OR_A_SET = rf"(?:{_BETWEEN}?(?:set|data))?"
"""``trainset`` and ``test_data`` are like ``train`` and ``test``."""
_PLAIN_WORD = _pattern(_PLAIN)
_WORD = _pattern(_PLAIN | _RARE, _OR_A_SET)
_LOOSE_WORD = _pattern(_ALSO_NO_SPLIT, _OR_A_SET)
_MEANT = {word.replace("_", ""): split for word, split in (_PLAIN | _RARE | _ALSO_NO_SPLIT).items()}
