"""What holds for every kind of task that the folder has: a new one is held to it as soon as it has an example here."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
import yaml
from sklearn.metrics import average_precision_score
from torch import Tensor

from laws import each
from minbert.tasks.distillation import distillation_loss, teacher_targets
from minbert.tasks.heads import HeadOutput
from minbert.tasks.kinds import KINDS
from minbert.tasks.losses import Loss
from minbert.tasks.metrics import METRICS, Values, worth
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings

EXAMPLES: list[dict[str, Any]] = [
    {"kind": "classification", "classes": 3},
    {"kind": "classification", "classes": ["bad", "so so", "très bien", "a, b"]},
    {"kind": "classification", "classes": ["2", "1.5", "true"]},
    {"kind": "binary"},
    {"kind": "binary", "class_weights": {"1": 3.0}},
    {"kind": "binary", "threshold": 0.3},
    {"kind": "binary", "classes": ["nein", "ja"], "class_weights": {"ja": 3.0}},
    {"kind": "binary", "threshold": "dev"},
    {"kind": "multilabel", "classes": ["joy", "très bien", "a, b"]},
    {"kind": "multilabel", "classes": 4, "pos_weight": "balanced"},
    {"kind": "multilabel", "classes": ["x", "2", "1.5"], "thresholds": {"x": 0.3}, "pos_weight": {"2": 2.5}},
    {"kind": "ordinal", "classes": ["1", "2", "3", "4"]},
    {"kind": "ordinal", "classes": 3, "class_weights": "balanced"},
    {"kind": "regression", "range": [0, 5]},
    {"kind": "regression", "range": [-0.5, 0.25]},
]
ROWS = 40
PAIRS = (None, "bi", "cross", "joint", "both")


def task(example: dict[str, Any], **more: Any) -> TaskSettings:
    return TaskSettings.model_validate({**example, **more})


every = pytest.mark.parametrize("settings", [task(example) for example in EXAMPLES], ids=map(str, EXAMPLES))


def logits(settings: TaskSettings, seed: int, scale: float = 2.0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    drawn = scale * torch.randn(ROWS, settings.kind.outputs, generator=random, dtype=torch.float64)
    if settings.kind.bounds is None:
        return drawn
    low, high = settings.kind.bounds
    return low + (high - low) * drawn.sigmoid()  # as a score is: most of a range is met


def labels(settings: TaskSettings, seed: int = 0) -> Values:
    return settings.kind.predictions(logits(settings, seed)).values


def test_every_kind_has_an_example() -> None:
    assert {example["kind"] for example in EXAMPLES} == set(KINDS), "give the kind an example"


def test_losses_and_kinds_name_what_there_is() -> None:
    for loss in Loss.members.values():
        assert {*loss.kinds} <= set(KINDS)  # type: ignore[attr-defined]
    for kind in KINDS.values():
        assert {*kind.metrics} <= set(METRICS)


@each(("example", "pair"), itertools.product(EXAMPLES, PAIRS))
def test_the_defaults_train_it(example: dict[str, Any], pair: str | None) -> None:
    settings = task(example, pair=pair)
    head = settings.head.build(8, settings.kind, settings.pair)
    vectors = torch.randn(ROWS * (1 if pair == "joint" else settings.sequences_per_row), 16 if pair == "joint" else 8)
    loss = settings.compute_loss(head(vectors), torch.from_numpy(labels(settings)).float())
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() > 0
    gradients = [parameter.grad for parameter in head.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert settings.metric in settings.kind.metrics


@every
def test_its_settings_stand_beside_it_and_read_back(settings: TaskSettings) -> None:
    written = settings.model_dump(mode="json")
    assert written["kind"] == settings.kind.name
    assert written.keys() >= type(settings.kind).model_fields.keys()
    assert task(yaml.safe_load(yaml.safe_dump(written))) == settings
    nulls = {key: None for kind in KINDS.values() for key in kind.model_fields}  # as older versions wrote
    assert task(nulls | written) == settings


@every
def test_a_label_reads_back_as_it_is_written(settings: TaskSettings) -> None:
    for label in labels(settings):
        assert np.array_equal(settings.kind.parse(settings.kind.written(label)), label)
        assert np.array_equal(settings.kind.parse(f" {settings.kind.written(label)}\t"), label)
        assert settings.kind.course_value(label).split() == [settings.kind.course_value(label)]


@every
@each("text", ["", "nan", "inf", "1_0", "no such label", "-7", "1e999", "٣"])
def test_what_is_no_label_is_refused_by_its_own_text(settings: TaskSettings, text: str) -> None:
    with pytest.raises(ValueError, match=r"label '.*' is n") as caught:
        settings.kind.parse(text)
    assert f"'{text}'" in str(caught.value)


@every
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_answers_are_probabilities_or_scores(settings: TaskSettings, scale: float) -> None:
    kind = settings.kind
    predicted = kind.predictions(logits(settings, 1, scale).float())
    assert np.isfinite(predicted.values).all()
    assert len(predicted.values) == ROWS
    if not kind.class_names:
        assert kind.bounds is not None
        assert predicted.probabilities is None
        assert ((predicted.values >= kind.bounds[0]) & (predicted.values <= kind.bounds[1])).all()
        return
    assert predicted.probabilities is not None
    assert predicted.probabilities.shape == (ROWS, len(kind.class_names))
    assert ((predicted.probabilities >= 0) & (predicted.probabilities <= 1)).all()
    if predicted.values.ndim == 1:  # one class a row
        np.testing.assert_allclose(predicted.probabilities.sum(1), 1)
    assert len(predicted.names) == ROWS


@every
def test_deciding_twice_decides_the_same(settings: TaskSettings) -> None:
    once = settings.kind.decided(settings.kind.answers(3 * logits(settings, 2)).numpy())
    again = settings.kind.decided(once.values if once.probabilities is None else once.probabilities)
    np.testing.assert_array_equal(once.values, again.values)


@every
def test_divergences_are_0_for_equal_outputs_alone(settings: TaskSettings) -> None:
    one, other = logits(settings, 3), logits(settings, 4)
    apart = settings.kind.divergences(one, other)
    assert apart.shape == (ROWS,)
    assert (apart > 0).all()
    torch.testing.assert_close(apart, settings.kind.divergences(other, one))
    assert not settings.kind.divergences(one, one).any()
    torch.testing.assert_close(apart[:1], settings.kind.divergences(one[:1], other[:1]))


@every
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_like_its_teacher_has_nothing_to_learn(settings: TaskSettings, temperature: float) -> None:
    teacher, other = logits(settings, 5), logits(settings, 6)
    targets = teacher_targets(teacher, None, settings, temperature)

    def loss(student: Tensor, aims: Tensor) -> Tensor:
        return distillation_loss(HeadOutput(student, None), aims, settings, temperature)

    student = teacher.clone().requires_grad_()
    least = loss(student, targets)
    [slope] = torch.autograd.grad(least, student)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    assert loss(other, targets) > least
    mean = (targets + teacher_targets(other, None, settings, temperature)) / 2  # of two teachers
    assert torch.isfinite(loss(student, mean))


def truth_of(labels: Values) -> Predictions:
    """Return predictions that are the labels."""
    return Predictions(labels, labels if labels.ndim == 2 else None, [])


def f1_of(labels: Values, predicted: Values, number: float) -> float:
    right = ((labels == number) & (predicted == number)).sum()
    return float(2 * right / max((labels == number).sum() + (predicted == number).sum(), 1))


def correlation(labels: Values, predicted: Values) -> float:
    return float(np.corrcoef(labels, predicted)[0, 1])


REFERENCES: dict[str, Callable[[Values, Values], float]] = {
    "accuracy": lambda labels, predicted: float((labels == predicted).sum() / len(labels)),
    "f1": lambda labels, predicted: f1_of(labels, predicted, 1),
    "macro_f1": lambda labels, predicted: float(
        np.mean([f1_of(labels, predicted, number) for number in {*labels, *predicted}])
    ),
    "pearson": correlation,
    "spearman": lambda labels, predicted: correlation(*map(scipy.stats.rankdata, (labels, predicted))),
    "mae": lambda labels, predicted: float(np.abs(labels - predicted).mean()),
    "qwk": lambda labels, predicted: float(
        1 - np.mean((labels - predicted) ** 2) / np.mean((labels[:, None] - predicted[None]) ** 2)
    ),
}
"""Every metric by its formula, of labels and predicted values."""


def each_row(score: Callable[[set[int], set[int]], float]) -> Callable[[Values, Values], float]:
    def mean(labels: Values, predicted: Values) -> float:
        rows = zip(labels, predicted, strict=True)
        return float(np.mean([score({*np.flatnonzero(true)}, {*np.flatnonzero(said)}) for true, said in rows]))

    return mean


SETS: dict[str, Callable[[Values, Values], float]] = {
    "micro_f1": lambda labels, predicted: f1_of(labels.ravel(), predicted.ravel(), 1),
    "macro_f1": lambda labels, predicted: float(
        np.mean([f1_of(*column, 1) for column in zip(labels.T, predicted.T, strict=True)])
    ),
    "average_precision": lambda labels, probabilities: float(average_precision_score(labels, probabilities)),
    "jaccard": each_row(lambda true, said: len(true & said) / len(true | said) if true | said else 1.0),
    "exact_match": each_row(lambda true, said: float(true == said)),
}
"""The same, of sets of classes."""


@every
def test_every_score_is_its_formula_and_the_truth_scores_best(settings: TaskSettings) -> None:
    truth, predicted = labels(settings, 7), settings.kind.predictions(logits(settings, 8))
    found = settings.kind.scores(truth, predicted)
    for name in settings.kind.metrics:
        least, greatest = METRICS[name].bounds
        outputs = METRICS[name].outputs(predicted)
        reference = SETS[name] if truth.ndim == 2 else REFERENCES[name]
        assert found[name] == pytest.approx(reference(truth, outputs)), name
        assert least <= found[name] <= greatest
        best = METRICS[name].score(truth, truth_of(truth))
        assert best == pytest.approx(least if METRICS[name].less_is_better else greatest)
        assert worth(name, best) > worth(name, found[name])


@every
def test_the_typical_answer_is_a_label_and_no_constant_fits_better(settings: TaskSettings) -> None:
    given = labels(settings, 9)
    name, answer = settings.kind.typical(given)
    predicted = settings.kind.decided(np.broadcast_to(answer, (ROWS, *answer.shape)))
    [constant] = np.unique(predicted.values, axis=0)
    assert np.array_equal(settings.kind.parse(settings.kind.written(constant)), constant)
    assert name

    def wrong(answered: Any) -> float:
        if settings.kind.ordered:
            return float(np.abs(given - answered).mean())
        return float(np.mean((given - answered) ** 2 if settings.kind.bounds else given != answered))

    assert all(wrong(constant) <= wrong(other) for other in np.unique(given, axis=0))


@every
def test_classes_are_counted_in_their_order(settings: TaskSettings) -> None:
    given = labels(settings, 10)
    counts = settings.kind.class_counts(given)
    assert list(counts) == settings.kind.class_names
    for number, count in enumerate(counts.values()):
        assert count == sum(bool(label[number] if given.ndim == 2 else label == number) for label in given)
    assert not any(settings.kind.class_counts(given[:0]).values())


def test_kinds_whose_labels_mean_the_same_are_described_alike() -> None:
    beside = ("class_weights", "pos_weight", "threshold", "thresholds")
    meanings = [{key: value for key, value in example.items() if key not in beside} for example in EXAMPLES]
    described = {task(example).kind.described for example in EXAMPLES}
    assert len(described) == len({str(meaning) for meaning in meanings})
    numbered, named = ({"kind": "classification", "classes": classes} for classes in (2, ["0", "1"]))
    assert task(numbered).kind.described == task(named).kind.described


@every
def test_a_class_with_a_threshold_is_answered_from_it_on(settings: TaskSettings) -> None:
    kind = settings.kind
    if not kind.answered_from:
        return
    answers = kind.answers(logits(settings, 5)).numpy()
    predicted = kind.decided(answers)
    values = predicted.values if predicted.values.ndim == 2 else predicted.values[:, None]
    for name, threshold in kind.answered_from.items():
        place = kind.class_names.index(name)
        held = values[:, place] if values.shape[1] > 1 else values[:, 0]
        np.testing.assert_array_equal(held == 1, answers[:, place] >= threshold)


@every
def test_rows_are_put_in_the_order_of_their_labels_where_labels_have_one(settings: TaskSettings) -> None:
    kind = settings.kind
    if not kind.ranks:
        with pytest.raises(ValueError, match="no order"):
            kind.rank_scores(np.eye(2))
        return
    low, high = kind.bounds or (0.0, len(kind.class_names) - 1)
    labels = np.linspace(low, high, 3) if kind.bounds else np.arange(low, high + 1)
    answers = labels if kind.bounds else np.eye(len(labels))
    assert (np.diff(kind.rank_scores(answers)) > 0).all()
    assert kind.rank_scores(kind.answers(logits(settings, 6)).numpy()).shape == (ROWS,)
