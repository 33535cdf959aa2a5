"""Where two readings are equally likely: asked at a terminal, the safer one elsewhere, and never without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minbert.schema_inference.found import Question
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import of, one, text, write

GRADES = {"text": text(), "label": of(0, 1, 2, 3, 4)}
TWO_TEXTS = {"erstens": text(), "zweitens": text(11), "label": of("a", "b")}
TWO_LABELS = {"text": text(), "intent": of("sea", "sky"), "verdict": of("x", "y", "z"), "end": of(1)}


def settings(
    folder: Path, columns: dict[str, Any], answer: int | None, encoder: Path
) -> tuple[dict[str, Any], list[str], list[Question]]:
    asked: list[Question] = []

    def ask(question: Question) -> int | None:
        asked.append(question)
        return answer

    (task,) = infer_folder([write(folder, one(columns))], str(encoder), ask).tasks
    return task.findings.settings, task.findings.unsure, asked


@pytest.mark.parametrize(
    ("columns", "key", "choices"),
    [
        (TWO_TEXTS, "text", [["erstens", "zweitens"], "erstens", "zweitens"]),
        (TWO_LABELS, "label", ["intent", "verdict"]),
        (GRADES, "kind", ["classification", "ordinal"]),
    ],
)
def test_each_choice_is_taken_and_the_first_without_a_terminal(
    columns: dict[str, Any], key: str, choices: list[Any], tmp_path: Path, tiny_encoder: Path
) -> None:
    for number, meant in enumerate(choices):
        found, _, asked = settings(tmp_path, columns, number, tiny_encoder)
        assert found[key] == meant
        assert [len(question.choices) for question in asked] == [len(choices)]
    found, unsure, asked = settings(tmp_path, columns, None, tiny_encoder)
    assert found[key] == choices[0]
    assert asked[0].text.startswith("notes: ")
    assert any(asked[0].text.removeprefix("notes: ") in doubt and "It may be" in doubt for doubt in unsure)
