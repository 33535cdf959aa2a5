"""What to know of a model whose run has not come to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minbert.run_folder.folder import BEST_OF, RECIPE, SOUP, is_finished
from minbert.tasks.settings import TaskSettings
from minbert.training.checkpoint_folder import newest_state


def unfinished(folder: Path) -> str | None:
    """Return a line on the model in a run's folder if the run is not finished; None of all other folders.

    Raises:
        UserError: all of the run's checkpoints are damaged.
    """
    if not (folder / RECIPE).is_file() or is_finished(folder):
        return None
    if (folder / SOUP).is_file():
        return f"{folder}: this soup is not finished; make it again by minbert soup"
    in_best = (folder / BEST_OF).is_file()
    state = newest_state(folder.resolve().parent.parent if in_best else folder)
    best = {**state.best_of_task, "overall": state.best_overall}.get(folder.resolve().name) if in_best else state.best
    step = "step 0, before training" if best is None or best.step == 0 else f"step {best.step}"
    where = f"{folder}: this run is not finished (it is at step {state.step})"
    return f"{where}; its model is the one it has kept, of {step}"


def undecided(folder: Path, tasks: Mapping[str, TaskSettings]) -> str | None:
    """Return a line on the tasks of the model in ``folder`` whose thresholds are still to be chosen, if any are."""
    names = ", ".join(name for name, task in tasks.items() if task.kind.decides_on_dev)
    if not names:
        return None
    return f"{folder}: thresholds are not chosen yet (a run chooses them on dev at its end), so 0.5 counts for: {names}"
