"""Learning from a teacher's answers: what a student aims at, and the loss."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from minbert.tasks.heads import HeadOutput
from minbert.tasks.heads.scale_softmax import ScaleSoftmax
from minbert.tasks.kinds import LabelSettings
from minbert.tasks.losses.soft_cross_entropy import shares_of
from minbert.tasks.settings import TaskSettings


def chooses_among_classes(task: TaskSettings) -> bool:
    """Return whether the task's logits, or those behind its score, are a choice among classes."""
    return task.kind == "classification" or isinstance(task.head, ScaleSoftmax)


def teacher_targets(logits: Tensor, class_logits: Tensor | None, student: TaskSettings, temperature: float) -> Tensor:
    """Return what a student aims at, from one teacher's output for ``R`` rows.

    - classification: the probabilities (R, classes) ``softmax(logits / temperature)``;
    - binary: the probability of yes (R,), ``sigmoid(logits / temperature)``;
    - regression: the score (R,) within the labels' range; for a student whose score is a choice among classes
      (``scale_softmax``) the teacher's probabilities of these classes or, where the teacher's head has none, its
      score shared between the two classes next to it.

    Several teachers' targets may be averaged.

    Args:
        logits: (R, outputs) of the teacher's head.
        class_logits: (R, classes), where the teacher's score is a choice among classes.
        student: the student's task; the teacher's has the same labels.
        temperature: above 1 it makes probabilities more alike (Hinton et al. 2015, section 2).
    """
    if student.kind == "classification":
        return (logits / temperature).softmax(-1)
    if student.kind == "binary":
        return (logits.squeeze(-1) / temperature).sigmoid()
    assert student.range is not None
    if chooses_among_classes(student) and class_logits is not None:
        return (class_logits / temperature).softmax(-1)
    scores = logits.squeeze(-1).clamp(*student.range)
    if not chooses_among_classes(student):
        return scores
    low, high = map(round, student.range)
    return shares_of(scores - low, high - low + 1)


def distillation_loss(output: HeadOutput, targets: Tensor, labels: LabelSettings, temperature: float) -> Tensor:
    """Return the mean over rows (a scalar) of how far a student's output is from its ``teacher_targets``.

    Cross entropy with the teacher's probabilities (binary: of yes and no), the student's own taken at the same
    temperature. It is multiplied by temperature^2, so that its gradient keeps its size beside the gold loss whatever
    the temperature (Hinton et al. 2015, section 2). For scores, the mean squared difference in the labels' units,
    where a temperature means nothing.
    """
    if targets.dim() == 2:
        logits = output.logits if output.class_logits is None else output.class_logits
        return F.cross_entropy(logits / temperature, targets) * temperature**2
    logits = output.logits.squeeze(-1)
    if labels.kind == "binary":
        return F.binary_cross_entropy_with_logits(logits / temperature, targets) * temperature**2
    return F.mse_loss(logits, targets)
