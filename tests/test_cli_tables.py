"""What tables on the terminal say."""

from __future__ import annotations

import numpy as np
import pytest

from minbert.cli.tables import predicted
from minbert.tasks.kinds.ordinal import Ordinal
from minbert.tasks.kinds.regression import Regression


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([0.0, 0.38, 0.24, 0.0, 0.38], "3 (0.24; lower 0.38, higher 0.38)"),
        ([0.9, 0.1, 0.0, 0.0, 0.0], "1 (0.90; lower 0.00, higher 0.10)"),
    ],
)
def test_an_answer_in_order_stands_beside_what_is_below_and_above_it(shares: list[float], told: str) -> None:
    kind = Ordinal(classes=["1", "2", "3", "4", "5"])
    table = predicted(["a text"], kind.decided(np.array([shares])), kind.ordered)
    assert [list(column.cells) for column in table.columns] == [[told], ["a text"]]
    assert [column.header for column in table.columns] == ["prediction (probability)", "text"]
    plain = predicted(["a text"], kind.decided(np.array([shares])), ordered=False)
    assert next(plain.columns[0].cells) == f"{told.partition(';')[0]})"


def test_a_score_has_no_probability() -> None:
    kind = Regression(range=(0, 5))
    table = predicted(["a text"], kind.decided(np.array([3.25])), kind.ordered)
    assert [(column.header, *column.cells) for column in table.columns] == [("prediction", "3.250"), ("text", "a text")]
