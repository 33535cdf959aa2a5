"""Several tasks asked together: the answers are those of each alone, and the encoder reads no sequence twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation.streaming import predict, predict_file
from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text
from small_models import model_over, stir

SINGLE: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["low", "high", "none"], "pooling": "pooler"},
    "topics": {"kind": "multilabel", "classes": ["food", "travel"], "pooling": "mean"},
    "stars": {"kind": "regression", "range": [0, 5], "pooling": "cls"},
}
PAIRS: dict[str, Any] = {
    "same": {"kind": "binary", "pair": "cross"},
    "near": {"kind": "regression", "range": [0, 5], "pair": "bi"},
    "close": {"kind": "regression", "range": [0, 1], "pair": "bi", "head": "cosine"},
}
TEXTS: list[Text] = ["a good film", "rice", "how do people cook rice on cold days", "rice"]
PAIRS_OF_TEXTS: list[Text] = [("why", "why do people learn"), ("a dull film", "rice"), ("rice", "a dull film")]
SHARING: dict[str, tuple[Any, Any]] = {
    "nothing": ("none", "none"),
    "one adapter": ("lora", "none"),
    "an adapter each": ({"name": "pals", "heads": 2, "size": 6}, "none"),
    "a layer": ("none", "bilstm"),
}


def model_of(folder: Path, sharing: str) -> MultitaskModel:
    model = model_over(folder, SINGLE | PAIRS, 64, *SHARING[sharing], seed=0)
    for module in model.fresh_modules():
        stir(module)
    return model.eval()


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize(("tasks", "texts", "forms"), [([*SINGLE], TEXTS, 1), ([*PAIRS], PAIRS_OF_TEXTS, 2)])
def test_answers_are_those_of_each_task_alone_from_fewer_passes(
    tiny_encoder: Path, sharing: str, tasks: list[str], texts: list[Text], forms: int
) -> None:
    model = model_of(tiny_encoder, sharing)
    alone = {task: model.predict(task, texts) for task in tasks}
    passes = []
    hook = model.encoder.register_forward_hook(lambda *_: passes.append(1))
    found, read = predict(model, tasks, texts, "fp32")
    hook.remove()
    assert [*found] == tasks
    for task in tasks:
        np.testing.assert_allclose(found[task].values, alone[task].values, atol=1e-5)
        if (shares := alone[task].probabilities) is not None:
            np.testing.assert_allclose(found[task].probabilities, shares, atol=1e-6)
    assert len(read) == forms
    assert len(passes) == (len(tasks) if sharing == "an adapter each" else forms)


def test_a_file_has_the_columns_of_all_tasks(tiny_encoder: Path, tmp_path: Path, quiet: Display) -> None:
    model, source, output = model_of(tiny_encoder, "nothing"), tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"words": text}) + "\n" for text in TEXTS), encoding="utf-8")
    rows = TextRows(source, ["words"])
    together = predict_file(model, [*SINGLE], rows, output, "fp32", quiet)
    assert (together.rows, together.sequences) == (4, 3)
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [*found[0]] == [
        *("id", "mood_prediction", "mood_probability_low", "mood_probability_high", "mood_probability_none"),
        *("topics_prediction", "topics_probability_food", "topics_probability_travel", "stars_prediction"),
    ]
    for task in SINGLE:
        predict_file(model, [task], rows, output, "fp32", quiet)
        alone = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        for row, expected in zip(found, alone, strict=True):
            assert row["id"] == expected.pop("id")
            own = {name: row[f"{task}_{name}"] for name in expected}
            answer = own.pop("prediction")
            assert answer == pytest.approx(expected.pop("prediction"), abs=2e-5)
            assert own == pytest.approx(expected, abs=2e-6)


def test_columns_of_one_name_are_refused(tiny_encoder: Path, tmp_path: Path, quiet: Display) -> None:
    tasks = {
        "a": {"kind": "classification", "classes": ["b_prediction", "c"]},
        "a_probability_b": {"kind": "regression", "range": [0, 1]},
    }
    model, source = model_over(tiny_encoder, tasks, 64, seed=0).eval(), tmp_path / "in.jsonl"
    source.write_text('{"words": "rice"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"would be called 'a_probability_b_prediction'\. Make two calls"):
        predict_file(model, [*tasks], TextRows(source, ["words"]), tmp_path / "out.tsv", "fp32", quiet)
    assert not (tmp_path / "out.tsv").exists()


def test_an_answer_that_is_no_number_names_the_line(tiny_encoder: Path, tmp_path: Path, quiet: Display) -> None:
    model, source = model_of(tiny_encoder, "nothing"), tmp_path / "in.jsonl"
    with torch.no_grad():
        next(model.heads["stars"].parameters()).fill_(torch.inf)
    source.write_text('{"words": "rice"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"in\.jsonl, line 1: the model's answer is not a finite number"):
        predict_file(model, [*SINGLE], TextRows(source, ["words"]), tmp_path / "out.tsv", "fp32", quiet)
