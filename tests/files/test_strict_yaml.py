"""YAML as recipes, budgets, papers and ``--set`` are read: a key once, nothing guessed, nothing that fills memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.errors import UserError
from minbert.files.strict_yaml import MOST_VALUES, YamlError, parse_yaml, read_settings, read_yaml, to_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("{a: , b: ~, c: null}", {"a": None, "b": None, "c": None}),
        ("[true, False, yes, no, on, OFF, y]", [True, False, "yes", "no", "on", "OFF", "y"]),
        ("[0, -3, +4, 007, 0x10, 0o7, 1_000, 12:30]", [0, -3, 4, "007", "0x10", "0o7", "1_000", "12:30"]),
        ("[1e-5, -.5, 5., 1.5E+2, 2e3, e5, 1e]", [1e-5, -0.5, 5.0, 150.0, 2000.0, "e5", "1e"]),
        ("[.inf, -.INF]", [math.inf, -math.inf]),
        ("[2024-01-31, 2024-13-45, =]", ["2024-01-31", "2024-13-45", "="]),
        ("['1', \"no\", !!str 2]", ["1", "no", "2"]),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("- &x {b: 1}\n- &y {b: 2, c: 2}\n- {<<: [*x, *y]}\n", [{"b": 1}, {"b": 2, "c": 2}, {"b": 1, "c": 2}]),
    ],
)
def test_values(text: str, value: Any) -> None:
    read = parse_yaml(text)
    assert read == value
    assert repr(read) == repr(value)  # types, too: 1 is not True


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is already on line 1", 3),
        ("x:\n  a: {b: 1, b: 2}\n", "the key 'b' is already on line 2", 2),
        ("- {1: a}\n- {1: a,\n   '1': b}\n", "the key '1' is already on line 2", 3),
        ("{1: a, 1.0: b}", "the key '1.0' is already on line 1", 1),
        ("a: [1, 2\n", "expected ',' or ']'", 2),
        ("a: 1\n--- \nb: 2\n", "expected a single document", 2),
        ("a: *b\n", "undefined alias", 1),
        ("\na: &a [*a]\n", "deep in each other", 2),
        ("[" * 60 + "]" * 60, "more than 50 deep", 1),
        ("[" * 1000, "deep in each other", None),
        ("a: " + "9" * 5000, "more than 300 digits", 1),
        ("a:\n- 9223372036854775808", "9223372036854775808 is beyond 64 bits; put it in quotes if it is a text", 2),
        ("-9223372036854775809", "beyond 64 bits", 1),
        ("a: b\nc: \0\n", r"control character U\+0000", 2),
        ('"\\q"', "unknown escape", 1),
        ('a:\n  "\\0": 1', r"a text holds the character U\+0000", 2),
        ('"\\uD800"', r"a text holds the character U\+D800", 1),
        ('"\\e[31m"', r"a text holds the character U\+001B", 1),
        ("[1]: 2", "cannot be a key", 1),
        ("a: !!python/object/apply:os.system ['true']", "tag .* is not known", 1),
        ("!!int x", "'x' is no int", 1),
        ("!!bool maybe", "'maybe' is no bool", 1),
        ("!!set {a, b}", "tag .*set is not known", 1),
        ("<<: 3", "takes a mapping", 1),
        ("a:\n\t- b\n", "cannot start any token", 2),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(text: str, reason: str, line: int | None) -> None:
    with pytest.raises(YamlError, match=reason) as caught:
        parse_yaml(text)
    assert caught.value.line == line


def test_aliases_of_aliases_are_counted_before_they_fill_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match=f"more than {MOST_VALUES:,} values"):
        parse_yaml("\n".join(lines))


def test_a_file_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("training: {epochs: 1}\ntraining: {precision: fp32}\n")
    with pytest.raises(UserError, match=r"r\.yaml, line 2: .*the key 'training' is already on line 1"):
        read_yaml(path)
    path.write_bytes(b"a: b\nc: caf\xe9\n")
    with pytest.raises(UserError, match=r"r\.yaml, line 2: is not UTF-8 \(byte 0xe9\)"):
        read_yaml(path)
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x"], "--set x: write KEY=VALUE, for example --set a=1"),
        (["=x"], "write KEY=VALUE"),
        (["a..b=1"], "write KEY=VALUE"),
        (["a=[1"], "is not a YAML value: while parsing a flow sequence, expected ',' or ']'"),
        (["a=\x1b[31m"], r"control character U\+001B"),
        (["a.b=1", "a.b=1"], "--set a.b: is given twice"),
        (["a.b=1", "a={c: 2}"], "would drop what --set a.b says"),
        (["a=" + "9" * 5000], "more than 300 digits"),
        (["a=" + "[" * 1000], "deep in each other"),
        (["a={b: 1, b: 2}"], "the key 'b' is already"),
    ],
)
def test_settings_that_cannot_be_used_are_one_short_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_settings(words, "a=1")
    told = str(caught.value)
    assert len(told) < 250 and told.isprintable()


def test_settings_keep_their_order() -> None:
    assert list(read_settings(["a=x", "a.b=1e-5", "c="], "a=1").items()) == [("a", "x"), ("a.b", 1e-5), ("c", None)]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
    | st.text("\t\n\r\x85 a#", max_size=6)
    | st.sampled_from(["no", "1e5", "09", "1_000", "2024-01-31", "1:30", "<<", "=", "~", ".inf", "0o7", ".5"])
    | st.sampled_from(["&a", "*a", "-", "#", "|", "\x85", "a\u2028b"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1.-<", min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(values)
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_back(value: Any) -> None:
    assert repr(parse_yaml(to_yaml(value))) == repr(value)


pieces = st.one_of(
    st.sampled_from(["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", "&x ", "*x", "<<: ", "---\n", "...\n"]),
    st.sampled_from(["1", ".", "e", "-", "'", '"', "\\", "!", "!!int ", "!!null ", "|\n", ">", "? ", "#", "%", "\t"]),
)


@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=40).map("".join)))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_yaml(text)
    except YamlError as error:
        assert str(error)
