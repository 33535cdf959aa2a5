"""The tables: where each curve begins and ends, who is on top when, and how much sooner ours is where a peer ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quality.curves import TIMES, Curves, best_at, seconds_to
from quality.results import Standing

Row = dict[str, Any]

ENDS = {
    "name": "training",
    "first": "first, s",
    "first_mean": "mean",
    "last": "last, s",
    "sentiment": "SST",
    "paraphrase": "Quora",
    "similarity": "STS",
    "mean": "mean",
    "settings": "best settings",
}
"""Keys of ``end_rows`` and their headings; so below."""
TOP = {
    "after": "after, s",
    "ours": "ours",
    "our_mean": "mean",
    "peer": "peer",
    "peer_mean": "mean",
    "ahead": "ours ahead",
}
RATIO = {
    "peer": "peer",
    "mean": "its last mean",
    "peer_seconds": "after, s",
    "ours": "ours first there",
    "our_seconds": "after, s",
    "ratio": "times sooner",
}


def end_rows(found: Mapping[str, Standing]) -> list[Row]:
    """Return each contestant's first model and last one."""
    rows = []
    for name, standing in found.items():
        first, last = standing.curve[0], standing.curve[-1]
        chosen = {tasks: setting for tasks, setting in standing.settings.items() if setting}
        told = list(chosen.values()) if len(chosen) < 2 else [f"{tasks} {setting}" for tasks, setting in chosen.items()]
        ends: Row = {"first": first.seconds, "first_mean": first.mean, "last": last.seconds, "mean": last.mean}
        rows.append({"name": name, **ends, **last.scores, "settings": ", ".join(told)})
    return rows


def top_rows(of_ours: Curves, of_peers: Curves) -> list[Row]:
    """Return who has the best mean of ours, and of the peers, at each of ``TIMES``, and how far ours is ahead."""
    rows = []
    for after in TIMES:
        row: Row = {"after": after}
        ours, peer = best_at(of_ours, after), best_at(of_peers, after)
        if ours is not None:
            row |= {"ours": ours[0], "our_mean": ours[1]}
        if peer is not None:
            row |= {"peer": peer[0], "peer_mean": peer[1]}
        if ours is not None and peer is not None:
            row["ahead"] = ours[1] - peer[1]
        rows.append(row)
    return rows


def ratio_rows(of_ours: Curves, of_peers: Curves) -> list[Row]:
    """Return when a peer has his last mean, and when ours had it: how many times sooner; nothing if never."""
    rows = []
    for peer, curve in of_peers.items():
        mean = curve[-1].mean
        had = min(point.seconds for point in curve if point.mean >= mean)
        row: Row = {"peer": peer, "mean": mean, "peer_seconds": had}
        if (first := seconds_to(of_ours, mean)) is not None:
            row |= {"ours": first[0], "our_seconds": first[1], "ratio": had / first[1]}
        rows.append(row)
    return rows
