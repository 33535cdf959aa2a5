"""The page's model in node, where npm's packages are: MINBERT_NODE_MODULES names the folder that npm made."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from padded_models import KINDS, model_of

from minbert.encoder.architectures import Architecture
from minbert.export.formats import Format
from minbert.export.formats.browser import Browser
from minbert.export.onnx import graph
from minbert.multitask.inference import task_logits
from minbert.multitask.model import MultitaskModel

NODE, MODULES = shutil.which("node"), os.environ.get("MINBERT_NODE_MODULES")
TEXTS = ["hello world", "a [SEP] thing </s> [CLS]", "naïve café 漢字 😀 don't", "the quick brown fox " * 30, "dogs"]


@pytest.fixture
def written(tmp_path: Path, tiny_encoder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without its graph, which test_onnx looks at: making one takes ten seconds."""
    monkeypatch.setattr(graph, "write_graph", lambda padded, path: path.write_bytes(b"graph"))  # noqa: ARG005
    (tmp_path / "folder").mkdir()
    Browser().write(model_of(tiny_encoder_of("bert"), {"mood": KINDS["binary"]}), tmp_path / "folder")
    return tmp_path / "folder"


def test_the_folder_is_laid_out_as_transformers_js_has_it(written: Path) -> None:
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert {"onnx/model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json", "minbert.json"} <= names
    assert {"index.html", "page.css", "page.js", "minbert.js"} <= names
    assert json.loads((written / "config.json").read_text())["model_type"] == "bert"
    about = json.loads((written / "minbert.json").read_text())
    assert about["frame"] == {"start": [2], "between": [3], "end": [3]}


def test_the_page_asks_nobody_else_for_anything(written: Path) -> None:
    page = (written / "index.html").read_text()
    assert "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" in page
    for path in written.glob("*.*"):
        if path.suffix in (".html", ".js", ".css"):
            text = path.read_text(encoding="utf-8")
            assert "://" not in text
            assert not re.search(r"\b(style|on\w+)=", text)  # what the policy forbids
    for named in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (written / named).is_file()


@pytest.mark.skipif(NODE is None or MODULES is None, reason="needs node, and MINBERT_NODE_MODULES")
@pytest.mark.parametrize("family", sorted(Architecture.members))
def test_node_answers_as_the_run_does(family: str, tmp_path: Path, tiny_encoder_of: Callable[[str], Path]) -> None:
    tasks = {
        "mood": KINDS["classification"],
        "topics": KINDS["multilabel"] | {"pooling": "cls"},
        "same": KINDS["binary"] | {"pair": "cross"},
        "close": KINDS["regression"] | {"pair": "both"},
        "stars": KINDS["ordinal"] | {"pair": "joint", "head": "corn"},
    }
    model = model_of(tiny_encoder_of(family), tasks, {"name": "lora", "per_task": True})
    folder, questions = tmp_path / "folder", tmp_path / "questions.json"
    folder.mkdir()
    Format.members["browser"].write(model, folder)
    asked = {
        name: [[text] for text in TEXTS] if task.pair is None else [*zip(TEXTS, TEXTS[::-1], strict=True)]
        for name, task in model.tasks.items()
    }
    questions.write_text(json.dumps(asked))
    assert NODE is not None
    command = [NODE, Path(__file__).with_name("ask.mjs"), folder, str(MODULES), questions]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    for name in model.tasks:
        check_task(model, name, told["logits"][name], told["answers"][name])


def check_task(model: MultitaskModel, name: str, logits: list[list[float]], answers: list[dict[str, object]]) -> None:
    pairs = model.tasks[name].pair is not None
    rows = list(zip(TEXTS, TEXTS[::-1], strict=True)) if pairs else TEXTS
    sequences = model.sequences(name, rows)  # type: ignore[arg-type]
    np.testing.assert_allclose(logits, task_logits(model, name, sequences, "fp32").numpy(), atol=1e-4)
    for key, lengths in (("tokens_seen", sequences.lengths()), ("tokens_total", sequences.whole_lengths())):
        assert [answer[key] for answer in answers] == lengths[sequences.rows].sum(1).tolist()
    [expected] = model.predictions([name], sequences)
    if expected.probabilities is None:
        np.testing.assert_allclose([answer["answer"] for answer in answers], expected.values, atol=1e-3)
    else:
        assert [answer["answer"] for answer in answers] == expected.names
