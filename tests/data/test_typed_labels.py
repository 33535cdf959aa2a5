"""A typed value of a file becomes the label that it says: booleans, numbers, and what is missing."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from minbert.data.examples import BadDataError, read_split
from minbert.data.relabelling import labels_of
from minbert.data.task_files import Columns
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.classification import Classification
from minbert.tasks.kinds.regression import Regression


def write(folder: Path, suffix: str, values: Any) -> Path:
    path = folder / f"rows{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": "a", "label": value}) + "\n" for value in values))
    else:
        parquet.write_table(pyarrow.table({"text": ["a"] * len(values), "label": pyarrow.array(values)}), path)
    return path


def read(path: Path, kind: Kind, **more: Any) -> list[float]:
    columns = Columns.model_validate({"text": "text", "label": "label", **more})
    labels = read_split(path, columns, labels_of(columns, kind)).labels
    assert labels is not None
    return [float(label) for label in labels]


@pytest.fixture(params=[".jsonl", ".parquet"])
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Classification(classes=["true", "false"]), [0, 1]),
        (Classification(classes=["false", "true"]), [1, 0]),
        (Classification(classes=["maybe", "false", "true"]), [2, 1]),
        (Binary(), [1, 0]),
    ],
)
def test_a_boolean_is_the_class_of_its_name(tmp_path: Path, suffix: str, kind: Kind, wanted: list[float]) -> None:
    assert read(write(tmp_path, suffix, [True, False]), kind) == wanted


@pytest.mark.parametrize(
    "kind", [Classification(classes=["no", "yes"]), Classification(classes=2), Regression(range=(0, 1))]
)
def test_a_boolean_that_no_class_is_named_after_is_refused_as_the_file_has_it(
    tmp_path: Path, suffix: str, kind: Kind
) -> None:
    with pytest.raises(BadDataError, match="label 'false' is n"):
        read(write(tmp_path, suffix, [False]), kind)


def test_a_translation_has_booleans_by_their_names(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, [True, False])
    assert read(path, Binary(), labels={"true": 0, "false": 1}) == [0, 1]
    with pytest.raises(BadDataError, match="label 'true' is none of those that 'labels' translates: 1, 0"):
        read(path, Binary(), labels={1: 1, 0: 0})


@pytest.mark.parametrize("values", [[1.0, 3.0], [1, 3], ["01", "3.0"], [Decimal("1.00"), Decimal("3.00")]])
def test_names_that_are_numbers_compare_as_numbers(tmp_path: Path, values: list[Any]) -> None:
    path = write(tmp_path, ".parquet", values)
    assert read(path, Classification(classes=["1", "2", "3"])) == [0, 2]
    assert read(path, Classification(classes=["03", "01"])) == [1, 0]
    assert read(path, Classification(classes=4)) == [1, 3]
    assert read(path, Binary(), labels={"1": 0, "3": 1}) == [0, 1]


def test_a_name_letter_for_letter_comes_before_a_number_that_is_equal() -> None:
    kind = Classification(classes=["1", "01", "x"])
    assert [kind.parse("1"), kind.parse("01"), kind.parse("x")] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"label '1\.0' is none of"):  # either of two
        kind.parse("1.0")


def test_large_numbers_keep_every_digit(tmp_path: Path) -> None:
    kind = Classification(classes=["9007199254740992", "9007199254740994"])
    assert read(write(tmp_path, ".jsonl", [2**53]), kind) == [0]
    with pytest.raises(BadDataError, match="label '9007199254740993' is none of"):  # which no float tells apart
        read(write(tmp_path, ".jsonl", [2**53 + 1]), kind)


def test_a_single_precision_number_has_its_own_digits(tmp_path: Path) -> None:
    path = write(tmp_path, ".parquet", np.array([0.1, 0.7], dtype=np.float32))
    assert read(path, Regression(range=(0.1, 0.7))) == [0.1, 0.7]
    assert read(path, Classification(classes=["0.1", "0.7"])) == [0, 1]


def test_what_is_missing_is_no_label(tmp_path: Path) -> None:
    for values in (np.array([np.nan]), pyarrow.array([None], pyarrow.float64())):
        with pytest.raises(BadDataError, match="no label in column 'label'"):
            read(write(tmp_path, ".parquet", values), Regression(range=(0, 5)))


def test_messages_show_a_number_as_the_file_has_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": 7.50}\n{"text": "a", "label": 1e400}\n')
    with pytest.raises(BadDataError, match=r"label '7\.50'") as caught:
        read(path, Regression(range=(0, 5)))
    assert "label '1e400'" in str(caught.value)
