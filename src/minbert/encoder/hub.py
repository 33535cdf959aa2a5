"""Which files of an encoder on the hub are wanted."""

from __future__ import annotations

from pathlib import Path

from minbert.encoder.file_names import CONFIG, INDEX, MODULES, PICKLE, POOLING, SAFETENSORS, TRANSFORMER
from minbert.hub.downloading import download_files
from minbert.text import file_names as tokenizer_files

_WANTED = (CONFIG, *tokenizer_files.ALL)
_SAFE = (SAFETENSORS, f"{SAFETENSORS}{INDEX}", "model-*-of-*.safetensors")
_PICKLED = (PICKLE, f"{PICKLE}{INDEX}", "pytorch_model-*-of-*.bin")


def download_encoder(name: str, revision: str | None = None) -> Path:
    """Return the folder of the hub's model ``name``, downloaded now or before; see ``download_files``.

    The weights are safetensors; only where there are none, torch's pickles.
    """
    folder = _download(name, (*_WANTED, *_SAFE), revision)
    if any((place / file).is_file() for place in (folder, folder / TRANSFORMER) for file in _SAFE):
        return folder
    return _download(name, (*_WANTED, *_PICKLED), revision)


def _download(name: str, files: tuple[str, ...], revision: str | None) -> Path:
    inside = [f"{TRANSFORMER}/{file}" for file in files]
    return download_files(name, [*files, *inside, MODULES, f"{POOLING}/{CONFIG}"], revision)
