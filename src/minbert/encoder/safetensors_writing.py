"""Tensors written in the format of safetensors, one after the other.

The library's own ``save_file`` refuses tensors that share memory, as tied weights do. So a checkpoint, which holds
three times the weights, was copied whole before it was written, and what was freed of the copy lay between the tensors
of later steps. A run of a 110M encoder (bf16, a checkpoint of 1.3 GB each five minutes) took 5.2 GB after 23 minutes
and 9.9 GB after two hours: it grew with each checkpoint, and by nothing in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from minbert.encoder.tensor_checksums import checksum, sealed, tensor_bytes

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""As the format calls them."""
_ALIGNMENT = 8
"""In bytes, of where the first tensor begins: no number is larger."""


def write_safetensors(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, from any device, into an open file, and checksums of all of it (see ``tensor_checksums``).

    Raises:
        OSError: the file cannot be written.
    """
    # The largest numbers first, so that each tensor begins at a multiple of the size of its numbers.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    entries: dict[str, Any] = {}
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    shapes = {name: entry["shape"] for name, entry in entries.items()}
    checksums = dict.fromkeys(names, checksum(b""))
    file.write(_header(sealed(metadata, shapes, checksums), entries))
    for name in names:
        content = tensor_bytes(tensors[name])
        file.write(content)
        checksums[name] = checksum(content)
    # All checksums are as long as that of nothing, so the header fits where it stood without them.
    file.seek(0)
    file.write(_header(sealed(metadata, shapes, checksums), entries))


def _header(metadata: Mapping[str, str], entries: Mapping[str, Any]) -> bytes:
    content = json.dumps({"__metadata__": dict(metadata), **entries}, ensure_ascii=False).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    return len(content).to_bytes(8, "little") + content
