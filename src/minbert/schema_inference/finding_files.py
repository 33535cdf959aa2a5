"""Which files of a folder belong to which task, and which split each holds, by their names."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from minbert.data.rows import FORMATS
from minbert.errors import UserError
from minbert.schema_inference.row_files import CLASS_LISTS, check_folder, each_once, stem, tables_in
from minbert.schema_inference.split_names import read_name, split_of_folder

_MEANS_NOTHING = frozenset(["data", "dataset", "datasets", "raw", "files", "csv", "tsv", "jsonl", "parquet", "default"])
"""Names of folders and files that say nothing of a task."""
_MOST_TASKS = 100
"""More are somebody's disk."""
_NO_TRAIN = "no train file of the same name is there"
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
    place: Path
    """The folder whose files can be of the same task."""
    task: str
    split: str
    """``train``, ``dev``, ``test``, ``eval`` or ``trial``."""
    beside: str
    """What else the name says: ``quora large`` of ``quora-train-large``."""
    number: str
    before: str
    """What stands before the split's word, or the whole name where none says a split."""
    said: bool = True
    """Whether the name says the split."""

    @property
    def key(self) -> tuple[Path, str]:
        """Parts with the same one are of one task."""
        return self.place, self.task.casefold()


def find_files(folders: Sequence[Path]) -> FoundFiles:
    """Return the tasks whose files stand in these folders, or in folders within them.

    A task's files are ``NAME-train.EXT`` and the like, ``NAME/train.EXT``, or ``NAME.EXT`` alone.

    Raises:
        UserError: a folder is not there or is a run's, or holds no file to train a task on.
    """
    for folder in folders:
        check_folder(folder)
    # Without '..', which is another folder's name where a link comes before it.
    whole = [Path(os.path.realpath(folder)) if ".." in folder.parts else folder.absolute() for folder in folders]
    data = Path(os.path.commonpath(whole))
    remarks: list[str] = []
    paths = each_once([path for folder in whole for path in tables_in(folder, remarks)], remarks)
    tasks = []
    for parts in _by_task(_parts(paths, whole)):
        if not any(part.split == "train" for part in parts):
            left = ", ".join(_from(data, part.path) for part in parts)
            remarks.append(f"{left}: left out; {_NO_TRAIN}")
            continue
        task = _task(parts, data, remarks)
        place = parts[0].place
        task.class_list = next((place / name for name in CLASS_LISTS if (place / name).is_file()), None)
        tasks.append(task)
    if not tasks:
        raise UserError(_nothing_to_train_on(folders, remarks))
    if len(tasks) > _MOST_TASKS:
        raise UserError(f"{data}: holds files for {len(tasks):,} tasks. Give the folders of those to train on.")
    _name_apart(tasks)
    return FoundFiles(data, tasks, remarks)


def _nothing_to_train_on(folders: Sequence[Path], remarks: Sequence[str]) -> str:
    """Return why these folders make no task, and what to do."""
    where = ", ".join(str(folder) for folder in folders)
    why = "".join(f" {remark}." for remark in remarks[:3])
    rename = " Rename the file that is for training, so that its name holds the word train."
    return (
        f"{where}: holds no file to train on.{why}{rename if _NO_TRAIN in why else ''} A task is a file of rows "
        f"({', '.join(FORMATS)}) with a text and a label, for example reviews.csv, or reviews-train.csv and "
        "reviews-dev.csv, or reviews/train.csv."
    )


def _parts(paths: Sequence[Path], whole: Sequence[Path]) -> list[_Part]:
    """Return what each name says.

    A word that can mean something else (``trial``, or ``Test`` in ``drugsTest``) says a split only beside another
    split of the same task: ``drugsTrain``. So ``UnitTest.csv`` alone stays a task.
    """
    strictly = [_part(path, whole, loosely=False) for path in paths]
    loosely = [_part(path, whole, loosely=True) for path in paths]
    train = {part.key for part in loosely if part.said and part.split == "train"}
    held_out = {part.key for part in loosely if part.split != "train"}
    return [
        loose if loose.key in (held_out if loose.split == "train" else train) else strict
        for strict, loose in zip(strictly, loosely, strict=True)
    ]


