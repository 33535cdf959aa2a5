"""``minbert new``, and whatever else takes a folder of files for a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minbert.cli.echo import echo
from minbert.cli.options import Force
from minbert.errors import UserError
from minbert.files.paths import to_path

if TYPE_CHECKING:
    from minbert.recipe.recipe import Recipe
    from minbert.schema_inference.found import Ask, Question


def new(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", parser=to_path, help="Where the files of your tasks are.")
    ],
    out: Annotated[Path, typer.Option(parser=to_path, help="The recipe to write.")] = Path("recipe.yaml"),
    encoder: Annotated[str, typer.Option(help="'minilm', a folder, or an id on the hub.")] = "minilm",
    force: Force = False,
) -> None:
    """Write a recipe for the files in a folder: work out its tasks, say how, and ask where two readings are likely."""
    from minbert.display.commands import command_line
    from minbert.files import write_text
    from minbert.files.outputs import new_file
    from minbert.schema_inference.commented_recipe import recipe_text
    from minbert.schema_inference.infer import infer_folder

    with new_file(out, force=force, suffixes=[".yaml", ".yml"]):
        inferred = infer_folder(folders, encoder, _asking())
        echo(str(inferred))
        write_text(out, recipe_text(inferred, out.absolute().parent))
    echo(f"{out}: is the recipe. Train it with: {command_line('train', out)}")


def are_folders(sources: Sequence[str]) -> bool:
    """Return whether these words name folders of files rather than a recipe.

    Raises:
        UserError: there are several, and one of them is no folder.
    """
    from minbert.recipe.shipped import RECIPES

    folders = [source not in RECIPES.names and to_path(source).is_dir() for source in sources]
    if len(sources) > 1 and not all(folders):
        other = sources[folders.index(False)]
        raise UserError(f"{other}: is no folder. Give one recipe, or one or more folders of files.")
    return all(folders)


def recipe_of_folders(folders: Sequence[str], changes: Mapping[str, Any], settings: Sequence[str]) -> Recipe:
    """Return the recipe for the files in these folders, with changes laid over it; say what was understood.

    Raises:
        UserError: no task can be made of the files, or the changes do not fit.
    """
    from minbert.recipe.reading import changed
    from minbert.schema_inference.infer import infer_folder

    if "data" in changes:
        raise UserError("--data goes with a recipe; a folder is its own.")
    encoder = changed(changes, settings, "encoder").get("name", "minilm")
    inferred = infer_folder(folders, encoder, _asking())
    echo(str(inferred))
    return inferred.recipe(changes, settings)


def _asking() -> Ask:
    """Return how to ask: at the terminal where there is one, else nobody."""
    from minbert.schema_inference.found import nobody

    return _ask if sys.stdin.isatty() and sys.stdout.isatty() else nobody


def _ask(question: Question) -> int:
    echo(question.text)
    for number, choice in enumerate(question.choices, start=1):
        echo(f"  {number}  {choice}")
    chosen = 0
    while not 1 <= chosen <= len(question.choices):
        chosen = typer.prompt("Which?", default=1, type=int)
    return chosen - 1
