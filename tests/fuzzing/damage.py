"""What may have become of a file: bytes changed, cut or doubled, or one value of its JSON replaced by an odd one."""

from __future__ import annotations

import copy
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from minbert.errors import UserError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""How many of each reader ``make fuzz`` asks for; 0 in CI, where the same few come each time."""
LONGEST = 60
"""Seconds that a reader may take for a file of some kilobytes before it counts as one that hangs."""

ODD: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "a", "1", "true", "..", "../../etc/passwd", "/etc/passwd", "a\0b", "\ud800", "\x1b[2J", "x" * 5000,
    "$", "$\\frac{", "<b>", "%s", "{}", "\n",
    [], {}, [[]], [None], [1, 2], ["a", "a"], {"a": None}, {"": 1}, {"name": "x"}, [{}], {"\0": {"\ud800": 1}},
]  # fmt: skip
"""Values that a program may meet in JSON where its author thought of others."""

_BYTES = st.sampled_from(
    [b"", b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b'"', b"\t", b",", b"[" * 3000]
)


def bounded(examples: int) -> Callable[[Any], Any]:
    """Return hypothesis's settings for a test of so many examples: the same ones each time, but for ``make fuzz``."""
    return settings(max_examples=EXAMPLES or examples, derandomize=not EXAMPLES, database=None, deadline=None)


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw what may be left of a file."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 9) | st.integers(0, len(content))))
        match draw(st.sampled_from(["change", "cut", "drop", "double", "insert"])):
            case "change":
                for place in range(start, min(end, start + 8)):
                    content[place] = draw(st.integers(0, 255))
            case "cut":
                del content[start:]
            case "drop":
                del content[start:end]
            case "double":
                content[start:start] = content[start:end]
            case "insert":
                content[start:start] = draw(_BYTES | st.binary(max_size=8))
    return bytes(content)


@st.composite
def damaged_tree(draw: st.DrawFn, whole: Any) -> Any:
    """Draw what a tree of lists and mappings becomes where one place, or two, hold something else or nothing."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(tree))
        if not places:
            return draw(st.sampled_from(ODD))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["replace", "replace", "drop", "swap", "rename"])):
            case "replace":
                holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "drop":
                del holder[key]
            case "swap":
                other, place = places[draw(st.integers(0, len(places) - 1))]
                holder[key] = copy.deepcopy(other[place])
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "a", "../x", "a.b", "\x1b[2J", "\0"]))] = holder.pop(key)
    return tree


def damaged_json(whole: bytes) -> st.SearchStrategy[bytes]:
    """Draw what may be left of a file of JSON, most of it still JSON."""
    trees = damaged_tree(json.loads(whole)).map(lambda tree: json.dumps(tree).encode())
    return trees | trees | damaged_bytes(whole)


def damaged_json_lines(whole: bytes) -> st.SearchStrategy[bytes]:
    """The same of a file with a JSON value in each line."""
    trees = damaged_tree([json.loads(line) for line in whole.splitlines()])
    lines = trees.map(lambda tree: b"".join(json.dumps(line).encode() + b"\n" for line in tree))
    return lines | lines | damaged_bytes(whole)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every list or mapping within ``tree`` with each of its places; of long ones the first twenty."""
    if isinstance(tree, dict | list):
        keys = list(tree)[:20] if isinstance(tree, dict) else range(min(len(tree), 20))
        for key in keys:
            yield tree, key
            yield from _places(tree[key])


class Reader:
    """A way to read a folder whose files are whole, and that has to bear any file being something else."""

    def __init__(self, folder: Path, read: Callable[[Path], object]) -> None:
        self.folder = folder
        self.read = read

    def bears(self, name: str, content: bytes) -> None:
        """Assert that with this content of a file the folder is read, or refused by a message; then put it back."""
        path = self.folder / name
        whole = path.read_bytes()
        path.unlink()  # it may be one file with another of its names
        path.write_bytes(content)
        try:
            with _in_time():
                self.read(self.folder)
        except UserError as error:
            assert str(error)
        finally:
            path.unlink()
            path.write_bytes(whole)


@contextmanager
def _in_time() -> Iterator[None]:
    def too_long(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TimeoutError(f"no answer within {LONGEST} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
