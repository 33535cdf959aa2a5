"""What a run, or a sweep, reads, by hashes: it goes on with what it began with and with nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.digests import remembered_sha256
from minbert.files.json_text import read_json

INPUTS = "inputs.json"
"""In a run's folder: of each file that the run read when it began, its path and SHA-256, by the recipe's key."""


class InputFile(BaseModel):
    """A file as it was."""

    file: str
    sha256: str


_RECORD = TypeAdapter(dict[str, InputFile])


class RunInputs:
    """The files that a run reads. Where it goes on, each must be what it was when the run began."""

    def __init__(self, folder: Path, resumed: bool, display: Display) -> None:
        """Read what the run in ``folder`` began with, if it is ``resumed``; older runs have no such record.

        Raises:
            UserError: the record is damaged.
        """
        self._path, self._display = folder / INPUTS, display
        self._hashes: dict[str, InputFile] = {}
        self._began_with: dict[str, InputFile] = {}
        if resumed and self._path.is_file():
            try:
                self._began_with = _RECORD.validate_python(read_json(self._path))
            except ValidationError:
                raise UserError(f"{self._path}: is damaged; begin anew with another --out.") from None
        elif resumed:
            display.note(f"{folder}: has no record of the files it began with, so it goes on without comparing them")

    def add(self, files: Mapping[str, Path]) -> None:
        """Take in files by the keys of the recipe that name them; those that are not there are left to their readers.

        Raises:
            UserError: a file is not the one that the run began with.
        """
        here = _hashed(files)
        if told := self._changed(here):
            raise UserError(
                f"{self._path.parent}: this run began with other contents of {told}. Put back what it began with, or "
                "begin anew with another --out."
            )
        self._hashes |= here

    def tell_changed(self) -> None:
        """Note which files are no longer what the run, which is finished, began with; not those that are gone."""
        if told := self._changed(_hashed({key: Path(was.file) for key, was in self._began_with.items()})):
            self._display.note(
                f"it is a run of what files held before: {told} changed since. Choose another --out for them"
            )

    def _changed(self, here: Mapping[str, InputFile]) -> str:
        changed = [key for key in here if self._began_with.get(key, here[key]).sha256 != here[key].sha256]
        told = "; ".join(f"{key} ({here[key].file})" for key in changed[:5])
        return told + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")

    def write(self) -> None:
        """Record what was taken in, as what the run began with."""
        write_json(self._path, _RECORD.dump_python(self._hashes))


def _hashed(files: Mapping[str, Path]) -> dict[str, InputFile]:
    there = {key: path for key, path in sorted(files.items()) if path.is_file()}
    return {key: InputFile(file=str(path), sha256=remembered_sha256(path)) for key, path in there.items()}
