"""A sweep from its options to its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.seeds import read_seeds
from minbert.sweeping.folder import Keep, SweepFolder
from minbert.sweeping.grid import train_grid
from minbert.sweeping.plan import Source, check_space, plan_grid
from minbert.sweeping.results import Results
from minbert.sweeping.search import Search
from minbert.sweeping.values import read_grid, read_space


def run_sweep(
    source: str,
    overrides: Mapping[str, Any],
    settings: Sequence[str],
    out: Path,
    resume: bool,
    display: Display,
    *,
    grid: Sequence[str] = (),
    one_at_a_time: bool = False,
    seeds: str | None = None,
    search: Sequence[str] = (),
    trials: int | None = None,
    seconds: float | None = None,
    storage: str | None = None,
    prune: bool = True,
    keep: Keep = "best",
) -> Results:
    """Train a recipe over a ``grid``, or once for each of ``seeds``, or over the draws of a ``search``.

    ``source``, ``overrides`` and ``settings`` give the recipe (see ``recipe.load_recipe``); the other arguments are the
    options of ``minbert sweep``.

    Raises:
        UserError: options that do not go together, configurations that cannot be trained (all of them are told before
            anything is written), a folder or database of something else, or files that cannot be written.
        Interrupted: the user asked to stop; ``resume`` goes on.
    """
    _check_options(grid, one_at_a_time, seeds, search, trials, seconds, storage)
    recipe = Source(source, overrides, settings)
    if search:
        space = check_space(recipe, read_space(search))
        folder = SweepFolder(out, recipe.recipe, list(space), keep)
        folder.open(resume, {key: str(values) for key, values in space.items()}, display)
        return Search(folder, recipe, space, storage, prune).train(trials, seconds, display)
    axes = read_grid(grid)
    configurations = plan_grid(recipe, axes, one_at_a_time)
    chosen = None if seeds is None else read_seeds(seeds, recipe.recipe.seed)
    folder = SweepFolder(out, recipe.recipe, list(axes), keep)
    folder.open(resume, None, display)
    return train_grid(folder, configurations, chosen, seconds, display)


def _check_options(
    grid: Sequence[str],
    one_at_a_time: bool,
    seeds: str | None,
    search: Sequence[str],
    trials: int | None,
    seconds: float | None,
    storage: str | None,
) -> None:
    if search and (grid or one_at_a_time or seeds is not None):
        raise UserError("--search goes without --grid, --one-at-a-time and --seeds: search first, then compare seeds.")
    if search and trials is None and seconds is None:
        raise UserError("--search: say for how long, by --trials or --seconds.")
    if not search and (trials is not None or storage is not None):
        raise UserError("--trials and --storage go with --search.")
    if not search and not grid and seeds is None:
        raise UserError("say what to vary: --grid KEY=V1,V2, --search KEY=LOW..HIGH, or --seeds N.")
    if one_at_a_time and not grid:
        raise UserError("--one-at-a-time goes with --grid.")
