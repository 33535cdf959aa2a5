"""The file operations of a command, and every disk that a crash in the middle of them could leave.

A disk is held to no more than POSIX says. What a file holds is there once the file was flushed; a name is there, or
gone, once its folder was flushed. Of what was not flushed yet, any part may be there, in any order: CrashMonkey (Mohan
et al. 2018) found that most bugs of file systems, and of what runs on them, need three operations at most.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

Tree = dict[str, bytes | None]
"""What is on a disk: each path from its root, and what the file holds; None of a folder."""

Kind = Literal["folder", "write", "flush", "rename", "link", "remove"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What was done to ``path``, which is seen from the disk's root."""

    kind: Kind
    path: str
    to: str = ""
    """The other name of a rename or a link."""
    content: bytes = b""
    """All that a file holds after a write."""

    @property
    def folders(self) -> set[str]:
        """Return the folders whose entries it changes: of a link, as POSIX has it, only that of the new name."""
        places = {"flush": [], "link": [self.to], "rename": [self.path, self.to]}.get(self.kind, [self.path])
        return {_named(Path(place).parent) for place in places}


@contextmanager
def recorded(root: Path) -> Iterator[list[Operation]]:
    """Give a list to which every operation below ``root`` is added until the body ends."""
    done: list[Operation] = []
    contents: dict[str, bytes] = {}
    opened: dict[int, Any] = {}
    patched = ("open", "replace", "rename", "link", "unlink", "mkdir", "rmdir")
    real = {name: getattr(os, name) for name in patched}

    def place_of(path: Any) -> str | None:
        place = Path(path).absolute()
        return _named(place.relative_to(root)) if place.is_relative_to(root) and not _is_lock(place) else None

    def see(path: Any) -> None:
        """Add the write of a file that is not what it was when it was last seen."""
        place = place_of(path)
        if place is not None and (root / place).is_file():
            content = (root / place).read_bytes()
            if contents.get(place) != content:
                contents[place] = content
                done.append(Operation("write", place, content=content))

    def opening(path: Any, *more: Any, **named: Any) -> int:
        descriptor: int = real["open"](path, *more, **named)
        opened[descriptor] = path
        return descriptor

    def flushing(descriptor: int) -> None:
        see(opened[descriptor])
        if (place := place_of(opened[descriptor])) is not None:
            done.append(Operation("flush", place))

    def naming(function: str, kind: Kind) -> Any:
        def call(source: Any, target: Any, **more: Any) -> None:
            see(source)
            real[function](source, target, **more)
            if (old := place_of(source)) is not None and (new := place_of(target)) is not None:
                done.append(Operation(kind, old, new))
                if old in contents:  # of a rename, nobody sees the old name again but to write it anew
                    contents[new] = contents[old] if kind == "link" else contents.pop(old)

        return call

    def changing(function: str, kind: Kind) -> Any:
        def call(path: Any, *more: Any, **named: Any) -> None:
            real[function](path, *more, **named)
            if (place := place_of(path)) is not None:
                done.append(Operation(kind, place))
                contents.pop(place, None)

        return call

    functions = {
        "open": opening,
        "fsync": flushing,
        "replace": naming("replace", "rename"),
        "rename": naming("rename", "rename"),
        "link": naming("link", "link"),
        "unlink": changing("unlink", "remove"),
        "mkdir": changing("mkdir", "folder"),
        "rmdir": changing("rmdir", "remove"),
    }
    with mock.patch.multiple(os, **functions), mock.patch.object(shutil, "rmtree", _remove_tree):
        yield done


