"""Yes and no, in several languages."""

from __future__ import annotations

from minbert.schema_inference.found import Findings
from minbert.schema_inference.labels import Labels
from minbert.schema_inference.words import known_words

_READ_AS_THEY_ARE = frozenset(["0", "1", "true", "false"])


def read_truth_values(labels: Labels, findings: Findings) -> bool:
    """Set ``kind: binary`` where every label means yes or no, and their names; return whether it is so."""
    meant = {name: _meaning(name) for name in labels.names}
    if set(meant.values()) != {"0", "1"}:
        return False
    no, yes = "0", "1"
    if not meant.keys() & {no, yes}:  # else words are spellings of the numbers
        no, yes = (
            max((name for name in meant if meant[name] == which), key=labels.names.__getitem__) for which in "01"
        )
    findings.set("kind", "binary", f"labels are {' and '.join(sorted(meant, key=lambda name: meant[name] or ''))}")
    if (no, yes) != ("0", "1"):
        findings.set("classes", [no, yes], "the name of no comes first")
    read_alike = {name for name in meant if name in (no, yes) or name.lower() in _READ_AS_THEY_ARE}
    if labels.missing or meant.keys() - read_alike:
        named = {name: yes if means == "1" else no for name, means in meant.items()}
        findings.set("labels", named | dict.fromkeys(labels.missing), f"yes is {yes}, no is {no}")
    return True


def _meaning(name: str) -> str | None:
    word = name.casefold()
    return "1" if word in known_words("yes") else "0" if word in known_words("no") else None
