"""Which files of a folder belong to which task, and which split each holds, by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from minbert.data.opened import PACKED
from minbert.data.rows import FORMATS
from minbert.errors import UserError, printable
from minbert.run_folder.folder import RECIPE, is_finished
from minbert.training.history import HISTORY

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
}
_MEANS_NOTHING = frozenset(["data", "dataset", "datasets", "raw", "files", "csv", "tsv", "jsonl", "parquet", "default"])
"""Names of folders and files that say nothing of a task."""
_OTHER_TABLES = frozenset([".json", ".xlsx", ".xls", ".ods", ".arrow", ".txt", ".zip", ".feather", ".db", ".sqlite"])
"""Suffixes of files that may hold rows, but that no reader here takes."""
_MOST_TASKS = 100
"""More are somebody's disk."""
_CLASS_LISTS = ("labels.txt", "classes.txt")
_RESERVED = ("overall", "overall_leaderboard")


@dataclass
class FoundTask:
    """The files of one task, named from the data folder."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    more_train: list[str] = field(default_factory=list)
    """Further parts of a train file that came in numbered parts."""
    class_list: Path | None = None
    """A file beside them that lists classes, one a line."""


@dataclass(frozen=True)
class FoundFiles:
    """The tasks of a data folder, and what was left out."""

    data: Path
    tasks: list[FoundTask]
    remarks: list[str]


@dataclass(frozen=True)
class _Part:
    """A file, and what its name says."""

    path: Path
    task: str
    split: str
    rest: str
    """What follows the split's word: ``large`` of ``quora-train-large``."""
    said: bool = True
    """Whether the name says the split."""


def find_files(folders: Sequence[Path]) -> FoundFiles:
    """Return the tasks whose files stand in these folders, or in folders within them.

    A task's files are ``NAME-train.EXT`` and the like, ``NAME/train.EXT``, or ``NAME.EXT`` alone.

    Raises:
        UserError: a folder is not there or is a run's, or holds no file to train a task on.
    """
    for folder in folders:
        _check(folder)
    # Without '..', which is another folder's name where a link comes before it.
    whole = [Path(os.path.realpath(folder)) if ".." in folder.parts else folder.absolute() for folder in folders]
    data = Path(os.path.commonpath(whole))
    remarks: list[str] = []
    paths = _each_once([path for folder in whole for path in _tables(folder, remarks)], remarks)
    by_task: dict[tuple[Path, str], list[_Part]] = {}
    for path in paths:
        in_split = path.parent not in whole and path.parent.name.lower() in _SPLITS  # not where somebody put all
        part = _part(path, in_split)
        place = path.parent.parent if in_split else path.parent
        by_task.setdefault((place, part.task.casefold()), []).append(part)
    tasks = []
    for (place, _), parts in sorted(by_task.items()):
        task = _task(parts, data, remarks)
        if "train" not in task.files:
            remarks.append(f"{', '.join(task.files.values())}: left out; no train file of the same name is there")
            continue
        task.class_list = next((place / name for name in _CLASS_LISTS if (place / name).is_file()), None)
        tasks.append(task)
    if not tasks:
        where = ", ".join(str(folder) for folder in folders)
        why = f" {remarks[0]}." if remarks else ""
        raise UserError(
            f"{where}: holds no file to train on.{why} A task is a file of rows ({', '.join(FORMATS)}) with a text and "
            "a label, for example reviews.csv, or reviews-train.csv and reviews-dev.csv, or reviews/train.csv."
        )
    if len(tasks) > _MOST_TASKS:
        raise UserError(f"{data}: holds files for {len(tasks):,} tasks. Give the folders of those to train on.")
    _name_apart(tasks)
    return FoundFiles(data, tasks, remarks)


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder. Give the folder that holds the files of your tasks.")
    if _is_of_a_run(folder):
        raise UserError(f"{folder}: is the folder of a run. Give the folder that holds the files of your tasks.")


def _is_of_a_run(folder: Path) -> bool:
    return (folder / RECIPE).is_file() and (is_finished(folder) or (folder / HISTORY).is_file())


def _tables(folder: Path, remarks: list[str]) -> Iterator[Path]:
    """Yield the files of rows in a folder and up to two folders deep, in order of their names."""
    others = []
    for depth in ("*", "*/*", "*/*/*"):
        for path in sorted(folder.glob(depth)):
            folders = [part for part in path.relative_to(folder).parents if part.name]
            hidden = any(part.name.startswith(".") for part in (path, *folders))
            of_a_run = any(_is_of_a_run(folder / part) for part in folders)
            if hidden or of_a_run or not os.path.isfile(path):  # noqa: PTH113  (False where it may not be looked at)
                continue
            if _suffix(path) in FORMATS:
                if path.suffix == PACKED and path.with_suffix("").is_file():
                    remarks.append(f"{path.name}: left out; the unpacked file stands beside it")
                else:
                    yield path
            elif path.suffix.lower() in _OTHER_TABLES and path.name not in _CLASS_LISTS:
                others.append(str(path.relative_to(folder)))
    if others:
        remarks.append(f"{_first(others)}: not read; rows go in {', '.join(FORMATS)} files")


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{printable(', '.join(names[:5]))}{more}"


