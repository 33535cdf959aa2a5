"""Small folders of made-up files, and what a reader who knows them would say of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WHO = [
    "the ferryman",
    "a tired baker",
    "our old neighbour",
    "the night nurse",
    "a young clerk",
    "my cousin",
    "the pilot",
]
DOES = ["carried", "lost", "mended", "painted", "sold", "forgot", "found", "measured", "counted"]
WHAT = ["a blue kettle", "three maps", "the broken clock", "a basket of plums", "his winter coat", "an unread letter"]
WHERE = [
    "before the rain",
    "near the harbour",
    "on a dull Tuesday",
    "behind the mill",
    "without a word",
    "at the fair",
]
GERMAN = ["Der Müller", "Unsere Nachbarin", "Ein müder Bäcker", "Das Kind", "Die Schaffnerin"]
GERMAN_REST = ["verlor gestern den Schlüssel", "flickte die alte Jacke", "fand drei Karten am Ufer", "zählte die Äpfel"]
CHINESE = ["渡船的老人", "我的邻居", "年轻的店员", "隔壁的面包师", "夜班护士"]
CHINESE_REST = ["昨天丢了一把钥匙", "在河边找到三张地图", "修好了坏掉的钟", "卖掉了一篮子李子"]

Values = Callable[[int], Any]
"""From a row's number to what the column holds."""


