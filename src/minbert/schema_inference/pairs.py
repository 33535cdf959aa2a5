"""Whether the two texts of a pair are read apart or together."""

from __future__ import annotations

from minbert.schema_inference.few_rows import has_few_rows
from minbert.schema_inference.found import InferredTask


def choose_pair(task: InferredTask) -> None:
    """Set ``pair``, where rows have two texts.

    The figures behind the choice are in docs/experiments.md, "Rates and passes for one task alone".
    """
    settings = task.findings.settings
    if isinstance(settings["text"], str):
        return
    is_relation = settings["kind"] == "classification" and task.classes > 2
    if is_relation and not has_few_rows(task):
        reason = "both texts are read at once: how they relate is seldom told by a vector of each"
        task.findings.set("pair", "cross", reason)
    else:
        reason = "each text is read by itself; with many labelled rows 'cross', both read at once, may answer better"
        task.findings.set("pair", "bi", reason)
