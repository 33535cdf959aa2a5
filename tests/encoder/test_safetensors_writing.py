"""Files that minbert writes are what the library of the format reads."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from minbert.encoder.safetensors_writing import write_safetensors

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
DTYPES += [torch.int8, torch.uint8, torch.bool]


def written(path: Path, tensors: dict[str, Tensor], **metadata: str) -> None:
    with path.open("wb") as file:
        write_safetensors(file, tensors, metadata)


def test_the_library_reads_the_same_tensors_and_metadata(tmp_path: Path) -> None:
    tensors = {str(dtype): (torch.randn(3, 5) * 4).to(dtype) for dtype in DTYPES}
    tensors |= {"no dimension": torch.tensor(2.5), "no number": torch.zeros(0, 4), "one byte": torch.tensor([True])}
    tensors |= {"turned": torch.randn(4, 6).t(), "part": torch.randn(9, 9)[2:5, 1::3], '\u540d "quoted"': torch.ones(2)}
    tensors["parameter"] = torch.nn.Parameter(torch.randn(7))
    path = tmp_path / "all.safetensors"
    written(path, tensors, state='{"step": 3}', format="pt")
    read = load_file(path)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name
    with safe_open(path, "pt") as file:
        assert file.metadata().items() >= {"state": '{"step": 3}', "format": "pt"}.items()  # beside checksums


def test_numbers_begin_at_multiples_of_their_size(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(3, dtype=torch.uint8), "b": torch.arange(2, dtype=torch.float64), "c": torch.ones(1)}
    path = tmp_path / "mixed.safetensors"
    written(path, tensors)
    content = path.read_bytes()
    assert content.index(torch.tensor([0.0, 1.0]).double().numpy().tobytes()) % 8 == 0


def test_tensors_that_share_memory_are_each_written(tmp_path: Path) -> None:
    tied = torch.randn(3, 4)
    path = tmp_path / "tied.safetensors"
    written(path, {"one": tied, "other": tied, "turned": tied.t()})
    read = load_file(path)
    assert torch.equal(read["one"], tied) and torch.equal(read["other"], tied) and torch.equal(read["turned"], tied.t())
