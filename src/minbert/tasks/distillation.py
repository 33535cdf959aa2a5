"""Learning from a teacher's answers: what a student aims at, and the loss."""

from __future__ import annotations

from torch import Tensor

from minbert.tasks.heads import HeadOutput
from minbert.tasks.losses.soft_cross_entropy import shares_of
from minbert.tasks.settings import TaskSettings
from minbert.tasks.soft_targets import class_shares, soft_target_loss


def teacher_targets(logits: Tensor, class_logits: Tensor | None, student: TaskSettings, temperature: float) -> Tensor:
    """Return what a student aims at, from one teacher's output for ``R`` rows: see ``Kind.teacher_targets``.

    A student whose score is a choice among classes (``scale_softmax``) aims at the teacher's probabilities of these
    classes or, where the teacher's head has none, at its score shared between the two classes next to it.

    Args:
        logits: (R, outputs) of the teacher's head.
        class_logits: (R, classes), where the teacher's score is a choice among classes.
        student: the student's task; the teacher's has the same labels.
        temperature: above 1 it makes probabilities more alike (Hinton et al. 2015, section 2).
    """
    if not student.head.chooses_among_classes:
        return student.kind.teacher_targets(logits, temperature)
    if class_logits is not None:
        return class_shares(class_logits, temperature)
    assert student.kind.bounds is not None  # the head refuses what has none
    low, high = map(round, student.kind.bounds)
    return shares_of(student.kind.teacher_targets(logits, temperature) - low, high - low + 1)


def distillation_loss(output: HeadOutput, targets: Tensor, student: TaskSettings, temperature: float) -> Tensor:
    """Return the mean over rows (a scalar) of how far a student's output is from its ``teacher_targets``.

    See ``Kind.distillation_loss``. Scores that are a choice among classes are compared by their classes.
    """
    if output.class_logits is not None:
        return soft_target_loss(output.class_logits, targets, temperature)
    return student.kind.distillation_loss(output.logits, targets, temperature)
