"""Whether a finished run is still what was written: its models and its answers, by their checksums."""

from __future__ import annotations

from pathlib import Path

from minbert.encoder.file_damage import DamagedFileError
from minbert.encoder.file_names import SAFETENSORS
from minbert.encoder.safetensors_reading import open_tensors
from minbert.errors import UserError
from minbert.files.checksums import check_checksums
from minbert.run_folder.folder import model_folders


def check_whole(folder: Path, otherwise: str | None = None) -> None:
    """Check the models of a finished run that are there (a sweep keeps few), and its answers.

    ``otherwise`` is what the message says to do where a damaged file cannot be copied again.

    Raises:
        UserError: a file is not what was written; the message names it, and says what to do.
    """
    for place in model_folders(folder):
        if (place / SAFETENSORS).is_file():
            _check_model(place / SAFETENSORS, otherwise or f"remove {folder} and train anew")
        check_checksums(place, otherwise)


def _check_model(path: Path, otherwise: str) -> None:
    try:
        with open_tensors(path) as file:
            for name in file.shapes:
                file.read(name)
    except DamagedFileError as error:
        raise UserError(
            f"{path}: {error.reason}. A disk or a copy has changed it. Copy it again, or {otherwise}."
        ) from None
