"""``minbert pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minbert.cli.options import SEED, recipe_changes, run_in_folder, told_stopped
from minbert.files.paths import to_path

if TYPE_CHECKING:
    from rich.table import Table

    from minbert.pretraining.recipe import PretrainingRecipe


def pretrain(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, such as pretrain/sample, or a YAML file.")],
    data: Annotated[str | None, typer.Option(help="Folder of the texts; 'sample' is the shipped set.")] = None,
    encoder: Annotated[str | None, typer.Option(help="'minilm', a folder, or an id on the hub.")] = None,
    out: Annotated[
        Path | None, typer.Option(parser=to_path, help="The run's folder; by default runs/RECIPE, numbered.")
    ] = None,
    seed: Annotated[int | None, SEED] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change any key of the recipe; repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run of this recipe.")] = False,
) -> None:
    """Train an encoder further on plain texts, by guessing hidden words (masked LM)."""
    from minbert.display.commands import command_line
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.pretraining.recipe import load_pretraining_recipe
    from minbert.pretraining.run import pretrain_recipe
    from minbert.run_folder.folder import RECIPE
    from minbert.training.interrupt import Interrupted

    loaded = load_pretraining_recipe(recipe, recipe_changes(data, encoder, seed), settings or [])
    display = Display(terminal())

    def run(folder: Path) -> tuple[dict[str, Any], Path]:
        try:
            return pretrain_recipe(loaded, folder, resume, display), folder
        except Interrupted as stopped:
            display.note(told_stopped("pretrain", folder / RECIPE, "--out", folder, "--resume"))
            raise typer.Exit(stopped.exit_code) from None

    metrics, folder = run_in_folder(out, recipe, resume, lambda place: _holds(place, loaded), display.note, run)
    display.show(_summary(metrics))
    tasks = "quickstart" if loaded.data == "sample" else "FOLDER"
    display.note(
        f"{metrics['train_seconds']:.0f} s of training, {metrics['texts_per_second']:.0f} texts/s, "
        f"{metrics['real_tokens_per_second']:.0f} real tokens/s on {metrics['device']}; "
        f"kept: step {metrics['kept_step']} of {metrics['steps']}.\n"
        f"The encoder is in {folder}. Next, for example:\n  {command_line('train', tasks, '--encoder', folder)}"
    )


def _summary(metrics: dict[str, Any]) -> Table:
    """Return held-out figures: of guessing by frequency, before the first step, and of what is kept."""
    from rich.table import Table

    table = Table(title="held-out texts: perplexity and accuracy at hidden tokens", title_justify="left")
    table.add_column("corpus")
    for column in ("hidden tokens", "by frequency", "before", "kept"):
        table.add_column(column, justify="right")
    names = list(metrics["held_out"])
    for name in names if len(names) > 2 else names[:1]:
        scores = [metrics[when][name] for when in ("by_frequency", "before_training", "held_out")]
        shown = [f"{score['perplexity']:,.1f}  {score['accuracy']:.3f}" for score in scores]
        table.add_row(name, f"{scores[0]['tokens']:,}", *shown)
    return table


def _holds(folder: Path, recipe: PretrainingRecipe) -> bool:
    from minbert.errors import UserError
    from minbert.pretraining.run import read_pretraining_run, resolve_pretraining

    try:
        return read_pretraining_run(folder) == resolve_pretraining(recipe)
    except UserError:  # some other run, or none
        return False
