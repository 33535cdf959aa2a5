"""Files that are not UTF-8: which of them are read as Windows-1252, and which are left to people."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from minbert.errors import UserError
from minbert.running.run import train_recipe
from minbert.schema_inference.encoding import find_encoding
from minbert.schema_inference.found import Findings
from minbert.schema_inference.infer import infer_folder
from schema_inference.folders import GERMAN, GERMAN_REST, chinese, german

FRENCH = ["Ça m’a plu, « très » drôle et léger", "Le garçon a dîné à Noël – 3 €", "Où êtes-vous né ?"]
POLISH = ["Żółw zjadł świeżą sałatę", "Łódź płynęła szybko", "Wciąż pada śnieg"]
TURKISH = ["Kızı çok şaşırdı", "Ağaçların altında ışık yok", "Şoför yağmuru sevmiyor"]
RUSSIAN = ["Старый рыбак потерял ключ", "Мы нашли три карты"]


@pytest.mark.parametrize(
    ("lines", "written", "encoding"),
    [
        (FRENCH, "windows-1252", "windows-1252"),
        (FRENCH, "utf-8", "utf-8"),
        (["It cost £5 – no more", "plain"], "windows-1252", "windows-1252"),
        ([f"{who} {what}" for who in GERMAN for what in GERMAN_REST], "latin-1", "windows-1252"),
        (["plain", "words"], "ascii", "utf-8"),
        (POLISH, "windows-1250", "utf-8"),
        (TURKISH, "windows-1254", "utf-8"),
        (RUSSIAN, "windows-1251", "utf-8"),
        (RUSSIAN, "koi8-r", "utf-8"),
        ([chinese(row) for row in range(9)], "gbk", "utf-8"),
    ],
)
def test_only_western_texts_are_taken_as_windows_1252(
    lines: list[str], written: str, encoding: str, tmp_path: Path
) -> None:
    content = "\n".join(["text", *lines]).encode(written)
    (tmp_path / "a.csv").write_bytes(content)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(content))
    for name in ("a.csv", "b.csv.gz"):
        findings = Findings()
        assert find_encoding([tmp_path / "none.csv", tmp_path / name], findings) == encoding
        assert findings.settings.get("encoding", "utf-8") == encoding
        assert bool(findings.unsure) == (encoding != "utf-8")


def test_a_broken_line_among_utf_8_is_no_other_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text\ncafé\n".encode() + "café\n".encode("latin-1"))
    (tmp_path / "b.csv").write_bytes("text\ncafé\n".encode("latin-1"))
    assert find_encoding([tmp_path / "a.csv"], Findings()) == "utf-8"
    assert find_encoding([tmp_path / "b.csv", tmp_path / "a.csv"], Findings()) == "utf-8"
    assert find_encoding([tmp_path / "b.csv"], Findings()) == "windows-1252"


def test_a_folder_of_windows_files_is_trained(tmp_path: Path, tiny_encoder: Path) -> None:
    rows = [f"{'gut' if row % 2 else 'übel'}\t{german(row)}\n" for row in range(90)]
    for split, some in (("train", rows[:60]), ("dev", rows[60:])):
        (tmp_path / f"{split}.tsv").write_bytes("".join(["label\ttext\n", *some]).encode("windows-1252"))
    inferred = infer_folder(tmp_path, str(tiny_encoder))
    settings = inferred.tasks[0].findings.settings
    assert (settings["encoding"], settings["classes"]) == ("windows-1252", ["gut", "übel"])
    train_recipe(inferred.recipe({"training.epochs": 1}), tmp_path / "run")
    with pytest.raises(UserError, match=r"not UTF-8 .*(.|\n)*'encoding: windows-1252' in the recipe"):
        train_recipe(inferred.recipe({f"tasks.{inferred.tasks[0].name}.encoding": "utf-8"}), tmp_path / "other")
