"""What transformers and sentence-transformers read of an exported model is what minbert says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

import exported
from command_line import complains, minbert
from minbert.encoder.architectures import Architecture
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.export.exporting import export_model, find_format
from minbert.multitask.adapters import Adapters
from minbert.multitask.inference import task_logits
from minbert.multitask.model import MultitaskModel
from minbert.multitask.shared_layers import SharedLayer
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")

PAGE = Path(__file__).parents[2] / "docs/export.md"
MAX_LENGTH = 24
WORDS = ["hello", "world", "this", "is", "a", "thing", "ok", "more", "words", "quick", "brown", "fox", "lazy", "dogs"]
CLASSES = ["low", "no score", "high"]
KINDS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": CLASSES},
    "spam": {"kind": "binary"},
    "tags": {"kind": "multilabel", "classes": CLASSES},
    "stars": {"kind": "regression", "range": [0, 5]},
}
FAMILIES = sorted(Architecture.members)
WITH_CLASSIFIER = [name for name in FAMILIES if Architecture.members[name].classifier_activation]


def texts() -> list[str]:
    """Return texts of one word to more than fit."""
    random = np.random.default_rng(7)
    return [" ".join(random.choice(WORDS, size=size)) for size in (1, 2, 3, 5, 8, 13, 21, 34)]


def rows(pair: str | None) -> list[Any]:
    return texts() if pair is None else list(zip(texts(), reversed(texts()), strict=True))


@pytest.fixture(scope="module")
def build(tiny_encoder_of: Callable[[str], Path]) -> Callable[..., MultitaskModel]:
    def built(family: str, tasks: dict[str, Any], adapters: Any = "none", shared_layer: Any = "none") -> MultitaskModel:
        torch.manual_seed(5)
        encoder = tiny_encoder_of(family)
        model = MultitaskModel(
            load_encoder(str(encoder)),
            Tokenizer.from_files(encoder),
            {name: TaskSettings.model_validate(task) for name, task in tasks.items()},
            MAX_LENGTH,
            Adapters.model_validate(adapters),
            SharedLayer.model_validate(shared_layer),
        )
        with torch.no_grad():  # fresh weights are too small for any to matter
            for parameter in model.fresh_modules().parameters():
                parameter += 0.3 * torch.randn_like(parameter)
        return model.eval()

    return built


def written(model: MultitaskModel, form: str, folder: Path) -> Path:
    export_model(model, find_format(form), folder)
    return folder


def logits(model: MultitaskModel, task: str) -> NDArray[np.float32]:
    sequences = model.sequences(task, rows(model.task(task).pair))
    return np.asarray(task_logits(model, task, sequences, "fp32"))


def probabilities(model: MultitaskModel, task: str) -> NDArray[np.float64]:
    return np.asarray(model.task(task).kind.answers(torch.from_numpy(logits(model, task))))


def of_pipeline(folder: Path, asked: list[Any]) -> list[dict[str, float]]:
    """Return what transformers' pipeline says of texts or pairs: each label's score."""
    ask = transformers.pipeline("text-classification", str(folder), device="cpu")
    inputs = [row if isinstance(row, str) else {"text": row[0], "text_pair": row[1]} for row in asked]
    return [{told["label"]: told["score"] for told in ask(row, top_k=None, truncation=True)} for row in inputs]


def for_classifier(family: str) -> dict[str, Any]:
    """Return the settings of a task that the family's classifier in transformers can hold."""
    if family == "distilbert":
        return {"pooling": "cls", "head": {"name": "mlp", "widths": [32]}}
    return {"pooling": "pooler"}


@pytest.mark.parametrize("family", WITH_CLASSIFIER)
def test_transformers_classifies_as_minbert_does(family: str, build: Any, tmp_path: Path) -> None:
    tasks = KINDS if family == "bert" else {"mood": KINDS["mood"]}
    settings = for_classifier(family)
    tasks = {name: task | settings for name, task in tasks.items()} | {
        "same": {"kind": "binary", "pair": "cross"} | settings
    }
    model = build(family, tasks)
    folder = written(model, "transformers", tmp_path / "out")
    for name, task in model.tasks.items():
        expected, labels = probabilities(model, name), task.kind.class_names or [name]
        told = of_pipeline(folder / name, rows(task.pair))
        found = np.array([[scores[label] for label in labels] for scores in told])
        np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-5)
        if task.kind.problem_type == "single_label_classification":
            assert [labels[row] for row in found.argmax(1)] == model.predict(name, rows(task.pair)).names
    _, told = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "mood", output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]


