"""Lists of classes in a cell, as JSON or as Python prints them."""

from __future__ import annotations

from typing import Any

import pytest

from minbert.tasks.written_lists import read_list


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b, c']", ["a", "b, c"]),
        ("""["it's", 'b']""", ["it's", "b"]),
        ("[]", []),
        ("[1, 2.50]", ["1", "2.50"]),
        ("[null, true]", [None, True]),
        ("['a', 1]", None),
        ("[a, b]", None),
        ("[6 8]", None),
        ("['joy' 'anger']", None),
        (r"['it\'s', 'a\d']", ["it's", r"a\d"]),
        ("[{['a']: 1}]", None),
        ("['a'] + ['b']", None),
        ("[__import__('os')]", None),
        ("[" * 100_000 + "]" * 100_000, None),
        ("'a'", None),
        ("{'a': 1}", None),
        ("", None),
    ],
)
def test_lists(text: str, items: list[Any] | None) -> None:
    assert read_list(text) == items
