"""Weights as torch pickles them: read without running what the file may hold, and into no more memory than it takes."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from minbert.errors import UserError

_MOST = 4
"""Times its file that all tensors together may take. Weights that share memory count each time: tied ones are two."""


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of a torch pickle, on the CPU.

    A few bytes of an archive can be unpacked to any number, and a tensor can repeat one number for ever, so both are
    held to the size of the file.

    Raises:
        UserError: it holds anything but tensors, or more than it can.
        pickle.UnpicklingError, OSError, ValueError: it is damaged, or holds what could run.
    """
    size = path.stat().st_size
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > size:
                raise UserError(f"{path}: is compressed, as torch writes no weights. Save them as model.safetensors.")
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (UserError, pickle.UnpicklingError, OSError):
        raise
    except Exception as error:  # where bytes are damaged, its unpickler fails by whatever comes of it
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in loaded.items()
    ):
        raise UserError(
            f"{path}: does not hold named tensors. Is it a training checkpoint? Save the model's own weights."
        )
    if sum(tensor.numel() * tensor.element_size() for tensor in loaded.values()) > _MOST * size:
        raise UserError(f"{path}: its tensors are larger than the file. Save them as model.safetensors.")
    return dict(loaded)
