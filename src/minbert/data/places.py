"""Where data stand: in a folder of the user's, or in the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from minbert.errors import UserError, did_you_mean
from minbert.files.paths import names_beside, to_path


def sample_folder() -> Path:
    """Return the folder of the sample set, which is part of the package."""
    return Path(str(resources.files("minbert.data"))) / "sample"


def resolve_data(name: str | None) -> Path:
    """Return the folder that ``name`` means: ``sample`` is the sample set, anything else a path.

    Raises:
        UserError: there is no such folder, or none was named.
    """
    if name is None:
        raise UserError("the recipe names no folder of data: give one with --data DIR, or as 'data:' in the recipe.")
    if name == "sample":
        return sample_folder()
    folder = to_path(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file; give the folder that holds the data.")
    hint = did_you_mean(folder.name, names_beside(folder))
    raise UserError(f"{folder}: there is no such data folder{hint}. 'sample' is the set that comes with minbert.")
