"""``minbert train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minbert.cli.options import SEED, recipe_changes, run_in_folder, told_stopped
from minbert.cli.understanding import are_folders, recipe_of_folders
from minbert.files.paths import to_path

if TYPE_CHECKING:
    from minbert.recipe.recipe import Recipe
    from minbert.running.run import RunSummary


def train(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE|FOLDER",
            help="A shipped recipe's name (see 'minbert recipes'), a YAML file, or folders of files, for which a "
            "recipe is worked out (see 'minbert new').  [default: cs224n/best]",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the tasks' files; 'sample' is the shipped set.")] = None,
    encoder: Annotated[str | None, typer.Option(help="'minilm', a folder, or an id on the hub.")] = None,
    out: Annotated[
        Path | None, typer.Option(parser=to_path, help="The run's folder; by default runs/RECIPE, numbered.")
    ] = None,
    seed: Annotated[int | None, SEED] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change any key of the recipe; repeatable.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Cut the recipe to a budget: smoke, quick, fair, full, or a YAML file.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run of this recipe.")] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Show the run in 'tensorboard' as it goes: pip install 'minbert[tracking]'."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show steps, tokens, time and memory.")] = False,
) -> None:
    """Train one encoder on all tasks of a recipe, or of the files in a folder."""
    from minbert.cli import tables
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.errors import UserError
    from minbert.machine.launch import launched
    from minbert.recipe.recipe import load_recipe
    from minbert.reproduction.budgets import load_budget
    from minbert.run_folder.folder import RECIPE
    from minbert.running.run import plan_recipe, train_recipe
    from minbert.tracking import find_trackers
    from minbert.training.interrupt import Interrupted

    changes, name = recipe_changes(data, encoder, seed), (sources or ["cs224n/best"])[0]
    if sources and are_folders(sources):
        loaded = recipe_of_folders(sources, changes, settings or [])
        name = Path(str(loaded.data)).resolve().name
    else:
        loaded = load_recipe(name, changes, settings or [])
    if budget is not None:
        loaded = load_budget(budget).apply(loaded)
    display = Display(terminal())
    find_trackers(track or [], out or Path())  # what is wrong with a name is told before anything is read
    if dry_run and launched():
        raise UserError("--dry-run estimates a run of one process: call it without torchrun.")
    if dry_run:
        display.show(tables.plan(plan_recipe(loaded, display, out, resume)))
        return

    def run(folder: Path) -> RunSummary:
        try:
            return train_recipe(loaded, folder, resume, display, trackers=find_trackers(track or [], folder))
        except Interrupted as stopped:
            tracked = [word for name in track or [] for word in ("--track", name)]
            display.note(told_stopped("train", folder / RECIPE, "--out", folder, "--resume", *tracked))
            raise typer.Exit(stopped.exit_code) from None

    summary = run_in_folder(out, name, resume, lambda place: _holds(place, loaded), display.note, run)
    if summary.metrics["dev"]:
        display.show(tables.summary(summary, loaded))
    display.note(tables.closing_words(summary, loaded))


def _holds(folder: Path, recipe: Recipe) -> bool:
    from minbert.run_folder.folder import RECIPE, read_run
    from minbert.running.prepare import resolve

    return (folder / RECIPE).is_file() and read_run(folder) == resolve(recipe)
