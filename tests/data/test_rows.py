"""Whatever the format: what is well-formed reads back as it was written, and garbage never gives more than problems."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.data.row import missing_column
from minbert.data.rows import Problem, Row, holds_rows, read_rows
from minbert.data.text_rows import TextRows
from minbert.errors import UserError

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
awkward = st.sampled_from("\",\t\n\r 'é\u2028\x85\ufeff")
no_tab = st.one_of(awkward, characters).filter(lambda character: character != "\t")


def tables(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    field = st.text(alphabet, max_size=12)
    return st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(field, min_size=width, max_size=width), min_size=1, max_size=6)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def values(path: Path) -> list[dict[str, str]]:
    rows = list(read_rows(path))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


def as_rows(table: list[list[str]]) -> list[dict[str, str]]:
    return [{f"column {number}": field for number, field in enumerate(fields)} for fields in table]


def write_delimited(path: Path, table: list[list[str]], delimiter: str, line_end: str, quote_all: bool) -> None:
    text = io.StringIO(newline="")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([list(as_rows(table)[0]), *table])
    path.write_bytes(text.getvalue().encode())


forms = st.sampled_from([("\r\n", False), ("\r\n", True), ("\n", True)])


@given(table=tables(st.one_of(awkward, characters)), form=forms)
@settings(max_examples=200, deadline=None)
def test_comma_separated_tables_read_back(folder: Path, table: list[list[str]], form: tuple[str, bool]) -> None:
    write_delimited(folder / "table.csv", table, ",", *form)
    assert values(folder / "table.csv") == as_rows(table)


@given(table=tables(no_tab), form=forms, name=st.sampled_from(["table.csv", "table.tsv"]))
@settings(max_examples=200, deadline=None)
def test_tab_separated_tables_read_back(
    folder: Path, table: list[list[str]], form: tuple[str, bool], name: str
) -> None:
    write_delimited(folder / name, table, "\t", *form)
    assert values(folder / name) == as_rows(table)


plain_text = st.text(st.one_of(awkward, characters).filter(lambda character: character not in "\t\r\n"), max_size=12)


@given(table=st.lists(st.tuples(plain_text, st.just("end")).map(list), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_tables_without_quoting_keep_their_rows(folder: Path, table: list[list[str]]) -> None:
    """Where quotes are plain characters, a text that is not itself in quotes is kept as it is."""
    lines = ["text\tlast", *("\t".join(fields) for fields in table)]
    (folder / "plain.tsv").write_bytes("\n".join(lines).encode())
    read = values(folder / "plain.tsv")
    assert len(read) == len(table)
    for (text, _), row in zip(table, read, strict=True):
        if not re.fullmatch('"([^"]|"")*"', text):
            assert row["text"] == text


@given(
    rows=st.lists(st.dictionaries(st.text(characters, min_size=1), st.text(characters)), max_size=5),
    ascii=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_json_lines_read_back(folder: Path, rows: list[dict[str, str]], ascii: bool) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii) + "\n" for row in rows]
    (folder / "rows.jsonl").write_bytes("".join(lines).encode())
    assert values(folder / "rows.jsonl") == rows


@given(table=tables(characters), as_dictionary=st.booleans())
@settings(max_examples=50, deadline=None)
def test_parquet_reads_back(folder: Path, table: list[list[str]], as_dictionary: bool) -> None:
    columns = [pyarrow.array(column) for column in zip(*table, strict=True)]
    columns = [column.dictionary_encode() if as_dictionary else column for column in columns]
    pyarrow.parquet.write_table(pyarrow.table(columns, list(as_rows(table)[0])), folder / "table.parquet")
    assert values(folder / "table.parquet") == as_rows(table)


pieces = st.sampled_from(
    [b'"', b'""', b"\t", b",", b"\n", b"\r\n", b"\0", b"\xff", b"\xc3", b'{"a":', b"1}", b"a", b"\xef\xbb\xbf"]
)
garbage = st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=40).map(b"".join))


def assert_harmless(path: Path) -> None:
    try:
        for row in read_rows(path):
            assert isinstance(row, Row | Problem)
            assert row.line >= 1
    except UserError as error:
        assert path.name in str(error)


@given(content=garbage, suffix=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
@settings(max_examples=500, deadline=None)
def test_garbage_gives_problems_or_a_user_error(folder: Path, content: bytes, suffix: str) -> None:
    path = folder / f"garbage.{suffix}"
    path.write_bytes(content)
    assert_harmless(path)


@given(header=st.sampled_from([b"a\tb\n", b"a,b\n"]), content=garbage)
@settings(max_examples=300, deadline=None)
def test_garbage_below_a_header_gives_problems_or_a_user_error(folder: Path, header: bytes, content: bytes) -> None:
    path = folder / "below.csv"
    path.write_bytes(header + content)
    assert_harmless(path)


@pytest.mark.parametrize("name", ["missing/dev.tsv", "dev.tsv"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "dev.csv").touch()
    with pytest.raises(UserError, match="no such file") as caught:
        list(read_rows(tmp_path / name))
    assert name in str(caught.value)
    assert ("did you mean 'dev.csv'?" in str(caught.value)) == (name == "dev.tsv")


def test_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").touch()
    with pytest.raises(UserError, match=r"rows\.xlsx: the name must end in one of: \.csv, \.tsv, \.jsonl, \.parquet"):
        list(read_rows(tmp_path / "rows.xlsx"))


def test_a_suffix_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "ROWS.CSV").write_text("a,b\n1,2\n")
    assert values(tmp_path / "ROWS.CSV") == [{"a": "1", "b": "2"}]


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(UserError, match=r"rows\.csv: cannot be read"):
        list(read_rows(tmp_path / "rows.csv"))


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[Row | Problem]]:
    def read(content: bytes) -> list[Row | Problem]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
        return list(read_rows(Path("-")))

    return read


def test_standard_input_tells_its_format(standard_input: Callable[[bytes], list[Row | Problem]]) -> None:
    assert standard_input(b"id\ttext\n1\ta, b\n") == [Row(2, {"id": "1", "text": "a, b"})]
    assert standard_input(b"text\na, b\n") == [Row(2, {"text": "a, b"})]
    assert standard_input(b'id,text\n1,"a, b"\n') == [Row(2, {"id": "1", "text": "a, b"})]
    assert standard_input(b"id;text\n1;a, b\n") == [Row(2, {"id": "1", "text": "a, b"})]
    assert standard_input(b'\n {"text": "a"}\n') == [Row(2, {"text": "a"})]
    assert standard_input(b'[{"text": "a"}]') == [Row(1, {"text": "a"})]
    (problem,) = standard_input(b'{"text": }')
    assert str(problem).startswith("<stdin>:1: not valid JSON")
    with pytest.raises(UserError, match="<stdin>: the file is empty"):
        standard_input(b"")


@pytest.mark.parametrize(
    ("content", "id_column", "wrong"),
    [
        (b"words\na\n", None, "there is no column 'text'"),
        (b"text\na\n", "key", "there is no column 'key'"),
    ],
)
def test_texts_of_standard_input_have_the_same_place(
    content: bytes, id_column: str | None, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
    with pytest.raises(UserError, match=f"^<stdin>:2: {wrong}"):
        list(TextRows(Path("-"), ["text"], id_column))


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.csv", b"a,b\n1,2\n"), ("rows.tsv", b"a\tb\n1\t2\n"), ("ROWS.JSONL", b'{"a": "1", "b": "2"}\n')],
)
def test_a_file_packed_by_gzip_reads_as_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    assert values(tmp_path / f"{name}.gz") == [{"a": "1", "b": "2"}]


@given(position=st.integers(0, 200), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_damaged_gzip_file_gives_rows_or_a_user_error(folder: Path, position: int, value: int, cut: bool) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(100)), mtime=0)
    path = folder / "damaged.csv.gz"
    path.write_bytes(whole[:position] if cut else whole[:position] + bytes([value]) + whole[position + 1 :])
    assert_harmless(path)
    if cut and 10 < position < len(whole):
        with pytest.raises(UserError, match=r"not a whole gzip file .* cut short"):
            list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", gzip.compress(b"a,b\n", mtime=0), "is compressed by gzip; give it a name that ends in .gz"),
        ("rows.csv", b"PK\x03\x04....", "Excel"),
        ("rows.csv", bz2.compress(b"a,b\n"), "bzip2"),
        ("rows.tsv", lzma.compress(b"a,b\n"), "xz"),
        ("rows.parquet", b"a,b\n1,2\n", "is no Parquet file; give it a name that tells what it is"),
        ("rows.parquet.gz", b"", "unpack the file"),
        ("rows.csv.gz", b"a,b\n1,2\n", "not a whole gzip file"),
        ("notes.txt", b"a text\nanother\n", "not all as many semicolons or bars. If each line is one text, put"),
        ("rows.xlsx", b"", "the name must end in one of: .csv, .tsv, .jsonl, .parquet, .ndjson"),
        ("rows.csv.gz.gz", b"", "the name must end in one of"),
    ],
)
def test_a_name_that_does_not_tell_the_format(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_rows(tmp_path / name))
    assert str(caught.value).startswith(str(tmp_path / name)) and message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "like", "content"),
    [
        ("rows.ndjson", "rows.jsonl", b'{"a": "1", "b": "x\\ty"}\n{"a": "2", "b": null}\n'),
        ("rows.json", "rows.jsonl", b'\xef\xbb\xbf{"a": "1"}\r\n{"a": "2"}\r\n'),
        ("rows.json", "rows.jsonl", b'[\n  {"a": "1"},\n  {"a": "2"}\n]\n'),
        ("rows.json", "rows.jsonl", b'[{"a": "1"}, {"a": "2"}]'),
        ("rows.JSON.gz", "rows.jsonl.gz", gzip.compress(b'{"a": "1"}\n{"a": "2"}\n', mtime=0)),
        ("rows.tab", "rows.tsv", b'a\tb\n"1"\t2\n'),
        ("rows.txt", "rows.tsv", b'a\tb\nsaid "no"\t2,5\n'),
        ("rows.txt", "rows.csv", b"a;b\nso, it was;1\n"),
    ],
)
def test_other_names_of_the_same_formats(tmp_path: Path, name: str, like: str, content: bytes) -> None:
    for each in (name, like):
        (tmp_path / each).write_bytes(content)
    assert holds_rows(tmp_path / name) and values(tmp_path / name)
    assert values(tmp_path / name) == values(tmp_path / like)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"one text\n"),
        ("notes.txt", b"one; text\nanother\n"),
        ("line.txt", b"one; text\n"),
        ("settings.json", b'{\n  "a": 1\n}\n'),
        ("infos.json", b'{"a": {"b": 1}}\n'),
        ("names.json", b'["a", "b"]\n'),
        ("names.json", b'[\n  "a"\n]\n'),
        ("empty.txt", b""),
        ("rows.xlsx", b""),
    ],
)
def test_files_that_are_no_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not holds_rows(tmp_path / name)


def test_a_parquet_file_of_another_name(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": ["1"]}), tmp_path / "rows.csv")
    with pytest.raises(UserError, match=r"is a Parquet file; give it a name that ends in \.parquet"):
        list(read_rows(tmp_path / "rows.csv"))


def test_a_missing_column_never_suggests_a_whole_header() -> None:
    whole_line = Row(2, {"id,text": "1,a"})
    assert missing_column(whole_line, ["text"]) == "there is no column 'text'. The columns are: id,text."
    assert missing_column(Row(2, {"txt": "a"}), ["text"]) == (
        "there is no column 'text' (did you mean 'txt'?). The columns are: txt."
    )
    assert missing_column(Row(2, {"text": "a"}), ["text"]) is None
    odd = missing_column(Row(2, {}, {"text": "a list"}), ["text"])
    assert odd == "column 'text' holds a list; give it one text or number a row."


def test_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("nothing.csv")
    with pytest.raises(UserError, match=r"rows\.csv: is a link to a file that is not there"):
        list(read_rows(tmp_path / "rows.csv"))


def test_standard_input_is_unpacked_and_what_cannot_be_read_from_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(content: bytes) -> list[Row | Problem]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
        return list(read_rows(Path("-")))

    table = b"text,label\ngood,1\n"
    assert read(gzip.compress(table)) == read(table) == [Row(2, {"text": "good", "label": "1"})]
    for content, told in (
        (gzip.compress(table)[:-9], "<stdin>: not a whole gzip file"),
        (b"PAR1\x15\x04", "<stdin>: is a Parquet file, .* name the file"),
        (b"PK\x03\x04\x14", "<stdin>: is a zip archive or an Excel workbook; .* save its table as CSV"),
        (b"BZh91AY&SY", "<stdin>: is compressed by bzip2; unpack it"),
    ):
        with pytest.raises(UserError, match=told):
            read(content)
