"""Whether a finished run is still what was written: its models and its answers, by their checksums."""

from __future__ import annotations

from pathlib import Path

from minbert.encoder.file_damage import DamagedFileError
from minbert.encoder.file_names import CONFIG, SAFETENSORS
from minbert.encoder.safetensors_reading import open_tensors
from minbert.errors import UserError
from minbert.files.checksums import check_checksum, files_with_checksums
from minbert.run_folder.folder import model_folders
from minbert.text.file_names import ALL

DESCRIBING = (CONFIG, *ALL)
"""Files that say what a model's weights mean, and how it reads texts."""


def describing_files(folder: Path) -> list[Path]:
    """Return the files beside the weights of the model in ``folder`` from which its answers follow."""
    return [folder / name for name in DESCRIBING if (folder / name).is_file()]


def check_whole(folder: Path, otherwise: str | None = None) -> None:
    """Check the models of a finished run that are there (a sweep keeps few), and its answers.

    ``otherwise`` is what the message says to do where a damaged file cannot be copied again.

    Raises:
        UserError: a file is not what was written; the message names it, and says what to do.
    """
    anew = otherwise or f"remove {folder} and train anew"
    for place in model_folders(folder):
        if (place / SAFETENSORS).is_file():
            _check_model(place / SAFETENSORS, anew)
        for file in files_with_checksums(place):
            # A run that goes on writes its answers anew, and nothing that they follow from.
            check_checksum(place, file, anew if file.name in DESCRIBING else otherwise)


def _check_model(path: Path, otherwise: str) -> None:
    try:
        with open_tensors(path) as file:
            for name in file.shapes:
                file.read(name)
    except DamagedFileError as error:
        raise UserError(
            f"{path}: {error.reason}. A disk or a copy has changed it. Copy it again, or {otherwise}."
        ) from None
