"""Files in the format of safetensors, read tensor by tensor, each checked against its checksum where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from minbert.encoder.file_damage import DamagedFileError, damage_told
from minbert.encoder.tensor_checksums import checksum, checksums_of, tensor_bytes


class TensorFile:
    """An open ``.safetensors`` file."""

    def __init__(self, path: Path, file: Any) -> None:
        """``file`` is what ``safe_open`` gave for ``path``.

        Raises:
            ValueError: its header is not what was written.
        """
        self._path, self._file = path, file
        self.metadata: dict[str, str] = file.metadata() or {}
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(file.get_slice(name).get_shape())
            for name in file.keys()  # noqa: SIM118  (no mapping)
        }
        self._checksums = checksums_of(self.metadata, self.shapes)

    def read(self, name: str) -> Tensor:
        """Return a tensor, on the CPU.

        Raises:
            DamagedFileError: it is not what was written. Files of others, which have no checksums, are not checked.
        """
        tensor: Tensor = self._file.get_tensor(name)
        if self._checksums and checksum(tensor_bytes(tensor)) != self._checksums[name]:
            reason = f"the tensor {name} is not what was written: its checksum differs"
            raise DamagedFileError(self._path, reason, "A disk or a copy has changed it. Get or write the file again.")
        return tensor

    def read_all(self) -> dict[str, Tensor]:
        """Return all tensors; see ``read``."""
        return {name: self.read(name) for name in self.shapes}


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a ``.safetensors`` file, to read its metadata and some of its tensors.

    Raises:
        UserError: the file is missing, cut short, or not what ``write_tensors`` wrote.
    """
    with damage_told(path), safe_open(path, "pt") as file:
        yield TensorFile(path, file)
