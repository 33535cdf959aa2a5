"""What to tell of a file of tensors that cannot be read, or is not what was written."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from minbert.errors import UserError

_POINTER = b"version https://git-lfs"
"""How a file begins that git left in a large one's place."""


class DamagedFileError(UserError):
    """A file of tensors cannot be read, or is not what was written."""

    def __init__(self, path: Path, reason: str, advice: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}. {advice}")


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Tell what goes wrong in the body as damage of the file ``path``.

    Raises:
        UserError: of whatever went wrong, and a ``DamagedFileError`` if the file is to blame.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except pickle.UnpicklingError as error:
        if _is_pointer(path):
            raise _only_a_pointer(path) from None
        raise UserError(
            f"{path}: holds more than tensors, or is damaged. Reading the rest could run code, so none of it was read. "
            "Save the weights as model.safetensors where you trust them."
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        if _is_pointer(path):
            raise _only_a_pointer(path) from None
        told = next(iter(str(error).splitlines()), type(error).__name__)
        reason = f"cannot be read as a file of tensors ({told})"
        raise DamagedFileError(path, reason, "Is it cut short? Get or write it again.") from error


def _is_pointer(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER
    return False


def _only_a_pointer(path: Path) -> UserError:
    return UserError(f"{path}: is only a pointer to the file, which git keeps elsewhere. Run 'git lfs pull' there.")
