"""``minbert recipes`` and ``minbert methods``: what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.echo import echo
from minbert.cli.options import Force
from minbert.files.paths import to_path
from minbert.recipe.shipped import RECIPES, pretraining_recipe_names, recipe_names

recipes_app = typer.Typer(help="List, show and copy the recipes that ship with minbert.", invoke_without_command=True)


@recipes_app.callback()
def listing(context: typer.Context) -> None:
    """List, show and copy the recipes that ship with minbert."""
    if context.invoked_subcommand is not None:
        return
    from minbert.files.strict_yaml import read_yaml

    names = [*recipe_names(), *pretraining_recipe_names()]
    width = max(map(len, names))
    for name in names:
        tree = read_yaml(RECIPES.find(name))
        echo(f"{name:{width}}  {tree.get('description', '')}")


@recipes_app.command()
def show(name: Annotated[str, typer.Argument(help="A shipped recipe's name.")]) -> None:
    """Print a recipe as it is written."""
    echo(RECIPES.find(name).read_text(encoding="utf-8"), end=False)


@recipes_app.command()
def copy(
    name: Annotated[str, typer.Argument(help="A shipped recipe's name.")],
    file: Annotated[Path, typer.Argument(parser=to_path, help="The new file.")],
    force: Force = False,
) -> None:
    """Copy a recipe to a file of your own, to change there."""
    from minbert.display.commands import command_line
    from minbert.files import write_text
    from minbert.files.outputs import new_file

    recipe = RECIPES.find(name)
    with new_file(file, [recipe], force=force, suffixes=[".yaml", ".yml"]):
        write_text(file, recipe.read_text(encoding="utf-8"))
    verb = "pretrain" if name in pretraining_recipe_names() else "train"
    echo(f"{file}: a copy of {name}. Train it with: {command_line(verb, file, '--data', 'DIR')}")


def methods() -> None:
    """List every method a recipe can choose, with its settings' key and source."""
    from minbert.reference.recipes_page import method_lines

    echo("\n".join(method_lines()))
