"""Files of tensors: safetensors, and the older pickles of torch, read without running what they may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from minbert.encoder.file_damage import DamagedFileError, damage_told
from minbert.encoder.file_names import INDEX
from minbert.encoder.pickled_tensors import read_pickled
from minbert.encoder.safetensors_reading import open_tensors
from minbert.encoder.safetensors_writing import write_safetensors
from minbert.errors import UserError
from minbert.files import atomic_path
from minbert.files.durable import flush
from minbert.files.json_text import read_json
from minbert.files.paths import to_path

Value = TypeVar("Value")

LARGEST_WEIGHT = 1e18
"""Heads of the largest labels that a regression may have stay below; products of larger ones soon are no numbers."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file or, whatever else it is called, of a torch pickle, on the CPU.

    Of an index (``model.safetensors.index.json``), those of all files that it names.

    Raises:
        UserError: a file is missing, cut short, or a pickle that holds anything but tensors; or an index is damaged.
            A tensor in a file of ours is not what was written.
    """
    if path.name.endswith(INDEX):
        return _together(path, read_tensors)
    if path.suffix == ".safetensors":
        with open_tensors(path) as file:
            return file.read_all()
    with damage_told(path):
        return read_pickled(path)


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by name: of safetensors, nothing but the header is read.

    Raises:
        UserError: see ``read_tensors``.
    """
    if path.name.endswith(INDEX):
        return _together(path, read_shapes)
    if path.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in read_tensors(path).items()}
    with open_tensors(path) as file:
        return file.shapes


def indexed_files(index: Path) -> list[Path]:
    """Return the files that an index names; they stand beside it.

    Raises:
        UserError: the index is damaged.
    """
    return sorted({index.with_name(name) for name in _places(index).values()})


def _places(index: Path) -> dict[str, str]:
    """Return which file an index has for each tensor."""
    content = read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise UserError(f"{index}: has no 'weight_map' from tensors to files. Get the file again.")
    suffix = Path(index.name.removesuffix(INDEX)).suffix
    for name in places.values():
        if to_path(name).name != name:
            raise UserError(f"{index}: names the file {name!r}, which does not stand beside it. Get the files again.")
        if Path(name).suffix != suffix:
            raise UserError(f"{index}: names the file {name!r}, which is no {suffix} file. Get the files again.")
    return places


def _together(index: Path, read: Callable[[Path], dict[str, Value]]) -> dict[str, Value]:
    """Return what ``read`` gives of all files that ``index`` names.

    Raises:
        UserError: a file is missing, a tensor stands in two of them, or in none.
    """
    places = _places(index)
    files = indexed_files(index)
    if missing := [file.name for file in files if not file.is_file()]:
        raise UserError(
            f"{index}: names {len(files)} files, and {', '.join(missing[:3])}: no such file"
            f"{'' if len(missing) == 1 else f' ({len(missing)} are missing)'}. Get them all."
        )
    found: dict[str, Value] = {}
    for file in files:
        for name, value in read(file).items():
            if name in found:
                raise UserError(f"{file}: holds {name}, which another file of {index.name} holds too. Get them again.")
            found[name] = value
    if absent := [name for name in places if name not in found]:
        raise UserError(f"{index}: names {absent[0]}, which {places[absent[0]]} does not hold. Get the files again.")
    return found


def is_sound(tensor: Tensor) -> bool:
    """Return whether all values are finite and none is beyond ``LARGEST_WEIGHT``."""
    if not tensor.numel():
        return True
    low, high = tensor.aminmax()
    return bool(low >= -LARGEST_WEIGHT) and bool(high <= LARGEST_WEIGHT)  # no comparison with NaN holds


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``tensors`` as safetensors, atomically; nothing else in the package writes such files.

    Checksums go along (see ``tensor_checksums``). The file takes its name when it has been read back by them. Without
    ``metadata`` it says what transformers asks of a file of weights.

    Raises:
        UserError: the file cannot be written, or does not read back as it was.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    with atomic_path(path, size) as temporary:
        with temporary.open("wb") as file:
            write_safetensors(file, tensors, metadata or {"format": "pt"})
        flush(temporary)
        try:
            with open_tensors(temporary) as written:
                for name in written.shapes:
                    written.read(name)
        except DamagedFileError as error:
            raise UserError(
                f"{path}: does not read back as it was written ({error.reason}). Is the disk failing? Choose another; "
                "what stood there before is unharmed."
            ) from None
