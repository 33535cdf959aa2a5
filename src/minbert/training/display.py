"""What a run prints while it trains: a live line on a terminal, and a line an evaluation anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from minbert.training.scoring import DevScores


class Display:
    """Progress on a rich console. On anything but a terminal only whole lines are printed."""

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
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
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
            TextColumn(what),
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

    def evaluated(self, step: int, epoch: float, losses: Mapping[str, float], scores: DevScores, best: bool) -> None:
        """Print a line for an evaluation."""
        shown = "  ".join(
            f"{task} {score:.3f}" + (f" [dim](loss {losses[task]:.3f})[/dim]" if task in losses else "")
            for task, score in scores.primary.items()
        )
        mark = " [green]best[/green]" if best else ""
        mean = f"  overall {scores.overall['overall']:.3f}" if len(scores.primary) > 1 else ""
        self.console.print(f"step {step:5d}  epoch {epoch:.2f}  dev: {shown}{mean}{mark}", soft_wrap=True)

    def note(self, text: str) -> None:
        """Print one line of information."""
        self.console.print(text, soft_wrap=True, highlight=False)


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
