"""The laws every loss keeps, and the formulas of those that look at each row's logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from laws import each
from minbert.tasks.heads import Head, HeadOutput
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.multilabel import Multilabel
from minbert.tasks.kinds.ordinal import Ordinal
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.losses import Loss

LABELS = {
    "classification": Classification(classes=3),
    "binary": Binary(),
    "multilabel": Multilabel(classes=3),
    "ordinal": Ordinal(classes=4),
    "regression": Regression(range=(0, 5)),
}
SETTINGS = {"mnrl": {"threshold": 3.0}}  # what a member needs on a range
EVERY = [(name, kind) for name, member in sorted(Loss.members.items()) for kind in member.kinds]
"""Every loss with every kind of task it trains."""


def loss_for(name: str, kind: str) -> Loss:
    return Loss.model_validate({"name": name, **(SETTINGS.get(name, {}) if kind == "regression" else {})})


def head_for(name: str) -> Head:
    return Head.model_validate("scale_softmax" if name == "soft_cross_entropy" else "linear")


def random_batch(kind: str, rows: int, seed: int = 0) -> tuple[HeadOutput, torch.Tensor]:
    """Head output with every field filled, in float64 and with gradients, and labels."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64).requires_grad_()

    logits = numbers(rows, LABELS[kind].outputs)
    output = HeadOutput(logits, (numbers(rows, 4), numbers(rows, 4)), numbers(rows, 6))
    top = {"classification": 3, "binary": 2, "multilabel": 2, "ordinal": 4, "regression": 6}[kind]
    return output, torch.randint(0, top, (rows, 3) if kind == "multilabel" else (rows,), generator=random).double()


def leaves(output: HeadOutput) -> list[torch.Tensor]:
    assert output.vectors is not None
    assert output.class_logits is not None
    return [output.logits, *output.vectors, output.class_logits]


def evaluate(loss: Loss, output: HeadOutput, labels: torch.Tensor, kind: str) -> torch.Tensor:
    return loss(output, loss.targets(labels, LABELS[kind]))


def taken(output: HeadOutput, rows: torch.Tensor | slice) -> HeadOutput:
    logits, first, second, classes = (tensor[rows] for tensor in leaves(output))
    return HeadOutput(logits, (first, second), classes)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_batch_cut_in_two_has_the_same_mean(name: str, kind: str) -> None:
    loss = loss_for(name, kind)
    output, labels = random_batch(kind, 7)
    whole = evaluate(loss, output, labels, kind)
    parts = [evaluate(loss, taken(output, slice(i, j)), labels[i:j], kind) * (j - i) / 7 for i, j in ((0, 3), (3, 7))]
    cut = torch.stack(parts).sum()
    assert torch.allclose(whole, cut, rtol=1e-12) == loss.over_rows


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_loss_that_weighs_labels_is_the_mean_over_them(name: str, kind: str) -> None:
    loss = loss_for(name, kind)
    output, labels = random_batch(kind, 7)
    if not loss.weighs_labels:
        with pytest.raises(NotImplementedError):
            loss.of_labels(output, labels)
        return
    of_labels = loss.of_labels(output, labels)
    assert of_labels.shape == labels.shape
    torch.testing.assert_close(of_labels.mean(), loss(output, labels))


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_the_order_of_rows_does_not_count(name: str, kind: str) -> None:
    loss = loss_for(name, kind)
    output, labels = random_batch(kind, 7)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(
        evaluate(loss, taken(output, order), labels[order], kind), evaluate(loss, output, labels, kind)
    )


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_gradients_are_those_of_finite_differences(name: str, kind: str) -> None:
    loss = loss_for(name, kind)
    output, labels = random_batch(kind, 5)

    def value(logits: torch.Tensor, u: torch.Tensor, v: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return evaluate(loss, HeadOutput(logits, (u, v), classes), labels, kind)

    assert torch.autograd.gradcheck(value, leaves(output))


@each("dtype", [torch.float32, torch.float64])
@each("case", ["one row", "equal outputs", "zero outputs", "all lowest", "all highest", "two rows"])
@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_odd_batches_have_finite_losses_and_gradients(name: str, kind: str, case: str, dtype: torch.dtype) -> None:
    output, labels = random_batch(kind, {"one row": 1, "two rows": 2}.get(case, 6))
    if case in ("equal outputs", "zero outputs"):
        factor = 0.0 if case == "zero outputs" else 1.0
        tensors = [(tensor[:1] * factor).repeat(6, 1) for tensor in leaves(output)]
    else:
        tensors = leaves(output)
    inputs = [tensor.detach().to(dtype).requires_grad_() for tensor in tensors]
    top = {"classification": 2.0, "binary": 1.0, "multilabel": 1.0, "ordinal": 3.0, "regression": 5.0}[kind]
    labels = {"all lowest": labels * 0, "all highest": labels * 0 + top}.get(case, labels).to(dtype)
    got = evaluate(loss_for(name, kind), HeadOutput(inputs[0], (inputs[1], inputs[2]), inputs[3]), labels, kind)
    assert torch.isfinite(got)
    got.backward()  # there is a graph, whatever the batch
    gradients = [tensor.grad for tensor in inputs if tensor.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_half_precision_vectors_have_a_loss_in_fp32(name: str, kind: str) -> None:
    output, labels = random_batch(kind, 6)
    assert output.vectors is not None
    assert output.class_logits is not None
    first, second = (side.detach().bfloat16() for side in output.vectors)
    loss = loss_for(name, kind)
    logits, classes = output.logits.detach().float(), output.class_logits.detach().float()
    exact = evaluate(loss, HeadOutput(logits, (first.float(), second.float()), classes), labels.float(), kind)
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            got = evaluate(loss, HeadOutput(logits, (first, second), classes), labels.float(), kind)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, exact)


@pytest.mark.parametrize("name", sorted(Loss.members))
def test_a_loss_refuses_other_kinds(name: str) -> None:
    for kind, labels in LABELS.items():
        loss = loss_for(name, kind)
        one_vector = kind == "classification" or loss.over_vectors == "rows"
        refused = loss.refusal(labels, head_for(name), None if one_vector else "bi")
        assert (refused is None) == (kind in loss.kinds), refused


@pytest.mark.parametrize("name", sorted(name for name, loss in Loss.members.items() if loss.over_vectors == "texts"))
@pytest.mark.parametrize("pair", [None, "cross", "joint"])
def test_a_loss_over_the_vectors_of_two_texts_refuses_one_sequence_a_row(name: str, pair: str | None) -> None:
    kind = Loss.members[name].kinds[0]
    why = loss_for(name, kind).refusal(LABELS[kind], head_for(name), pair)  # type: ignore[arg-type]
    assert "pair: bi" in (why or "")


def logits_only(logits: np.ndarray) -> HeadOutput:
    return HeadOutput(torch.tensor(logits, dtype=torch.float64), None)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_formula(smoothing: float) -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(9, 4)) * 3, random.integers(0, 4, 9)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = np.full((9, 4), smoothing / 4) + (1 - smoothing) * np.eye(4)[labels]
    loss = Loss.model_validate({"name": "cross_entropy", "label_smoothing": smoothing})
    got = loss(logits_only(logits), torch.tensor(labels, dtype=torch.float32))
    assert got.item() == pytest.approx(-(target * log_p).sum(1).mean(), rel=1e-12)


