"""The exported graph: one file, one encoder pass, and the answers of the run it came from."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from padded_models import KINDS, SHARING, model_of, texts_of

from command_line import complains, minbert
from minbert.export.exporting import export_model, find_format
from minbert.export.onnx.session import OnnxModel, padded
from minbert.multitask.model import MultitaskModel
from minbert.tasks.kinds import Kind

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TASKS = {
    "sentiment": KINDS["classification"],
    "topics": KINDS["multilabel"] | {"pooling": "cls"},
    "paraphrase": KINDS["binary"] | {"pair": "cross", "pooling": "pooler"},
    "similarity": KINDS["regression"] | {"pair": "both"},
    "stars-given": KINDS["ordinal"] | {"pair": "joint", "head": "coral"},
}


PAGE = Path(__file__).parents[2] / "docs/export.md"


@pytest.fixture(scope="module")
def run(tiny_encoder_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder, as a run leaves it, where the page of the documentation has it."""
    folder = tmp_path_factory.mktemp("models") / "runs/quickstart"
    model_of(tiny_encoder_of("bert"), TASKS).save_pretrained(folder)
    return folder


def commands_of_the_page() -> list[list[str]]:
    examples = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for example in examples for line in example.splitlines()]
    return [shlex.split(line, comments=True)[2:] for line in lines if line.startswith("$ minbert ")]


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """What is exported of it, by the command of the page."""
    words = next(words for words in commands_of_the_page() if "onnx" in words)
    assert words == ["export", "runs/quickstart", "--to", "onnx", "exported"]
    told = minbert(*words, cwd=run.parents[1])
    assert told.returncode == 0, told.stderr
    assert [line for line in told.stdout.splitlines() if ": exact" in line] == [f"{task}: exact" for task in TASKS]
    return run.parents[1] / "exported"


def test_the_commands_of_the_page_that_ask_an_exported_model_work(exported: Path) -> None:
    (exported.parent / "pairs.tsv").write_text("first\tsecond\nhello\tworld\n")
    asking = [words for words in commands_of_the_page() if "--engine" in words]
    assert len(asking) >= 2
    for words in asking:
        told = minbert(*words, cwd=exported.parent)
        assert told.returncode == 0, (words, told.stderr)


@pytest.fixture(scope="module")
def ours(run: Path) -> MultitaskModel:
    return MultitaskModel.from_pretrained(run)


@pytest.fixture(scope="module")
def theirs(exported: Path) -> OnnxModel:
    return OnnxModel.from_folder(exported, threads=1)


