"""CSV and TSV: headers, quotes, broken bytes, and rows that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minbert.data.delimited import longest_field, read_delimited
from minbert.data.lines import Line
from minbert.data.rows import Problem, Row, read_rows
from minbert.errors import UserError


def read(path: Path, content: str | bytes) -> list[Row | Problem]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_rows(path))


def summary(rows: list[Row | Problem]) -> list[tuple[int, object]]:
    return [(row.line, list(row.values.values()) if isinstance(row, Row) else row.message) for row in rows]


@pytest.fixture
def tsv(tmp_path: Path) -> Path:
    return tmp_path / "rows.tsv"


@pytest.fixture
def comma(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_a_row_comes_as_soon_as_it_is_read(tsv: Path) -> None:
    def lines() -> Iterator[Line]:
        yield Line(1, "a\tb\n", None)
        yield Line(2, "1\t2\n", None)
        raise AssertionError("read ahead")

    assert next(read_delimited(lines(), tsv, "\t")) == Row(2, {"a": "1", "b": "2"})


def test_columns_without_a_name_are_ignored(comma: Path) -> None:
    assert read(comma, "\tid\t text \t\n0\tx\ty\tz\n") == [Row(2, {"id": "x", "text": "y"})]


def test_byte_order_mark_and_windows_line_ends(comma: Path) -> None:
    assert read(comma, b"\xef\xbb\xbfid,text\r\n1,a\r\n\r\n2,b") == [
        Row(2, {"id": "1", "text": "a"}),
        Row(4, {"id": "2", "text": "b"}),
    ]


def test_lines_are_counted_through_fields_of_several_lines(comma: Path) -> None:
    assert summary(read(comma, 'a,b\n"1\n2","3\r\n4"\n5,6\n')) == [(2, ["1\n2", "3\r\n4"]), (5, ["5", "6"])]


def test_tab_separated_fields_may_hold_tabs_in_quotes(tsv: Path) -> None:
    assert summary(read(tsv, 'a\tb\n"1\t2"\t3\n')) == [(2, ["1\t2", "3"])]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('"Well\t3', '"Well'),
        ('"Well" he said\t3', '"Well" he said'),
        ('""Well"" he said\t3', '""Well"" he said'),
        ('"Well"\t3', "Well"),
        ('he said "well"\t3', 'he said "well"'),
        ('"He said ""well"""\t3', 'He said "well"'),
    ],
)
def test_a_tab_separated_text_may_start_with_a_quote(tsv: Path, line: str, text: str) -> None:
    assert summary(read(tsv, f"text\tlabel\n{line}\nnext\t4\n")) == [(2, [text, "3"]), (3, ["next", "4"])]


def test_plain_quotes_do_not_swallow_rows(tsv: Path) -> None:
    content = 'text\tlabel\n"one\t1\ntwo\t2\nthree"\t3\n'
    assert summary(read(tsv, content)) == [(2, ['"one', "1"]), (3, ["two", "2"]), (4, ['three"', "3"])]


def test_a_quote_that_never_closes(comma: Path) -> None:
    rows = read(comma, 'text,label\ngood,1\n"open,2\nfine,3\n')
    assert [row.line for row in rows] == [2, 3, 4]
    assert str(rows[1]) == f"{comma}:3: a quote opens a field here and never closes it"
    assert rows[2] == Row(4, {"text": "fine", "label": "3"})


def test_a_quote_that_never_closes_in_a_tab_separated_row_of_a_wrong_length(tsv: Path) -> None:
    assert summary(read(tsv, 'a\tb\n1\t2\n"open\n3\t4\n')) == [
        (2, ["1", "2"]),
        (3, "a quote opens a field here and never closes it"),
        (4, ["3", "4"]),
    ]


def test_the_line_of_a_quote_that_opens_in_a_later_line_of_its_row(comma: Path) -> None:
    problem = read(comma, 'text,label\n"a\nb","open\n')[0]
    assert (problem.line, "never closes" in str(problem)) == (3, True)


def test_a_quote_open_for_too_many_lines(comma: Path) -> None:
    inside = 'text,label\n"' + "x\n" * (longest_field - 1) + 'x",1\n'
    assert len(read(comma, inside)) == 1
    beyond = 'text,label\n"' + "x,0\n" * (longest_field + 1) + 'x",1\n'
    rows = read(comma, beyond)
    assert (rows[0].line, isinstance(rows[0], Problem)) == (2, True)
    assert rows[1] == Row(3, {"text": "x", "label": "0"})