def _part(path: Path, whole: Sequence[Path], *, loosely: bool) -> _Part:
    """Return what a file's name says, or else its folder's."""
    folder = path.parent
    given = folder in whole  # somebody put all files there, whatever it is called
    of_folder = "" if given else split_of_folder(folder.name)
    name = read_name(stem(path), loosely=loosely and not of_folder)
    if loosely and not (name.split or of_folder or given):
        of_folder = split_of_folder(folder.name, loosely=True)
    place = folder.parent if of_folder else folder
    split = name.split or of_folder
    return _Part(
        path, place, _named(name.task, place), split or "train", name.beside, name.number, name.before, said=bool(split)
    )


def _by_task(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield the parts of each task, first those that go by its name.

    Where one task alone has a train file, and that says so, the dev and test files beside it belong to it if no other
    task's name stands before the split's word: ``translated_train.tsv`` and ``dev_2k.tsv``, but not ``sts-test.tsv``.
    """
    by_key: dict[tuple[Path, str], list[_Part]] = {}
    for part in parts:
        by_key.setdefault(part.key, []).append(part)
    for _, keys in itertools.groupby(sorted(by_key), key=lambda key: key[0]):
        tasks = [by_key[key] for key in keys]
        to_train = [task for task in tasks if any(part.split == "train" for part in task)]
        if len(to_train) == 1 and any(part.said and part.split == "train" for part in to_train[0]):
            others = [task for task in tasks if task is not to_train[0]]
            joining = [task for task in others if all(_may_join(part, to_train[0]) for part in task)]
            yield [*to_train[0], *itertools.chain(*joining)]
            yield from (task for task in others if task not in joining)
        else:
            yield from tasks


def _may_join(part: _Part, task: Sequence[_Part]) -> bool:
    """Return whether a name tells of no other task: beside ``moods-train``, ``2018-moods-dev`` and ``dev_2k`` do not.

    Beside ``train`` alone, only a name that a folder of a split holds (``eval/sts``) does.
    """
    own, names = part.before.casefold(), {each.before.casefold() for each in task}
    if "" in names:
        return own != stem(part.path).casefold()
    return any(own in name or name in own for name in names)


def _named(name: str, folder: Path) -> str:
    """Return the name, or the nearest folder's that says something."""
    for place in (name, *(parent.name for parent in (folder, *folder.parents))):
        if place and place.lower() not in _MEANS_NOTHING and not place.isdigit():
            return place
    return "task"


def _task(parts: Sequence[_Part], data: Path, remarks: list[str]) -> FoundTask:
    """Return the task of files that belong together."""
    task = FoundTask(parts[0].task)
    for split, words in _words(parts).items():
        of_split = (part for part in parts if part.split in words)
        own = sorted(
            of_split,
            key=lambda part: (
                not part.said,
                words.index(part.split),
                part.key != parts[0].key,
                part.path.suffix.lower() in (".json", ".txt"),  # often the same rows once more
                len(part.beside) + len(part.number),
                part.path,
            ),
        )
        if not own:
            continue
        first, *others = own
        task.files[split] = _from(data, first.path)
        if split == "train":
            task.more_train = [_from(data, part.path) for part in others if _goes_on(first, part)]
            others = [part for part in others if not _goes_on(first, part)]
        if others:
            left = ", ".join(_from(data, part.path) for part in others)
            more = "; 'also_train_on' takes further training files" if split == "train" else ""
            taken = f"{task.files[split]} is taken as the {split} file of {task.name}"
            remarks.append(f"{left}: left out; {taken}{more}")
    return task


def _words(parts: Sequence[_Part]) -> dict[str, list[str]]:
    """Return which words stand for each split beside these files, the surest first."""
    said = {part.split for part in parts}
    if "test" not in said and said & {"dev", "trial"}:
        return {"train": ["train"], "dev": ["dev", "trial"], "test": ["eval"]}
    return {"train": ["train"], "dev": ["dev", "eval", "trial"], "test": ["test"]}


def _goes_on(first: _Part, part: _Part) -> bool:
    """Return whether these are numbered parts of one file."""
    numbered = bool(first.number and part.number)
    return numbered and (first.beside, first.said, first.key) == (part.beside, part.said, part.key)


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
