"""What a change of the recipe gives, on many sets: ``minbert train FOLDER`` as it is, and with other settings.

    python benchmarks/changes.py --data DIR --sets cr cola --change training.epochs=5 --change optimizer.ema_decay=0.98

``--data`` is a folder with a folder for each set: ``train.tsv``, ``dev.tsv``, and ``labels.txt`` where classes have an
order. Rows are drawn once, the same for all: some of train to train on, some of dev to choose the kept model by, and
others of both to be scored on. Those chose nothing, and their texts are in neither of the former.

Each result is a line of JSON in ``--out``. A second start makes only those that are not there, so it can be stopped.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console

from common import Figures, processor, show, wide_console
from minbert import evaluate_run, infer_folder, train_recipe
from minbert.display.progress import Display
from paired import ahead, known_results

DRAW = 11
"""Seed of the draw of rows."""
LEFT = 700
"""Of a train file that is too small for all that is asked, so many rows at least are scored."""


def main() -> None:
    """Measure what is not there yet, and show all."""
    options, console = parsed(), wide_console()
    torch.set_num_threads(options.threads)
    results = []
    for wanted in wanted_results(options):
        result = next((known for known in known_results(options.out) if wanted.items() <= known.items()), None)
        if result is None and not options.show:
            with console.status(f"{' '.join(wanted['sets'])}, seed {wanted['seed']}: {told(wanted['change'])}"):
                result = measured(wanted, options.data)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
        results += [] if result is None else [result]
    console.print(f"{processor()}, {options.threads} threads, torch {torch.__version__}", highlight=False)
    if table := summary(results):
        show(console, "scores of rows that chose nothing", {name: name for name in table[-1]}, table)


def parsed() -> argparse.Namespace:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="a folder with a folder for each set")
    options.add_argument("--sets", nargs="+", required=True, metavar="SET", help="folders of --data")
    options.add_argument("--together", action="store_true", help="one model of all sets, not one for each")
    options.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all; TASK stands for the task"
    )
    options.add_argument(
        "--change",
        nargs="+",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="settings that go together; the recipe without them comes first by itself",
    )
    options.add_argument("--rows", type=int, default=2000, help="of each set, how many to train on, at most")
    options.add_argument("--dev", type=int, default=300, help="how many choose the kept model, at most")
    options.add_argument("--scored", type=int, default=1500, help="how many are scored, at most")
    options.add_argument("--seeds", nargs="+", type=int, default=[1], help="of the trainings; rows stay the same")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--out", type=Path, default=Path("changes.jsonl"), help="where results are, and are added")
    options.add_argument("--show", action="store_true", help="only show what --out has")
    return options.parse_args()


def wanted_results(options: argparse.Namespace) -> Iterator[Figures]:
    """Yield what is to be measured, a change after the other, so that what is there early tells something of all."""
    groups = [options.sets] if options.together else [[name] for name in options.sets]
    same = {name: vars(options)[name] for name in ("set", "rows", "dev", "scored", "encoder")}
    for seed in options.seeds:
        for change in [[], *options.change]:
            for sets in groups:
                yield {"sets": sets, "seed": seed, "change": change, **same}


def measured(wanted: Figures, data: Path) -> Figures:
    """Return each set's score, and the processor's seconds of the training, those of all threads together."""
    with tempfile.TemporaryDirectory() as place:
        folder, run = Path(place, "data"), Path(place, "run")
        for name in wanted["sets"]:
            write_drawn(data / name, folder / name, wanted["rows"], wanted["dev"], wanted["scored"])
        inferred = infer_folder(folder if len(wanted["sets"]) > 1 else folder / wanted["sets"][0], wanted["encoder"])
        changes = [
            change.replace("TASK", task)
            for change in [*wanted["set"], *wanted["change"]]
            for task in ([found.name for found in inferred.tasks] if "TASK" in change else [""])
        ]
        display, started = Display(Console(file=io.StringIO())), time.process_time()
        train_recipe(inferred.recipe({"seed": wanted["seed"]}, changes), run, display=display)
        seconds = time.process_time() - started
        scores = evaluate_run(run, split="test", display=display).primary
    return {**wanted, "scores": {task: round(score, 4) for task, score in scores.items()}, "seconds": round(seconds)}


def write_drawn(source: Path, target: Path, rows: int, dev: int, scored: int) -> None:
    """Write a set's three files with drawn rows: at most so many to train on, to choose by, and to be scored."""
    header, train = drawn_lines(source / "train.tsv")
    _, others = drawn_lines(source / "dev.tsv")
    first = next(number for number, name in enumerate(header.split("\t")) if name.startswith("text"))

    def text(line: str) -> str:
        return line.split("\t")[first]

    trained, chosen = train[: max(1, min(rows, len(train) - LEFT))], others[:dev]
    seen = {text(line) for line in [*trained, *chosen]}
    rest = [line for line in [*train[len(trained) :], *others[len(chosen) :]] if text(line) not in seen]
    target.mkdir(parents=True)
    for name, lines in (("train", trained), ("dev", chosen), ("test", rest[:scored])):
        (target / f"{name}.tsv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    if (source / "labels.txt").is_file():
        (target / "labels.txt").write_bytes((source / "labels.txt").read_bytes())


def drawn_lines(path: Path) -> tuple[str, list[str]]:
    """Return a file's header, and its other lines in drawn order."""
    header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    random.Random(DRAW).shuffle(lines)
    return header, lines


def summary(results: Sequence[Figures]) -> list[Figures]:
    """Return a table's rows: of each change the scores by set, means over the seeds, and the seconds of a training.

    Seeds and sets count that all changes have. The interval of a difference is over sets, each the mean of its seeds.
    """
    found: dict[str, dict[tuple[str, int], float]] = {}
    seconds: dict[str, list[float]] = {}
    for result in results:
        called = told(result["change"], between="\n")
        found.setdefault(called, {}).update({(task, result["seed"]): s for task, s in result["scores"].items()})
        seconds.setdefault(called, []).append(result["seconds"])
    common = [key for key in next(iter(found.values()), {}) if all(key in scores for scores in found.values())]
    seeds_of: dict[str, list[int]] = {}
    for task, seed in common:
        seeds_of.setdefault(task, []).append(seed)
    table: list[Figures] = []
    for called, scores in found.items() if common else ():
        by_set = {task: statistics.mean(scores[task, seed] for seed in seeds) for task, seeds in seeds_of.items()}
        row = {"change": called, **by_set, "mean": statistics.mean(by_set.values())}
        if table:
            row["ahead of the first"] = ahead([score - table[0][task] for task, score in by_set.items()])
        row["seconds"] = statistics.mean(seconds[called])
        row["seeds"] = statistics.mean(map(len, seeds_of.values()))
        table.append(row)
    return table


def told(change: Sequence[str], between: str = " ") -> str:
    """Return what a change is called."""
    return between.join(change) or "as it is"


if __name__ == "__main__":
    main()
