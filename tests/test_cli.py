"""The command line as a user meets it: exit codes, messages, streams, a kill, a second run."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import yaml

from command_line import complains, minbert, started, wait_for
from full_disk import full_disk
from minbert.files.locks import claimed
from minbert.training.checkpoint_folder import newest_checkpoint
from small_models import model_over


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A finished run of two tasks, trained by the command line on data and a recipe of a user's own."""
    folder = tmp_path_factory.mktemp("user")
    rows = [f"{n}\t{'good' if n % 2 else 'bad'} film\t{'yes' if n % 2 else 'no'}" for n in range(20)]
    for split in ("train", "dev"):
        (folder / f"liked-{split}.tsv").write_text("\n".join(["id\twords\tliked", *rows]) + "\n")
        pairs = [{"a": "good film", "b": "bad film" if n % 2 else "good film", "same": (n + 1) % 2} for n in range(12)]
        (folder / f"same-{split}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    recipe = {
        "data": ".",
        "encoder": {"name": str(tiny_encoder)},
        "tasks": {
            "liked": {
                "kind": "classification",
                "classes": ["no", "yes"],
                "files": {"train": "liked-train.tsv", "dev": "liked-dev.tsv"},
                "text": "words",
                "label": "liked",
            },
            "same": {
                "kind": "binary",
                "files": {"train": "same-train.jsonl", "dev": "same-dev.jsonl"},
                "text": ["a", "b"],
                "label": "same",
                "pair": "cross",
            },
        },
        "training": {"epochs": 1, "head_start": "random"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    result = minbert("train", folder / "recipe.yaml", "--out", folder / "run")
    assert result.returncode == 0, result.stderr
    kept = json.loads((folder / "run/metrics.json").read_text())["best_step"]
    assert f"dev scores of the kept model (step {kept} of " in result.stdout
    assert "majority" in result.stdout
    return folder


def test_recipes_can_be_listed_shown_and_copied(tmp_path: Path) -> None:
    listed = minbert("recipes").stdout
    assert "quickstart" in listed
    assert "cs224n/multitask" in listed
    copy = tmp_path / "mine.yaml"
    assert minbert("recipes", "copy", "cs224n/sst", copy).returncode == 0
    assert copy.read_text() == minbert("recipes", "show", "cs224n/sst").stdout
    complains(minbert("recipes", "copy", "cs224n/sst", copy), "exists already")
    complains(minbert("recipes", "show", "cs224n/sts2"), "did you mean 'cs224n/sts'")


def test_methods_name_their_sources_keys_and_rooms() -> None:
    out = minbert("methods").stdout
    assert out.startswith("FAMILY (the recipe keys that choose one of its methods; the folder of its code):\n")
    for word in ("schedule (schedule.method; data/schedules):", "annealed", "Stickland", "mse"):
        assert word in out
    for family in ("head", "loss", "regularization"):
        assert f"\n{family} (tasks.NAME.{family}; " in out
    assert "augmentation (tasks.NAME.augmentation, corpora.NAME.augmentation; augmentation):" in out


def test_predict_texts_files_and_streams_agree(trained: Path, tmp_path: Path) -> None:
    run = trained / "run"
    shown = minbert("predict", run, "--task", "liked", "good film", "a [odd] text").stdout
    assert "good film" in shown
    assert "a [odd] text" in shown
    source = tmp_path / "in.tsv"
    source.write_text("key\twords\n" + "".join(f"k{n}\tgood film {n}\n" for n in range(30)))
    table = tmp_path / "out.tsv"
    result = minbert("predict", run, "--task", "liked", "--input", source, "--id", "key", "--output", table)
    assert result.returncode == 0, result.stderr
    assert f"{table}: 30 rows" in result.stderr
    lines = table.read_text().splitlines()
    assert lines[0].split("\t") == ["id", "prediction", "probability_no", "probability_yes"]
    assert [line.split("\t")[0] for line in lines[1:]] == [f"k{n}" for n in range(30)]
    assert all(abs(sum(map(float, line.split("\t")[2:])) - 1) < 1e-5 for line in lines[1:])
    piped = minbert("predict", run, "--task", "liked", "--input", "-", "--id", "key", stdin=source.read_text())
    assert piped.stdout == table.read_text()

    pairs = '{"left": "good film", "right": "bad film"}\n'
    jsonl = tmp_path / "out.jsonl"
    words = ["--task", "same", "--input", "-", "--text", "left", "--text", "right", "--output", jsonl]
    assert minbert("predict", run, *words, stdin=pairs).returncode == 0
    assert set(json.loads(jsonl.read_text())) == {"id", "prediction", "probability_0", "probability_1"}
    assert "good film | bad film" in minbert("predict", run, "--task", "same", "good film", "bad film").stdout


def test_several_tasks_are_asked_at_once_if_they_take_the_same_texts(
    trained: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    pair = ["--task", "liked", "--task", "same"]
    told = "'liked' takes single texts and 'same' pairs. Ask them in two calls."
    complains(minbert("predict", trained / "run", *pair, "good film"), told)
    kinds = {
        "mood": {"kind": "classification", "classes": ["low", "high"]},
        "stars": {"kind": "regression", "range": [0, 5]},
    }
    model_over(tiny_encoder, kinds, 64, seed=0).save_pretrained(tmp_path / "two")
    shown = minbert("predict", tmp_path / "two", "--task", "stars", "--task", "mood", "good film")
    lines = [line.split()[0] for line in shown.stdout.splitlines()]
    assert lines[:3] == ["stars", "prediction", lines[2]]
    assert lines[3:5] == ["mood", "prediction"]
    assert lines[5] in ("low", "high")
    assert "'mood' is read as a text; if you mean the task: --task mood" not in shown.stderr
    taken = minbert("predict", tmp_path / "two", "--task", "stars", "mood")
    assert "'mood' is read as a text; if you mean the task: --task mood" in taken.stderr


def test_a_text_that_is_a_files_name_is_read_as_a_text_with_a_word_about_it(trained: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("good film\nbad film\n")
    told = f"'{texts}' is read as a text; if you mean the file: --input {texts}"
    shown = minbert("predict", trained / "run", "--task", "liked", texts, "none.txt", "long" * 5000 + ".txt")
    assert [line for line in shown.stderr.splitlines() if "is read as a text" in line] == [told]
    rows = minbert("predict", trained / "run", "--task", "liked", "--input", texts).stdout.splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["1", "2"]


def test_the_only_task_needs_no_name_and_of_several_all_are_told(trained: Path, tmp_path: Path) -> None:
    complains(minbert("predict", trained / "run", "good film"), "name one, or more, with --task: liked, same.")
    words = ["--set", "tasks.same=null", "--out", tmp_path / "one"]
    assert minbert("train", trained / "recipe.yaml", *words).returncode == 0
    shown = minbert("predict", tmp_path / "one", "good film")
    assert shown.stdout == minbert("predict", tmp_path / "one", "--task", "liked", "good film").stdout
    assert "good film" in shown.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train quickstart --seed 1_0", "'--seed': '1_0' is no seed"),
        ("train quickstart --seed １０", "'--seed': '１０' is no seed"),
        ("pretrain pretrain/sample --seed 1.5", "'--seed': '1.5' is no seed"),
        ("augment in.csv --text t --method swap --output o.csv --seed -1", "'--seed': '-1' is no seed"),
        ("augment in.csv --text t --method swap --output o.csv --copies 1_0", "'--copies': '1_0' is no whole number"),
        ("sweep quickstart --out s --trials 1_0", "'--trials': '1_0' is no whole number from 1"),
        ("sweep quickstart --out s --seconds nan", "'--seconds': 'nan' is no number of seconds"),
        ("sweep quickstart --out s --seeds ３", "--seeds ３: give how many"),
        ("train quickstart --set tasks.sentiment.rows=１０%", "'１０%' is no amount of rows"),
    ],
)
def test_numbers_are_written_in_decimal_digits(words: str, told: str, tmp_path: Path) -> None:
    complains(minbert(*words.split(), cwd=tmp_path), told)
    assert not list(tmp_path.iterdir())


def test_a_bad_row_in_the_middle_leaves_no_output(trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.tsv", tmp_path / "out.tsv"
    source.write_text("words\n" + "good film\n" * 3000 + "one\ttoo many\n")
    complains(minbert("predict", trained / "run", "--task", "liked", "--input", source, "--output", out), "3002")
    assert list(tmp_path.iterdir()) == [source]
    complains(minbert("predict", trained / "run", "--task", "liked", "--input", source, "--text", "word"), "'words'")
    twice = ("--text", "words", "--text", "words")
    complains(minbert("predict", trained / "run", "--task", "liked", "--input", source, *twice), "give --text once")
    complains(minbert("predict", trained / "run", "--task", "same", "--input", source, *twice[:2]), "give --text twice")


def test_an_empty_text_is_answered_and_told(trained: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.tsv"
    source.write_text("words\tid\n \tx\ngood film\ty\n")
    result = minbert("predict", trained / "run", "--task", "liked", "--input", source)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["id", "x", "y"]
    assert "1 row has an empty text" in result.stderr
    again = minbert("encode", trained / "run", "--text", "words", "--input", source, "--output", tmp_path / "out.npy")
    assert "1 row has an empty text" in again.stderr
    given = minbert("predict", trained / "run", "--task", "liked", "good film", "", " ")
    assert "2 rows have an empty text. Their answer means nothing" in given.stderr
    pairs = minbert("predict", trained / "run", "--task", "same", "good film", "", "good", "film")
    assert "1 row has an empty text. Its answer means nothing" in pairs.stderr


def test_encode_writes_a_vector_a_row(trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "vectors.npy"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["good film", "rice", "good film"]))
    result = minbert("encode", trained / "run", "--input", source, "--output", out)
    assert result.returncode == 0, result.stderr
    vectors = np.load(out)
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
    source.write_text("".join(json.dumps({"text": text, "key": text[:2]}) + "\n" for text in ["good film", "rice"]))
    table = tmp_path / "vectors.parquet"
    result = minbert("encode", trained / "run", "--input", source, "--id", "key", "--output", table)
    assert f"{table}: 2 vectors of 32 numbers" in result.stderr
    found = pyarrow.parquet.read_table(table)
    assert found.column("id").to_pylist() == ["go", "ri"]
    assert np.array_equal(np.array(found.column("vector").to_pylist(), np.float32), vectors[:2])
    words = ["--input", source, "--id", "key", "--output", tmp_path / "more.npy"]
    complains(minbert("encode", trained / "run", *words), "ids go with --output FILE.parquet")


def test_a_file_without_rows_is_answered_alike(trained: Path, tmp_path: Path) -> None:
    source, table, vectors = tmp_path / "in.tsv", tmp_path / "out.tsv", tmp_path / "out.npy"
    source.write_text("words\n")
    predicted = minbert("predict", trained / "run", "--task", "liked", "--input", source, "--output", table)
    encoded = minbert("encode", trained / "run", "--input", source, "--text", "words", "--output", vectors)
    assert (predicted.returncode, encoded.returncode) == (0, 0), predicted.stderr + encoded.stderr
    assert table.read_text() == "id\tprediction\tprobability_no\tprobability_yes\n"
    assert np.load(vectors).shape == (0, 32)


def test_a_file_that_needs_another_name_is_told_so_and_never_read_as_whole_lines(trained: Path, tmp_path: Path) -> None:
    predict = ["predict", trained / "run", "--task", "liked", "--input"]
    commas = 'id,words\n1,"good film, and so on"\n'
    assert minbert(*predict, "-", stdin=commas).stdout.splitlines()[1].startswith("1\t")
    (tmp_path / "in.tsv").write_text(commas)
    complains(minbert(*predict, tmp_path / "in.tsv"), "in.tsv:1: the header has no tab", "ends in .csv")
    (tmp_path / "in.jsonl").write_text('{"words": ["good", "film"]}\n')
    complains(minbert(*predict, tmp_path / "in.jsonl"), "in.jsonl:1: column 'words' holds a list")
    (tmp_path / "in.csv").write_bytes("words\ngood f\xeflm\n".encode("latin-1"))
    complains(
        minbert(*predict, tmp_path / "in.csv"), "in.csv:2: not UTF-8 (byte 0xef", "iconv -f WINDOWS-1252 -t UTF-8"
    )


def test_cut_texts_are_told_beside_the_answers(trained: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.tsv"
    source.write_text(f"words\n{'good film ' * 50}\nbad film\n")
    told = "1 of 2 sequences are cut to 64 tokens"
    piped = minbert("predict", trained / "run", "--task", "liked", "--input", source)
    assert told in piped.stderr and "cut" not in piped.stdout
    shown = minbert("predict", trained / "run", "--task", "liked", "good film " * 50, "bad film")
    assert told in shown.stderr and "cut" not in shown.stdout
    vectors = minbert("encode", trained / "run", "--input", source, "--text", "words", "--output", tmp_path / "v.npy")
    assert told in vectors.stderr
    recipe = yaml.safe_load((trained / "recipe.yaml").read_text())
    recipe["tasks"] = {"liked": recipe["tasks"]["liked"] | {"files": {"dev": "in.tsv"}, "label": "label"}}
    (tmp_path / "in.tsv").write_text(f"words\tlabel\n{'good film ' * 50}\tyes\nbad film\tno\n")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert "1 sequence longer than 64 tokens, and so cut" in minbert("data", "check", tmp_path / "recipe.yaml").stdout


def test_encode_says_that_it_takes_a_run_and_a_file(trained: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    complains(minbert("encode", trained / "run", "A text"), "encode reads texts from --input FILE only")
    complains(minbert("encode", trained / "run"), "--input")
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "rice"}\n')
    words = ["--input", source, "--output", tmp_path / "vectors.npy"]
    complains(minbert("encode", tiny_encoder, *words), "an encoder without tasks", "sentence-transformers gives its")


def test_evaluate_repeats_the_scores(trained: Path) -> None:
    scores = json.loads((trained / "run/metrics.json").read_text())["dev"]
    out = minbert("evaluate", trained / "run").stdout
    assert f"{scores['liked']['accuracy']:.4f}" in out
    complains(minbert("evaluate", trained / "run", "--split", "test"), "no test file")
    complains(minbert("evaluate", trained), "model.safetensors")
    complains(minbert("evaluate", trained / "nothing"), "no run folder")


def test_dry_run_prints_a_plan_and_writes_nothing(trained: Path, tmp_path: Path) -> None:
    result = minbert("train", trained / "recipe.yaml", "--dry-run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "real tokens" in result.stdout
    assert not list(tmp_path.iterdir())


def test_a_dry_run_looks_at_out_as_training_would(trained: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    plan = ("train", trained / "recipe.yaml", "--dry-run", "--out")
    complains(minbert(*plan, trained / "run"), "holds a finished run of this recipe. Choose another --out")
    complains(minbert(*plan, trained / "run", "--set", "training.epochs=9"), "holds a run of another recipe")
    complains(minbert(*plan, trained.parent), "is not empty and no run of minbert's")
    complains(minbert(*plan, trained / "recipe.yaml"), "recipe.yaml: is a file; choose another --out")
    with claimed(trained / "run"):
        complains(minbert(*plan, trained / "run", "--resume"), "another process works in it")
    assert minbert(*plan, tmp_path / "new/run").returncode == 0
    assert not list(tmp_path.iterdir())
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == before


def test_data_check_tells_every_bad_row_and_exits_2(trained: Path) -> None:
    good = minbert(
        "data",
        "check",
        trained / "recipe.yaml",
        "--encoder",
        yaml.safe_load((trained / "recipe.yaml").read_text())["encoder"]["name"],
    )
    assert good.returncode == 0, good.stderr + good.stdout
    broken = trained / "broken"
    broken.mkdir()
    for file in trained.glob("*-*"):
        (broken / file.name).write_bytes(file.read_bytes())
    with (broken / "liked-dev.tsv").open("a") as file:
        file.write("20\tgood\tmaybe\n21\t\tyes\n0\tgood\tyes\n")
    bad = minbert("data", "check", trained / "recipe.yaml", "--data", broken, "--encoder", "minilm")
    if "not installed" in bad.stderr:
        pytest.skip("the embedded encoder is not installed")
    assert bad.returncode == 2
    for line in ("liked-dev.tsv:22", "liked-dev.tsv:23", "liked-dev.tsv"):
        assert line in bad.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_exit_code_tells_it(
    two_tasks_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    words = ["train", str(two_tasks_file), "--set", "training.epochs=5000", "--out", str(out)]
    with started(*words) as process:
        wait_for(out / "history.jsonl", lines=2)  # it trains: before the first step Ctrl-C ends it at once
        process.send(number)
        result = process.ended()
    assert result.returncode == 128 + number, result.stdout + result.stderr
    assert "--resume" in result.stdout
    assert "Traceback" not in result.stderr
    assert newest_checkpoint(out)
    assert not (out / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "quickstrat"], ["did you mean 'quickstart'"]),
        (["train", "quickstart", "--data", "/no/such/folder"], ["/no/such/folder"]),
        (["train", "quickstart", "--set", "training.epoch=2"], ["did you mean 'epochs'"]),
        (["train", "quickstart", "--encoder", "/no/such/encoder"], ["/no/such/encoder"]),
        (["predict", "/no/such/run", "--task", "sentiment", "x"], ["/no/such/run"]),
        (["predict", "/no/such/run", "--task", "sentiment"], ["either texts, or --input"]),
        (["data", "check", "/no/such/recipe"], ["/no/such/recipe"]),
        (["train"], ["--data DIR"]),
        (["sweep"], ["Missing argument"]),
        (["frobnicate"], ["frobnicate"]),
    ],
)
def test_wrong_commands_are_one_message_and_exit_2(words: list[str], expected: list[str], tmp_path: Path) -> None:
    complains(minbert(*words, cwd=tmp_path), *expected)
    assert not list(tmp_path.iterdir())


def test_bad_data_is_named_by_file_and_line_and_nothing_is_written(two_tasks_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "data/mood-train.tsv"
    good = file.read_bytes()
    cases = {
        b"extra\tgood film\t3\n": ":26: label '3'",
        b"extra\t \t1\n": ":26: no text",
        b"extra\tgood film\n": ":26:",
        b"extra\tgood \xff film\t1\n": ":26:",
        b"extra\tgood \x00 film\t1\n": ":26:",
        b"mtrain3\tgood film\t1\n": ":26: the id 'mtrain3'",
    }
    for bad, message in cases.items():
        file.write_bytes(good + bad)
        complains(minbert("train", two_tasks_file, "--out", tmp_path / "run"), f"mood-train.tsv{message}")
    file.write_bytes(good.replace(b"label", b"lable", 1))
    complains(minbert("train", two_tasks_file, "--out", tmp_path / "run"), "'label'", "lable")
    file.write_bytes(b"id\ttext\tlabel\textra\n" + good.split(b"\n", 1)[1])
    complains(minbert("train", two_tasks_file, "--out", tmp_path / "run"), "mood-train.tsv")
    file.unlink()
    complains(minbert("train", two_tasks_file, "--out", tmp_path / "run"), "mood-train.tsv", "no such file")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_message_and_the_old_run_survives(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with full_disk(20_000):
        result = minbert("train", trained / "recipe.yaml", "--out", out)
    complains(result, "cannot be written")
    assert not [path for path in out.rglob("*") if path.is_file() and "partial" in path.name]
    assert not (out / "model.safetensors").exists()


def test_a_dry_run_looks_at_trackers_too() -> None:
    complains(minbert("train", "quickstart", "--dry-run", "--track", "tensorbord"), "did you mean 'tensorboard'")
