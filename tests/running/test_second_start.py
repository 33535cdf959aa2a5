"""A second start over large files reads and tokenizes nothing, and finds what the first has read, bit for bit."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from laws import each
from minbert.data import kept_rows, task_splits
from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import long_arrays, spool
from minbert.files.seals import SEAL
from minbert.multitask.sequences import Sequences
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.evaluating import evaluate_run
from minbert.running.prepare import Prepared, prepare
from minbert.running.run import train_recipe
from minbert.text.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for which no file is too small."""
    monkeypatch.setenv("MINBERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_rows, "LARGE", 1)
    return tmp_path / "cache"


@pytest.fixture
def two_tasks(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """Both tasks without test files: less is flushed to the disk."""
    for task in two_tasks["tasks"].values():
        del task["files"]["test"]
    return two_tasks


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many files are read, and how many texts are tokenized."""
    found = {"files": 0, "texts": 0}
    read, token_ids = kept_rows.read_task_split, Tokenizer.token_ids

    def counted(*given: Any, **named: Any) -> Split:
        found["files"] += 1
        return read(*given, **named)

    def tokenized(self: Tokenizer, texts: Any, most: int | None = None) -> list[list[int]]:
        found["texts"] += len(texts)
        return token_ids(self, texts, most)

    monkeypatch.setattr(kept_rows, "read_task_split", counted)
    monkeypatch.setattr(Tokenizer, "token_ids", tokenized)
    return found


def started(tree: dict[str, Any], counts: dict[str, int]) -> tuple[int, int]:
    """Return how many files are read and texts tokenized to make a run ready."""
    before = dict(counts)
    prepare(parse_recipe(tree, "test"), Display(Console(quiet=True)))
    return counts["files"] - before["files"], counts["texts"] - before["texts"]


def told(recipe: Recipe) -> tuple[Prepared, str]:
    """Return a recipe made ready, and what is said meanwhile."""
    stream = io.StringIO()
    return prepare(recipe, Display(Console(file=stream, width=300))), stream.getvalue()


def content(sequences: Sequences) -> list[Any]:
    """Return what is read for each row, and how long it is."""
    row_lengths = sequences.row_lengths().tolist()
    rows = [sequences.pack(sequences.of(np.array([row]))).token_ids.tolist() for row in range(len(sequences.rows))]
    return [row_lengths, rows, sequences.lengths().sum(), sequences.truncated()]


def everything(prepared: Prepared) -> list[Any]:
    return [
        [split, name, [*rows.ids], None if rows.labels is None else rows.labels.tolist(), *content(rows.sequences)]
        for split in ("train", "dev", "test")
        for name, rows in getattr(prepared, split).items()
    ]


def leave_out_some(tree: dict[str, Any]) -> None:
    """Have rows without a label in a train file, and dev rows that stand in train."""
    data = Path(tree["data"])
    lines = (data / "mood-train.tsv").read_text().splitlines()[:25]
    (data / "mood-train.tsv").write_text("\n".join([*lines, "more\tthe film is fine\t"]) + "\n")
    (data / "mood-dev.tsv").write_text("\n".join(lines[:8]).replace("mtrain", "mdev") + "\n")
    tree["tasks"]["mood"]["skip_unlabelled"] = True


KINDS = [
    {},
    {"held_out": "25%"},
    {"rows": 9, "dev_rows": 4},
    {"also_train_on": [{"file": "mood-dev.tsv"}]},
    {"augmentation": "swap"},
]


@each("how", KINDS)
@each("pair", ["bi", "cross", "both"])
def test_rows_tokens_labels_and_what_is_told_are_those_of_a_start_without_a_cache(
    two_tasks: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    how: dict[str, Any],
    pair: str,
) -> None:
    tree = json.loads(json.dumps(two_tasks))
    leave_out_some(tree)
    tree["tasks"]["mood"] |= how
    if "held_out" in how:
        del tree["tasks"]["mood"]["files"]["dev"]
    tree["tasks"]["close"]["pair"] = pair
    tree["encoder"]["max_length"] = 9
    recipe = parse_recipe(tree, "test")
    with monkeypatch.context() as patch:
        patch.setattr(kept_rows, "LARGE", 10**9)
        small, words = told(recipe)
    for _ in range(2):
        prepared, again = told(recipe)
        assert everything(prepared) == everything(small)
        assert again == words
    assert "a label or a text" in words and "sequences are cut to 9 tokens" in words
    assert "rows" in how or ("of dev also in train" in words) == ("held_out" not in how)


def test_a_second_start_reads_and_tokenizes_nothing_whatever_else_changes(
    two_tasks: dict[str, Any], counts: dict[str, int]
) -> None:
    files, texts = started(two_tasks, counts)
    assert files == 4 and texts > 20
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 5},
        {"training": {"epochs": 9}},
        {"optimizer": {"learning_rate": 1.0}},
        {"schedule": {"batch_size": 2}},
    ]
    for other in changes:
        assert started(two_tasks | other, counts) == (0, 0)
    two_tasks["tasks"]["close"] |= {"head": "cosine", "weight": 3.0, "batch_size": 5}
    del two_tasks["tasks"]["mood"]
    assert started(two_tasks, counts) == (0, 0)


def changed_byte(tree: dict[str, Any], _folder: Path) -> None:
    path = Path(tree["data"]) / "mood-train.tsv"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + (b"1" if content[-2:-1] != b"1" else b"2") + content[-1:])


def another_column(tree: dict[str, Any], _folder: Path) -> None:
    tree["tasks"]["mood"]["text"] = "id"
    tree["tasks"]["mood"]["id"] = None


def other_labels(tree: dict[str, Any], _folder: Path) -> None:
    tree["tasks"]["mood"]["classes"] = 4


@pytest.mark.parametrize(("change", "files"), [(changed_byte, 1), (another_column, 2), (other_labels, 2)])
def test_what_changes_the_rows_is_read_anew(
    two_tasks: dict[str, Any], counts: dict[str, int], tmp_path: Path, change: Any, files: int
) -> None:
    del two_tasks["tasks"]["close"]
    started(two_tasks, counts)
    change(two_tasks, tmp_path)
    read, texts = started(two_tasks, counts)
    assert read == files and texts > 5
    assert started(two_tasks, counts) == (0, 0)


def test_another_version_reads_all_anew(
    two_tasks: dict[str, Any], counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    del two_tasks["tasks"]["close"]
    first = started(two_tasks, counts)
    monkeypatch.setattr(kept_rows, "version", lambda _name: "another")
    assert started(two_tasks, counts) == first


def test_another_tokenizer_length_or_way_to_read_pairs_tokenizes_anew(
    two_tasks: dict[str, Any], counts: dict[str, int], tiny_encoder: Path, tmp_path: Path
) -> None:
    started(two_tasks, counts)
    two_tasks["tasks"]["close"]["pair"] = "cross"
    read, of_pairs = started(two_tasks, counts)
    assert read == 0 < of_pairs
    two_tasks["encoder"]["max_length"] = 9
    read, of_single = started(two_tasks, counts)
    assert read == 0 < of_single
    other = tmp_path / "other"
    other.mkdir()
    for file in tiny_encoder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    words = (tiny_encoder / "vocab.txt").read_text().split("\n")
    (other / "tokenizer.json").unlink(missing_ok=True)
    (other / "vocab.txt").write_text("\n".join([*words[:5], *reversed(words[5:-1])]) + "\n")
    two_tasks["encoder"]["name"] = str(other)
    assert started(two_tasks, counts) == (0, of_pairs + of_single)


def test_nothing_of_small_files_is_kept(
    two_tasks: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int]
) -> None:
    size = max(path.stat().st_size for path in Path(two_tasks["data"]).iterdir())
    monkeypatch.setattr(kept_rows, "LARGE", size + 1)
    assert started(two_tasks, counts) == started(two_tasks, counts)
    assert not cache.exists()
    monkeypatch.setattr(kept_rows, "LARGE", size)
    started(two_tasks, counts)
    assert {path.name: len([*path.iterdir()]) for path in cache.iterdir()} == {"rows": 1, "tokens": 1}


@each("kind", ["rows", "tokens"])
def test_what_is_damaged_is_told_and_made_anew(
    two_tasks: dict[str, Any], cache: Path, caplog: pytest.LogCaptureFixture, kind: str, counts: dict[str, int]
) -> None:
    two_tasks["tasks"].pop("close", None)
    recipe = parse_recipe(two_tasks, "test")
    whole = everything(told(recipe)[0])
    abouts = {path.parent: json.loads(path.read_text()) for path in (cache / kind).glob("*/about.json")}
    [entry] = [folder for folder, about in abouts.items() if about["file"] == "mood-train.tsv"]
    for path in [path for path in entry.rglob("*") if path.is_file() and path.name != SEAL]:
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 16]) + content[1:])
        caplog.clear()
        assert everything(told(recipe)[0]) == whole
        assert [line.startswith(f"{entry}: is damaged: ") for line in caplog.messages] == [True]
    assert started(two_tasks, counts) == (0, 0)


def test_a_file_that_changes_while_it_is_read_is_refused(
    two_tasks: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = task_splits.read_split

    def change(path: Path, *given: Any) -> Split:
        split = read(path, *given)
        path.write_bytes(path.read_bytes() + b"\n")
        return split

    monkeypatch.setattr(task_splits, "read_split", change)
    with pytest.raises(UserError, match=r"mood-train\.tsv: changed while it was read\. Start again\."):
        prepare(parse_recipe(two_tasks, "test"), Display(Console(quiet=True)))
    assert not [*(cache / "rows").iterdir()]


def test_a_cache_that_cannot_be_written_costs_time_alone(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(two_tasks, "test")
    kept = everything(told(recipe)[0])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINBERT_CACHE", str(tmp_path / "file"))
    prepared, words = told(recipe)
    assert everything(prepared) == kept
    assert "mood-train.tsv: is read anew at each start. " in words and "MINBERT_CACHE to a folder that can." in words


def test_rows_that_cannot_be_used_are_told_as_ever(two_tasks: dict[str, Any], cache: Path) -> None:
    path = Path(two_tasks["data"]) / "mood-train.tsv"
    path.write_text(path.read_text() + "new\tgood\t7\n")
    for _ in range(2):
        with pytest.raises(UserError, match=r"mood-train\.tsv: 1 row cannot be used\.\n  .*mood-train\.tsv:26"):
            prepare(parse_recipe(two_tasks, "test"), Display(Console(quiet=True)))
    assert not [*(cache / "rows").iterdir()]


@pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
def test_a_run_and_its_evaluation_are_the_same_from_the_cache_and_from_mapped_files(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: Display, counts: dict[str, int]
) -> None:
    two_tasks["tasks"]["close"]["loss"] = ["mse", {"name": "mnrl", "threshold": 4}]
    two_tasks["training"] |= {"head_start": "probe", "epochs": 1}
    recipe = parse_recipe(two_tasks, "test")
    for name in ("small", "first", "second", "mapped"):
        with monkeypatch.context() as patch:
            if name in ("small", "mapped"):
                patch.setattr(kept_rows, "LARGE", 10**9)
            if name == "mapped":
                patch.setattr(spool, "IN_MEMORY", 1)
                patch.setattr(long_arrays, "VALUES_AT_ONCE", 5)
            train_recipe(recipe, tmp_path / name, False, quiet)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("small", "first", "second", "mapped")]
    assert weights[0] == weights[1] == weights[2] == weights[3]
    scores = evaluate_run(tmp_path / "first", None, "dev", quiet).as_json()
    before = dict(counts)
    assert evaluate_run(tmp_path / "second", None, "dev", quiet).as_json() == scores
    assert counts == before
    monkeypatch.setattr(kept_rows, "LARGE", 10**9)
    assert evaluate_run(tmp_path / "small", None, "dev", quiet).as_json() == scores
