"""Who is compared: ours, and what users would pick. Peers are imported when they run, for they may not be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from minbert.encoder.sources import find_encoder
from minbert.machine.allocator import keep_memory
from minbert.machine.device import available_device
from minbert.machine.precision import fastest_precision
from quality.curves import Curve
from quality.ours import ONE_PASS, SHORT, frozen_heads, trained
from quality.results import Part
from quality.rows import Course
from texts import FILES

if TYPE_CHECKING:
    from trainers import Settings

ALL = tuple(FILES)
BATCH = 32
"""Rows of a task a step, as in ``cs224n/multitask``."""
RATES = ("5e-5", "1e-4", "2e-5")
"""Learning rates that peers try; the likeliest first."""
PENALTIES = ("10", "100", "1")
"""What logistic regressions try for scikit-learn's ``C``."""
JOINED = " joined"
"""Ends a setting in which Trainer reads two questions as one text."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who trains all three tasks."""

    run: Callable[[Course, Part], Curve]
    """Trains a part, in a process of its own."""
    settings: Sequence[str] = ("",)
    parts: Sequence[tuple[str, ...]] = (ALL,)
    """The tasks that are trained together."""
    needs: Sequence[str] = ()
    """Packages."""
    joins: bool = False
    """Whether questions are read joined, too."""

    def settings_of(self, tasks: tuple[str, ...]) -> list[str]:
        """Return what is tried for a part, the likeliest first."""
        joined = [setting + JOINED for setting in self.settings] if self.joins and tasks == ("paraphrase",) else []
        return [*self.settings, *joined]


def run_frozen_heads(course: Course, _: Part) -> Curve:
    """Solve our heads over frozen vectors."""
    return frozen_heads(course)


def run_recipe(
    course: Course, _: Part, name: str, changes: Mapping[str, Any] | None = None, share: float = 1.0
) -> Curve:
    """Train one of our recipes over a share of the rows."""
    return trained(course, name, changes or {}, share)


def run_logistic_regression(course: Course, part: Part) -> Curve:
    """Fit logistic regressions over frozen vectors."""
    from quality.frozen import frozen_peer

    keep_memory()
    precision, _ = fastest_precision(available_device())
    return frozen_peer(course, find_encoder(part.encoder).folder, float(part.setting), precision)


def run_trainer(course: Course, part: Part, epochs: int) -> Curve:
    """Train one task by transformers' Trainer."""
    from quality.trained import trainer_peer

    [task] = part.tasks
    joined = part.setting.endswith(JOINED)
    return trainer_peer(course, find_encoder(part.encoder).folder, task, joined, _settings(part, epochs))


def run_sentence_transformers(course: Course, part: Part, epochs: int) -> Curve:
    """Train on the pairs by sentence-transformers' trainer."""
    from quality.trained import sentence_transformers_peer

    return sentence_transformers_peer(course, find_encoder(part.encoder).folder, _settings(part, epochs))


def run_setfit(course: Course, part: Part) -> Curve:
    """Train on sentiment by SetFit."""
    from quality.setfit import setfit_peer

    return setfit_peer(course, find_encoder(part.encoder).folder, _settings(part, 1))


def _settings(part: Part, epochs: int) -> Settings:
    from trainers import Settings

    keep_memory()
    precision, _ = fastest_precision(available_device())
    rate = float(part.setting.removesuffix(JOINED))
    return Settings(BATCH, epochs, rate, part.seed, like_lengths=True, precision=precision)


_TRAINER = Contestant(
    partial(run_trainer, epochs=3),
    RATES,
    tuple((task,) for task in ALL),
    ("transformers", "accelerate", "datasets", "sentence_transformers"),
    joins=True,
)
_SENTENCE_TRANSFORMERS = Contestant(
    partial(run_sentence_transformers, epochs=3),
    RATES,
    needs=("sentence_transformers", "accelerate", "datasets", "sklearn"),
)

CONTESTANTS = {
    "ours, frozen heads": Contestant(run_frozen_heads),
    "ours, short": Contestant(partial(run_recipe, name="cs224n/multitask", changes=SHORT)),
    "ours, a quarter of a pass": Contestant(
        partial(run_recipe, name="cs224n/multitask", changes=ONE_PASS, share=1 / 4)
    ),
    "ours, one pass": Contestant(partial(run_recipe, name="cs224n/multitask", changes=ONE_PASS)),
    "ours, best": Contestant(partial(run_recipe, name="cs224n/best")),
    "ours, multitask": Contestant(partial(run_recipe, name="cs224n/multitask")),
    "logistic regression": Contestant(run_logistic_regression, PENALTIES, needs=("sentence_transformers", "sklearn")),
    "Trainer": _TRAINER,
    "sentence-transformers": _SENTENCE_TRANSFORMERS,
    "SetFit": Contestant(run_setfit, RATES, needs=("setfit", "datasets", "sklearn")),
    "Trainer, one epoch": replace(_TRAINER, run=partial(run_trainer, epochs=1)),
    "sentence-transformers, one epoch": replace(
        _SENTENCE_TRANSFORMERS, run=partial(run_sentence_transformers, epochs=1)
    ),
}
OURS = [name for name in CONTESTANTS if name.startswith("ours")]
