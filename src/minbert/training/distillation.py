"""Distillation's piece of the recipe: who teaches what, and how the teachers' part gives way to the gold labels."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, field_validator, model_validator

from minbert.methods import Settings

_RUNS = Annotated[list[str], Field(min_length=1)]
_FOR_ALL = TypeAdapter(_RUNS)
_BY_TASK = TypeAdapter(Annotated[dict[str, _RUNS], Field(min_length=1)])


class DistillationSettings(Settings):
    """Learning from the answers of trained models beside the gold labels (Hinton et al. 2015; BAM: Clark et al. 2019).

    A task with teachers has the loss ``g gold + (1 - g) teacher``: ``gold`` is all it would have without teachers,
    ``teacher`` is ``minbert.tasks.distillation``'s. Other tasks keep their loss.
    """

    teachers: list[str] | dict[str, list[str]] = Field(
        description="folders of finished runs or ensembles: a list, or a list for each task; several are averaged"
    )
    temperature: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="divides teachers' and student's logits in the teacher loss, which is multiplied by its square",
    )
    annealing: bool = Field(
        True, description="teacher annealing: the gold labels' share rises from 0 to 1 over the run, step by step"
    )
    gold_share: float | None = Field(
        None, ge=0, le=1, description="the gold labels' share all along; with annealing: false, and needed there"
    )

    @field_validator("teachers", mode="wrap")
    @classmethod
    def _one_list_or_one_a_task(cls, value: Any, handler: Any) -> list[str] | dict[str, list[str]]:  # noqa: ARG003
        # A plain union would tell a mistake twice: once as no list, once as no mapping.
        if isinstance(value, dict):
            return _BY_TASK.validate_python({task: _listed(runs) for task, runs in value.items()})
        return _FOR_ALL.validate_python(_listed(value))

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        if self.annealing == (self.gold_share is not None):
            raise ValueError("'gold_share' goes with annealing: false, and only with it")
        return self

    def share_at(self, progress: float) -> float:
        """Return the gold labels' share when ``progress`` (from 0 to 1) of the run's steps lies behind."""
        return progress if self.gold_share is None else self.gold_share


def _listed(runs: Any) -> Any:
    return [runs] if isinstance(runs, str) else runs
