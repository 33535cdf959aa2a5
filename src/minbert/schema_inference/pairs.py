"""Whether the two texts of a pair are read apart or together."""

from __future__ import annotations

from minbert.schema_inference.few_rows import has_few_rows
from minbert.schema_inference.found import InferredTask
from minbert.schema_inference.words import says


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
    """Return whether texts relate in one of several ways, or one is said to follow from the other."""
    settings = task.findings.settings
    if settings["kind"] not in ("classification", "binary"):
        return False
    names = settings.get("classes")
    said = [*settings["text"], *(names if isinstance(names, list) else [])]
    return task.classes > 2 or any(says(str(name), "entailment") for name in said)
