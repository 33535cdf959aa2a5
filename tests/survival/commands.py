"""Commands that write, each a call from a recipe and the folder to write to words of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from command_line import minbert

Words = list[str | Path]

TWO_STEPS = ["--set", "training.epochs=1", "--set", "training.evaluate_every=1"]
TWO_STEPS += ["--set", "schedule.method={name: round_robin, epoch: 2}"]
WITH_ALL = ["training.keep_best_of_tasks=true", "training.head_epochs=1", "optimizer.ema_decay=0.5"]


def train(recipe: Path, out: Path) -> Words:
    return ["train", recipe, *TWO_STEPS, "--out", out, "--resume"]


def train_with_all(recipe: Path, out: Path) -> Words:
    """Pretrain first; keep each task's best, train heads alone, average weights."""
    data = Path(yaml.safe_load(recipe.read_text())["data"])
    texts = [line.split("\t")[1] for line in (data / "mood-train.tsv").read_text().splitlines()[1:]]
    (data / "texts.txt").write_text("\n".join(texts))
    corpora = {"moods": {"files": str(data / "texts.txt")}}
    training = {"epochs": 1, "batch_size": 12, "precision": "fp32"}
    first = recipe.with_name("first.yaml")
    first.write_text(yaml.safe_dump({"corpora": corpora, "held_out": {"share": 0.2}, "training": training}))
    changes = [*WITH_ALL, f"encoder.pretraining={{recipe: {first}}}"]
    return [*train(recipe, out), *(word for change in changes for word in ("--set", change))]


def train_from_others(recipe: Path, out: Path) -> Words:
    """Learn from another run's answers and from new rows; keep each task's best; choose a threshold on dev."""
    data = Path(yaml.safe_load(recipe.read_text())["data"])
    for split in ("train", "dev", "test"):
        moods = (data / f"mood-{split}.tsv").read_text()
        (data / f"glad-{split}.tsv").write_text(moods.replace("\t2\n", "\t1\n"))
    glad = "{kind: binary, threshold: dev, id: id, text: text, label: label, files: {train: glad-train.tsv, "
    glad += "dev: glad-dev.tsv, test: glad-test.tsv}}"
    teachers = f"{{teachers: [{finished_runs(recipe)[0]}]}}"
    changes = [f"tasks.glad={glad}", "tasks.mood.augmentation=[deletion]", f"distillation={teachers}"]
    changes += ["training.keep_best_of_tasks=true", "training.head_epochs=1"]
    return [*train(recipe, out), *(word for change in changes for word in ("--set", change))]


def sweep(recipe: Path, out: Path) -> Words:
    grid = "optimizer.learning_rate=1e-3,1e-4"
    return ["sweep", recipe, *TWO_STEPS, "--grid", grid, "--out", out, "--resume"]


def ensemble(recipe: Path, out: Path) -> Words:
    return ["ensemble", *finished_runs(recipe), "--out", out]


def soup(recipe: Path, out: Path) -> Words:
    return ["soup", *finished_runs(recipe), "--out", out]


def export(recipe: Path, out: Path) -> Words:
    return ["export", finished_runs(recipe)[0], "--to", "sentence-transformers", out, "--task", "mood"]


def report(recipe: Path, out: Path) -> Words:
    return ["report", finished_runs(recipe)[0], "--out", out / "page.html", "--figures", out / "figures", "--force"]


def reproduce(recipe: Path, out: Path) -> Words:
    """Train the two runs of a table, and drop their models."""
    short = {"extends": recipe.name, "training": {"epochs": 1}}
    systems = {task: f"{task}-alone.yaml" for task in ("mood", "close")}
    for task, name in systems.items():
        single = {"name": "single", "task": task, "epoch": 2}
        recipe.with_name(name).write_text(yaml.safe_dump({**short, "schedule": {"method": single}}))
    table = {
        "caption": "Alone",
        "columns": {task: task for task in systems},
        "baseline": "alone",
        "rows": {"alone": {"label": "alone", "recipe": systems, "published": {}}},
    }
    paper = {"title": "Tasks alone", "conditions": "", "notes": "", "single_task": systems, "tables": {"one": table}}
    recipe.with_name("paper.yaml").write_text(yaml.safe_dump(paper))
    return ["reproduce", recipe.with_name("paper.yaml"), "--out", out]


def predict(recipe: Path, out: Path) -> Words:
    return ["predict", *_a_run_and_texts(recipe), "--task", "mood", "--output", out / "answers.jsonl"]


def encode(recipe: Path, out: Path) -> Words:
    return ["encode", *_a_run_and_texts(recipe), "--output", out / "vectors.npy"]


def augment(recipe: Path, out: Path) -> Words:
    _, _, source = _a_run_and_texts(recipe)
    return ["augment", source, "--text", "text", "--method", "swap", "--output", out / "rows.tsv"]


COMMANDS: list[Callable[[Path, Path], Words]] = [
    train,
    train_with_all,
    train_from_others,
    sweep,
    reproduce,
    ensemble,
    soup,
    export,
    report,
]
LONG = [train_with_all, train_from_others, reproduce]
"""Those that take too long for all tests."""
ANSWERING: list[Callable[[Path, Path], Words]] = [predict, encode, augment]
"""Those that write a single file."""


def finished_runs(recipe: Path) -> list[Path]:
    """Train two runs beside the recipe."""
    runs = [recipe.with_name(f"finished-{seed}") for seed in (1, 2)]
    for seed, run in enumerate(runs, start=1):
        assert minbert(*train(recipe, run), "--seed", str(seed)).returncode == 0
    return runs


def _a_run_and_texts(recipe: Path) -> Words:
    source = Path(yaml.safe_load(recipe.read_text())["data"]) / "mood-dev.tsv"
    return [finished_runs(recipe)[0], "--input", source]
