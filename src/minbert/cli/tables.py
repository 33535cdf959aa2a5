"""How results look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text as StyledText

from minbert.display.columns import Column, fill

if TYPE_CHECKING:
    from pathlib import Path

    from minbert.comparing.compare import Comparison
    from minbert.hub.uploading import Upload
    from minbert.multitask.texts import Text
    from minbert.recipe.recipe import Recipe
    from minbert.running.run import RunSummary
    from minbert.tasks.predictions import Predictions
    from minbert.training.plan import Plan
    from minbert.training.scoring import DevScores

_MEANS = {"overall": "mean", "overall_leaderboard": "mean, with (r + 1) / 2 for a correlation r"}


def summary(run: RunSummary, recipe: Recipe) -> Table:
    """Return the closing table: the kept model's dev scores beside a baseline and what they were before training.

    The title says which step is kept: it may be the one before training.
    """
    from minbert.tasks.metrics import with_direction

    step, steps = run.metrics["best_step"], run.metrics["steps"]
    kept = f"step {step} of {steps}" + ", before training" * (step == 0)
    kept += "; then each head was trained alone" * ("head_tuning" in run.metrics)
    kept += "; then its heads were solved" * (recipe.training.head_end == "probe")
    table = Table(title=f"dev scores of the kept model ({kept})", title_justify="left")
    for column in ("task", "metric", "baseline", "before training", "kept"):
        table.add_column(column, justify="left" if column in ("task", "metric", "baseline") else "right")
    for name, task in recipe.tasks.items():
        base = run.baselines[name]
        table.add_row(
            name,
            with_direction(task.metric),
            f"{base.score:.3f} ({base.name})",
            f"{run.before[name][task.metric]:.3f}",
            StyledText(f"{run.metrics['dev'][name][task.metric]:.3f}", style="bold"),
        )
    if len(recipe.tasks) > 1:
        table.add_section()
        before, after = run.before["overall"], run.metrics["dev"]["overall"]
        table.add_row("overall", "mean", "", f"{before:.3f}", f"{after:.3f}")
    return table


def closing_words(run: RunSummary, recipe: Recipe) -> str:
    """Return where the run is, what it cost, what to know of its encoder, and what to try next."""
    from minbert.display.commands import command_line
    from minbert.encoder.sources import MINILM_DESCRIPTION

    metrics = run.metrics
    lines = [
        f"{metrics['train_seconds']:.0f} s of training, {metrics['examples_per_second']:.0f} examples/s"
        + (f", {tokens:.0f} real tokens/s" if (tokens := metrics["real_tokens_per_second"]) else "")
        + f" on {metrics['device']}.",
    ]
    if not metrics["dev"]:
        lines.append("No rows were kept apart to score the model on. To score it on labelled test rows:")
        lines.append(f"  {_to_score(run.folder, recipe)}")
    if recipe.encoder.name == "minilm":
        lines.append(MINILM_DESCRIPTION)
    lines += [
        f"The run is in {run.folder}. Next, for example:",
        f"  {to_predict(run.folder, recipe)}",
        f"  {command_line('report', run.folder)}",
    ]
    return "\n".join(lines)


def _to_score(folder: Path, recipe: Recipe) -> str:
    """Return the command that scores a run on test rows; where its recipe names none, with a place for their file."""
    from minbert.display.commands import command_line

    command = command_line("evaluate", folder, "--split", "test")
    if any("test" in task.split_files for task in recipe.tasks.values()):
        return command
    return f"{command} --set tasks.{next(iter(recipe.tasks))}.files.test=FILE"


def to_predict(folder: Path, recipe: Recipe) -> str:
    """Return a command that asks the model in a folder about its first task."""
    from minbert.display.commands import command_line

    name, task = next(iter(recipe.tasks.items()))
    texts = ["One text."] if task.pair is None else ["One text.", "Another text."]
    return command_line("predict", folder, "--task", name, *texts)


def plan(planned: Plan) -> Table:
    """Return what a run would do and cost."""
    hours = timedelta(seconds=round(planned.seconds))
    table = Table(
        title="plan of the run",
        title_justify="left",
        caption=(
            f"{planned.steps} steps ({planned.steps_per_epoch} an epoch), {planned.tokens:,} real tokens, "
            f"{planned.evaluations or 'no'} evaluations on dev\n"
            f"about {hours} and {planned.peak_bytes / 2**30:.1f} GiB of memory here, judged by a few trial steps"
        ),
        caption_justify="left",
    )
    for column in ("task", "rows", "batch", "batches", "examples", "real tokens", "truncated"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for name, task in planned.tasks.items():
        numbers = (task.rows, task.batch_size, task.batches, task.examples, task.tokens, task.truncated)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    return table


def scores(dev: DevScores, split: str) -> Table:
    """Return every metric of every task, and their means over tasks."""
    from minbert.tasks.metrics import with_direction

    table = Table(title=f"scores on {split}", title_justify="left")
    for column in ("task", "metric", "score"):
        table.add_column(column, justify="right" if column == "score" else "left")
    for task, metrics in dev.tasks.items():
        for metric, score in metrics.items():
            table.add_row(task, with_direction(metric), f"{score:.4f}")
    table.add_section()
    for name, score in dev.overall.items():
        table.add_row(name, _MEANS[name], f"{score:.4f}")
    return table


def predicted(rows: Sequence[Text], predictions: Predictions, ordered: bool, title: str | None = None) -> Table:
    """Return texts beside what a task, which the title may name, says of them.

    Of classes in order (``ordered``) the answer is the median, which may not be the likeliest class. So beside its own
    probability stand those of all lower and all higher classes, each at most one half.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("prediction" if predictions.probabilities is None else "prediction (probability)")
    table.add_column("text", overflow="fold")
    for index, row in enumerate(rows):
        if predictions.probabilities is None:
            said = f"{predictions.values[index]:.3f}"
        elif predictions.values.ndim == 2:
            shares = dict(zip(predictions.class_names, predictions.probabilities[index], strict=True))
            said = ", ".join(f"{name} ({shares[name]:.2f})" for name in predictions.names[index]) or "none"
        else:
            said = f"{predictions.names[index]} ({predictions.confidence[index]:.2f}"
            if ordered:
                place, shares = int(predictions.values[index]), predictions.probabilities[index]
                said += f"; lower {shares[:place].sum():.2f}, higher {shares[place + 1 :].sum():.2f}"
            said += ")"
        table.add_row(said, row if isinstance(row, str) else " | ".join(row))
    return table


