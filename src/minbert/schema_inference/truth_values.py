"""Yes and no, in several languages."""

from __future__ import annotations

from minbert.schema_inference.found import Findings
from minbert.schema_inference.labels import Labels
from minbert.schema_inference.words import known_words

_READ_AS_THEY_ARE = frozenset(["0", "1", "true", "false"])


def read_truth_values(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: binary`` where every label means yes or no; return whether it is so."""
    meant = {name: _meaning(name) for name in labels.names}
    if set(meant.values()) != {"0", "1"}:
        return False
    findings.set("kind", "binary", f"labels are {' and '.join(sorted(meant, key=lambda name: meant[name] or ''))}")
    if labels.missing or any(name.lower() not in _READ_AS_THEY_ARE for name in meant):
        findings.set("labels", meant | dict.fromkeys(labels.missing), "yes is 1, no is 0")
    return True


def _meaning(name: str) -> str | None:
    word = name.casefold()
    return "1" if word in known_words("yes") else "0" if word in known_words("no") else None
