"""What of a run's folder, or of an exported one, goes up to the hub, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minbert.encoder.file_names import CONFIG, MODULES, SAFETENSORS
from minbert.errors import UserError
from minbert.files.strict_yaml import read_yaml, to_yaml
from minbert.hub.uploading import Upload
from minbert.run_folder.card import CARD
from minbert.run_folder.card_texts import HERE
from minbert.run_folder.folder import RECIPE
from minbert.run_folder.unfinished import unfinished
from minbert.text import file_names as tokenizer_files

PUBLISHED = (
    CARD,
    "LICENSE",
    RECIPE,
    CONFIG,
    SAFETENSORS,
    *tokenizer_files.TOKENIZERS,
    tokenizer_files.MERGES,
    tokenizer_files.ADDED,
    tokenizer_files.CONFIGURATION,
    tokenizer_files.SPECIAL_TOKENS,
    MODULES,
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    f"[0-9]_*/{CONFIG}",
    f"[0-9]_*/{SAFETENSORS}",
    "model.onnx",
    "onnx/model.onnx",
    "minbert.json",
    "index.html",
    "page.css",
    "page.js",
    "minbert.js",
)
"""The files that go up, where they are there. So no checkpoint does, no prediction, no row of data and no pickle."""


def uploads(folder: Path, repository: str) -> list[Upload]:
    """Return the files of ``PUBLISHED`` in a model's folder, hashed, as they are to be in ``repository``.

    The card names the repository where a reader is to put its name. Of folders of this machine the recipe keeps the
    last part: ``data: /home/somebody/quora`` is ``data: quora``.

    Raises:
        UserError: the folder holds no model or a run that is not finished, or a file cannot be read.
    """
    found = {path.relative_to(folder).as_posix(): path for path in _published(folder)}
    if not any(name.endswith((SAFETENSORS, ".onnx")) for name in found):
        raise UserError(f"{folder}: holds no model. Give a run's folder, or one that 'minbert export' wrote.")
    if note := unfinished(folder):
        raise UserError(f"{note}. Push it when it is finished.")
    return [Upload.of(name, _content(name, path, repository)) for name, path in sorted(found.items())]


def _published(folder: Path) -> Iterator[Path]:
    whole = folder.resolve()
    for path in (path for pattern in PUBLISHED for path in folder.glob(pattern) if path.is_file()):
        if not path.resolve().is_relative_to(whole):
            raise UserError(f"{path}: is a link to {path.resolve()}, outside the folder, so it is not pushed.")
        yield path


def _content(name: str, path: Path, repository: str) -> Path | bytes:
    """Return where a file is or, where it is to say something else in a repository, what is in it there."""
    if name == CARD:
        return path.read_text(encoding="utf-8").replace(HERE, repository).encode()
    if name == RECIPE:
        return to_yaml(_without_places(read_yaml(path))).encode()
    return path


def _without_places(value: Any) -> Any:
    """Return a recipe's value with the last part alone of each whole path."""
    if isinstance(value, dict):
        return {key: _without_places(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner) for inner in value]
    is_place = isinstance(value, str) and (value.startswith("~") or Path(value).is_absolute())
    return Path(value).name if is_place else value