def reproduction(results: Mapping[str, Any]) -> Iterator[Table]:
    """Yield a paper's tables, its figures beside ours."""
    from minbert.reproduction.tables import grids

    for grid in grids(results):
        table = Table(title=grid.caption, title_justify="left", caption=grid.note, caption_justify="left")
        fill(table, grid.columns, grid.rows)
        yield table


def comparison(compared: Comparison) -> Iterator[Table]:
    """Yield a table for each system: its scores, with their differences to the baseline and to the task trained alone.

    What a system has nothing of has no column. Intervals stand below their numbers, so that all fits eighty columns.
    """
    from minbert.comparing.tables import narrow_columns

    for system in compared.systems:
        runs = f"{len(system.seeds)} run{'s' if len(system.seeds) > 1 else ''}" if system.seeds else "ensemble"
        of_baseline = ", the baseline" if system.name == compared.baseline else ""
        title = StyledText.assemble((system.name, "bold"), f" ({runs}{of_baseline})")
        table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=0)
        scores = compared.of(system.name)
        fill(table, narrow_columns(scores), scores, no_wrap=True)
        yield table


def uploads(files: Sequence[Upload]) -> Table:
    """Return what goes up to the hub: each file's name, size and SHA-256."""
    columns: list[Column[Upload]] = [
        Column("file", lambda each: each.name, numeric=False),
        Column("bytes", lambda each: f"{each.size:,}"),
        Column("SHA-256", lambda each: each.digest, numeric=False),
    ]
    table = Table(box=None, pad_edge=False)
    fill(table, columns, files)
    return table
