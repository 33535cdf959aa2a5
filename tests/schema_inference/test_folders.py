"""Each of the made-up folders is understood with no hint, and its recipe reads every row."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from minbert.display.progress import Display
from minbert.recipe.recipe import load_recipe
from minbert.running.checking import check_source
from minbert.schema_inference.commented_recipe import recipe_text, understood
from minbert.schema_inference.infer import infer_folder
from minbert.text.tokenizer import Tokenizer
from schema_inference.folders import CASES, Case, of, one, text, write

_MAY_BE_TOLD = ("fewer than 5 rows", "may not know their language")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_folder_is_understood_and_every_row_read(
    case: Case, tmp_path: Path, tiny_encoder: Path, quiet: Display
) -> None:
    folder = write(tmp_path / "hub", case.files)
    inferred = infer_folder([folder], str(tiny_encoder))
    (task,) = inferred.tasks
    assert task.name == understood(inferred)[0] == case.task
    assert {key: task.findings.settings.get(key) for key in case.settings} == case.settings
    doubts = [doubt for doubt in task.findings.unsure if not any(known in doubt for known in _MAY_BE_TOLD)]
    assert all(any(part in doubt for doubt in doubts) for part in case.unsure)
    assert case.unsure or not doubts
    assert inferred.remarks == []

    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    assert load_recipe(str(tmp_path / "recipe.yaml")).data == str(folder)
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, "\n".join(lines)


def test_the_longest_length_is_that_of_the_longest_task_with_pairs_joined(tmp_path: Path, tiny_encoder: Path) -> None:
    pairs = {"text1": text(), "text2": text(7), "label": of("a", "b")}
    folder = write(
        tmp_path, one({"text": text(), "label": of("a", "b")}, file="single.csv") | one(pairs, file="two.csv")
    )
    inferred = infer_folder([folder], str(tiny_encoder))
    tokenizer = Tokenizer.from_files(tiny_encoder)
    (texts,) = (task.texts for task in inferred.tasks if task.name == "two")
    lengths = [sum(map(len, tokenizer.token_ids(list(row)))) + 3 for row in texts]
    needed = sorted(lengths)[int(np.ceil(0.99 * len(lengths))) - 1]
    assert needed <= inferred.encoder.settings["max_length"] < needed + 16
    told = f"'two' needs it: 99 % of the pairs, joined, have at most {needed} tokens; shorter texts cost no more"
    assert inferred.encoder.reasons["max_length"].startswith(told)


def test_a_language_that_the_encoder_does_not_know_is_told(tmp_path: Path, tiny_encoder: Path) -> None:
    case = next(case for case in CASES if case.name == "Chinese headers and texts")
    folder = write(tmp_path / "hub", case.files)
    (task,) = infer_folder([folder]).tasks
    assert "so it may not know their language" in "\n".join(task.findings.unsure)

    chinese = tmp_path / "chinese"  # a vocabulary of characters, as Chinese encoders have: nothing to tell
    shutil.copytree(tiny_encoder, chinese)
    characters = sorted(set("".join(text for row in task.texts for text in row)))
    chinese.joinpath("vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]))
    (task,) = infer_folder([folder], str(chinese)).tasks
    assert not any("language" in doubt for doubt in task.findings.unsure)


@pytest.mark.parametrize(("rows_with", "chosen"), [(2, False), (3, False), (5, True)])
def test_characters_that_the_encoder_does_not_know_become_tokens(
    rows_with: int, chosen: bool, tmp_path: Path, tiny_encoder: Path
) -> None:
    texts = [f"a good film about rice {number} {'🥝' * 2 * (number < rows_with)}" for number in range(400)]
    rows = [{"text": text, "label": "ab"[number % 2]} for number, text in enumerate(texts)]
    folder = write(tmp_path / "fruit", {"train.csv": rows})
    knowing = shutil.copytree(tiny_encoder, tmp_path / "encoder")  # all other characters
    known = sorted(set("".join(texts)) - {"🥝", " "})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *(f"##{one}" for one in known)]
    knowing.joinpath("vocab.txt").write_text("\n".join(vocabulary))
    inferred = infer_folder([folder], str(knowing))
    assert inferred.encoder.settings.get("new_characters") == (3 if chosen else None)
    told = "1% of the rows of 'fruit' have characters that"
    assert any(line.startswith(f"new_characters: 3 ({told}") for line in understood(inferred)) is chosen
    assert ("new_characters: 3" in recipe_text(inferred, tmp_path)) is chosen
