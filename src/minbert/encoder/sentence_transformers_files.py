"""What a model of sentence-transformers says beside its encoder: where that is, and what is made of its states."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from minbert.encoder.file_names import CONFIG, MODULES
from minbert.errors import UserError
from minbert.files.json_text import read_json

logger = logging.getLogger(__name__)

_OURS = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
"""Its ways of pooling -> ours. All others are none of ours."""
_MODE = "pooling_mode"


def encoder_folder(folder: Path) -> Path:
    """Return the folder of the encoder: ``folder`` or, where modules.json says so, one in it.

    Raises:
        UserError: modules.json is damaged.
    """
    if (folder / CONFIG).is_file() or not (folder / MODULES).is_file():
        return folder
    places = [place for kind, place in _modules(folder) if kind == "Transformer"]
    return folder / places[0] if places else folder


def tell_other_vectors(name: str, folder: Path, width: int) -> None:
    """Warn where the model of sentence-transformers in ``folder`` makes its vectors otherwise than by means.

    Args:
        name: of the encoder, for messages.
        folder: with a modules.json.
        width: of the encoder's states.

    Raises:
        UserError: a file is damaged.
    """
    modules = _modules(folder)
    for file in (folder / place / CONFIG for kind, place in modules if kind == "Pooling"):
        pooling = _settings(file) if file.is_file() else {}
        ways = _ways(pooling)
        ours = [f"'{_OURS[way]}'" for way in ways if way in _OURS]
        if ways and ours != ["'mean'"]:
            same = f"'pooling: {ours[0][1:-1]}'" if len(ways) == len(ours) == 1 else "None of minbert's ways of pooling"
            logger.warning("encoder '%s': its authors pool by %s. %s does the same.", name, " and ".join(ways), same)
        told = pooling.get("word_embedding_dimension", pooling.get("embedding_dimension", width))
        if told != width:
            logger.warning(
                "%s: pools states of %s numbers, and the encoder's have %s. Do the files belong together?",
                file,
                told,
                width,
            )
    if any(kind == "Dense" for kind, _ in modules):
        logger.warning("encoder '%s': its authors put a dense layer behind pooling. It is not read.", name)


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return the kind and the folder of each of a model's modules."""
    content = read_json(folder / MODULES)
    modules = []
    for module in content if isinstance(content, list) else [None]:
        kind, place = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(place, str) or Path(place).is_absolute() or ".." in place:
            raise UserError(f"{folder / MODULES}: is no list of modules with a 'type' and a 'path'. Get it again.")
        modules.append((kind.rpartition(".")[2], place))
    return modules


def _settings(file: Path) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a JSON object of settings.")
    return content


def _ways(pooling: dict[str, Any]) -> list[str]:
    """Return how states are pooled: several ways are set side by side."""
    named = pooling.get(_MODE)
    if named is not None:
        return [str(way) for way in (named if isinstance(named, list) else [named])]
    return [key.removeprefix(f"{_MODE}_") for key, value in pooling.items() if key.startswith(_MODE) and value is True]
