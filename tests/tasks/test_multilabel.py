"""Any number of classes a row: labels, losses, thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.special import expit, logit
from sklearn.metrics import f1_score

from minbert.tasks.heads import HeadOutput
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.multilabel import Multilabel
from minbert.tasks.losses import Loss
from minbert.tasks.metrics import METRICS
from minbert.tasks.settings import TaskSettings
from minbert.tasks.thresholds import chosen_threshold, chosen_thresholds

KIND = Multilabel(classes=["joy", "anger", "2"])


def settings(**more: Any) -> TaskSettings:
    return TaskSettings.model_validate({"kind": "multilabel", "classes": ["joy", "anger", "2"], **more})


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("[]", [0, 0, 0]),
        ('["joy"]', [1, 0, 0]),
        (' ["2", "joy"] ', [1, 0, 1]),
        ('["2.0"]', [0, 0, 1]),
        ("[2]", [0, 0, 1]),
    ],
)
def test_a_label_is_a_json_list_of_names(text: str, label: list[int]) -> None:
    np.testing.assert_array_equal(KIND.parse(text), label)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("joy", """label 'joy' is no list of classes, such as ["joy", "anger"]"""),
        ('["joys"]', "label 'joys' is none of: joy, anger, 2"),
        ('["joy", "joy"]', "is no set: it names 'joy' twice"),
        ('["2", 2.0]', "is no set: it names '2.0' twice"),
        ('{"joy": 1}', "is no list of classes"),
        ("[null]", "is no list of classes"),
    ],
)
def test_what_is_no_set_of_classes_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        KIND.parse(text)
    assert told in str(caught.value)


def test_predictions_have_names_and_files_have_numbers() -> None:
    predicted = KIND.predictions(torch.tensor([[2.0, -1.0, 0.0], [-3.0, -3.0, -3.0]]))
    assert predicted.names == [["joy", "2"], []]
    assert [KIND.course_value(row) for row in predicted.values] == ["0|2", "none"]
    assert KIND.written(predicted.values[0]) == '["joy", "2"]'
    assert KIND.class_counts(predicted.values) == {"joy": 1, "anger": 0, "2": 1}


def test_the_loss_is_torchs_with_pos_weight() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=random, dtype=torch.float64)
    labels = torch.tensor([[1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.float64)
    given: dict[str, Any] = {"balanced": [1.0, 5.0, 5.0], "4": [4, 4, 4], "some": [2, 1, 1]}
    for what, weights in (("balanced", "balanced"), ("4", 4), ("some", {"joy": 2})):
        task = settings(pos_weight=weights)
        of_labels = task.kind.label_weights(labels.numpy())
        assert of_labels is not None
        ours = task.compute_loss(HeadOutput(logits, None), labels, None, torch.from_numpy(of_labels))
        theirs = F.binary_cross_entropy_with_logits(
            logits, labels, pos_weight=torch.tensor(given[what], dtype=torch.float64)
        )
        assert ours.item() == pytest.approx(theirs.item()), what
    plain = settings().compute_loss(HeadOutput(logits, None), labels)
    assert plain.item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, labels).item())


def test_a_balanced_weight_of_what_no_row_has_is_1() -> None:
    weights = settings(pos_weight="balanced").kind.label_weights(np.array([[1.0, 0, 1], [1, 0, 0]]))
    assert weights is not None
    assert weights.tolist() == [[1, 1, 1], [1, 1, 1]]


def asymmetric(logits: torch.Tensor, labels: torch.Tensor, **more: float) -> torch.Tensor:
    return Loss.model_validate({"name": "asymmetric", **more})(HeadOutput(logits, None), labels)


def test_the_asymmetric_loss_is_the_papers_formula() -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(0, 3, (20, 4)), (random.random((20, 4)) < 0.3).astype(float)
    p = 1 / (1 + np.exp(-logits))
    shifted = np.maximum(p - 0.05, 0)
    holding, others = (1 - p) ** 1 * np.log(p), shifted**4 * np.log(1 - shifted)
    wanted = -np.mean(labels * holding + (1 - labels) * others)
    found = asymmetric(torch.from_numpy(logits), torch.from_numpy(labels), gamma_positive=1.0)
    assert found.item() == pytest.approx(wanted, rel=1e-6)
    plain = {"gamma_positive": 0.0, "gamma_negative": 0.0, "probability_margin": 0.0}
    entropy = F.binary_cross_entropy_with_logits(torch.from_numpy(logits), torch.from_numpy(labels))
    assert asymmetric(torch.from_numpy(logits), torch.from_numpy(labels), **plain).item() == pytest.approx(
        entropy.item()
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_the_asymmetric_loss_has_finite_gradients_however_sure_the_answer(gamma: float, margin: float) -> None:
    logits = torch.tensor([[90.0, -90.0, 0.0], [-90.0, 90.0, 20.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    loss = asymmetric(logits, labels, gamma_positive=gamma, gamma_negative=gamma, probability_margin=margin)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def noisy(rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(rows)
    labels = (random.random((rows, classes)) < np.linspace(0.1, 0.5, classes)).astype(float)
    return labels, np.clip(0.4 * random.random((rows, classes)) + 0.25 * labels, 0, 1)


@pytest.mark.parametrize(("metric", "absent"), [("micro_f1", []), ("macro_f1", []), ("micro_f1", [1])])
def test_a_class_has_its_own_best_threshold_by_as_many_votes_as_rows(metric: str, absent: list[int]) -> None:
    labels, probabilities = noisy(60, 3)
    labels[:, absent] = 0
    average = metric.removesuffix("_f1")

    def best(scores: dict[float, float]) -> float:
        return max(scores, key=lambda threshold: (round(scores[threshold], 12), -abs(threshold - 0.5)))

    def between(values: np.ndarray) -> list[float]:
        distinct = np.unique(values)
        middle = (distinct[1:] + distinct[:-1]) / 2
        return [*(middle if len(middle) <= 60 else middle[np.linspace(0, len(middle) - 1, 60).astype(int)]), 0.5]

    common = best({t: f1_score(labels, probabilities >= t, average=average) for t in between(probabilities)})
    own = np.full(3, common)
    for number in [number for number in [0, 1, 2, 0, 1, 2] if number not in absent]:
        scores = {}
        for threshold in between(probabilities[:, number]):
            tried = own.copy()
            tried[number] = threshold
            scores[threshold] = f1_score(labels, probabilities >= tried, average=average)
        own[number] = best(scores)
    rows = labels.sum(0)
    wanted = expit((rows * logit(own) + 20 * logit(common)) / (rows + 20))
    np.testing.assert_allclose(chosen_thresholds(metric, labels, probabilities), wanted, rtol=1e-12)


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1", "jaccard", "exact_match"])
def test_chosen_thresholds_are_no_worse_than_one_half(metric: str) -> None:
    labels, probabilities = noisy(80, 4)
    score = METRICS[metric].of_rows
    found = chosen_thresholds(metric, labels, probabilities)
    at_half = score(labels, (probabilities >= 0.5).astype(float))
    assert score(labels, (probabilities >= found).astype(float)) > at_half


def test_ties_stay_near_one_half() -> None:
    assert chosen_threshold("accuracy", np.array([0.0, 1]), np.array([0.2, 0.9])) == 0.5


def test_one_row_of_a_rare_class_moves_its_threshold_little() -> None:
    labels, probabilities = noisy(200, 3)
    labels[:, 2] = 0
    labels[probabilities[:, 2].argmin(), 2] = 1
    common = chosen_thresholds("macro_f1", labels, probabilities)
    labels[:, 2] = 0
    without = chosen_thresholds("macro_f1", labels, probabilities)
    assert abs(logit(common[2]) - logit(without[2])) < 0.5


@pytest.mark.parametrize("metric", ["accuracy", "f1", "mcc"])
def test_the_threshold_of_yes_is_the_best_there_is(metric: str) -> None:
    random = np.random.default_rng(4)
    labels = (random.random(70) < 0.2).astype(float)
    yes = np.clip(0.3 * random.random(70) + 0.15 * labels, 0, 1)
    answers = np.stack([1 - yes, yes], 1)
    kind = Binary(threshold="dev")
    assert kind.decides_on_dev
    fitted = kind.fitted(answers, labels, metric)
    assert not fitted.decides_on_dev
    score = METRICS[metric].of_rows
    best = max(score(labels, (yes >= threshold).astype(float)) for threshold in [*np.unique(yes), 1.0])
    assert score(labels, fitted.decided(answers).values) == pytest.approx(best)
    assert score(labels, kind.decided(answers).values) < best
    assert Binary.model_validate(fitted.model_dump()) == fitted
    assert "yes from a probability of 0." in fitted.answer_described


def test_fitted_thresholds_stand_under_their_classes_and_decide() -> None:
    labels, probabilities = noisy(60, 3)
    fitted = Multilabel(classes=["joy", "anger", "2"], thresholds="dev").fitted(probabilities, labels, "macro_f1")
    assert isinstance(fitted.thresholds, dict)
    assert list(fitted.thresholds) == ["joy", "anger", "2"]
    wanted = probabilities >= np.array(list(fitted.thresholds.values()))
    np.testing.assert_array_equal(fitted.decided(probabilities).values, wanted)
    assert settings(thresholds=fitted.thresholds).kind == fitted
    assert f"joy {fitted.thresholds['joy']:.2f}" in fitted.answer_described


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"thresholds": 0}, "give a number between 0 and 1, or 'dev'; found 0"),
        ({"thresholds": "best"}, "give a number between 0 and 1, or 'dev'; found 'best'"),
        ({"thresholds": {"joys": 0.5}}, "thresholds: 'joys' is none of: joy, anger, 2"),
        ({"thresholds": "dev", "metric": "average_precision"}, "'average_precision' is the same whatever they are"),
        ({"thresholds": "dev", "metric": "average_precision"}, "Set metric: micro_f1 or macro_f1, or leave"),
        ({"thresholds": "dev", "metric": "micro"}, "metric 'micro' is none of"),
        ({"pos_weight": -1}, "give a finite number above 0; found -1"),
        ({"pos_weight": 0}, "give a finite number above 0; found 0"),
        ({"pos_weight": {"joy": 2, "anger": 0}}, "class 'anger' has 0: then no row teaches the model to answer it"),
        ({"thresholds": {"joy": "dev"}}, "give each class a number between 0 and 1, or all of them 'dev'"),
        ({"thresholds": {"joy": 0}}, "give each class a number between 0 and 1; found class 'joy': 0"),
        ({"thresholds": {"joy": 1}}, "give each class a number between 0 and 1; found class 'joy': 1"),
        ({"pos_weight": {"sad": 2}}, "pos_weight: 'sad' is none of"),
        ({"class_weights": "balanced"}, "'class_weights' goes with"),
        ({"metric": "accuracy"}, "metric 'accuracy' is none of micro_f1"),
        ({"loss": "cross_entropy"}, "it trains tasks of kind classification or ordinal"),
        ({"classes": 1}, "'classes' must be at least 2"),
    ],
)
def test_settings_that_make_no_sense_are_told(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError) as caught:
        settings(**more)
    assert told in str(caught.value)