def text(start: int = 0) -> Values:
    """Return different English sentences."""

    def of(row: int) -> str:
        n = row + start
        parts = (WHO[n % 7], DOES[n // 7 % 9], WHAT[n // 2 % 6], WHERE[n // 3 % 6])
        return f"{' '.join(parts)}, said number {n}".capitalize() + "."

    return of


def long(row: int) -> str:
    return " ".join(text(place)(row) for place in range(0, 60, 7))


def longer(row: int) -> str:
    return f"{long(row)} {long(row + 5)}"


def phrase(different: int) -> Values:
    """Return phrases of a word or two, so many of them, as those that many others are compared with."""
    return lambda row: f"{word(row % different)}{' slow' * (row % different % 2)}"


def german(row: int) -> str:
    return f"{GERMAN[row % 5]} {GERMAN_REST[row // 5 % 4]}, zum {row}. Mal."


def chinese(row: int) -> str:
    return f"{CHINESE[row % 5]}{CHINESE_REST[row // 5 % 4]}，第{row}次。"


def code(row: int) -> str:
    return f"{row * 7919 % 65536:04x}{row:04x}"


def word(row: int) -> str:
    return f"{WHO[row % 7].split()[-1]}{'xyzuvw'[row // 7 % 6]}{'aeiou'[row // 42 % 5]}"


def of(*values: Any) -> Values:
    """Return the values in a mixed, repeatable order in which all come up."""
    return lambda row: values[(row * 7 + row // 5) % len(values)]


def decimals(low: float, high: float, digits: int = 1) -> Values:
    return lambda row: round(low + (high - low) * (row * 13 % 41) / 40, digits)


def table(columns: Mapping[str, Values], rows: int = 60, start: int = 0) -> list[dict[str, Any]]:
    return [{name: values(row) for name, values in columns.items()} for row in range(start, start + rows)]


def written(name: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows in the format that the file's name says."""
    packed = name.endswith(".gz")
    plain = name.removesuffix(".gz")
    if plain.endswith(".parquet"):
        import pyarrow
        from pyarrow.parquet import write_table

        sink = io.BytesIO()
        write_table(pyarrow.Table.from_pylist(list(rows)), sink)
        return sink.getvalue()
    if plain.endswith(".jsonl"):
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        stream = io.StringIO()
        delimiter = "\t" if plain.endswith(".tsv") else ","
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        content = stream.getvalue()
    return gzip.compress(content.encode()) if packed else content.encode()


def write(folder: Path, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Write a folder of files."""
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(name, rows))
    return folder


@dataclass(frozen=True)
class Case:
    """A folder with one task, and some of the settings that it must be given."""

    name: str
    files: Mapping[str, Sequence[Mapping[str, Any]]]
    task: str
    settings: Mapping[str, Any]
    unsure: Sequence[str] = field(default_factory=tuple)
    """What must be told as unsure; where there is none, nothing may be but the language and rare classes."""


def splits(columns: Mapping[str, Values], form: str = "reviews-{}.csv", test_lacks: str = "") -> dict[str, Any]:
    """Return train, dev and test files of these columns; the test file may lack one."""
    shorter = {name: values for name, values in columns.items() if name != test_lacks}
    return {
        form.format("train"): table(columns, 60),
        form.format("dev"): table(columns, 20, 60),
        form.format("test"): table(shorter, 20, 80),
    }


def one(columns: Mapping[str, Values], rows: int = 60, file: str = "notes.csv") -> dict[str, Any]:
    return {file: table(columns, rows)}


TRUE_FALSE = of(True, False)
PAIR = {"sentence1": text(), "sentence2": text(31)}

CASES = [
    Case(
        "names of classes, an id, a test file without labels",
        splits({"id": code, "text": text(), "label": of("sport", "politics", "weather")}, test_lacks="label"),
        "reviews",
        {
            "kind": "classification",
            "classes": ["politics", "sport", "weather"],
            "id": "id",
            "text": "text",
            "label": "label",
        },
    ),
    Case(
        "stars",
        splits({"review": text(), "stars": of(1, 2, 3, 4, 5)}, "films/{}.tsv"),
        "films",
        {"kind": "ordinal", "classes": ["1", "2", "3", "4", "5"], "text": "review", "label": "stars"},
    ),
    Case(
        "half stars are numbers",
        splits({"review": text(), "rating": of(0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5)}),
        "reviews",
        {"kind": "regression", "range": [0, 5], "label": "rating"},
    ),
    Case(
        "a score of pairs with decimals",
        splits({**PAIR, "score": decimals(0, 5)}, "likeness_{}.tsv"),
        "likeness",
        {
            "kind": "regression",
            "range": [0, 5],
            "text": ["sentence1", "sentence2"],
            "label": "score",
            "metric": "pearson",
        },
    ),
    Case(
        "entailment: three classes of pairs",
        splits({"premise": text(), "hypothesis": text(9), "gold_label": of("entailment", "neutral", "contradiction")}),
        "reviews",
        {
            "kind": "classification",
            "classes": ["contradiction", "neutral", "entailment"],
            "text": ["premise", "hypothesis"],
            "label": "gold_label",
        },
    ),
    Case(
        "entailment in numbers",
        splits({"premise": text(), "hypothesis": text(9), "label": of(0, 1, 2)}),
        "reviews",
        {"kind": "classification", "classes": 3, "text": ["premise", "hypothesis"]},
    ),
    Case(
        "labels first, 1 and 0 as decimals",
        splits({"is_duplicate": of(1.0, 0.0), "question1": text(), "question2": text(5)}),
        "reviews",
        {"kind": "binary", "text": ["question1", "question2"], "label": "is_duplicate", "metric": "accuracy"},
    ),
    Case(
        "mixed spellings of yes and no",
        one({"text": text(), "spam": of("1", "1.0", "True", "0", "false", "0.0")}),
        "notes",
        {"kind": "binary", "label": "spam"},
    ),
    Case(
        "yes and no",
        one({"text": text(), "answer": of("yes", "No", "no", "YES")}),
        "notes",
        {
            "kind": "binary",
            "label": "answer",
            "classes": ["no", "yes"],
            "labels": {"yes": "yes", "YES": "yes", "no": "no", "No": "no"},
        },
    ),
    Case(
        "German headers, ja and nein",
        one({"Nr": lambda row: row, "Satz": german, "Beleidigung": of("ja", "nein")}),
        "notes",
        {"kind": "binary", "text": "Satz", "label": "Beleidigung", "classes": ["nein", "ja"], "labels": None},
    ),
    Case(
        "German stars",
        one({"Bewertungstext": german, "Sterne": of(1, 2, 3, 4, 5)}),
        "notes",
        {"kind": "ordinal", "text": "Bewertungstext", "label": "Sterne"},
    ),
    Case(
        "Chinese headers and texts",
        one({"标签": of("积极", "消极"), "评论": chinese}),
        "notes",
        {"kind": "classification", "classes": ["消极", "积极"], "text": "评论", "label": "标签"},
    ),
    Case(
        "French headers",
        one({"avis": text(), "étoiles": of(1, 2, 3, 4, 5), "auteur": of("Ana", "Bo", "Chi")}),
        "notes",
        {"kind": "ordinal", "text": "avis", "label": "étoiles"},
    ),
    Case(
        "headers that say nothing",
        one({"a1": of("north", "south"), "b7": code, "c3": text()}),
        "notes",
        {"kind": "classification", "text": "c3", "label": "a1"},
    ),
    Case(
        "class names with spaces, in an order that people know",
        one({"text": text(), "sentiment": of("very negative", "negative", "neutral", "positive", "very positive")}),
        "notes",
        {"kind": "classification", "classes": ["very negative", "negative", "neutral", "positive", "very positive"]},
    ),
    Case(
        "names with a bar within are no sets",
        one({"text": text(), "section": of("Sci/Tech", "World", "Arts/Books")}),
        "notes",
        {"kind": "classification", "classes": ["Arts/Books", "Sci/Tech", "World"]},
    ),
    Case(
        "capitals alone make no class",
        one({"text": text(), "label": of("ham", "spam", "Spam", "ham", "ham", "spam")}),
        "notes",
        {
            "kind": "classification",
            "classes": ["ham", "spam"],
            "labels": {"ham": "ham", "spam": "spam", "Spam": "spam"},
        },
    ),
    Case(
        "codes with leading zeros stay as they are",
        one({"text": text(), "zip": of("01234", "90210", "00501")}),
        "notes",
        {"kind": "classification", "classes": ["00501", "01234", "90210"], "labels": None},
    ),
    Case(
        "01 and 1 are two classes",
        one({"text": text(), "label": of("01", "1", "2")}),
        "notes",
        {"kind": "classification", "classes": ["01", "1", "2"], "labels": None},
    ),
    Case(
        "names that could be numbers stay as they are",
        one({"text": text(), "label": of("1e5", "1.10", "x")}),
        "notes",
        {"kind": "classification", "classes": ["1.10", "1e5", "x"], "labels": None},
    ),
    Case(
        "scores with exponents are numbers",
        one({"text": text(), "score": of("1e-05", "0.25", "1.0", "7e-1")}),
        "notes",
        {"kind": "regression", "range": [0, 1]},
    ),
    Case(
        "rows without a label",
        one({"text": text(), "label": of("east", "west", "", "east", "west")}),
        "notes",
        {"kind": "classification", "classes": ["east", "west"], "skip_unlabelled": True},
    ),
    Case(
        "n/a is no class",
        one({"text": text(), "label": of("east", "west", "N/A", "east", "west")}),
        "notes",
        {
            "kind": "classification",
            "classes": ["east", "west"],
            "labels": {"east": "east", "west": "west", "N/A": None},
        },
    ),
    Case(
        "nan is no score, whether scores have decimals",
        one({"text": text(), "score": of(0.5, "nan", 4, 2.5, 5)}),
        "notes",
        {"kind": "regression", "range": [0, 5], "labels": {"nan": None}},
    ),
    Case(
        "or are whole numbers",
        one({"text": text(), "score": lambda row: "N/A" if row % 5 == 0 else row % 40}),
        "notes",
        {"kind": "regression", "labels": {"N/A": None}},
    ),
    Case(
        "a header can be the name of a class",
        one({"film": text(), "spam": of("spam", "ham")}),
        "notes",
        {"kind": "classification", "classes": ["ham", "spam"], "text": "film"},
    ),
    Case(
        "-1 is no label where it is rare",
        one({**PAIR, "label": lambda row: -1 if row == 17 else row % 3}),
        "notes",
        {"kind": "classification", "classes": 3, "labels": {"-1": None}},
        ["-1 is taken for no label"],
    ),
    Case(
        "-1 is no label where it is rare beside 0 and 1",
        one({"text": text(), "label": lambda row: -1 if row == 17 else int(row % 4 == 0)}),
        "notes",
        {"kind": "binary", "labels": {"-1": None}, "metric": "f1"},
        ["-1 is taken for no label"],
    ),
    Case(
        "-1, 0 and 1 are in order",
        one({"text": text(), "sentiment": of(-1, 0, 1)}),
        "notes",
        {"kind": "ordinal", "classes": ["-1", "0", "1"]},
    ),
    Case(
        "numbers from 0 may be codes or grades",
        one({"text": text(), "label": of(0, 1, 2, 3, 4)}),
        "notes",
        {"kind": "classification", "classes": 5},
        ["'label' holds whole numbers 0 to 4", "kind: ordinal"],
    ),
    Case(
        "codes of topics",
        one({"text": text(), "topic": of(0, 1, 2, 3, 5)}),
        "notes",
        {"kind": "classification", "classes": 6},
        ["no row has the label 4"],
    ),
    Case(
        "many codes",
        one({"text": text(), "intent": lambda row: row % 30}, 150),
        "notes",
        {"kind": "classification", "classes": 30},
    ),
    Case(
        "numbers from 1 to 40 may be a scale",
        one({"text": text(), "label": lambda row: row % 40 + 1}, 200),
        "notes",
        {"kind": "classification"},
        ["'label' holds whole numbers 1 to 40. What are they?", "(kind: regression)"],
    ),
    Case(
        "scores of which no header says more",
        one({"essay": text(), "cohesion": decimals(1, 5), "syntax": lambda row: 1 + row * 29 % 41 / 10}),
        "notes",
        {"kind": "regression", "range": [1, 5]},
        ["Columns 'syntax', 'cohesion' could all be labels"],
    ),
    Case(
        "points out of a hundred",
        one({"text": text(), "points": lambda row: row * 17 % 101}, 90),
        "notes",
        {"kind": "regression", "range": [0, 100], "label": "points"},
    ),
    Case(
        "names with a separator",
        splits({"text": text(), "emotions": of("joy", "fear|joy", "anger", "", "anger|fear", "joy|anger")}),
        "reviews",
        {"kind": "multilabel", "classes": ["anger", "fear", "joy"], "labels_separator": "|"},
    ),
    Case(
        "names after commas",
        one({"text": text(), "tags": of("sea", "sea, sky", "sky", "sky, land, sea", "land", "land, sea")}),
        "notes",
        {"kind": "multilabel", "classes": ["land", "sea", "sky"], "labels_separator": ","},
    ),
    Case(
        "few sets of names",
        one({"text": text(), "label": lambda row: ("x|y", "x", "", "z|x")[row % 4]}, 30),
        "notes",
        {"kind": "multilabel", "classes": ["x", "y", "z"], "labels_separator": "|"},
        ["'label' holds 'x|y'. What is it? Taken: several names (kind: multilabel)"],
    ),
    Case(
        "few sets of names after commas",
        one({"text": text(), "label": lambda row: ("x, y", "x", "y", "z,x")[row % 4]}, 30),
        "notes",
        {"kind": "multilabel", "classes": ["x", "y", "z"], "labels_separator": ","},
        ["'label' holds 'x, y'. What is it?"],
    ),
    Case(
        "one name that two others make",
        one({"text": text(), "label": of("north", "east", "north/east")}, 30),
        "notes",
        {"kind": "classification", "classes": ["east", "north", "north/east"], "labels_separator": None},
        ["Taken: one name (kind: classification). It may be: several names"],
    ),
    Case(
        "a column a class",
        one(
            {
                "id": code,
                "comment_text": text(),
                "toxic": of(1, 0, 0),
                "insult": of(0, 0, 0, 1),
                "threat": of(0, 1, 0, 0, 0),
                "never": of(0),
            }
        ),
        "notes",
        {"kind": "multilabel", "label": ["toxic", "insult", "threat", "never"], "id": "id", "text": "comment_text"},
    ),
    Case(
        "a column a class, and a cell that nobody filled",
        one({"text": text(), "a": of(1, 0, 0), "b": lambda row: "" if row == 9 else row % 2, "c": of(0, 1, 1, 0)}),
        "notes",
        {"kind": "multilabel", "label": ["a", "b", "c"], "skip_unlabelled": True},
    ),
    Case(
        "a list that nobody filled",
        one({"text": text(), "labels": of(["joy"], ["fear", "joy"], [], None)}, file="notes.jsonl"),
        "notes",
        {"kind": "multilabel", "classes": ["fear", "joy"], "skip_unlabelled": True},
    ),
    Case(
        "huge numbers",
        one({"text": text(), "score": lambda row: 10 ** (row % 15)}),
        "notes",
        {"kind": "regression", "range": [0, 1e14]},
    ),
    Case(
        "a file that is called as a home is",
        one({"text": text(), "label": of("a", "b")}, file="~.csv"),
        "task",
        {"files": {"train": "./~.csv"}},
    ),
    Case(
        "lists in JSON lines",
        one({"text": text(), "labels": of(["joy"], ["fear", "joy"], [], ["anger"])}, file="notes.jsonl"),
        "notes",
        {"kind": "multilabel", "classes": ["anger", "fear", "joy"]},
    ),
    Case(
        "lists in a Parquet file, some of them null",
        one({"text": text(), "label": of(["a"], None, ["b", "a"])}, file="notes.parquet"),
        "notes",
        {"kind": "multilabel", "classes": ["a", "b"], "skip_unlabelled": True},
    ),
    Case(
        "the label twice, as a number and as a name",
        one({"text": text(), "label": of(0, 1, 2), "label_text": of("low", "medium", "high")}, file="notes.parquet"),
        "notes",
        {"kind": "classification", "classes": ["low", "medium", "high"], "label": "label_text"},
    ),
    Case(
        "what is about a row is no label",
        one(
            {
                "date": of("2021-03-04", "2022-05-06", "2023-07-08"),
                "user": of("ana", "bo", "chi"),
                "source": of("web", "app"),
                "likes": lambda row: row * 3 % 50,
                "text": text(),
                "stance": of("for", "against", "none"),
            }
        ),
        "notes",
        {"kind": "classification", "text": "text", "label": "stance", "classes": ["against", "for", "none"]},
    ),
    Case(
        "a title beside the text",
        one({"title": lambda row: f"On number {row} again", "body": text(), "rating": of(1, 2, 3, 4, 5)}),
        "notes",
        {"kind": "ordinal", "text": "body"},
        ["'title' holds texts, too"],
    ),
    Case(
        "two texts whose headers say nothing",
        one({"erstens": text(), "zweitens": text(11), "label": of("a", "b")}),
        "notes",
        {"text": ["erstens", "zweitens"], "pair": "bi"},
        ["Taken: a pair. It may be: 'erstens' alone"],
    ),
    Case(
        "two columns that could be labels",
        one(
            {
                "text": text(),
                "topic": of("sea", "sky"),
                "mood": of("calm", "wild", "odd"),
                "sentiment": of("x", "y", "z", "w"),
            }
        ),
        "notes",
        {"text": "text", "label": "sentiment"},
        ["'topic' could be a label, too"],
    ),
    Case(
        "the label is an index of classes, beside a title",
        one({"Class Index": of(1, 2, 3, 4), "Title": lambda row: f"On number {row} again", "Description": text()}),
        "notes",
        {"kind": "classification", "classes": ["1", "2", "3", "4"], "text": "Description", "label": "Class Index"},
        ["'Title' holds texts, too"],
    ),
    Case(
        "names of classes that are several words, nearly as many as rows",
        one({"category": lambda row: f"what is asked of number {row % 20}", "query": text()}),
        "notes",
        {"kind": "classification", "text": "query", "label": "category"},
    ),
    Case(
        "pairs among parses, genres and numbers",
        one(
            {
                "index": lambda row: row,
                "genre": of("letters", "news"),
                "sentence1_parse": lambda row: f"( {text()(row)} )",
                "sentence2_parse": lambda row: f"( {text(9)(row)} )",
                "sentence1": text(),
                "sentence2": text(9),
                "label1": of("yes", "perhaps", "never"),
                "gold_label": of("yes", "perhaps", "never"),
            }
        ),
        "notes",
        {"kind": "classification", "text": ["sentence1", "sentence2"]},
        ["'sentence1_parse' holds texts, too"],
    ),
    Case(
        "labels of the test file are all -1",
        splits({"text": text(), "label": of("calm", "wild")})
        | {"reviews-test.csv": table({"text": text(), "label": of(-1)}, 20)},
        "reviews",
        {"kind": "classification", "classes": ["calm", "wild"]},
    ),
    Case(
        "yes, no and no answer",
        one({"text": text(), "spam": of(1, 0, "?")}),
        "notes",
        {"kind": "binary", "labels": {"1": "1", "0": "0", "?": None}},
    ),
    Case(
        "a pair whose headers say nothing, one of them what a label may be called",
        one({"w": of("for", "against"), "y": text(), "z": text(9)}),
        "notes",
        {"kind": "classification", "text": ["y", "z"]},
        ["Columns y, z hold texts"],
    ),
    Case(
        "few yes make accuracy say little",
        one({"text": text(), "label": of(0, 0, 0, 0, 1)}),
        "notes",
        {"kind": "binary", "metric": "f1"},
    ),
    Case(
        "single words",
        one({"word": word, "lang": of("ab", "cd", "ef")}),
        "notes",
        {"kind": "classification", "text": "word", "label": "lang"},
        ["no header says 'label'"],
    ),
    Case(
        "the hub's layout",
        {
            "data/train-00000-of-00002.parquet": table({"text": text(), "label": of(0, 1)}, 40),
            "data/train-00001-of-00002.parquet": table({"text": text(), "label": of(0, 1)}, 40, 40),
            "data/validation-00000-of-00001.parquet": table({"text": text(), "label": of(0, 1)}, 20, 80),
        },
        "hub",
        {"kind": "binary", "also_train_on": [{"file": "data/train-00001-of-00002.parquet"}]},
    ),
    Case(
        "compressed, in folders of splits",
        {
            "train/jokes.jsonl.gz": table({"text": text(), "funny": TRUE_FALSE}),
            "val/jokes.jsonl.gz": table({"text": text(), "funny": TRUE_FALSE}, 20, 60),
        },
        "jokes",
        {"kind": "binary", "files": {"train": "train/jokes.jsonl.gz", "dev": "val/jokes.jsonl.gz"}},
    ),
    Case(
        "names that must be quoted",
        one({"text: a": text(), "{label}": of("#1", "- no", "true", "~")}, file="my notes (1).csv"),
        "my_notes_1",
        {"kind": "classification", "text": "text: a", "label": "{label}", "classes": ["#1", "- no", "true", "~"]},
    ),
]
