"""Checksums in the metadata of our safetensors files: of each tensor's bytes, and of the header that holds them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_CHECKSUMS = "minbert.crc32"
_DIGEST = "digest"


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's numbers as they stand in a file; no copy of one that is contiguous and on the CPU."""
    content: memoryview = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return content


def checksum(content: bytes | memoryview) -> str:
    """Return the CRC-32 of a tensor's bytes, as eight digits.

    It finds every flip of one bit or two in half a gigabyte, every burst of 32, and of other changes all but one in
    four billion. SHA-256 takes three times as long, even where the processor has instructions for it.
    """
    return f"{zlib.crc32(content):08x}"


def sealed(
    metadata: Mapping[str, str], shapes: Mapping[str, Sequence[int]], checksums: Mapping[str, str]
) -> dict[str, str]:
    """Return ``metadata`` with the checksums of all tensors, and a digest of everything that the header says."""
    whole = {**metadata, _CHECKSUMS: json.dumps(checksums, ensure_ascii=False)}
    return {**whole, _DIGEST: _digest(whole, shapes)}


def checksums_of(metadata: Mapping[str, str], shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return the checksums that a file's metadata hold; none of files of others, and of older versions.

    Raises:
        ValueError: the header is not what was sealed.
    """
    if not {_CHECKSUMS, _DIGEST} & metadata.keys():
        return {}
    if _digest(metadata, shapes) != metadata.get(_DIGEST):
        raise ValueError("its header was changed")
    checksums: dict[str, str] = json.loads(metadata.get(_CHECKSUMS, "{}"))
    return checksums


def _digest(metadata: Mapping[str, str], shapes: Mapping[str, Sequence[int]]) -> str:
    content = [
        {key: value for key, value in metadata.items() if key != _DIGEST},
        {name: list(shape) for name, shape in shapes.items()},
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
