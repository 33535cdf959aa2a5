from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.settings import TaskSettings

FIVE = Classification(classes=5)
NAMED = Classification(classes=["bad", "good", "2"])
PLAIN_NAMES = Classification(classes=["bad", "good"])
YES_NO = Binary()
NAMED_YES_NO = Binary(classes=["nein", "ja"])
SCORE = Regression(range=(0.0, 5.0))


@pytest.mark.parametrize(
    ("labels", "text", "value"),
    [
        (FIVE, "4", 4.0),
        (FIVE, " 3.0 ", 3.0),
        (NAMED, "good", 1.0),
        (NAMED, "2", 2.0),
        (PLAIN_NAMES, "0", 0.0),
        (PLAIN_NAMES, "good", 1.0),
        (YES_NO, "1.0", 1.0),
        (YES_NO, "0", 0.0),
        (NAMED_YES_NO, "ja", 1.0),
        (NAMED_YES_NO, "0.0", 0.0),
        (NAMED_YES_NO, "TRUE", 1.0),
        (Binary(classes=["true", "0"]), "0", 1.0),
        (SCORE, "3.8", 3.8),
        (SCORE, "5", 5.0),
    ],
)
def test_a_label_is_read_whole(labels: Kind, text: str, value: float) -> None:
    assert labels.parse(text) == value


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (FIVE, "5"),
        (FIVE, "-1"),
        (FIVE, "2.5"),
        (FIVE, "nan"),
        (FIVE, ""),
        (NAMED, "0"),
        (NAMED, "Good"),
        (PLAIN_NAMES, "2"),
        (YES_NO, "2"),
        (YES_NO, "yes"),
        (NAMED_YES_NO, "Ja"),
        (SCORE, "5.01"),
        (SCORE, "nan"),
        (SCORE, "inf"),
        (SCORE, "high"),
    ],
)
def test_what_is_no_label_is_refused_with_what_would_be(labels: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=r"label '.*' is (none of|not a number from)"):
        labels.parse(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "classification"},
        {"kind": "classification", "classes": 1},
        {"kind": "classification", "classes": ["a", "a"]},
        {"kind": "binary", "classes": 2},
        {"kind": "binary", "classes": ["no", "yes", "maybe"]},
        {"kind": "binary", "classes": ["no", "no"]},
        {"kind": "regression"},
        {"kind": "regression", "range": [5, 0]},
        {"kind": "regression", "range": [0, float("inf")]},
        {"kind": "regression", "range": [float("nan"), 1]},
        {"kind": "ranking"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TaskSettings.model_validate(settings)


def test_outputs() -> None:
    assert (FIVE.outputs, NAMED.outputs, YES_NO.outputs, SCORE.outputs) == (5, 3, 1, 1)


@pytest.mark.parametrize(
    ("classes", "shown"), [([True, False], "['true', 'false']"), ([1, 2], "['1', '2']"), (["a", None], "['a', 'null']")]
)
def test_names_without_quotes_are_refused_with_how_to_write_them(classes: list[object], shown: str) -> None:
    with pytest.raises(ValidationError, match="put the names in quotes") as caught:
        TaskSettings.model_validate({"kind": "classification", "classes": classes})
    assert shown in str(caught.value)
    assert [problem["loc"] for problem in caught.value.errors()] == [("kind", "classes")]


@pytest.mark.parametrize("name", ["", " ", "pos ", " pos", "a\nb"])
def test_names_that_no_label_can_be_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is no class name"):
        Classification(classes=["neg", name])


def test_many_classes_are_read_at_once_and_a_slip_is_refused() -> None:
    many = Classification(classes=100_000)
    assert [many.parse(text) for text in ("99999", "7.0", "0")] == [99_999, 7, 0]
    assert many.parse("99999") == 99_999  # names are looked up, not searched
    with pytest.raises(ValidationError, match="at most 100,000 classes"):
        Classification(classes=3_000_000)


def test_numbers_that_are_two_names_are_none() -> None:
    twins = Classification(classes=["1", "1.0", "2"])
    assert [twins.parse(text) for text in ("1", "1.0", "2", "2.0")] == [0, 1, 2, 2]
    with pytest.raises(ValueError, match="none of"):
        twins.parse("01.0")


@pytest.mark.parametrize("limits", [(0, 1e300), (0, 1e-170), (1e9, 1e9 + 100), (-1e17, -1e17 + 64)])
def test_a_range_that_fp32_cannot_hold_is_refused_with_advice(limits: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match=r"Scale the labels|Subtract the lowest"):
        Regression(range=limits)


@pytest.mark.parametrize("limits", [(-1e9, 1e9), (1900, 2100), (0, 1e-6), (1e6, 1e6 + 100)])
def test_wide_and_narrow_ranges_that_fp32_holds_are_fine(limits: tuple[float, float]) -> None:
    assert Regression(range=limits).span == pytest.approx(limits[1] - limits[0])


def test_a_chosen_threshold_can_be_read_back() -> None:
    below = float(np.nextafter(1, 0))
    for probabilities, labels in (([below, 1.0], [0.0, 1.0]), ([0.0, 5e-324], [0.0, 1.0])):
        answers = np.array([[1 - yes, yes] for yes in probabilities])
        fitted = Binary(threshold="dev").fitted(answers, np.array(labels), "f1")
        assert Binary.model_validate(fitted.model_dump()).threshold == fitted.threshold