def test_a_quote_inside_quotes_must_be_doubled(comma: Path) -> None:
    rows = read(comma, 'text,label\n"a" b,1\nc,2\n')
    assert str(rows[0]) == f'{comma}:2: a quote opens a field here; inside it, quotes must be doubled ("")'
    assert rows[1] == Row(3, {"text": "c", "label": "2"})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"a\xffb\t1", "not UTF-8 (byte 0xff, number 2 of the line)"),
        (b"a\xc3\t1", "not UTF-8 (byte 0xc3, number 2 of the line)"),
        (b"a\0b\t1", "a NUL byte"),
        (b"a\t1\t2", "number of fields: 3 in the row, 2 in the header"),
        (b"a", "number of fields: 1 in the row, 2 in the header"),
        (b'"a\n\xff"\t1', "not UTF-8 (byte 0xff, number 1 of the line)"),
    ],
)
def test_a_bad_row_is_told_and_reading_goes_on(tsv: Path, bad: bytes, message: str) -> None:
    rows = read(tsv, b"text\tlabel\ngood\t1\n" + bad + b"\ngood\t2\n")
    line = 3 + bad.count(b"\n")
    assert summary(rows) == [(2, ["good", "1"]), (line, message), (line + 1, ["good", "2"])]
    assert str(rows[1]) == f"{tsv}:{line}: {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"text,id,text\n", "1: the header names the column 'text' twice"),
        (b",,\n", "1: the header names no column"),
        (b"te\xffxt,id\n", "1: not UTF-8 .*, in the header"),
        (b"te\0xt,id\n", "1: a NUL byte, in the header"),
        ("text,id\n".encode("utf-16"), "is UTF-16 text. Make it UTF-8: iconv -f UTF-16 -t UTF-8"),
        ("text,id\n".encode("utf-32"), "is UTF-32 text"),
        ("text,id\n".encode("utf-16-le"), "is UTF-16LE text"),
        ("text,id\n".encode("utf-16-be"), "is UTF-16BE text"),
        (
            "größe,id\n".encode("latin-1"),
            "1: not UTF-8 .byte 0xf6, number 3.*, in the header. .*iconv -f WINDOWS-1252",
        ),
        (b'"text,id\n', "1: a quote in the header does not close"),
        (b"<!DOCTYPE html>\n<p>Sign in, please\n", "1: is a page of the web .HTML., not a file of rows"),
        (b'\n <HTML lang="en">\n', "2: is a page of the web"),
    ],
)
def test_bad_headers(comma: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=rf"rows\.csv:? ?{message}"):
        read(comma, content)


@pytest.mark.parametrize("fields", [2, 4])
def test_a_header_that_fits_no_row_is_told_once(comma: Path, fields: int) -> None:
    row = ",".join("abcd"[:fields]) + "\n"
    with pytest.raises(UserError, match=rf"the header has 3 fields, but every row has {fields} \(see line 2\)"):
        read(comma, "x,y,z\n" + row * 5000)


def test_one_row_that_fits_makes_the_others_problems(comma: Path) -> None:
    rows = read(comma, "x,y\n" + "1,2,3\n" * 5 + "1,2\n" + "1,2,3\n" * 5)
    assert [isinstance(row, Problem) for row in rows] == [True] * 5 + [False] + [True] * 5


