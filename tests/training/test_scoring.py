"""Scores of several tasks at once, and what is told of answers that cannot be scored well."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from minbert.cli.main import _show_warning
from minbert.tasks.metrics import ConstantPredictions
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.training.scoring import score_dev


def test_constant_answers_are_told_once_with_their_task() -> None:
    task = TaskSettings.model_validate({"kind": "regression", "range": [0, 5]})
    labels, same, other = np.array([0.0, 1.0, 5.0]), np.full(3, 2.0), np.array([1.0, 2.0, 3.0])
    answers = {"close": (Predictions(same, None, []), labels), "near": (Predictions(other, None, []), labels)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores = score_dev({"close": task, "near": task}, answers)
    assert scores.tasks["close"] == {"pearson": 0.0, "spearman": 0.0}
    told = "task 'close': the predictions are constant, so their correlation is taken as 0"
    assert [(str(warning.message), warning.category) for warning in caught] == [(told, ConstantPredictions)]


def test_the_command_line_prints_our_warnings_as_one_line_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        _show_warning(ConstantPredictions("task 'close': all the same"), ConstantPredictions, "scoring.py", 1)
    assert capsys.readouterr().err == "note: task 'close': all the same\n"
