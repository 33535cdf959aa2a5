"""What of a finished run must be the same to the last bit, however often it was cut; and bits that flip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minbert.encoder.safetensors_reading import open_tensors
from minbert.files.locks import is_lock

_OF_THE_CLOCK = {
    "seconds",
    "train_seconds",
    "examples_per_second",
    "texts_per_second",
    "real_tokens_per_second",
    "peak_memory_mb",
    "ended",
}


def bits(folder: Path) -> dict[str, Any]:
    """Return what a run's, or a sweep's, folder holds, but for what clocks and memory say."""
    files = (path for path in folder.rglob("*") if path.is_file() and not is_lock(path) and ".locks" not in path.parts)
    return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Flip a bit of the byte at ``place``, or so many bytes before the end."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def _content(path: Path) -> Any:
    if path.name.startswith("last"):
        with open_tensors(path) as file:
            state = _timeless(json.loads(file.metadata["state"]))
            return state, {name: tensor.numpy().tobytes() for name, tensor in file.read_all().items()}
    if path.name in ("sweep.csv", "sweep.md", "tables.md"):  # of what sweep.json or results.json says, seconds and all
        return None
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in _OF_THE_CLOCK}
    if isinstance(value, list):
        return [_timeless(inner) for inner in value]
    return value
