"""``minbert data check``: the files of a recipe, or of a folder in the course's format, read and reported on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from minbert.data.check import TokenCounter, check, render
from minbert.data.examples import Split
from minbert.data.places import resolve_data
from minbert.encoder.architectures import architecture_of
from minbert.encoder.config_file import read_config
from minbert.encoder.sources import find_encoder
from minbert.errors import UserError
from minbert.files.json_text import read_json
from minbert.files.paths import to_path
from minbert.recipe.recipe import TaskRecipe, load_recipe
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer

COURSE_RECIPES = ("cs224n/multitask", "cs224n/cfimdb")
"""Between them they name every file of the course."""


def check_source(source: str, data: str | None, encoder: str | None) -> tuple[list[str], bool]:
    """Return a report of all files as lines, and whether every row can be used.

    ``source`` is a recipe, or a folder: then every task of the course is checked whose files are there.

    Raises:
        UserError: there is no such recipe or folder, or a file cannot be used as a whole.
    """
    if to_path(source).is_dir():
        if data is not None:
            raise UserError("--data goes with a recipe; a folder is its own.")
        folder, tasks = to_path(source), _course_tasks(to_path(source))
        name, max_length = "minilm", 512
    else:
        recipe = load_recipe(source)
        folder, tasks = resolve_data(recipe.data if data is None else data), dict(recipe.tasks)
        name, max_length = recipe.encoder.name, recipe.encoder.max_length
    files = find_encoder(name if encoder is None else encoder)
    config = read_config(read_json(files.config), files.config)
    family, tokenizer = architecture_of(config), Tokenizer.from_files(files.folder)
    longest = min(max_length, family.longest(config))
    counter = _token_counter(tasks, tokenizer, family.template(tokenizer))
    report = check({name: (task, task.kind) for name, task in tasks.items()}, folder, counter, longest)
    return render(report), not report.problems


def _course_tasks(folder: Path) -> dict[str, TaskRecipe]:
    tasks = {
        f"{name} ({recipe})": task
        for recipe in COURSE_RECIPES
        for name, task in load_recipe(recipe).tasks.items()
        if any((folder / file).is_file() for file in task.files.by_split.values())
    }
    if not tasks:
        raise UserError(
            f"{folder}: holds none of the course's files (ids-sst-train.csv and so on). "
            "For files of your own, check the recipe that names them: minbert data check RECIPE"
        )
    return tasks


def _token_counter(tasks: Mapping[str, TaskRecipe], tokenizer: Tokenizer, template: Template) -> TokenCounter:
    alone, joined = template.tokens(1), template.tokens(2)

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer.token_ids(texts)]

    def count(task: str, split: Split) -> list[int]:
        if split.second is None:
            return [length + alone for length in lengths(split.first)]
        first, second = lengths(split.first), lengths(split.second)
        pair = tasks[task].pair
        counts = [length + alone for length in first + second] if pair in ("bi", "both") else []
        return counts + ([a + b + joined for a, b in zip(first, second, strict=True)] if pair != "bi" else [])

    return count
