from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from minbert.tasks.kinds import KINDS
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.metrics import ConstantPredictions, overall, overall_leaderboard
from minbert.tasks.predictions import Predictions


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def scores(kind: str, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return KINDS[kind].scores(labels, Predictions(predicted, None, []))


def test_classification_by_hand() -> None:
    got = scores("classification", array(0, 0, 1, 2), array(0, 1, 1, 0))
    assert got["accuracy"] == 0.5
    # F1: class 0 has 1 hit of 2 and 2; class 1 has 1 hit of 1 and 2; class 2 none.
    assert got["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)


def test_binary_by_hand() -> None:
    got = scores("binary", array(1, 1, 0, 0), array(1, 0, 0, 0))
    assert got == {"accuracy": 0.75, "f1": pytest.approx(2 / 3)}


def test_binary_with_no_yes_at_all_scores_zero_f1() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scores("binary", array(0, 0), array(0, 0)) == {"accuracy": 1.0, "f1": 0.0}


def test_correlations_by_formula_with_ties() -> None:
    labels, predicted = array(0, 3.8, 5, 1, 1), array(0.5, 3, 3, 2, 1)
    x, y = labels - labels.mean(), predicted - predicted.mean()
    got = scores("regression", labels, predicted)
    assert got["pearson"] == pytest.approx((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    ranks_x, ranks_y = array(1, 4, 5, 2.5, 2.5) - 3, array(1, 4.5, 4.5, 3, 2) - 3
    r = (ranks_x * ranks_y).sum() / np.sqrt((ranks_x**2).sum() * (ranks_y**2).sum())
    assert got["spearman"] == pytest.approx(r)


@pytest.mark.parametrize("predicted", [array(2, 2, 2), array(1e9, 1e9, 1e9), array(0.1, 0.1 + 1e-17, 0.1)])
def test_constant_predictions_score_zero_and_say_so(predicted: np.ndarray) -> None:
    with pytest.warns(ConstantPredictions):
        assert scores("regression", array(0, 1, 2), predicted) == {"pearson": 0.0, "spearman": 0.0}


def test_one_row_has_no_correlation() -> None:
    with pytest.warns(ConstantPredictions):
        assert scores("regression", array(1), array(2))["pearson"] == 0.0


@pytest.mark.parametrize("predicted", [array(np.nan, 1), array(np.inf, 1), array(1), np.zeros(0)])
def test_what_is_no_prediction_is_refused(predicted: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"finite|as many"):
        scores("regression", array(1, 2), predicted)


def test_the_two_conventions_of_overall() -> None:
    primary = {"sentiment": ("accuracy", 0.504), "paraphrase": ("accuracy", 0.790), "similarity": ("pearson", 0.332)}
    assert overall(primary) == pytest.approx((0.504 + 0.790 + 0.332) / 3)
    assert overall_leaderboard(primary) == pytest.approx((0.504 + 0.790 + 0.666) / 3)
    assert round(overall_leaderboard(primary), 3) == 0.653  # the figure Phan's report gives for these three


def test_predictions_of_each_kind() -> None:
    named = Classification(classes=["n", "y"]).predictions(torch.tensor([[0.0, 2.0], [3.0, 1.0]]))
    assert named.names == ["y", "n"]
    assert named.probabilities is not None
    np.testing.assert_allclose(named.probabilities.sum(1), 1)
    yes = Binary().predictions(torch.tensor([[0.0], [-0.1], [4.0]]))
    assert yes.values.tolist() == [1.0, 0.0, 1.0]
    assert yes.probabilities is not None
    np.testing.assert_allclose(yes.probabilities[:, 1], 1 / (1 + np.exp([0.0, 0.1, -4.0])), rtol=1e-6)
    score = Regression(range=(0, 5)).predictions(torch.tensor([[5.2], [3.8], [-1.0]]))
    np.testing.assert_allclose(score.values, [5.0, 3.8, 0.0], rtol=1e-6)
    assert score.probabilities is None
