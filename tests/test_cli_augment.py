"""``minbert augment`` as a user meets it: the file it leaves, messages, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from minbert.augmentation.choosing import choose_methods
from minbert.cli.main import app
from minbert.data.row_writer import ROW_FORMATS
from minbert.data.rows import read_rows
from minbert.errors import UserError


def augment(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["augment", *map(str, words)])


def rows(path: Path) -> list[dict[str, str]]:
    return [row.values for row in read_rows(path)]  # type: ignore[union-attr]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    lines = [
        {"id": "x", "a": 'one "two" three, four', "b": " five six seven eight ", "label": 3.8},
        {"id": "y", "a": "one", "b": "two", "label": 0, "more": "kept"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("suffix", ROW_FORMATS)
def test_every_column_is_kept(pairs: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"new/out{suffix}"
    arguments = (
        pairs,
        "--text",
        "a",
        "--text",
        "b",
        "--method",
        "swap",
        "--method",
        "deletion",
        "--copies",
        2,
        "--seed",
        1,
    )
    result = augment(*arguments, "--output", out)
    assert result.exit_code == 0, result.output
    found = rows(out)
    assert [(row["id"], row["origin"], row["method"]) for row in found][:3] == [
        ("x", "", ""),
        ("x~swap~1", "x", "swap"),
        ("x~swap~2", "x", "swap"),
    ]
    assert found[-1] == {"id": "y", "a": "one", "b": "two", "label": "0", "more": "kept", "origin": "", "method": ""}
    assert found[0]["a"] == 'one "two" three, four'
    assert {row["label"] for row in found[:-1]} == {"3.8"}
    assert all(sorted(row["b"].split()) == ["eight", "five", "seven", "six"] for row in found[1:3])
    assert augment(*arguments, "--output", tmp_path / f"again{suffix}").exit_code == 0
    assert (tmp_path / f"again{suffix}").read_bytes() == out.read_bytes()


def test_only_new_rows_and_ids_by_number(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text("text,label\none two,0\nthree,1\nfour five,1\n")
    result = augment(source, "--text", "text", "--method", "swap", "--output", tmp_path / "o.tsv", "--only-new")
    assert result.exit_code == 0
    assert "2 new rows of 3; 1 that say nothing new are dropped" in result.output
    assert rows(tmp_path / "o.tsv") == [
        {"id": "1~swap~1", "text": "two one", "label": "0", "origin": "1", "method": "swap"},
        {"id": "3~swap~1", "text": "five four", "label": "1", "origin": "3", "method": "swap"},
    ]


def test_what_cannot_be_done_is_told_and_leaves_nothing(pairs: Path, tmp_path: Path) -> None:
    def told(*words: str | Path, source: Path = pairs, out: str = "out.tsv") -> str:
        before = sorted(tmp_path.iterdir())
        arguments = [*words] if "--method" in words else [*words, "--method", "swap"]
        result = augment(source, *arguments, "--output", tmp_path / out)
        assert isinstance(result.exception, UserError)
        assert sorted(tmp_path.iterdir()) == before
        return str(result.exception)

    assert "there is no column 'A'" in told("--text", "A")
    assert "must end in .tsv" in told("--text", "a", out="out.txt")
    assert "no such file" in told("--text", "a", source=tmp_path / "none.tsv")
    assert "there is no column 'key'" in told("--text", "a", "--id", "key")
    assert "there is no column 'more'" in told("--text", "a", "--id", "more"), "not in the first row"
    assert "is an input of this command" in told("--text", "a", out="pairs.jsonl")
    (tmp_path / "bad.tsv").write_text("id\ttext\n1\t\n2\tx\n")
    assert "cannot be used" in told("--text", "text", source=tmp_path / "bad.tsv")
    (tmp_path / "twice.tsv").write_text("id\ttext\n1\ta b\n1\tx\n")
    assert "the id '1' is already on line 2" in told("--text", "text", source=tmp_path / "twice.tsv")
    (tmp_path / "done.tsv").write_text("id\ttext\torigin\n1\ta b\t\n")
    assert "Was it augmented before?" in told("--text", "text", source=tmp_path / "done.tsv")
    (tmp_path / "there.tsv").write_text("mine")
    assert "exists already" in told("--text", "a", out="there.tsv")
    assert (tmp_path / "there.tsv").read_text() == "mine"


def test_settings_of_methods() -> None:
    swap, deletion = choose_methods(["swap", "deletion"], ["alpha=0.3", "deletion.alpha=0.5", "swap.copies=4"])
    assert swap.model_dump() == {"name": "swap", "copies": 4, "alpha": 0.3}
    assert deletion.model_dump() == {"name": "deletion", "copies": 1, "alpha": 0.5}


@pytest.mark.parametrize(
    ("methods", "settings", "message"),
    [
        (["swop"], [], "--method swop: 'swop' is no augmentation .did you mean 'swap'"),
        (["swap"], ["alhpa=1"], "--method swap: has no setting 'alhpa' .did you mean 'alpha'.*it has: copies, alpha"),
        (["swap"], ["alpha"], "write KEY=VALUE"),
        (["swap"], ["alpha=[1"], "is not a YAML value"),
        (["swap"], ["deletion.alpha=1"], "there is no --method deletion"),
        (["swap"], ["alpha=7"], "alpha: input should be less than or equal to 1"),
        (["contextual"], [], "needs its setting 'encoder': --set encoder=..."),
    ],
)
def test_settings_that_make_no_sense(methods: list[str], settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_methods(methods, settings)
