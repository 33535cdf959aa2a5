"""Which files of a folder hold rows."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from minbert.data.opened import PACKED
from minbert.data.rows import FORMATS, holds_rows
from minbert.errors import UserError, printable
from minbert.run_folder.folder import RECIPE, is_finished
from minbert.training.history import HISTORY

_OF_CLASSES = ("labels", "classes", "mapping")
CLASS_LISTS = tuple(f"{name}.txt" for name in _OF_CLASSES)
_OTHER_TABLES = frozenset([".json", ".xlsx", ".xls", ".ods", ".arrow", ".txt", ".zip", ".feather", ".db", ".sqlite"])
"""Suffixes of files that may hold rows, but that no reader here takes, or not always."""
_NO_TABLES = frozenset(
    [".md", ".rst", ".html", ".pdf", ".py", ".ipynb", ".sh", ".yaml", ".yml", ".toml", ".log", ".png"]
)
"""Suffixes of files that tell about a data set, or work with it."""
_ABOUT = re.compile(r"(readme|licen[cs]e|notice|changelog|citation|authors|makefile)\d*", re.IGNORECASE)


def check_folder(folder: Path) -> None:
    """Refuse what is no folder of data.

    Raises:
        UserError: it is not there, or is a run's.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder. Give the folder that holds the files of your tasks.")
    if _is_of_a_run(folder):
        raise UserError(f"{folder}: is the folder of a run. Give the folder that holds the files of your tasks.")


def _is_of_a_run(folder: Path) -> bool:
    return (folder / RECIPE).is_file() and (is_finished(folder) or (folder / HISTORY).is_file())


def tables_in(folder: Path, remarks: list[str]) -> Iterator[Path]:
    """Yield the files of rows in a folder and up to two folders deep, in order of their names."""
    others, unknown = [], []
    any_table = False
    for depth in ("*", "*/*", "*/*/*"):
        for path in sorted(folder.glob(depth)):
            folders = [part for part in path.relative_to(folder).parents if part.name]
            hidden = any(part.name.startswith(".") for part in (path, *folders))
            of_a_run = any(_is_of_a_run(folder / part) for part in folders)
            if hidden or of_a_run or not os.path.isfile(path):  # noqa: PTH113  (False where it may not be looked at)
                continue
            if _holds_rows(path):
                any_table = True
                if path.suffix == PACKED and path.with_suffix("").is_file():
                    remarks.append(f"{path.name}: left out; the unpacked file stands beside it")
                else:
                    yield path
            elif path.suffix.lower() in _OTHER_TABLES and path.name not in CLASS_LISTS:
                others.append(str(path.relative_to(folder)))
            elif path.suffix.lower() not in (*_NO_TABLES, *_OTHER_TABLES) and not _ABOUT.fullmatch(path.stem):
                unknown.append(str(path.relative_to(folder)))
    if not any_table:  # else they are what stands beside the tables of anybody
        others += unknown
    if not any_table and (of_classes := _folders_of_texts(others)):
        remarks.append(
            f"{_first(of_classes)}: not read; each seems to hold the texts of a class, a text a file. Write a table "
            "of them, with a row a text and the folder's name as its label: docs/your-own-data.md has a script"
        )
    elif others:
        remarks.append(
            f"{_first(others)}: not read; rows go in {', '.join(FORMATS)} files, or .txt with tabs, or .json with "
            "objects. If it is a table, give it a name in .csv (commas, semicolons, bars) or .tsv (tabs)"
        )


def _folders_of_texts(names: Sequence[str]) -> list[str]:
    """Return the folders with several ``.txt`` files each, where at least two stand side by side."""
    counts = Counter(Path(name).parent for name in names if name.lower().endswith(".txt"))
    several = [folder for folder, count in counts.items() if count > 1 and folder.name]
    beside = Counter(folder.parent for folder in several)
    return sorted(f"{folder.as_posix()}/" for folder in several if beside[folder.parent] > 1)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{printable(', '.join(names[:5]))}{more}"


def each_once(paths: Sequence[Path], remarks: list[str]) -> list[Path]:
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


def stem(path: Path) -> str:
    """Return a file's name without what says its format."""
    return path.name[: -len(path.suffix)] if path.suffix.lower() != PACKED else Path(path.stem).stem


def _holds_rows(path: Path) -> bool:
    suffix = path.suffix.lower()
    if (suffix == ".txt" and _ABOUT.fullmatch(path.stem)) or (suffix in (".txt", ".json") and path.stem in _OF_CLASSES):
        return False
    try:
        return holds_rows(path)
    except UserError:  # whoever reads it tells why it cannot be read
        return True
