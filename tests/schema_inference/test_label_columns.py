"""Which of several columns is the label: layouts of well-known sets, with rows of our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import PAIR, of, one, table, text, write

Content = Mapping[str, Any]

NLI = of("entailment", "neutral", "contradiction")


def some(labels: Any, every: int, otherwise: str) -> Any:
    """Return the values of a column of which only each so many-th row has a label."""
    return lambda row: labels(row // every) if row % every == 0 else otherwise


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            one({"gold_label": NLI, **PAIR, **{f"label{n}": some(NLI, 2 * n, "") for n in range(1, 6)}}),
            {"label": "gold_label", "classes": ["contradiction", "neutral", "entailment"]},
            id="annotators one by one",
        ),
        pytest.param(
            {
                "nli-train.jsonl": [
                    {"annotator_labels": [NLI(row), NLI(row + row % 2)], "gold_label": NLI(row), "one": text()(row)}
                    for row in range(60)
                ]
            },
            {"label": "gold_label", "kind": "classification"},
            id="annotators as a list",
        ),
        pytest.param(
            one(
                {
                    "HelpfulnessNumerator": of(0, 1, 2, 3),
                    "HelpfulnessDenominator": of(1, 2, 3),
                    "Score": of(1, 2, 3, 4, 5, 5),
                    "Text": text(),
                }
            ),
            {"label": "Score", "kind": "ordinal"},
            id="votes beside stars",
        ),
        pytest.param(
            one({"stars": of(1, 2, 3, 4, 5), "review": text(), "product_category": of("toys", "books", "food")}),
            {"label": "stars"},
            id="what kind of product",
        ),
        pytest.param(
            one({"user_rating": of(1, 2, 3, 4, 5), "user": of("ann", "bo"), "review": text(), "type": of("a", "b")}),
            {"label": "user_rating"},
            id="whose rating",
        ),
        pytest.param(
            one({"question": text(), "category": of("sea", "sky"), "difficulty": of(1, 2, 3)}),
            {"label": "category"},
            id="a category alone",
        ),
        pytest.param(
            one({"text": text(), "humour": of("dry", "none"), "set": of("train", "dev", "test")}),
            {"label": "humour"},
            id="a column that says the split",
        ),
        pytest.param(
            {
                "bait.jsonl": [
                    {
                        "post": text()(row),
                        "mood": of("dull", "glad")(row),
                        "targetParagraphs": [text(n)(row) for n in range(4)],
                    }
                    for row in range(60)
                ]
            },
            {"label": "mood"},
            id="paragraphs",
        ),
        pytest.param(
            one({"cat": of("toys", "books", "food"), "label": of(0, 1), "review": text()}),
            {"label": "label", "kind": "binary"},
            id="the very word",
        ),
        pytest.param(
            one({"tweet": text(), "topic": of("sea", "sky", "land"), "sentiment": of("good", "bad")}),
            {"label": "sentiment"},
            id="a topic beside a sentiment",
        ),
        pytest.param(
            one(
                {
                    "tweet": text(),
                    "subtask_a": of("OFF", "NOT", "NOT"),
                    "subtask_b": some(of("TIN", "UNT"), 3, "NULL"),
                    "subtask_c": some(of("IND", "GRP", "OTH"), 4, "NULL"),
                }
            ),
            {"label": "subtask_a", "classes": ["NOT", "OFF"]},
            id="asked of fewer and fewer rows",
        ),
        pytest.param(
            {
                "train.csv": table({"price": lambda row: row / 4, "shipping": of(0, 1), "item": text()}),
                "test.csv": table({"shipping": of(0, 1), "item": text(5)}),
            },
            {"label": "price", "kind": "regression"},
            id="what the test file lacks",
        ),
        pytest.param(
            one(
                {"Tweet": text(), "Target": of("sea", "sky"), "Stance": of("for", "against"), "Sentiment": of("+", "-")}
            ),
            {"label": "Stance"},
            id="what the stance is about",
        ),
        pytest.param(
            one({"text": text(), "is_humor": of(0, 1, 1), "humor_controversy": some(of(0, 1), 2, "")}),
            {"label": "is_humor", "kind": "binary"},
            id="a question about the rows of one class",
        ),
        pytest.param(
            one({"text": text(), "exchanges": of("[]"), "topics": of("['tin', 'oil']", "['tin']", "[]")}),
            {"label": "topics", "kind": "multilabel", "classes": ["oil", "tin"]},
            id="lists as Python prints them",
        ),
    ],
)
def test_the_label_is_found(files: Content, expected: dict[str, Any], tmp_path: Path, tiny_encoder: Path) -> None:
    (task,) = infer_folder([write(tmp_path, files)], str(tiny_encoder)).tasks
    assert {key: task.findings.settings[key] for key in expected} == expected


def test_a_rare_dash_is_no_label_and_a_sign_is_one(tmp_path: Path, tiny_encoder: Path) -> None:
    """SNLI has a dash where its annotators did not agree; reviews may be marked + and -."""
    for name, labels, left_out in (
        ("snli", lambda row: "-" if row == 17 else NLI(row), {"-"}),
        ("often", of("-", "yes", "no"), set()),
        ("signs", lambda row: "-" if row == 17 else "+", set()),
    ):
        (task,) = infer_folder([write(tmp_path / name, one({**PAIR, "label": labels}))], str(tiny_encoder)).tasks
        translated = task.findings.settings.get("labels", {})
        assert {label for label, meant in translated.items() if meant is None} == left_out, name


@pytest.mark.parametrize(
    ("header", "values", "kind", "unsure"),
    [
        ("label", of(1, 2, 3), "classification", False),
        ("label", of(1, 2, 3, 4, 5), "ordinal", True),
        ("stars", of(1, 2, 3, 4, 5), "ordinal", False),
        ("review_score", of(-1, 1), "classification", False),
        ("sim", lambda row: row % 101, "regression", False),
    ],
)
def test_whole_numbers(header: str, values: Any, kind: str, unsure: bool, tmp_path: Path, tiny_encoder: Path) -> None:
    (task,) = infer_folder([write(tmp_path, one({"text": text(), header: values}, rows=120))], str(tiny_encoder)).tasks
    assert task.findings.settings["kind"] == kind
    assert any("taken for grades" in doubt for doubt in task.findings.unsure) == unsure
