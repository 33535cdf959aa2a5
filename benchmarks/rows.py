"""How good a classifier comes of 8, 16, 64 or 500 rows a class, or of all: ours beside what people do else.

``--data`` is a folder with a folder for each set: ``train.tsv`` and ``dev.tsv`` with the columns ``text`` (or ``text1``
and ``text2``) and ``label``, tabs between, no quoting. Of each set some rows of each class are drawn from train by the
seed, the same for all contestants. Nobody sees dev; it is what answers are scored on.

Each result is a line of JSON in ``--out``. A second start makes only those that are not there, so it can be stopped.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from common import Figures, installed, show, wide_console
from minbert.encoder.sources import find_encoder
from paired import ahead, known_results
from rows_contestants import CONTESTANTS, NEEDS, Labelled

SETS = ("cr", "subj", "ag-news", "sms-spam", "tweet-hate", "cola", "clinc150", "mrpc", "sick-e", "snli")
METRICS = {"cola": "MCC", "tweet-hate": "macro F1", "sms-spam": "F1 of spam", "mrpc": "F1 of 1"}
"""Of the others it is accuracy."""
ROWS = ("8", "16", "64", "500", "all")
OURS = "ours"
SCORED = 1000
"""Dev rows that are scored, at most."""


def read_table(path: Path) -> Labelled:
    """Return the rows of a file."""
    header, *lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    columns = header.split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]
    texts = ("text1", "text2") if "text1" in columns else ("text",)
    return Labelled([tuple(row[name] for name in texts) for row in rows], [row["label"] for row in rows])


def taken(rows: Labelled, numbers: Sequence[int]) -> Labelled:
    """Return the rows with these numbers."""
    return Labelled([rows.texts[n] for n in numbers], [rows.labels[n] for n in numbers])


def drawn(rows: Labelled, wanted: str, seed: int) -> Labelled:
    """Return so many rows of each class, drawn by the seed; or all."""
    if wanted == "all":
        return rows
    left = dict.fromkeys(rows.classes, int(wanted))
    numbers = []
    for number in np.random.default_rng(seed).permutation(len(rows.labels)):
        if left[rows.labels[number]]:
            left[rows.labels[number]] -= 1
            numbers.append(int(number))
    return taken(rows, sorted(numbers))


def scored(name: str, labels: Sequence[str], answers: Sequence[str]) -> float:
    """Return the score of answers by the set's metric."""
    metric = METRICS.get(name, "accuracy")
    if metric == "accuracy":
        return float(accuracy_score(labels, answers))
    if metric == "MCC":
        return float(matthews_corrcoef(labels, answers))
    if metric == "macro F1":
        return float(f1_score(labels, answers, average="macro"))
    return float(f1_score(labels, answers, pos_label=metric.removeprefix("F1 of ")))


def measured(options: argparse.Namespace, wanted: Figures) -> Figures:
    """Return the score of one contestant on one draw of one set, and the processor's seconds of its training.

    They are those of all threads together. What else the machine does at the time changes them little.
    """
    for module in NEEDS[wanted["contestant"]]:
        importlib.import_module(module)
    folder = options.data / wanted["set"]
    train, dev = drawn(read_table(folder / "train.tsv"), wanted["rows"], wanted["seed"]), read_table(folder / "dev.tsv")
    order = np.random.default_rng(0).permutation(len(dev.labels))
    dev = taken(dev, sorted(map(int, order[: options.scored])))
    started = time.process_time()
    answer = CONTESTANTS[wanted["contestant"]](train, options.encoder, wanted["seed"], options.set)
    seconds = time.process_time() - started
    score = scored(wanted["set"], dev.labels, answer(dev.texts))
    return {**wanted, "score": round(score, 4), "seconds": round(seconds, 1), "train_rows": len(train.labels)}


def wanted_results(options: argparse.Namespace, console: Console) -> Iterator[Figures]:
    """Yield what is to be measured, one seed after the other, so that what is there early tells something of all."""
    able = [name for name in options.contestants if installed(name, NEEDS, console)]
    for seed, rows, name, contestant in itertools.product(options.seeds, options.rows, options.sets, able):
        yield {"set": name, "rows": rows, "seed": seed, "contestant": contestant, "changes": options.set}


def summary(results: Sequence[Mapping[str, Any]], rows: str) -> list[Figures]:
    """Return a table's rows: each contestant's mean score on each set, of the draws that all have been scored on."""
    found: dict[tuple[str, int], dict[str, Figures]] = {}
    for result in results:
        if result["rows"] == rows:
            found.setdefault((result["set"], result["seed"]), {})[_called(result)] = dict(result)
    names = list(dict.fromkeys(name for draw in found.values() for name in draw))
    whole = {key: draw for key, draw in found.items() if len(draw) == len(names)}
    table = []
    for name in names if whole else ():
        scores: dict[str, list[float]] = {}
        for (set_name, _), draw in whole.items():
            scores.setdefault(set_name, []).append(draw[name]["score"])
        means = {set_name: statistics.mean(values) for set_name, values in scores.items()}
        seconds = statistics.mean(draw[name]["seconds"] for draw in whole.values())
        mean = statistics.mean(means.values())
        line = {"contestant": name, **means, "mean": mean, "seconds": seconds, "draws": len(whole)}
        if OURS in names:
            line["ours is ahead by"] = ahead([draw[OURS]["score"] - draw[name]["score"] for draw in whole.values()])
        table.append(line)
    return table


def _called(result: Mapping[str, Any]) -> str:
    return " ".join([result["contestant"], *result["changes"]])


def show_all(console: Console, results: Sequence[Mapping[str, Any]]) -> None:
    """Print a table for each number of rows."""
    for rows in ROWS:
        if table := summary(results, rows):
            columns = {name: name for name in table[0]}
            show(console, f"rows a class: {rows}" if rows != "all" else "all rows", columns, table)


def parsed() -> argparse.Namespace:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="a folder with a folder for each set")
    options.add_argument("--out", type=Path, default=Path("rows.jsonl"), help="where results are, and are added")
    options.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET", help="folders of --data")
    options.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, help="rows a class")
    options.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="each draws other rows")
    options.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS, metavar="NAME")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--scored", type=int, default=SCORED, help="how many dev rows are scored, at most")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--minutes", type=float, default=float("inf"), help="begin no result after so many")
    options.add_argument("--show", action="store_true", help="only show what --out has")
    options.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="change the recipe of ours: TASK stands for its task"
    )
    return options.parse_args()


def main() -> None:
    """Measure what is not there yet, and show all."""
    options, console = parsed(), wide_console()
    torch.set_num_threads(options.threads)
    options.encoder = find_encoder(options.encoder).folder
    started = time.monotonic()
    for wanted in [] if options.show else wanted_results(options, console):
        if time.monotonic() - started > 60 * options.minutes:
            break
        if not any(wanted.items() <= result.items() for result in known_results(options.out)):
            with console.status(" ".join(map(str, wanted.values()))):
                result = measured(options, wanted)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
    show_all(console, known_results(options.out))


if __name__ == "__main__":
    main()
