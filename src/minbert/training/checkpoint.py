"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn
from torch.optim import Optimizer

from minbert.encoder.file_damage import DamagedFileError
from minbert.encoder.safetensors_reading import TensorFile, open_tensors
from minbert.encoder.tensor_files import write_tensors
from minbert.errors import UserError
from minbert.tasks.metrics import worth


class DamagedCheckpointError(UserError):
    """A checkpoint is not what was written. The text has no full stop, so that what to do can follow."""


class Best(BaseModel):
    """The best value of a score so far, and where it was seen."""

    score: float
    """0 where there are no dev rows to score."""
    step: int


class LoopState(BaseModel):
    """Where the loop stands. The random order of rows follows from the seed and ``step``; nothing else is drawn on."""

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    """Optimizer steps taken."""
    shards: int = 1
    """How many shards each step has: as many as there were ranks when the run began (``training/shards.py``)."""
    evaluation_due: bool = False
    """Whether an evaluation comes before the next step."""
    finished: bool = False
    evaluations_without_improvement: int = 0
    best: Best | None = None
    """The model that is kept: by the score that decides, or the last."""
    best_of_task: dict[str, Best] = {}
    """By each task's own metric."""
    best_overall: Best | None = None
    """By the mean over tasks of their own metrics."""
    loss_sums: dict[str, tuple[float, int]] = {}
    """Since the last evaluation: each task's summed step losses, and of how many steps."""
    train_seconds: float = 0.0
    """Seconds spent in steps; evaluation and checkpoints do not count."""
    examples: int = 0
    """Rows trained on, repeats included."""
    tokens: int = 0
    """Real tokens that the encoder has read in training."""

    def note_bests(self, tasks: Mapping[str, float], metrics: Mapping[str, str], overall: float | None) -> list[str]:
        """Note the tasks' best scores and the best overall; return of which tasks (or ``overall``) these are new.

        ``metrics`` says what each task is scored by.
        """
        better = [
            task
            for task, score in tasks.items()
            if task not in self.best_of_task
            or worth(metrics[task], score) > worth(metrics[task], self.best_of_task[task].score)
        ]
        for task in better:
            self.best_of_task[task] = Best(score=tasks[task], step=self.step)
        if overall is not None and (self.best_overall is None or overall > self.best_overall.score):
            self.best_overall = Best(score=overall, step=self.step)
            better.append("overall")
        return better


def save_checkpoint(
    path: Path, state: LoopState, model: nn.Module, optimizer: Optimizer, more: Mapping[str, Tensor] | None = None
) -> None:
    """Write one file, whole or not at all: the model, the optimizer, ``state``, and ``more``.

    Raises:
        UserError: the file cannot be written, or the disk is full; the checkpoint before stays.
    """
    tensors: dict[str, Tensor] = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            tensors[f"optimizer.{index}.{slot}"] = torch.as_tensor(value)
    tensors |= {f"more.{name}": tensor for name, tensor in (more or {}).items()}
    write_tensors(path, tensors, {"state": state.model_dump_json()})


def load_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer) -> tuple[LoopState, dict[str, Tensor]]:
    """Put a checkpoint's tensors into ``model`` and ``optimizer``; return the state and ``more``.

    Raises:
        DamagedCheckpointError: the file is not what was written; nothing was put anywhere.
        UserError: it belongs to another model.
    """
    with _damage_told(path), open_tensors(path) as file:
        state = _state(file)
        tensors = file.read_all()
    slots: dict[int, dict[str, Any]] = {}
    weights: dict[str, Tensor] = {}
    more: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            weights[rest] = tensor
        elif kind == "optimizer":
            index, _, slot = rest.partition(".")
            slots.setdefault(int(index), {})[slot] = tensor
        elif kind == "more":
            more[rest] = tensor
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path}: holds another model than the recipe builds: {error}") from None
    return state, more


def read_state(path: Path) -> LoopState:
    """Return where the loop stood when it wrote the checkpoint; reads no tensors.

    Raises:
        DamagedCheckpointError: the file is not what was written.
    """
    with _damage_told(path), open_tensors(path) as file:
        return _state(file)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedFileError as error:
        raise DamagedCheckpointError(f"{path}: is damaged ({error.reason})") from None
    except (KeyError, ValidationError):
        raise DamagedCheckpointError(f"{path}: is damaged (it does not say where a run stood)") from None


def _state(file: TensorFile) -> LoopState:
    return LoopState.model_validate_json(file.metadata["state"])
