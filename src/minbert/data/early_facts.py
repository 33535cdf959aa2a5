"""What is worth knowing of a task's rows before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from minbert.data.examples import Split, content_hashes
from minbert.files.long_arrays import parts, sorted_distinct
from minbert.tasks.kinds import Kind

FEW_ROWS = 5
MOST_SHARE = 0.95
_TOLD = 5
_FLATTERING = ("accuracy", "weighted_f1", "mae")
"""Metrics by which always the commonest class is a good answer."""
_FAIR = ("qwk", "macro_f1", "mcc")
"""Those by which it is a bad one, of every kind the first two that it has."""

Counts = Mapping[str, Mapping[str, int]]
"""The rows of each class (``Kind.class_counts``) by split; training rows stand under ``train``."""


def label_facts(kind: Kind, counts: Counts, rows: int, metric: str | None = None) -> list[str]:
    """Return what to know of the labels of so many training ``rows``; ``metric`` is the task's, where it is known."""
    facts = [unseen_classes(counts), _rare_classes(counts), None if kind.several else _one_class(kind, counts, metric)]
    return [fact for fact in facts if fact is not None] if rows else []


def unseen_classes(counts: Counts) -> str | None:
    """Return which classes no training row has, and which of them other splits have; None where there are none."""
    unseen = [name for name, rows in counts.get("train", {}).items() if not rows]
    if not unseen:
        return None
    told = f"no train row has the label {' or '.join(unseen)}, so the model never learns to answer it"
    for split, of_split in counts.items():
        if having := [name for name in unseen if of_split.get(name)]:
            told += f"; {split} has {', '.join(f'{of_split[name]:,} of {name}' for name in having)}"
    return told


def _rare_classes(counts: Counts) -> str | None:
    """Return which classes have training rows, but fewer than ``FEW_ROWS``; None where there are none."""
    rare = {name: rows for name, rows in counts.get("train", {}).items() if 0 < rows < FEW_ROWS}
    if not rare:
        return None
    told = ", ".join(f"{name} ({rows})" for name, rows in [*rare.items()][:_TOLD])
    more = f", and {len(rare) - _TOLD} more" if len(rare) > _TOLD else ""
    return f"fewer than {FEW_ROWS} train rows have the label {told}{more}: too few to learn it from"


def _one_class(kind: Kind, counts: Counts, metric: str | None) -> str | None:
    """Return that nearly all training rows have one class, and what to consider; None where they do not."""
    train = counts.get("train", {})
    total = sum(train.values())
    if not total or max(train.values()) < MOST_SHARE * total:
        return None
    name = max(train, key=lambda label: train[label])
    metric = metric or kind.metrics[0]
    told = f"{train[name] / total:.1%} of the train rows have the label {name}"
    advice = ["class_weights: balanced"] if kind.weights_key is None else []
    if metric in _FLATTERING:
        told += f", so a model that always says so has a good {metric}"
        fair = [known for known in _FAIR if known in kind.known_metrics()][:2]
        advice.insert(0, f"metric: {' or '.join(fair)}")
    return f"{told}. Consider {' and '.join(advice)}" if advice else told


def shared_texts(splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield how many rows of other splits have the texts of a training row, for those that have any.

    Texts are the same that only case, white space or the order of a pair tells apart.
    """
    others = {name: content_hashes(split) for name, split in splits.items() if name != "train"}
    if not any(map(len, others.values())):
        return
    wanted = sorted_distinct(others.values(), np.uint64)
    found = np.zeros(len(wanted), np.bool_)
    train = content_hashes(splits["train"])
    for part in parts(len(train)):
        places = np.minimum(np.searchsorted(wanted, train[part]), len(wanted) - 1)
        found[places[wanted[places] == train[part]]] = True
    for name, hashes in others.items():
        if rows := sum(int(found[np.searchsorted(wanted, hashes[part])].sum()) for part in parts(len(hashes))):
            told = "1 row" if rows == 1 else f"{rows:,} rows"
            yield f"{told} of {name} also in train, so its scores are a little too good"
