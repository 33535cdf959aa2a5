"""What is in the files of a recipe's tasks, and what is wrong with it: ``minbert data check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minbert.data.check_report import Overlap, Report, SplitReport, TaskReport
from minbert.data.early_facts import label_facts
from minbert.data.examined import Block, FirstLines, Labels, examined_blocks
from minbert.data.examples import advice_on, told_left_out
from minbert.data.relabelling import labels_of
from minbert.data.row_ids import RowIds
from minbert.data.tally import Tally, TokenCounter
from minbert.data.task_files import Columns, TaskFiles
from minbert.data.task_splits import Keys, content_keys, held_out_rows
from minbert.errors import UserError
from minbert.tasks.kinds import Kind
from minbert.text.hashes import Hashes, distinct, shared


def check(
    tasks: Mapping[str, tuple[TaskFiles, Kind]],
    folder: Path,
    count_tokens: Mapping[str, TokenCounter] | None = None,
    max_length: int | None = None,
    metrics: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005
) -> Report:
    """Read every file of every task, and report.

    Files may be larger than memory: it grows only with the problems, with 8 bytes for an id that comes twice, and with
    24 bytes a row where rows are held out.

    Args:
        tasks: for each task, its files and what its labels are.
        folder: the data folder.
        count_tokens: for each task, what counts the tokens of each sequence the encoder would read; without it none
            are counted.
        max_length: the number of tokens above which a sequence counts as too long.
        metrics: the tasks' own, where they are known; advice goes by them.
        advance: called with the number of rows just read.
    """
    reports = []
    for name, (files, kind) in tasks.items():
        counter = (count_tokens or {}).get(name)
        known: dict[tuple[Path, int], _File] = {}  # train and dev may stand in one
        found = [
            (split, known.setdefault((path, id(columns)), _File(path, columns, labels, kind, counter, advance)))
            for split, path, columns, labels in _all_files(files, kind, folder)
        ]
        splits, overlaps = _check_files(found, name, files, max_length)
        reports.append(TaskReport(name, splits, overlaps, _label_facts(splits, kind, (metrics or {}).get(name))))
    return Report(reports, max_length)


@dataclass(frozen=True, slots=True)
class _File:
    """One file of a task, which is read as often as it takes."""

    path: Path
    columns: Columns
    labels: Labels
    kind: Kind
    count_tokens: TokenCounter | None
    advance: Callable[[int], None]
    ids: RowIds = field(default_factory=RowIds)

    def tally(self, labelled: bool | None, kept: NDArray[np.bool_] | None) -> Tally:
        """Return what is counted of its rows or, where that is given, of the usable ones that are ``kept``."""

        def count(line_of_id: FirstLines) -> Tally:
            tally, done = Tally(self.kind, self.count_tokens), 0
            for block in self._blocks(labelled, line_of_id):
                rows = slice(done, done := done + len(block.ids))
                tally.add(block if kept is None else block.kept(kept[rows]))
            return tally

        tally = self.ids.compared(count)
        return self.tally(False, kept) if labelled is None and tally.withheld == tally.read else tally

    def held_out(self, files: TaskFiles, name: str) -> NDArray[np.bool_]:
        """Return which of its usable rows are held out as dev.

        Raises:
            UserError: see ``held_out_rows``.
        """

        def gather(line_of_id: FirstLines) -> tuple[list[Keys], list[NDArray[np.float64]]]:
            keys, labels = [], []
            for block in self._blocks(True, line_of_id):
                if block.labels is not None and len(block.labels):
                    keys.append(content_keys(block.first, block.second))
                    labels.append(block.labels)
            return keys, labels

        keys, labels = self.ids.compared(gather)
        if not keys:
            return np.zeros(0, np.bool_)
        return held_out_rows(np.concatenate(keys), np.concatenate(labels), files, self.kind, self.path, name=name)

    def _blocks(self, labelled: bool | None, line_of_id: FirstLines) -> Iterator[Block]:
        for block in examined_blocks(self.path, self.columns, self.labels, labelled, line_of_id):
            yield block
            self.advance(block.rows)


def _check_files(
    found: Sequence[tuple[str, _File]], name: str, files: TaskFiles, max_length: int | None
) -> tuple[list[SplitReport], list[Overlap]]:
    """Return what each file of the task ``name`` holds, and which rows of one also stand in another."""
    reports: list[SplitReport] = []
    contents: dict[str, Hashes] = {}
    held_out: NDArray[np.bool_] | None = None
    for split, file in found:
        kept: NDArray[np.bool_] | None = None
        try:
            if files.held_out is not None and split in ("train", "dev"):
                held_out = file.held_out(files, name) if held_out is None else held_out
                kept = held_out if split == "dev" else ~held_out
            tally = file.tally(None if split == "test" else True, kept)
        except UserError as error:
            reports.append(SplitReport(split, file.path, problems=[str(error)]))
            continue
        contents[split] = tally.contents.sorted()
        problems = [] if kept is not None and split == "dev" else tally.problems  # train's are of the same file
        reports.append(
            SplitReport(
                split,
                file.path,
                rows=tally.rows,
                classes=tally.class_counts(),
                scores=tally.scores.scores(),
                words=tally.words.lengths(),
                tokens=tally.tokens.lengths(),
                too_long=0 if max_length is None else tally.tokens.above(max_length),
                repeated=tally.rows - distinct(contents[split]),
                left_out=told_left_out(file.path, tally.incomplete, tally.first_incomplete),
                problems=[str(problem) for problem in problems],
                advice=advice_on(problems),
            )
        )
    return reports, _overlaps(contents)


def _all_files(files: TaskFiles, kind: Kind, folder: Path) -> Iterator[tuple[str, Path, Columns, Labels]]:
    """Yield what each file is for, where it is, its columns and how its labels are read; files to train on first."""
    for split, file in files.split_files.items():
        yield split, folder / file, files, labels_of(files, kind)
        if split == "train":
            for shared in files.also_train_on:
                yield f"train ({shared.file})", folder / shared.file, shared, labels_of(shared, kind)


def _label_facts(splits: Sequence[SplitReport], kind: Kind, metric: str | None) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for split in splits:  # "train (more.tsv)" is more of train
        counts.setdefault(split.name.partition(" ")[0], Counter()).update(split.classes or {})
    rows = sum(split.rows for split in splits if split.name.startswith("train"))
    return label_facts(kind, counts, rows, metric)


def _overlaps(contents: Mapping[str, Hashes]) -> list[Overlap]:
    overlaps: list[Overlap] = []
    for earlier, later in combinations(contents, 2):
        if rows := shared(contents[later], contents[earlier]):
            overlaps.append(Overlap(earlier, later, rows))
    return overlaps
