"""Which columns are the texts: the one that counts, or the two of a pair; and what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minbert.errors import UserError
from minbert.schema_inference.finding_files import find_files
from minbert.schema_inference.found import Findings, nobody
from minbert.schema_inference.tables import read_table
from minbert.schema_inference.text_columns import find_texts
from minbert.schema_inference.words import are_translations, is_version, pairing
from schema_inference.folders import Values, german, long, longer, of, phrase, table, text, word, write

LABEL = of("a", "b", "c")


def lacking(values: Values) -> Values:
    return lambda row: "" if row % 3 == 0 else values(row)


def cleaned(row: int) -> str:
    return text()(row).lower().replace(",", "").replace(".", "")


def in_tags(row: int) -> str:
    return f"<div class='one two three'><p>{text()(row)}</p></div>"


def lemmas(row: int) -> str:
    return " ".join(cleaned(row).split()[::2])


def texts_of(folder: Path) -> Findings:
    (task,) = find_files([folder]).tasks
    findings = Findings()
    find_texts({split: read_table(folder / file) for split, file in task.files.items()}, findings, nobody)
    return findings


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        texts_of(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("columns", "texts", "told"),
    [
        ({"context": long, "hypothesis": text(), "reason": text(9)}, ["context", "hypothesis"], "'reason' holds"),
        ({"Context": long, "Utterance": text()}, ["Context", "Utterance"], ""),
        ({"product_title": text(), "search_term": text(9)}, ["search_term", "product_title"], ""),
        ({"query": text(), "product_title": text(9)}, ["query", "product_title"], ""),
        (
            {"query": text(), "product_title": text(9), "product_description": lacking(long)},
            ["query", "product_title"],
            "'product_description' holds texts, too",
        ),
        ({"query": text(), "title": text(9), "passage": long}, ["query", "passage"], "'title' holds texts, too"),
        ({"product_title": text()}, "product_title", ""),
        ({"anchor": phrase(24), "target": phrase(35)}, ["anchor", "target"], ""),
        ({"article": long, "summary": text()}, ["article", "summary"], "Taken: a pair. It may be: 'article' alone"),
        (
            {"question": text(), "desired_answer": text(3), "student_answer": text(9)},
            ["desired_answer", "student_answer"],
            "'question' holds texts, too",
        ),
        (
            {"question": text(), "reference_answer": text(3), "student_answer": text(9)},
            ["reference_answer", "student_answer"],
            "'question' holds texts, too",
        ),
        ({"question": text(), "context": long, "answer": text(9)}, ["question", "answer"], "'context' holds"),
        ({"prompt": text(), "response_a": text(3), "response_b": text(9)}, ["response_a", "response_b"], "'prompt'"),
        (
            {"question_title": text(), "question_content": lacking(long), "best_answer": longer},
            ["question_title", "best_answer"],
            "'question_content' holds texts, too",
        ),
        (
            {"question_title": text(), "question_body": long, "answer": longer},
            ["question_body", "answer"],
            "'question_title' holds texts, too",
        ),
        ({"word1": word, "word2": lambda row: word(row + 9)}, ["word1", "word2"], ""),
        ({"name1": word, "name2": lambda row: word(row + 9)}, ["name1", "name2"], ""),
        ({"v1": of("ham", "spam"), "v2": text()}, "v2", ""),
        ({"utt": text(), "annot_utt": text()}, "utt", "'annot_utt' holds texts, too"),
        ({"Resume_str": text(), "Resume_html": in_tags}, "Resume_str", "'Resume_html' holds texts, too"),
        ({"review": text(), "lemmatized": lemmas}, "review", "'lemmatized' holds texts, too"),
        ({"tweet": text(), "clean_text": cleaned}, "tweet", "'clean_text' holds texts, too"),
        ({"original_text": text(), "text": cleaned}, "text", "'original_text' holds texts, too"),
        ({"original_text": text(), "clean_text": cleaned}, "original_text", "'clean_text' holds texts, too"),
        ({"title": text(), "clean_text": longer}, "clean_text", "'title' holds texts, too"),
        ({"clean_text": cleaned}, "clean_text", ""),
        ({"original": text(), "translation": german}, ["original", "translation"], "Taken: a pair"),
        ({"text_en": text(), "text_de": german}, "text_en", "'text_de' holds texts, too"),
        ({"content": text(), "replyContent": lacking(text(9))}, "content", "'replyContent' holds texts, too"),
        ({"description": text(), "transcription": long, "keywords": text(9)}, "transcription", "'keywords' holds"),
        ({"claim": text(), "explanation": text(9), "main_text": long}, "claim", "'main_text' holds texts, too"),
        ({"claim": text(), "evidence": long}, ["claim", "evidence"], ""),
        ({"c2": text(), "c3": longer}, "c3", "Taken: 'c3' alone. It may be: a pair, or 'c2' alone"),
        ({"title": text(), "text": long}, "text", "'title' holds texts, too"),
        ({"headline": text(), "body": longer}, ["headline", "body"], "Taken: a pair"),
        ({"context": longer, "statement": text()}, ["context", "statement"], "Taken: a pair"),
        ({"statement": long, "context": text(), "why": text(9)}, "statement", "'context' holds texts, too"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_the_texts_are_chosen(columns: dict[str, Values], texts: Any, told: str, tmp_path: Path) -> None:
    findings = texts_of(write(tmp_path, {"notes.csv": table({**columns, "label": LABEL})}))
    assert findings.settings["text"] == texts
    assert told in "\n".join(findings.unsure)
    assert told or not findings.unsure


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [{"messages": [{"role": "user", "content": text()(row)}]} for row in range(9)],
            "no column holds texts: 'messages' holds lists or objects; write each text into a column of its own, as "
            '{"text": "...", "label": "..."}',
        ),
        ([{"data": {"text": text()(row)}, "label": LABEL(row)} for row in range(30)], "'data' holds lists or objects"),
        ([{}, {}], "no column holds texts"),
    ],
)
def test_rows_without_a_text_say_what_they_hold(rows: list[dict[str, Any]], told: str, tmp_path: Path) -> None:
    assert told in refused(write(tmp_path, {"chat.jsonl": rows}))


def test_names_that_differ_by_case_are_told(tmp_path: Path) -> None:
    small = table({"text": text(), "label": LABEL}, 9)
    folder = write(tmp_path, {"a-train.csv": table({"Text": text(), "Label": LABEL}), "a-test.csv": small})
    assert refused(folder) == (
        "'Text' is 'text', 'Label' is 'label' in a-test.csv; write the names of columns alike in all files"
    )


def test_questions_of_a_form_are_headers(tmp_path: Path) -> None:
    columns = {"What did you like best about our fair?": text(), "How was it from 1 to 5?": of(1, 2, 3, 4, 5)}
    assert texts_of(write(tmp_path, {"a.csv": table(columns)})).settings["text"].startswith("What did")


@pytest.mark.parametrize(
    ("one", "other", "sure"),
    [
        ("text1", "text2", 3),
        ("Word 1", "Word 2", 3),
        ("desired_answer", "student_answer", 3),
        ("question_title", "best_answer", 2),
        ("question-X", "answer-Y", 2),
        ("headline", "articleBody", 1),
        ("answer", "question", 0),
        ("title", "text", 0),
    ],
)
def test_how_surely_headers_are_a_pair(one: str, other: str, sure: int) -> None:
    assert pairing(one, other) == sure


def test_headers_of_the_same_text() -> None:
    assert are_translations("text_en", "text_de")
    assert not are_translations("en", "de")
    assert is_version("clean_text", "text")
    assert not is_version("text", "clean_text")
    assert not is_version("original", "paraphrase")
