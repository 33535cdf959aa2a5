"""From a recipe and the keys to vary to the runs of a sweep, every one of them checked before any trains."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.reading import put
from minbert.recipe.recipe import Recipe, load_tree, parse_recipe
from minbert.running.prepare import check_recipe
from minbert.sweeping.values import Choices, Range, base_value, compact, short_keys

Changes = Mapping[str, Any]
"""Recipe keys with the values a configuration gives them."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One choice of values."""

    name: str
    changes: Changes
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Run:
    """A configuration with one seed: what has a folder of its own, called by ``name``."""

    name: str
    configuration: Configuration
    seed: int

    @property
    def recipe(self) -> Recipe:
        return self.configuration.recipe.model_copy(update={"seed": self.seed})


class Source:
    """The recipe that a sweep varies."""

    def __init__(self, source: str, overrides: Mapping[str, Any], settings: Sequence[str]) -> None:
        """Read it; see ``recipe.load_recipe`` for the arguments.

        Raises:
            UserError: see ``recipe.load_recipe``.
        """
        self._tree, self.where = load_tree(source, overrides, settings)
        self.recipe = parse_recipe(self._tree, self.where)

    def changed(self, changes: Changes) -> Recipe:
        """Return the recipe with ``changes`` laid over it.

        Raises:
            UserError: they make no recipe.
        """
        tree = dict(self._tree)
        for key, value in changes.items():
            put(tree, key, value)
        return parse_recipe(tree, self.where)


def plan_grid(source: Source, grid: Mapping[str, Sequence[Any]], one_at_a_time: bool) -> list[Configuration]:
    """Return every combination of the grid's values; or the recipe itself and then every value of one key at a time.

    One at a time, a value that is the recipe's own is the recipe itself and not repeated.

    Raises:
        UserError: tells all configurations that cannot be used, and why.
    """
    if one_at_a_time:
        named = [{}, *({key: value} for key, values in grid.items() for value in values)]
    else:
        named = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    short = short_keys(list(grid))
    read = _all_read(source, named, short)
    if one_at_a_time:
        read = [(changes, recipe) for changes, recipe in read if not changes or recipe != source.recipe]
    names = _unique([configuration_name(changes, short) for changes, _ in read], [changes for changes, _ in read])
    return [Configuration(name, *pair) for name, pair in zip(names, read, strict=True)]


def with_seeds(configurations: Iterable[Configuration], seeds: Sequence[int] | None) -> list[Run]:
    """Return the runs of ``configurations``: one each with its recipe's seed, or one for each of ``seeds``."""
    return [
        Run(configuration.name if seeds is None else f"{configuration.name},seed={seed}", configuration, seed)
        for configuration in configurations
        for seed in ([configuration.recipe.seed] if seeds is None else seeds)
    ]


def check_space(source: Source, space: Mapping[str, Range | Choices]) -> dict[str, Range | Choices]:
    """Check the recipe with every end of a range and every choice, one at a time; return the space, ready to draw from.

    A range is of whole numbers where the recipe takes its ends for whole numbers, else of fractions.

    Raises:
        UserError: tells all values that cannot be used, and why.
    """
    tried = [
        {key: value}
        for key, values in space.items()
        for value in ((values.low, values.high) if isinstance(values, Range) else values.by_text.values())
    ]
    read = _all_read(source, [{}, *tried], {key: key for key in space})
    ready = dict(space)
    for key, values in space.items():
        if isinstance(values, Range):
            ends = [base_value(recipe, key) for changes, recipe in read if key in changes]
            whole = all(isinstance(end, int) for end in ends)
            number = int if whole else float
            ready[key] = Range(number(values.low), number(values.high), values.log)
    return ready


def configuration_name(changes: Changes, short: Mapping[str, str]) -> str:
    """Return a name for a folder, such as ``learning_rate=2e-05,epochs=3``; ``base`` where nothing is changed."""
    parts = [f"{short[key]}={re.sub(r'[^A-Za-z0-9_.+-]+', '-', compact(v)).strip('-')}" for key, v in changes.items()]
    name = ",".join(parts) or "base"
    return name if len(name) <= 120 else f"{name[:100]}-{_digest(changes)}"


def _unique(names: Sequence[str], changes: Sequence[Changes]) -> list[str]:
    return [
        f"{name}-{_digest(changed)}" if names.count(name) > 1 else name
        for name, changed in zip(names, changes, strict=True)
    ]


def _digest(changes: Changes) -> str:
    return hashlib.sha256(repr(sorted(changes.items())).encode()).hexdigest()[:8]


def _check_dev(recipe: Recipe) -> None:
    if without := [name for name, task in recipe.tasks.items() if "dev" not in task.split_files]:
        raise UserError(
            f"tasks.{without[0]}.files.dev: a sweep compares dev scores. Name a dev file, or 'held_out' beside 'files'."
        )


def _all_read(
    source: Source, configurations: Sequence[Changes], short: Mapping[str, str]
) -> list[tuple[Changes, Recipe]]:
    """Return the recipe of every configuration; a refusal of one is told with those of all others."""
    silent = Display(terminal(quiet=True))
    read: list[tuple[Changes, Recipe]] = []
    refused: dict[str, list[str]] = {}
    for changes in configurations:
        try:
            recipe = source.changed(changes)
            check_recipe(recipe, silent)
            _check_dev(recipe)
        except UserError as error:
            refused.setdefault(str(error), []).append(configuration_name(changes, short))
        else:
            read.append((changes, recipe))
    if not refused:
        return read
    told = []
    for message, names in refused.items():
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        told.append(f"{'; '.join(names[:4])}{more}:\n  {message}")
    count = sum(map(len, refused.values()))
    whole = "\n".join(told)
    raise UserError(f"{count} of {len(configurations)} configurations cannot be trained, so none was:\n{whole}")
