"""What checksums cost: a model's file written, read back and read, and how much of that is the hash.

    python benchmarks/checksums.py [ENCODER]

Without checksums is the same code with a hash that does nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from minbert.encoder import safetensors_reading, safetensors_writing
from minbert.encoder.sources import load_encoder
from minbert.encoder.tensor_checksums import checksum, tensor_bytes
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.encoder.weights import export_tensors

REPEATS = 5


def milliseconds(action: Callable[[], object]) -> float:
    """Return what an action takes, the quickest of some."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return 1000 * min(times)


def main(encoder: str) -> None:
    """Print a line for each action, with checksums and without."""
    tensors = export_tensors(load_encoder(encoder))
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    print(f"{encoder}: {size / 1e6:.1f} MB in {len(tensors)} tensors, the quickest of {REPEATS}, milliseconds")
    print(f"{'hash alone':12} {milliseconds(lambda: [checksum(tensor_bytes(t)) for t in tensors.values()]):8.0f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        actions: dict[str, Callable[[], object]] = {
            "write": lambda: write_tensors(path, tensors),
            # Mapped memory costs nothing until it is used, so each way sums what it has read.
            "read": lambda: [tensor.sum() for tensor in read_tensors(path).values()],
        }
        for name, action in actions.items():
            with_hash = milliseconds(action)
            free = mock.Mock(return_value="0" * 8)
            with (
                mock.patch.object(safetensors_writing, "checksum", free),
                mock.patch.object(safetensors_reading, "checksum", free),
                mock.patch.object(safetensors_reading, "checksums_of", return_value={}),
            ):
                without = milliseconds(action)
            action()
            print(f"{name:12} {with_hash:8.0f} {without:8.0f} without")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["minilm"]))
