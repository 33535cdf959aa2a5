"""What a student aims at, and its loss, against the formulas in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from minbert.tasks.distillation import distillation_loss, teacher_targets
from minbert.tasks.heads import HeadOutput
from minbert.tasks.settings import TaskSettings

CLASSES = TaskSettings.model_validate({"kind": "classification", "classes": 4})
BINARY = TaskSettings.model_validate({"kind": "binary"})
SCORE = TaskSettings.model_validate({"kind": "regression", "range": [1, 5]})
SCALE = TaskSettings.model_validate(
    {"kind": "regression", "range": [1, 5], "head": "scale_softmax", "loss": "soft_cross_entropy"}
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss_of(
    task: TaskSettings, student: Tensor, targets: Tensor, temperature: float = 1.0, classes: Tensor | None = None
) -> Tensor:
    return distillation_loss(HeadOutput(student, None, classes), targets, task, temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_classification_is_cross_entropy_with_the_softened_probabilities(temperature: float) -> None:
    teacher, student = draw(6, 4), draw(6, 4, seed=1)
    targets = teacher_targets(teacher, None, CLASSES, temperature)
    expected = 0.0
    for t, s in zip(teacher, student, strict=True):
        p = (t / temperature).exp() / (t / temperature).exp().sum()
        q = (s / temperature).exp() / (s / temperature).exp().sum()
        expected += -(temperature**2) * (p * q.log()).sum() / 6
    torch.testing.assert_close(loss_of(CLASSES, student, targets, temperature), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_binary_is_cross_entropy_of_yes_and_no(temperature: float) -> None:
    teacher, student = draw(6, 1), draw(6, 1, seed=1)
    targets = teacher_targets(teacher, None, BINARY, temperature)
    p, q = (1 / (1 + (-logits.squeeze(-1) / temperature).exp()) for logits in (teacher, student))
    expected = -(temperature**2) * (p * q.log() + (1 - p) * (1 - q).log()).mean()
    torch.testing.assert_close(loss_of(BINARY, student, targets, temperature), expected, rtol=1e-12, atol=0)


def test_scores_are_squared_differences_within_the_range_whatever_the_temperature() -> None:
    teacher, student = torch.tensor([[0.0], [3.5], [9.0]]), torch.tensor([[2.0], [2.0], [2.0]])
    for temperature in (1.0, 7.0):
        targets = teacher_targets(teacher, None, SCORE, temperature)
        assert targets.tolist() == [1.0, 3.5, 5.0]
        expected = ((2 - 1) ** 2 + (2 - 3.5) ** 2 + (2 - 5) ** 2) / 3
        assert loss_of(SCORE, student, targets, temperature).item() == pytest.approx(expected)


def test_a_student_that_chooses_among_classes_learns_the_teachers_classes() -> None:
    classes, student = draw(3, 5), draw(3, 5, seed=1)
    scores = torch.zeros(3, 1, dtype=torch.float64)
    targets = teacher_targets(scores, classes, SCALE, 2.0)
    expected = 4 * -((classes / 2).softmax(-1) * (student / 2).log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(loss_of(SCALE, scores, targets, 2.0, student), expected, rtol=1e-12, atol=0)


def test_such_a_student_learns_a_plain_score_as_its_two_nearest_classes() -> None:
    targets = teacher_targets(torch.tensor([[3.8], [1.0], [8.0]]), None, SCALE, 1.0)
    expected = torch.tensor([[0, 0, 0.2, 0.8, 0], [1.0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0]])
    torch.testing.assert_close(targets, expected)


def test_a_student_of_plain_scores_ignores_the_teachers_classes() -> None:
    assert teacher_targets(torch.tensor([[2.5]]), draw(1, 5), SCORE, 1.0).tolist() == [2.5]


@pytest.mark.parametrize(
    ("task", "labels"), [(CLASSES, [0, 3, 1]), (BINARY, [1, 0, 1]), (SCORE, [1.0, 5.0, 2.4]), (SCALE, [1.0, 5.0, 2.4])]
)
def test_a_teacher_that_knows_the_labels_asks_for_what_they_ask(task: TaskSettings, labels: list[float]) -> None:
    gold = torch.tensor(labels, dtype=torch.float32)
    if task is CLASSES:
        teacher = 200.0 * torch.nn.functional.one_hot(gold.long(), 4)
    elif task is BINARY:
        teacher = 200.0 * (2 * gold - 1).unsqueeze(-1)
    else:
        teacher = gold.unsqueeze(-1)
    classes = draw(3, 5, seed=2).float() if task is SCALE else None
    student = HeadOutput(draw(3, task.kind.outputs, seed=1).float(), None, classes)
    loss = distillation_loss(student, teacher_targets(teacher, None, task, 1.0), task, 1.0)
    torch.testing.assert_close(loss, task.compute_loss(student, gold))


def test_at_high_temperatures_the_gradient_is_that_of_logits_alone() -> None:
    """Hinton et al. 2015, section 2.1: (z_i - v_i) / N for logits of mean 0, once multiplied by T^2."""
    teacher, student = draw(1, 4), draw(1, 4, seed=1)
    teacher, student = teacher - teacher.mean(), (student - student.mean()).requires_grad_()
    temperature = 1e5
    targets = teacher_targets(teacher, None, CLASSES, temperature)
    (gradient,) = torch.autograd.grad(loss_of(CLASSES, student, targets, temperature), student)
    torch.testing.assert_close(gradient, (student.detach() - teacher) / 4, rtol=1e-3, atol=1e-3)


def test_no_gradient_where_the_student_says_what_the_teacher_says() -> None:
    cases: list[tuple[TaskSettings, Any]] = [
        (CLASSES, draw(5, 4)),
        (BINARY, draw(5, 1)),
        (SCORE, draw(5, 1).clamp(1, 5)),
    ]
    for task, logits in cases:
        student = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(
            loss_of(task, student, teacher_targets(logits, None, task, 3.0), 3.0), student
        )
        assert gradient.abs().max() < 1e-12