def test_the_encoder_is_there_by_itself(build: Any, tmp_path: Path) -> None:
    """With an adapter that all tasks share merged into it."""
    model = build("bert", {"mood": KINDS["mood"] | {"pooling": "pooler"}}, {"name": "lora", "rank": 2})
    expected = model.encode(texts())
    for form in ("transformers", "sentence-transformers"):
        folder = written(model, form, tmp_path / form)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        inputs = tokenizer(texts(), padding=True, truncation=True, return_tensors="pt")
        assert inputs["input_ids"].shape[1] == MAX_LENGTH
        with torch.no_grad():
            states = transformers.AutoModel.from_pretrained(folder)(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        np.testing.assert_allclose((states * mask).sum(1) / mask.sum(1), expected, atol=1e-5)
    found = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(texts())
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert (1 - (found * expected).sum(1) / lengths).max() < 1e-6
    mood = sentence_transformers.SentenceTransformer(str(folder / "mood"), device="cpu").encode(texts())
    np.testing.assert_allclose(mood, logits(model, "mood"), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_sentence_transformers_gives_logits_probabilities_and_similarities(
    family: str, build: Any, tmp_path: Path
) -> None:
    tasks: dict[str, Any] = {
        "mood": KINDS["mood"],
        "same": {"kind": "binary", "pair": "cross"},
        "close": {"kind": "regression", "range": [1, 5], "pair": "bi", "head": "cosine"},
    }
    if family == "bert":
        tasks |= {
            "deep": KINDS["tags"] | {"pooling": "cls", "head": {"name": "mlp", "widths": [16, 8]}},
            "entails": {"kind": "classification", "classes": CLASSES, "pair": "cross", "pooling": "pooler"},
            "labels": {"kind": "multilabel", "classes": CLASSES, "pair": "cross", "head": "mlp"},
            "score": {"kind": "regression", "range": [0, 5], "pair": "cross", "pooling": "cls"},
            "wide": tasks["close"] | {"pooling": "pooler", "head": {"name": "cosine", "lowest_cosine": -1}},
        }
    model = build(family, tasks)
    folder = written(model, "sentence-transformers", tmp_path / "out")
    for name, task in model.tasks.items():
        place, expected = str(folder / name), logits(model, name)
        if task.pair == "cross":
            encoder = sentence_transformers.CrossEncoder(place, device="cpu")
            softmax = task.kind.name == "classification"
            found = encoder.predict(rows("cross"), apply_softmax=softmax)
            answers = probabilities(model, name)
            np.testing.assert_allclose(found, answers[:, 1] if name == "same" else answers, atol=1e-5)
            if task.kind.outputs == 1:
                ranked = encoder.rank(texts()[0], texts()[1:])
                assert len(ranked) == len(texts()) - 1
            continue
        vectors = sentence_transformers.SentenceTransformer(place, device="cpu")
        if task.pair is None:
            np.testing.assert_allclose(vectors.encode(texts()), expected, atol=1e-5)
            continue
        first, second = (vectors.encode([row[side] for row in rows("bi")]) for side in (0, 1))
        cosines = np.diag(vectors.similarity(first, second))
        low, high = task.kind.bounds or (0, 1)
        shares = (cosines + 1) / 2 if name == "wide" else cosines
        np.testing.assert_allclose(low + (high - low) * shares, expected[:, 0], atol=1e-5)


def test_what_pages_show_works(build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole folder's page and each task's."""
    settings = {"pooling": "pooler"}
    tasks = {name: task | settings for name, task in KINDS.items()} | {
        "same": {"kind": "binary", "pair": "cross"} | settings,
        "entails": {"kind": "classification", "classes": CLASSES, "pair": "cross"} | settings,
    }
    folder = written(build("bert", tasks), "transformers", tmp_path / "one")
    run_pages(folder)
    close = {"close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"}}
    folder = written(build("bert", tasks | close), "sentence-transformers", tmp_path / "two")
    run_pages(folder)
    assert "tensor([[" in capsys.readouterr().out


def run_pages(folder: Path) -> None:
    """Run what the whole folder's page says of the encoder, and each task's page of the task."""
    for page in folder.rglob("README.md"):
        code, *others = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        exec(code.replace("PATH-OR-HUB-ID", str(page.parent)), {})
        assert all('"FOLDER/' in other for other in others)


def metadata(folder: Path) -> dict[str, Any]:
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(head)
    return read


def test_each_folder_tells_the_hub_what_it_does(build: Any, tmp_path: Path) -> None:
    tasks = {
        "mood": KINDS["mood"],
        "same": {"kind": "binary", "pair": "cross"},
        "entails": {"kind": "classification", "classes": CLASSES, "pair": "cross"},
        "close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"},
    }
    folder = written(build("bert", tasks), "sentence-transformers", tmp_path / "out")
    told = {name: metadata(folder / name) for name in tasks}
    assert {name: told[name]["pipeline_tag"] for name in tasks} == {
        "mood": "text-classification",
        "same": "text-ranking",
        "entails": "text-classification",
        "close": "sentence-similarity",
    }
    assert set(told["mood"]["widget"][0]) == {"text"}
    assert set(told["close"]["widget"][0]) == set(metadata(folder)["widget"][0]) == {"source_sentence", "sentences"}
    assert "widget" not in told["same"]  # none takes pairs
    assert metadata(folder)["pipeline_tag"] == "sentence-similarity"
    assert {each["library_name"] for each in told.values()} == {"sentence-transformers"}


@pytest.mark.parametrize("form", ["transformers", "sentence-transformers"])
def test_what_cannot_be_carried_is_refused(form: str, build: Any, tmp_path: Path) -> None:
    linear = {"pooling": "pooler"}
    pair = {"kind": "binary", "pair": "bi"}
    refused: list[tuple[str, Any, str]] = [
        ("bi", (pair,), "several vectors"),
        ("both", (pair | {"pair": "both"},), "several vectors"),
        ("joint", ({"kind": "regression", "range": [0, 5], "pair": "joint", "head": "cosine"},), "several vectors"),
        ("depth", (KINDS["mood"] | {"head": "depth"} | linear,), "more than linear layers"),
        ("coral", ({"kind": "ordinal", "classes": 3, "head": "coral"} | linear,), "more than linear layers"),
        ("scores", (KINDS["stars"] | {"head": "scale_softmax"} | linear,), "more than linear layers"),
        ("own", (KINDS["mood"] | linear, {"name": "lora", "rank": 2, "per_task": True}), "its own adapter"),
        ("pals", (KINDS["mood"] | linear, "pals"), "its own adapter"),
        ("lstm", (KINDS["mood"] | linear, "none", "bilstm"), "shared layer"),
    ]
    for name, (task, *sharing), reason in refused:
        with pytest.raises(UserError, match=rf"{form} cannot carry task '{name}': .*{reason}"):
            written(build("bert", {name: task}, *sharing), form, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("family", "task", "reason"),
    [
        ("bert", KINDS["mood"], "classifier of this family is one layer over the pooler's output"),
        ("roberta", KINDS["mood"] | {"pooling": "cls"}, "is one layer over the pooler's output"),
        ("bert", KINDS["mood"] | {"pooling": "pooler", "head": "mlp"}, "is one layer over the pooler's output"),
        (
            "distilbert",
            KINDS["mood"] | {"pooling": "cls"},
            "is two layers with a ReLU",
        ),
        ("distilbert", KINDS["mood"] | {"head": {"name": "mlp", "widths": [32]}}, "'pooling: cls'"),
        ("electra", KINDS["mood"] | {"pooling": "cls"}, "a GELU between them"),
        ("modernbert", KINDS["mood"] | {"pooling": "cls"}, "a norm between them"),
    ],
)
def test_another_algebra_than_the_classifiers_is_refused_by_transformers(
    family: str, task: Any, reason: str, build: Any, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=reason) as error:
        written(build(family, {"mood": task}), "transformers", tmp_path / "out")
    assert "--to sentence-transformers" in str(error.value)


def test_a_decision_of_minberts_own_is_told(build: Any, tmp_path: Path) -> None:
    decided = {
        "spam": KINDS["spam"] | {"threshold": 0.3},
        "tags": KINDS["tags"] | {"thresholds": {"low": 0.25, "high": 0.75}},
        "stars": KINDS["stars"],
        "grade": {"kind": "ordinal", "classes": 3},
    }
    model = build("bert", {name: task | {"pooling": "pooler"} for name, task in decided.items()})
    written(model, "transformers", tmp_path / "out")
    pages = {name: (tmp_path / f"out/{name}/README.md").read_text() for name in decided}
    assert "By yourself: yes is to be answered from a probability of 0.3 on." in pages["spam"]
    assert "low 0.25, high 0.75" in pages["tags"]
    assert "cut off at the ends of the range, 0 and 5" in pages["stars"]
    assert "the median of the probabilities" in pages["grade"]


@pytest.mark.parametrize("what", ["run", "transformers", "sentence-transformers", "sentence-transformers/mood"])
def test_a_cross_encoder_of_an_encoder_alone_fails(what: str, build: Any, tmp_path: Path) -> None:
    model = build("bert", {"mood": KINDS["mood"] | {"pooling": "pooler"}})
    if what == "run":
        model.save_pretrained(tmp_path / "run")
    else:
        written(model, what.partition("/")[0], tmp_path / what.partition("/")[0])
    with pytest.raises(ImportError, match="NO_CLASSIFIER_IS_HERE"):
        sentence_transformers.CrossEncoder(str(tmp_path / what), device="cpu")


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("camembert", "xlm-roberta")])
def test_a_special_token_in_a_text_is_text_to_transformers_too(family: str, build: Any, tmp_path: Path) -> None:
    """The two left out find it as a piece of their own vocabulary."""
    model = build(family, {"mood": KINDS["mood"]})
    folder = written(model, "sentence-transformers", tmp_path / "out")
    text = "hello [SEP] world </s> ok"
    ids = transformers.AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    assert ids == model.single_texts([text]).pack(np.array([0])).token_ids.tolist()


def test_a_task_named_like_a_path_is_refused(build: Any, tmp_path: Path) -> None:
    model = build("bert", {"/out": KINDS["mood"]})
    with pytest.raises(UserError, match="is no name for a task"):
        written(model, "sentence-transformers", tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_the_command(build: Any, tmp_path: Path) -> None:
    build("bert", {"mood": KINDS["mood"], "same": {"kind": "binary", "pair": "cross"}}).save_pretrained(
        tmp_path / "run"
    )
    done = minbert("export", tmp_path / "run", "--to", "sentence-transformers", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "mood: logits only (encode gives the logits" in done.stdout
    assert "same: exact\n" in done.stdout
    complains(
        minbert("export", tmp_path / "run", "--to", "transformers", tmp_path / "more"),
        "transformers cannot carry task 'mood'",
        "--to sentence-transformers",
    )


def test_the_examples_of_the_page(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {
        "mood": KINDS["mood"] | {"pooling": "pooler"},
        "same": {"kind": "binary", "pair": "cross"} | {"pooling": "pooler"},
        "close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"},
    }
    monkeypatch.chdir(tmp_path)
    build("bert", tasks).save_pretrained("runs/mine")
    _, _, sections = PAGE.read_text(encoding="utf-8").partition("\n## transformers\n")
    codes = 0
    for kind, code in re.findall(r"```(console|python)\n(.*?)```", sections, re.DOTALL):
        if kind == "python":
            exec(code, {})
            codes += 1
            continue
        for line in re.findall(r"^\$ minbert (.*)", code, re.MULTILINE):
            done = minbert(*line.split(), *["--dry-run"] * line.startswith("push"))
            assert done.returncode == 0, done.stderr
    assert codes == 2


def test_the_benchmark_finds_no_difference(build: Any, tmp_path: Path) -> None:
    for form in ("transformers", "sentence-transformers"):  # a graph takes ten seconds, and test_onnx has one
        tasks = exported.TASKS[form]
        model = build("bert", tasks)
        folder = written(model, form, tmp_path / form)
        assert float(exported.of_vectors(model, folder, texts())) < 1e-6
        for task in tasks:
            _, worst, same = exported.compared(model, task, texts(), exported.READERS[form](folder / task))
            assert float(worst) < 1e-5
            assert not same or len(set(same.split(" of "))) == 1
