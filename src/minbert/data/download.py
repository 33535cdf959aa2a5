"""The papers' three tasks from the Hugging Face hub, written in the format and under the names of the course's files.

========== ================================ ==========================================================================
files      hub data set                     licence
========== ================================ ==========================================================================
ids-sst    SetFit/sst5                      none stated (the Stanford Sentiment Treebank, sentences only)
quora      nyu-mll/glue, qqp                Quora's terms of service, non-commercial use
sts        nyu-mll/glue, stsb               scores CC BY-SA 4.0; the texts keep the licences of their sources
========== ================================ ==========================================================================

Nothing of these data sets is part of minbert, and every download is from a pinned revision.

The course's own splits cannot be rebuilt from the hub. What stands in for them:

- SST: the treebank's train, dev and test splits, which hold as many rows as the course's.
- Quora: the labels of the test split are not public, so train and validation together (some 404,000 pairs; the course
  has half of them) are cut anew. A pair goes by the SHA-256 of its content (which case, white space and the order of
  the two questions do not change) modulo 10: 0 to 6 is train, 7 dev, 8 and 9 test. So no pair stands in two splits.
- STS: the official splits of 5,749, 1,500 and 1,379 pairs. The course cut the same 8,628 pairs another way.

Rows without text are left out. As in the course's files, test labels are not written.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from minbert.data.examples import same_content
from minbert.data.rows import Problem, read_rows
from minbert.errors import UserError
from minbert.files import atomic_path
from minbert.files.outputs import new_file
from minbert.hub.downloading import download_data_file


@dataclass(frozen=True)
class _Source:
    """A data set of the hub: its files and the split of each (``cut``: see the module's text), and its columns."""

    prefix: str
    repository: str
    revision: str
    files: dict[str, str]
    texts: tuple[str, ...]
    columns: tuple[str, ...]


_Example = tuple[tuple[str, ...], str]
"""The texts of a row, and its label."""

_glue = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_sources = (
    _Source(
        "ids-sst",
        "SetFit/sst5",
        "e51bdcd8cd3a30da231967c1a249ba59361279a3",
        {"train.jsonl": "train", "dev.jsonl": "dev", "test.jsonl": "test"},
        ("text",),
        ("sentence", "sentiment"),
    ),
    _Source(
        "quora",
        "nyu-mll/glue",
        _glue,
        {"qqp/train-00000-of-00001.parquet": "cut", "qqp/validation-00000-of-00001.parquet": "cut"},
        ("question1", "question2"),
        ("sentence1", "sentence2", "is_duplicate"),
    ),
    _Source(
        "sts",
        "nyu-mll/glue",
        _glue,
        {
            "stsb/train-00000-of-00001.parquet": "train",
            "stsb/validation-00000-of-00001.parquet": "dev",
            "stsb/test-00000-of-00001.parquet": "test",
        },
        ("sentence1", "sentence2"),
        ("sentence1", "sentence2", "similarity"),
    ),
)


def download(folder: Path, progress: Callable[[str], None] | None = None, force: bool = False) -> list[Path]:
    """Fetch the three tasks, write nine files into ``folder``, and return their paths.

    Everything is fetched before anything is written, so a broken connection leaves nothing behind. The hub is the one
    that the environment variable ``HF_ENDPOINT`` names, if it is set.

    Args:
        folder: where to write; made if it is not there.
        progress: is told in a few words what is being done.
        force: whether files that are there may be replaced.

    Raises:
        UserError: one of the files is there already, the hub cannot be reached, or ``folder`` cannot be written to.
    """
    tell = progress or (lambda _: None)
    paths = [folder / name for source in _sources for name in _file_names(source).values()]
    with ExitStack() as held:
        for path in paths:
            held.enter_context(new_file(path, force=force, suffixes=[path.suffix]))
        fetched: list[tuple[_Source, str, Path]] = []
        for source in _sources:
            for file, split in source.files.items():
                tell(f"fetching {source.repository}/{file}")
                fetched.append((source, split, download_data_file(source.repository, file, source.revision)))
        for source in _sources:
            splits: dict[str, list[_Example]] = {"train": [], "dev": [], "test": []}
            for origin, split, path in fetched:
                if origin is source:
                    for example in _examples(source, path):
                        splits[_cut(example[0]) if split == "cut" else split].append(example)
            for split, name in _file_names(source).items():
                tell(f"writing {name}: {len(splits[split]):,} rows")
                _write(folder / name, source, splits[split], labelled=split != "test")
    return paths


def hub_data_set(file: str) -> str | None:
    """Return the hub's data set that a file of this name comes from; None where the name is not one of ours."""
    return next((source.repository for source in _sources if file in _file_names(source).values()), None)


def _file_names(source: _Source) -> dict[str, str]:
    suffixes = {"train": "train.csv", "dev": "dev.csv", "test": "test-student.csv"}
    return {split: f"{source.prefix}-{suffix}" for split, suffix in suffixes.items()}


def _examples(source: _Source, path: Path) -> Iterator[_Example]:
    for row in read_rows(path):
        if isinstance(row, Problem):
            raise UserError(f"{source.repository}: {row}. Is the download damaged?")
        try:
            texts = tuple(row.values[column].strip() for column in source.texts)
            label = f"{float(row.values['label']):.4g}"  # scores are 32-bit there: 3.799999952316284 is 3.8
        except (KeyError, ValueError):
            raise UserError(f"{path}:{row.line}: the file from {source.repository} is not as expected.") from None
        if all(texts):
            yield texts, label


def _cut(texts: Sequence[str]) -> str:
    """Return the split of a pair: seven tenths train, one dev, two test, as the course's."""
    digest = hashlib.sha256(same_content(texts).encode()).digest()
    return (("train",) * 7 + ("dev",) + ("test",) * 2)[int.from_bytes(digest, "big") % 10]


def _write(path: Path, source: _Source, examples: Sequence[_Example], labelled: bool) -> None:
    occurrences: Counter[tuple[str, ...]] = Counter()
    columns = source.columns if labelled else source.columns[:-1]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(["", "id", *columns])
        for number, (texts, label) in enumerate(examples):
            occurrences[texts] += 1
            row_id = _row_id(source.prefix, texts, occurrences[texts])
            writer.writerow([number, row_id, *texts, *([label] if labelled else [])])


def _row_id(task: str, texts: Sequence[str], occurrence: int) -> str:
    """Return 25 hexadecimal digits that follow from the task, the texts, and which time the file holds them."""
    return hashlib.sha256("\0".join((task, *texts, str(occurrence))).encode()).hexdigest()[:25]
