"""Answers come back from their file as they went in, and a damaged file is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minbert.errors import UserError
from minbert.evaluation.answers import Answers, answers_path, read_answers, write_answers
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.predictions import Predictions

CLASSES = Classification(classes=["très bien", "no, not", "c"])
CASES = {
    "classes": CLASSES.decided(np.array([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]])),
    "binary": Binary().decided(np.array([[0.4, 0.6], [1.0, 0.0]])),
    "scores": Regression(range=(0, 5)).decided(np.array([0.1 + 0.2, 7.0])),
}


@pytest.mark.parametrize("predicted", CASES.values(), ids=CASES)
def test_round_trip(tmp_path: Path, predicted: Predictions) -> None:
    written = Answers(["a", "0 1"], np.array([1.0, 0.0 if predicted.class_names else 0.3]), predicted)
    write_answers(tmp_path, "mood", "dev", written)
    read = read_answers(tmp_path, "mood", "dev")
    assert read.same_rows(written)
    assert read.predictions.class_names == predicted.class_names
    np.testing.assert_array_equal(read.predictions.values, predicted.values)
    if predicted.probabilities is None:
        assert read.predictions.probabilities is None
    else:
        np.testing.assert_array_equal(read.predictions.probabilities, predicted.probabilities)


def test_rows_differ_by_id_label_or_order() -> None:
    predicted = CASES["scores"]
    rows = Answers(["a", "b"], np.array([1.0, 2.0]), predicted)
    assert rows.same_rows(Answers(["a", "b"], np.array([1.0, 2.0]), CASES["binary"]))
    assert not rows.same_rows(Answers(["b", "a"], np.array([1.0, 2.0]), predicted))
    assert not rows.same_rows(Answers(["a", "b"], np.array([1.0, 2.5]), predicted))
    assert not rows.same_rows(Answers(["a"], np.array([1.0]), predicted))


def test_missing_and_cut_short(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_answers(tmp_path, "mood", "dev")
    write_answers(tmp_path, "mood", "dev", Answers(["a", "b"], np.array([1.0, 0.0]), CASES["classes"]))
    path = answers_path(tmp_path, "mood", "dev")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="cut short"):
        read_answers(tmp_path, "mood", "dev")
