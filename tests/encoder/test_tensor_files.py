from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from minbert.encoder import tensor_files
from minbert.encoder.file_damage import DamagedFileError
from minbert.encoder.safetensors_reading import open_tensors
from minbert.encoder.tensor_files import is_sound, read_shapes, read_tensors, write_tensors
from minbert.errors import UserError
from run_bits import flip

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(5, dtype=torch.bfloat16)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"
    write_tensors(path, TENSORS)
    read = read_tensors(path)
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in TENSORS.items())
    with safe_open(path, "pt") as file:
        assert file.metadata()["format"] == "pt"  # transformers asks for it
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_slices_of_one_tensor_can_be_written(tmp_path: Path) -> None:
    fused = torch.arange(12.0).view(6, 2)
    parts = dict(zip("abc", fused.chunk(3), strict=True)) | {"turned": fused.T}
    write_tensors(tmp_path / "model.safetensors", parts)
    read = read_tensors(tmp_path / "model.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in parts.items())


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_of_tensors_are_read(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(read_tensors(path)["weight"], TENSORS["weight"])


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    tensors = {"weight": torch.zeros(1000)}
    if path.suffix == ".safetensors":
        write_tensors(path, tensors)
    else:
        torch.save(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError) as error:
        read_tensors(path)
    assert str(error.value).startswith(f"{path}: ")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"weight": Harmful()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="holds more than tensors"):
        read_tensors(path)
    path.write_bytes(pickle.dumps({"weight": Harmful()}, protocol=2))
    with pytest.raises(UserError, match=r"pytorch_model\.bin: "):
        read_tensors(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content", [[torch.zeros(2)], {"model": {"weight": torch.zeros(2)}, "step": 3}, {1: torch.zeros(2)}]
)
def test_a_pickle_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(content, path)
    with pytest.raises(UserError, match="does not hold named tensors"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_tensors(tmp_path / name)


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, TENSORS)
    before = path.read_bytes()

    def fail(file: BinaryIO, _tensors: object, _metadata: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tensor_files, "write_safetensors", fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_tensors(path, {"weight": torch.zeros(3)})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def flipped_headers(whole: bytes) -> Iterator[bytes]:
    """Yield the file with each bit of its header flipped in turn."""
    for bit in range(8 * (8 + int.from_bytes(whole[:8], "little"))):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "é.safetensors"
    tensors = {"é": torch.arange(6.0).view(2, 3), "b": torch.ones(1, dtype=torch.bfloat16)}
    write_tensors(path, tensors, {"state": '{"step": 3}'})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(UserError) as caught:
            read_tensors(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_flipped_bit_of_a_tensor_is_told_by_the_tensors_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, TENSORS)
    flip(path, -1)
    with pytest.raises(DamagedFileError, match=r"model\.safetensors: the tensor bias is not what was written.*again\."):
        read_tensors(path)
    with open_tensors(path) as file:
        assert torch.equal(file.read("weight"), TENSORS["weight"])
    assert read_shapes(path) == {"weight": (2, 3), "bias": (5,)}  # of the header alone


def test_weights_of_others_have_no_checksums_and_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file(TENSORS, path, metadata)
        assert torch.equal(read_tensors(path)["bias"], TENSORS["bias"])
        for changed in flipped_headers(path.read_bytes()):
            path.write_bytes(changed)
            for read in (read_tensors, read_shapes):
                with suppress(UserError):
                    assert all(isinstance(name, str) for name in read(path))


def test_what_does_not_read_back_does_not_take_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, TENSORS)
    before = path.read_bytes()

    def fail(place: Path) -> None:  # as a disk that loses a bit would
        flip(place, -1)

    monkeypatch.setattr(tensor_files, "flush", fail)
    with pytest.raises(UserError, match=r"model\.safetensors: does not read back .*the tensor bias .*unharmed"):
        write_tensors(path, TENSORS)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e19, -1e19])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_cannot_be_are_seen(value: float, dtype: torch.dtype) -> None:
    tensor = torch.zeros(3, 4, dtype=dtype)
    assert is_sound(tensor)
    assert is_sound(torch.zeros(0))
    tensor[1, 2] = value
    assert not is_sound(tensor)