def _each_once(paths: Sequence[Path], remarks: list[str]) -> list[Path]:
    """Return the paths without links that lead to a file that stands among them."""
    by_file: dict[str, Path] = {}
    links: list[str] = []
    for path in sorted(paths, key=lambda path: os.path.realpath(path) != str(path)):
        file = os.path.realpath(path)
        if by_file.setdefault(file, path) != path:
            links.append(f"{path.name} in {path.parent.name}")
    if links:
        remarks.append(f"{_first(links)}: left out; a link to a file that is read already")
    return [path for path in dict.fromkeys(paths) if by_file[os.path.realpath(path)] == path]


def _suffix(path: Path) -> str:
    return Path(path.stem if path.suffix.lower() == PACKED else path.name).suffix.lower()


def _part(path: Path, in_split: bool) -> _Part:
    stem = path.name[: -len(path.suffix)] if path.suffix.lower() != PACKED else Path(path.stem).stem
    pieces = re.split(r"([-_. ]+)", stem)
    folder = path.parent.name
    at = next((number for number, piece in enumerate(pieces) if piece.lower() in _SPLITS), None)
    if at is None and in_split:
        return _Part(path, _named(stem, path.parent.parent), _SPLITS[folder.lower()], "")
    if at is None:
        return _Part(path, _named(stem, path.parent), "train", "", said=False)
    before, after = "".join(pieces[:at]).strip("-_. "), "".join(pieces[at + 1 :]).strip("-_. ")
    split = _SPLITS[pieces[at].lower()]
    if before or _is_number(after):
        return _Part(path, _named(before, path.parent), split, after)
    return _Part(path, _named(after, path.parent), split, "")


def _is_number(rest: str) -> bool:
    """Return whether this is how a part of a file is numbered: ``00000-of-00002``, ``3``, or not at all."""
    return re.fullmatch(r"(part-?)?\d*(-?of-?\d+)?", rest) is not None


def _named(name: str, folder: Path) -> str:
    """Return the name, or the nearest folder's that says something."""
    for place in (name, *(parent.name for parent in (folder, *folder.parents))):
        if place and place.lower() not in _MEANS_NOTHING and not place.isdigit():
            return place
    return "task"


def _task(parts: Sequence[_Part], data: Path, remarks: list[str]) -> FoundTask:
    """Return the task of files that go by one name."""
    task = FoundTask(parts[0].task)
    for split in ("train", "dev", "test"):
        of_split = (part for part in parts if part.split == split)
        own = sorted(of_split, key=lambda part: (not part.said, len(part.rest), part.path))
        names = [_from(data, part.path) for part in own]
        if not own:
            continue
        task.files[split] = names[0]
        numbered = len(own) > 1 and bool(own[0].rest) and all(part.rest and _is_number(part.rest) for part in own)
        if numbered and split == "train":
            task.more_train = names[1:]
        elif len(own) > 1:
            left = ", ".join(names[1:])
            more = "; 'also_train_on' takes further training files" if split == "train" else ""
            remarks.append(f"{left}: left out; {names[0]} is taken as the {split} file of {task.name}{more}")
    return task


def _from(data: Path, path: Path) -> str:
    """Return the path from the data folder, as a recipe has it: ``~`` at its start would be somebody's home."""
    name = Path(os.path.relpath(path, data)).as_posix()
    return f"./{name}" if name.startswith("~") else name


def _name_apart(tasks: Sequence[FoundTask]) -> None:
    """Give every task a name that a recipe can have and no other task has."""
    taken: set[str] = set()
    twice = {
        task.name.casefold() for task in tasks if sum(t.name.casefold() == task.name.casefold() for t in tasks) > 1
    }
    for task in tasks:
        folder = Path(task.files["train"]).parent.name
        name = f"{folder}-{task.name}" if task.name.casefold() in twice and folder else task.name
        name = re.sub(r"[^\w-]+", "_", name).strip("_-")[:90]
        if not re.match(r"[A-Za-z]", name):
            name = f"task_{name}".rstrip("_")
        if name in _RESERVED or hasattr(nn.ModuleDict, name):
            name = f"{name}_task"
        numbers = (f"{name}-{number}" for number in range(2, len(tasks) + 2))
        task.name = next(each for each in (name, *numbers) if each.casefold() not in taken)
        taken.add(task.name.casefold())