def disks(operations: Sequence[Operation]) -> Iterator[Tree]:
    """Yield every disk that a crash before, between and after the operations could leave, each once."""
    seen: set[int] = set()
    numbers = range(len(operations))
    names_flushed = [_names_flushed(operations, number) for number in numbers]
    content_flushed = [_content_flushed(operations, number) for number in numbers]
    settled: Tree = {"": None}
    """What the first operations left, up to one that is not on disk for sure."""
    first = 0
    for end in range(len(operations) + 1):
        while first < end and max(names_flushed[first], content_flushed[first]) < end:
            settled = _replayed(settled, [(operations[first], True)])
            first += 1
        loose = [number for number in range(first, end) if names_flushed[number] >= end]
        for lost, whole in itertools.product(_some_of(loose), (True, False)):
            kept = (number for number in range(first, end) if number not in lost)
            tree = _replayed(settled, ((operations[number], whole or content_flushed[number] < end) for number in kept))
            del tree[""]
            key = hash(frozenset(tree.items()))
            if key not in seen:
                seen.add(key)
                yield tree


def tree_of(root: Path) -> Tree:
    """Return what is on a disk, but for locks, which are void without their process."""
    places = (path for path in root.rglob("*") if not _is_lock(path))
    return {path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes() for path in places}


def put(tree: Tree, root: Path) -> None:
    """Have the disk at ``root`` hold ``tree`` and nothing else."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for place, content in sorted(tree.items()):
        if content is None:
            (root / place).mkdir()
        else:
            (root / place).write_bytes(content)


def _names_flushed(operations: Sequence[Operation], number: int) -> int:
    """Return the operation by which the names that this one changes are on disk for sure.

    All folders that hold them are flushed by then. What was removed is gone, too, once its folder's removal is.
    """
    removed_from = operations[number].folders if operations[number].kind == "remove" else set()
    flushed = _after(operations, number, operations[number].folders)
    for later in range(number + 1, flushed):
        if operations[later].kind == "remove" and operations[later].path in removed_from:
            return min(flushed, _names_flushed(operations, later))
    return flushed


def _content_flushed(operations: Sequence[Operation], number: int) -> int:
    """Return the operation by which what this one writes, if it does, is on disk for sure."""
    written = operations[number]
    return _after(operations, number, {written.path} if written.kind == "write" else set())


def _after(operations: Sequence[Operation], number: int, places: set[str]) -> int:
    """Return the operation, this one or one after it, by which all ``places`` are flushed."""
    missing = set(places)
    for later in range(number, len(operations)):
        if later > number and operations[later].kind == "flush":
            missing.discard(operations[later].path)
        if not missing:
            return later
    return len(operations)


def _some_of(loose: Sequence[int]) -> Iterator[frozenset[int]]:
    """Yield which of the operations that are not on disk for sure are lost: of a few, every choice."""
    if len(loose) <= 4:
        counts: Iterable[int] = range(len(loose) + 1)
    else:
        counts = (0, 1, len(loose) - 1, len(loose))
    for count in counts:
        yield from map(frozenset, itertools.combinations(loose, count))


def _replayed(before: Tree, done: Iterable[tuple[Operation, bool]]) -> Tree:
    """Return the disk after the operations, but those that cannot be without others that are lost.

    With each goes whether what it writes is there, not the first half alone.
    """
    tree = dict(before)
    for operation, whole in done:
        place, to = operation.path, operation.to
        if any(folder not in tree for folder in operation.folders):
            continue
        if operation.kind == "folder":
            tree[place] = None
        elif operation.kind == "write":
            tree[place] = operation.content if whole else operation.content[: len(operation.content) // 2]
        elif operation.kind == "remove" and not any(name.startswith(f"{place}/") for name in tree):
            tree.pop(place, None)
        elif operation.kind in ("rename", "link") and place in tree:
            for name in [name for name in tree if name == place or name.startswith(f"{place}/")]:
                tree[to + name.removeprefix(place)] = tree[name]
                if operation.kind == "rename":
                    del tree[name]
    return tree


def _remove_tree(path: Any, ignore_errors: bool = False) -> None:
    """Remove a folder by functions that are recorded, which the library's goes around."""
    if ignore_errors and not Path(path).is_dir():
        return
    for place in Path(path).iterdir():
        if place.is_dir():
            _remove_tree(place)
        else:
            place.unlink()
    Path(path).rmdir()


def _is_lock(path: Path) -> bool:
    return path.name.endswith(".lock") or ".locks" in path.parts


def _named(place: Path) -> str:
    return "" if place == Path() else place.as_posix()