@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_ordered_cross_entropy_is_its_formula(sharpness: float) -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(9, 4)) * 3, random.integers(0, 4, 9)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = np.exp(-sharpness * np.abs(np.arange(4) - labels[:, None]))
    target /= target.sum(1, keepdims=True)
    loss = Loss.model_validate({"name": "ordered_cross_entropy", "sharpness": sharpness})
    got = loss(logits_only(logits), torch.tensor(labels, dtype=torch.float64))
    assert got.item() == pytest.approx(-(target * log_p).sum(1).mean(), rel=1e-12)


def test_ordered_cross_entropy_prefers_a_near_miss_and_ends_in_plain_cross_entropy() -> None:
    near, far = (logits_only(np.array([row])) for row in ([0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]))
    labels = torch.tensor([0.0], dtype=torch.float64)
    ordered = Loss.model_validate("ordered_cross_entropy")
    assert ordered(near, labels).item() < ordered(far, labels).item()
    sharp, plain = (
        Loss.model_validate({"name": "ordered_cross_entropy", "sharpness": 60}),
        Loss.model_validate("cross_entropy"),
    )
    assert sharp(near, labels).item() == pytest.approx(plain(near, labels).item(), rel=1e-12)
    assert plain(near, labels).item() == plain(far, labels).item()


def test_binary_cross_entropy_is_its_formula_and_never_overflows() -> None:
    logits = np.array([[-3.0], [0.2], [1.7]])
    labels = np.array([0.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-logits[:, 0]))
    loss = Loss.model_validate("binary_cross_entropy")
    got = loss(logits_only(logits), torch.tensor(labels, dtype=torch.float64))
    assert got.item() == pytest.approx(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean(), rel=1e-12)
    far = loss(logits_only(np.array([[-1e4], [1e4]])), torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert far.item() == pytest.approx(1e4)


def test_mse_compares_row_with_row() -> None:
    loss = Loss.model_validate("mse")
    scores = np.array([[1.0], [2.0], [4.0]])
    assert loss(logits_only(scores), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)).item() == 0.0
    got = loss(logits_only(scores), torch.tensor([1.0, 3.8, 4.0], dtype=torch.float64))
    assert got.item() == pytest.approx(1.8**2 / 3)