def test_a_line_without_end(comma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minbert.data.lines.longest_line", 100)
    with pytest.raises(UserError, match=r"rows\.csv:2: the line is longer than 100 bytes"):
        read(comma, "text,label\n" + "x" * 200)


def test_the_header_of_a_csv_file_tells_its_delimiter(comma: Path) -> None:
    assert read(comma, 'id;text;label\n1;"A soup, hot";pos\n') == [
        Row(2, {"id": "1", "text": "A soup, hot", "label": "pos"})
    ]
    assert read(comma, "id|text\n1|a;b,c\n") == [Row(2, {"id": "1", "text": "a;b,c"})]
    assert read(comma, "id;text, English;label\n1;a;b\n") == [Row(2, {"id": "1", "text, English": "a", "label": "b"})]
    assert read(comma, '"id;x","text|y"\n1,a\n') == [Row(2, {"id;x": "1", "text|y": "a"})]
    assert read(comma, "text\na\n") == [Row(2, {"text": "a"})]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;\r", "\n\nsep=;"])
def test_excels_first_line_names_the_delimiter(comma: Path, first: str) -> None:
    """Also where the header would tell another."""
    rows = read(comma, f"{first}\nid,or,number;text\n1;a, b\n")
    assert summary(rows) == [(first.count("\n") + 3, ["1", "a, b"])]
    assert summary(read(comma, "sep=\t\ntext\n1;a, b\n")) == [(3, ["1;a, b"])]
    assert summary(read(comma, "sep=x\na\n")) == [(2, ["a"])], "a column of that name"
    with pytest.raises(UserError, match="the file is empty"):
        read(comma, "sep=;\n")


def test_excels_first_line_in_a_tsv_file(tsv: Path) -> None:
    assert summary(read(tsv, "sep=\t\nid\ttext\n1\ta\n")) == [(3, ["1", "a"])]
    with pytest.raises(UserError, match=r"rows\.tsv:2: the header has no tab, but it has ';'"):
        read(tsv, "sep=;\nid;text\n1;a\n")


@pytest.mark.parametrize(
    ("content", "advice", "mended"),
    [
        (
            "a (b, c, d);n\nx;1\n",
            "looks separated by ';': in the header, put names that hold ','",
            '"a (b, c, d)";n\nx;1\n',
        ),
        ("a;n\nx,1\ny,2\n", "is separated by ';', the rows by ',': separate all lines alike", "a,n\nx,1\n"),
        ("a,n\nx\t1\ny\t2\n", "is separated by ',', the rows by tabs: separate all", "a\tn\nx\t1\n"),
        ("# made by hand\na,n\nx,1\n", r"1 field \(line 1: # made by hand\), but every row has 2", "a,n\nx,1\n"),
        ('"a;n"\n"x;1"\n', "quotes stand around whole lines, .* Remove the first and the last", "a;n\nx;1\n"),
        ('[{"a": "x"}]\n', r"rows\.csv:1: is JSON; give the file a name that ends in \.jsonl", "a,n\nx,1\n"),
    ],
)
def test_advice_on_a_delimiter_can_be_followed(comma: Path, content: str, advice: str, mended: str) -> None:
    with pytest.raises(UserError, match=advice):
        read(comma, content)
    [row] = read(comma, mended)
    assert isinstance(row, Row)
    assert next(iter(row.values.values())) == "x"


def failing_after(*texts: str) -> Iterator[Line]:
    for number, text in enumerate(texts, start=1):
        yield Line(number, text, None)
    raise AssertionError("read ahead")


def test_a_header_of_one_name_over_rows_with_tabs(comma: Path) -> None:
    with pytest.raises(UserError, match=r"1 field \(line 1: text\), but every row has 3, separated by tabs"):
        read(comma, "text\na\t1\tx\nb\t0\ty\n")
    assert len(read(comma, "text\na\tb\nc\n")) == 2  # a tab within a text
    assert next(read_delimited(failing_after("text\n", "a b\n"), comma, ",")) == Row(2, {"text": "a b"})


def test_one_column_of_texts_with_commas_is_better_kept_as_tsv(comma: Path, tsv: Path) -> None:
    texts = ["good, very good", '"bad", he said', "fine; really, fine, fine"]
    content = "\n".join(["text", *texts]) + "\n"
    for row in read(comma, content):
        assert isinstance(row, Problem)
        assert (
            row.advice == "If each line is one text, give the file a name that ends in .tsv: ',' means nothing there."
        )
    assert summary(read(tsv, content)) == [(number + 2, [text]) for number, text in enumerate(texts)]
    with pytest.raises(UserError, match=r"ends in \.tsv: ',' means nothing there\. Else give the header one name"):
        read(comma, "text\n" + f"{texts[0]}\n" * 3)
    [_, row] = read(comma, "text,label\na,1\na, b,1\n")
    assert isinstance(row, Problem)
    assert row.advice == "A text that holds ',' must stand in double quotes."


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_a_tsv_file_with_another_delimiter_is_told_at_once(tsv: Path, delimiter: str) -> None:
    with pytest.raises(UserError, match=r"rows\.tsv:1: the header has no tab, but it has .* ends in \.csv") as caught:
        read(tsv, f"id{delimiter}text\n1{delimiter}a\n")
    assert f"looks separated by '{delimiter}'" in str(caught.value)


def test_a_fault_of_every_row_is_told_once(comma: Path) -> None:
    with pytest.raises(UserError, match=r"no row can be used. Line 2: .* quotes must be doubled .*\.tsv") as caught:
        read(comma, "text,label\n" + '"a" b,1\n' * 500)
    assert "\n" not in str(caught.value)


def test_lines_that_end_with_a_carriage_return_alone(comma: Path, tsv: Path) -> None:
    assert summary(read(comma, 'text,label\ra,1\r\r"b\rc",2\r')) == [(2, ["a", "1"]), (4, ["b\nc", "2"])]
    assert summary(read(comma, "text,label\ra,1")) == [(2, ["a", "1"])]
    # Where a line feed ends lines, a carriage return is a character.
    assert summary(read(tsv, "text\tlabel\na\rb\t1\n")) == [(2, ["a\rb", "1"])]
