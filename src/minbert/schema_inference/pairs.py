"""Whether the two texts of a pair are read apart or together."""

from __future__ import annotations

from minbert.schema_inference.few_rows import has_few_rows
from minbert.schema_inference.found import InferredTask
from minbert.schema_inference.words import says

_UNLIKE = 1.5
"""Of the longer text's length to the other's. Paraphrases have 1.0, premise and hypothesis 1.9."""


def choose_pair(task: InferredTask) -> None:
    """Set ``pair``, where rows have two texts.

    The figures behind the choice are in docs/defaults.md, "Rates and passes for one task alone".
    """
    settings = task.findings.settings
    if isinstance(settings["text"], str):
        return
    if _is_relation(task) and not has_few_rows(task):
        reason = "both texts are read at once: how they relate is seldom told by a vector of each"
        task.findings.set("pair", "cross", reason)
    else:
        reason = "each text is read by itself; with many labelled rows 'cross', both read at once, may answer better"
        task.findings.set("pair", "bi", reason)


def _is_relation(task: InferredTask) -> bool:
    """Return whether texts relate in one of several ways, or one is said to follow from the other, or answers it.

    Two texts that say the same, or not, are as long as each other. A premise and a hypothesis, or a passage and a
    question about it, are not.
    """
    settings = task.findings.settings
    if settings["kind"] not in ("classification", "binary"):
        return False
    names = settings.get("classes")
    said = [*settings["text"], *(names if isinstance(names, list) else [])]
    return task.classes > 2 or any(says(str(name), "entailment") for name in said) or _are_unlike(task.texts)


def _are_unlike(texts: list[tuple[str, ...]]) -> bool:
    """Return whether one text of a pair is far longer than the other, on the mean."""
    shorter, longer = sorted(sum(map(len, column)) for column in zip(*texts, strict=True))
    return longer >= _UNLIKE * shorter
