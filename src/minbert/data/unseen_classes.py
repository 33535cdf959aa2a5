"""Classes that nobody can learn, because no training row has them."""

from __future__ import annotations

from collections.abc import Mapping


def unseen_classes(counts: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return which classes no training row has, and which of them other splits have; None where there are none.

    ``counts`` holds the rows of each class (``Kind.class_counts``) by split; training rows stand under ``train``.
    """
    unseen = [name for name, rows in counts.get("train", {}).items() if not rows]
    if not unseen:
        return None
    told = f"no train row has the label {' or '.join(unseen)}, so the model never learns to answer it"
    for split, of_split in counts.items():
        if having := [name for name in unseen if of_split.get(name)]:
            told += f"; {split} has {', '.join(f'{of_split[name]:,} of {name}' for name in having)}"
    return told
