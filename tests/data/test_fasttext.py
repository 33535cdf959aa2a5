"""Files in fastText's format."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from minbert.data.rows import Problem, Row, read_rows
from minbert.display.progress import Display
from minbert.running.checking import check_source
from minbert.schema_inference.commented_recipe import recipe_text
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import text

LINES = b"""\xef\xbb\xbf__label__good fine, really; so
__label__bad  two\twords
__label__good __label__short fine __label__bad

__label__good
no label
__label__bad b\xe4d
"""


def test_labels_stand_before_the_text(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_bytes(LINES)
    (tmp_path / "rows.txt.gz").write_bytes(gzip.compress(LINES))
    *rows, problem = read_rows(tmp_path / "rows.txt")
    assert rows == [
        Row(1, {"label": "good", "text": "fine, really; so"}),
        Row(2, {"label": "bad", "text": "two\twords"}),
        Row(3, {"label": "good|short", "text": "fine __label__bad"}),
        Row(5, {"label": "good", "text": ""}),
        Row(6, {"label": "", "text": "no label"}),
    ]
    assert isinstance(problem, Problem)
    assert problem.line == 7
    assert list(read_rows(tmp_path / "rows.txt.gz"))[:5] == rows


@pytest.mark.parametrize(("more", "kind"), [("", "classification"), (" __label__long", "multilabel")])
def test_a_folder_of_such_files_is_a_task(more: str, kind: str, tmp_path: Path, quiet: Display) -> None:
    for split, rows in (("train", 240), ("valid", 60)):
        lines = [f"__label__{'good' if n % 2 else 'bad'}{more if n % 3 else ''} {text()(n)}" for n in range(rows)]
        (tmp_path / f"mood.{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    inferred = infer_folder(tmp_path)
    (task,) = inferred.tasks
    assert (task.findings.settings["kind"], task.rows) == (kind, {"train": 240, "dev": 60})
    assert set(task.findings.settings["classes"]) == {"good", "bad", *more.split("__")[2:]}
    (tmp_path / "recipe.yaml").write_text(recipe_text(inferred, tmp_path), encoding="utf-8")
    lines, healthy = check_source(str(tmp_path / "recipe.yaml"), None, None, quiet)
    assert healthy, lines
