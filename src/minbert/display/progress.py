"""What a command prints: a live line on a terminal, and whole lines and tables anywhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class Display:
    """Progress, lines and tables on a console. On anything but a terminal only whole lines are printed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._steps: TaskID | None = None

    @contextmanager
    def training(self, total_steps: int, done: int) -> Iterator[None]:
        """Show a bar of steps until the body ends."""
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._steps = self._progress.add_task("steps", total=total_steps, completed=done, losses="", rate="")
        try:
            with self._progress:
                yield
        finally:
            self._progress = None

    @contextmanager
    def counting(self, what: str, total: int | None = None) -> Iterator[TaskBar]:
        """Show a bar until the body ends; the body moves it by the given bar's methods."""
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as progress:
            yield TaskBar(progress, progress.add_task(what, total=total))

    def step(self, done: int, losses: Mapping[str, float], examples_per_second: float) -> None:
        """Show where training stands: steps done, each task's running loss, the rate."""
        if self._progress is not None and self._steps is not None:
            shown = "  ".join(f"{task} {loss:.3f}" for task, loss in losses.items())
            self._progress.update(
                self._steps, completed=done, losses=f"loss  {shown}", rate=f"{examples_per_second:.0f} examples/s"
            )

    def evaluated(
        self,
        step: int,
        epoch: float,
        losses: Mapping[str, float],
        scores: Mapping[str, float],
        overall: float | None,
        best: bool,
        errors: Collection[str] = (),
    ) -> None:
        """Print a line for an evaluation: each task's score and, where it was trained since the last, its loss.

        Of the scores of the tasks ``errors``, less is better; the line says so. Without dev rows there are no scores,
        and before the first step no losses: then there is nothing to tell.
        """
        if not scores and not losses:
            return
        line = Text(f"step {step:5d}  epoch {epoch:.2f}  {'dev: ' if scores else ''}")
        if not scores:
            line.append("  ".join(f"{task}: loss {loss:.3f}" for task, loss in losses.items()))
        for number, (task, score) in enumerate(scores.items()):
            line.append("  " if number else "").append(f"{task} {score:.3f}")
            if task in errors:
                line.append(" (less is better)", style="dim")
            if task in losses:
                line.append(f" (loss {losses[task]:.3f})", style="dim")
        if overall is not None and len(scores) > 1:
            line.append(f"  overall {overall:.3f}")
        if best:
            line.append(" best", style="green")
        self.console.print(line, soft_wrap=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show on a terminal that something is being done, until the body ends."""
        with self.console.status(Text(what)):
            yield

    def note(self, text: str | Text) -> None:
        """Print lines of information, letter for letter."""
        self.console.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)

    def show(self, table: Table, in_full: bool = False) -> None:
        """Print a table, as wide as the terminal at most; ``in_full`` lets its lines be as long as they are."""
        self.console.print(table, soft_wrap=in_full)


class TaskBar:
    """One bar that is being counted."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, done: int) -> None:
        """Count ``done`` more."""
        self._progress.advance(self._task, done)

    def reached(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``."""
        self._progress.update(self._task, completed=done, total=total)