def test_the_graph_is_one_file_with_the_products_of_one_encoder_and_the_heads(
    exported: Path, ours: MultitaskModel
) -> None:
    files = {path.name for path in exported.iterdir()}
    assert files == {
        *("README.md", "minbert.json", "model.onnx", "vocab.txt"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    }
    graph = onnx.load(exported / "model.onnx", load_external_data=False).graph
    onnx.checker.check_model(exported / "model.onnx")
    assert [value.name for value in graph.output] == ["sentence_embedding", *(f"{task}.logits" for task in TASKS)]
    assert [value.name for value in graph.input] == [
        *("input_ids", "attention_mask", "token_type_ids"),
        *(f"{task}.rows" for task in TASKS),
    ]
    counts = Counter(node.op_type for node in graph.node)
    layers = ours.encoder.config.layers
    of_heads = sum(isinstance(module, torch.nn.Linear) for module in ours.heads.modules())
    attention = 2  # queries with keys, probabilities with values
    assert counts["MatMul"] + counts["Gemm"] == layers * (4 + attention) + 1 + of_heads  # 1 is the pooler's
    assert counts["Softmax"] == layers
    assert not {"If", "Loop", "ScatterND", "ScatterElements"} & set(counts)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_answers_are_the_runs(rows: int, ours: MultitaskModel, theirs: OnnxModel) -> None:
    random = np.random.default_rng(rows)
    for name, task in ours.tasks.items():
        texts = texts_of(task, rows, random)
        expected, [found] = ours.predict(name, texts), theirs.predictions([name], theirs.sequences(name, texts))
        if expected.probabilities is None or found.probabilities is None:
            np.testing.assert_allclose(found.values, expected.values, atol=2e-5)
        else:
            np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
            assert found.names == expected.names


def test_another_number_format_is_refused_before_anything_is_written(exported: Path) -> None:
    source = exported.parent / "one.tsv"
    source.write_text("words\nhello\n")
    asking = ["--engine", "onnx", "--precision", "bf16", "--task", "topics", "--input", source, "--text", "words"]
    told = minbert("predict", exported, *asking)
    complains(told, "bf16 is not what an exported model computes in")
    assert told.stdout == ""


def test_several_tasks_are_answered_by_one_call(
    ours: MultitaskModel, theirs: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = texts_of(ours.tasks["sentiment"], 7, np.random.default_rng(7))
    run, asked = theirs._run, []
    monkeypatch.setattr(theirs, "_run", lambda outputs, inputs: asked.append(outputs) or run(outputs, inputs))
    tasks = ["topics", "sentiment"]
    found = theirs.predictions(tasks, theirs.sequences("topics", texts))
    assert asked == [["topics.logits", "sentiment.logits"]]
    for task, answers in zip(tasks, found, strict=True):
        np.testing.assert_allclose(answers.probabilities, ours.predict(task, texts).probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "sharing"),
    [
        ("electra", "nothing beside the encoder"),
        ("modernbert", "nothing beside the encoder"),
        ("mpnet", "pals and bilstm"),
    ],
)
def test_every_family_answers_batches_of_other_sizes_than_the_one_that_was_traced(
    family: str,
    sharing: str,
    tiny_encoder_of: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Tracing takes long, so of families of like parts there is one: mpnet has the parts of roberta and distilbert."""
    model = model_of(tiny_encoder_of(family), {"similarity": TASKS["similarity"]}, *SHARING[sharing])
    export_model(model, find_format("onnx"), tmp_path / "exported")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    theirs = OnnxModel.from_folder(tmp_path / "exported", threads=1)
    for rows in (1, 7):
        texts = texts_of(model.tasks["similarity"], rows, np.random.default_rng(rows))
        [found] = theirs.predictions(["similarity"], theirs.sequences("similarity", texts))
        np.testing.assert_allclose(found.values, model.predict("similarity", texts).values, atol=2e-5)


def test_embeddings_are_those_of_encode(ours: MultitaskModel, theirs: OnnxModel) -> None:
    texts = ["hello", "the quick brown fox " * 20, "hello", "don't"]
    np.testing.assert_allclose(theirs.vectors(theirs.reader.single_texts(texts)), ours.encode(texts), atol=1e-5)


@pytest.mark.parametrize("length", [3, 40, 68])
def test_more_padding_and_other_company_change_nothing(length: int, theirs: OnnxModel) -> None:
    texts = ["hello world", "a thing", "fox"]
    sequences = theirs.reader.single_texts(texts)
    given = padded(sequences, 0)
    longest = given["input_ids"].shape[1]
    wider = {name: np.pad(values, ((0, 2), (0, max(0, length - longest)))) for name, values in given.items()}
    wider["attention_mask"][3:, :1] = 1
    rows = {f"{name}.rows": np.zeros((1, task.sequences_per_row), np.int64) for name, task in theirs.tasks.items()}
    alone, in_company = (
        theirs.session.run(None, fed | rows | {"sentiment.rows": np.array([[2], [0]])}) for fed in (given, wider)
    )
    for one, other in zip(alone, in_company, strict=True):
        np.testing.assert_allclose(other[: len(one)], one, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_the_page_in_the_folder_says_how_to_ask(
    task: str, exported: Path, ours: MultitaskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (exported / "README.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    row = ["hello [SEP] world"] if ours.tasks[task].pair is None else ["hello [SEP] world", "the dogs " * 30]
    assert code.count(' "sentiment", ["A text of your own."]') == 1
    code = code.replace(' "sentiment", ["A text of your own."]', f" {task!r}, {row!r}")
    monkeypatch.chdir(exported)
    with contextlib.redirect_stdout(io.StringIO()):
        asked: dict[str, object] = {}
        exec(code.replace("print(", "found = ("), asked)
    texts = [row[0] if len(row) == 1 else tuple(row)]
    expected = task_logits_of(ours, task, texts)
    np.testing.assert_allclose(asked["found"][0], expected, atol=1e-5)  # type: ignore[index]


def task_logits_of(model: MultitaskModel, task: str, texts: list[object]) -> np.ndarray:
    from minbert.multitask.inference import task_logits

    return task_logits(model, task, model.sequences(task, texts), "fp32").numpy()  # type: ignore[arg-type]


def test_predict_answers_the_same_file_with_the_same_flags(run: Path, exported: Path, tmp_path: Path) -> None:
    lines = ["n\ta\tb", "x1\thello world\tfox", "x2\tdogs\t" + "the quick fox " * 30, "x3\thello world\tfox"]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n")
    told = {}
    for engine, folder, more in (("torch", run, ["--precision", "fp32"]), ("onnx", exported, [])):
        columns = ["--text", "a", "--text", "b", "--id", "n"]
        asked = ["--input", tmp_path / "pairs.tsv", *columns, "--engine", engine, *more]
        told[engine] = minbert("predict", folder, "--task", "paraphrase", *asked)
    expected, found = ([line.split("\t") for line in told[engine].stdout.splitlines()] for engine in ("torch", "onnx"))
    assert told["onnx"].stderr == told["torch"].stderr == "1 of 2 sequences are cut to 40 tokens\n"
    assert [line[:2] for line in found] == [line[:2] for line in expected]
    np.testing.assert_allclose(*(np.array([line[2:] for line in of[1:]], float) for of in (found, expected)), atol=1e-5)
    asked = ["--task", "sentiment", "--precision", "fp32", "hello [b] world", "--engine"]
    shown = [minbert("predict", folder, *asked, name).stdout for name, folder in (("torch", run), ("onnx", exported))]
    assert shown[0] == shown[1] != ""


def test_encode_writes_the_same_vectors(run: Path, exported: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nhello world\n" + "the quick fox " * 30 + "\nhello world\nfox\n", encoding="utf-8")
    vectors, told = [], []
    for folder, engine in ((run, "torch"), (exported, "onnx")):
        output = tmp_path / f"{engine}.npy"
        words = ["--input", texts, "--output", output, "--engine", engine]
        told.append(minbert("encode", folder, *words, *(["--precision", "fp32"] if engine == "torch" else [])))
        assert told[-1].returncode == 0, told[-1].stderr
        vectors.append(np.load(output))
    np.testing.assert_allclose(*vectors, atol=1e-5)
    assert told[0].stderr.replace("torch.npy", "onnx.npy") == told[1].stderr
    for word, value in (("pooling", "cls"), ("precision", "bf16")):
        output = tmp_path / "none.npy"
        words = ["--input", texts, "--output", output, "--engine", "onnx", f"--{word}", value]
        complains(minbert("encode", exported, *words), f"{word}: ", value, "Leave it out")
        assert not output.exists()


def test_what_cannot_be_asked_is_told(run: Path, exported: Path, tmp_path: Path) -> None:
    vectors, again = tmp_path / "vectors.npy", tmp_path / "again"
    for command, *words in (
        ["predict", "--task", "sentiment", "hi"],
        ["encode", "--input", "-", "--output", vectors],
        ["export", again, "--to", "onnx"],
        ["serve"],
    ):
        complains(minbert(command, exported, *words), "is an exported model", "predict --engine onnx", "give the run")
    complains(minbert("predict", run, "--task", "sentiment", "hi", "--engine", "onnx"), "minbert export RUN --to onnx")
    complains(minbert("predict", exported, "--engine", "onnx", "hi"), "has several tasks")
    complains(minbert("predict", exported, "--engine", "onnx", "--task", "sentimen", "hi"), "did you mean 'sentiment'?")
    bf16 = ["--precision", "bf16"]
    complains(minbert("predict", exported, "--engine", "onnx", "--task", "sentiment", "hi", *bf16), "computes in")
    with mock.patch.dict(sys.modules, onnxruntime=None):
        asked = minbert("predict", exported, "--engine", "onnx", "--task", "sentiment", "hi")
    complains(asked, "pip install 'minbert[onnx]'")
    for name, content in (("model.onnx", "half"), ("minbert.json", "{}"), ("minbert.json", '{"format": 2}')):
        broken = tmp_path / f"{name}-{len(content)}"
        broken.mkdir()
        for path in exported.iterdir():
            (broken / path.name).write_bytes(path.read_bytes() if path.name != name else content.encode())
        complains(minbert("predict", broken, "--engine", "onnx", "--task", "sentiment", "hi"), name)


@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_decide_as_the_kind_does(kind: str, exported: Path) -> None:
    """By what minbert.json says alone."""
    tasks = json.loads((exported / "minbert.json").read_text())["tasks"]
    about = next(task for task in tasks.values() if task["kind"] == kind)
    width = 1 if kind in ("binary", "regression") else len(about["classes"])
    logits = 4 * np.random.default_rng(3).normal(size=(50, width))
    activations = {
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "identity": lambda x: x,
    }
    answers = activations[about["activation"]](logits)
    rules = {
        "likeliest": lambda rule: answers.argmax(-1),  # noqa: ARG005
        "median": lambda rule: (answers.cumsum(-1) <= 0.5).sum(-1),  # noqa: ARG005
        "threshold": lambda rule: answers[:, 0] >= rule["threshold"],
        "thresholds": lambda rule: answers >= np.array(rule["thresholds"]),
        "clip": lambda rule: answers[:, 0].clip(*rule["range"]),
    }
    found = rules[about["decision"]["rule"]](about["decision"])
    settings = {key: about["recipe"][key] for key in Kind.members[kind].model_fields}
    decided = Kind.model_validate({"name": kind, **settings}).predictions(torch.from_numpy(logits))
    np.testing.assert_allclose(found.astype(float), decided.values)
