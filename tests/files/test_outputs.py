"""Where a command may write: what it reads is safe by whatever name, and what is there is safe without --force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from minbert.cli.main import app
from minbert.errors import UserError
from minbert.files.outputs import check_output


@pytest.fixture
def there(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("text\ngood film\n")
    return path


def refused(path: Path, *inputs: Path, force: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        check_output(path, inputs, force=force, suffixes=[".csv", ".tsv"])
    return str(caught.value)


def test_a_new_file_may_be_written_in_folders_yet_to_be_made(there: Path, tmp_path: Path) -> None:
    check_output(tmp_path / "new/folder/out.TSV", [there], force=False, suffixes=[".csv", ".tsv"])
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_replaced_only_by_force(there: Path, tmp_path: Path) -> None:
    assert "exists already. Choose another name, or add --force" in refused(there)
    check_output(there, [tmp_path / "other.csv"], force=True, suffixes=[".csv"])


def test_an_input_is_never_written_over_by_whatever_name(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "symbolic.csv").symlink_to(there)
    os.link(there, tmp_path / "hard.csv")
    monkeypatch.chdir(tmp_path)
    for name in (there, tmp_path / "symbolic.csv", tmp_path / "hard.csv", Path("in.csv"), Path("../") / there.name):
        path = name if name.exists() else tmp_path / "new" / ".." / there.name
        (tmp_path / "new").mkdir(exist_ok=True)
        assert "is an input of this command" in refused(path, there, force=True)
    assert "is an input of this command" in refused(there, tmp_path, force=True), "a file of a folder that is read"
    assert "is an input of this command" in refused(there, Path("symbolic.csv"), force=True)


def test_a_folder_a_pipe_and_a_link_to_nothing_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "lost.csv").symlink_to(tmp_path / "nowhere")
    assert "is a folder" in refused(tmp_path / "folder.csv", force=True)
    for name in ("pipe.csv", "lost.csv"):
        assert "exists and is not a file" in refused(tmp_path / name, force=True)


def test_the_suffix_must_fit_and_the_place_must_be_a_folder(there: Path) -> None:
    assert "must end in .csv or .tsv, which chooses the format" in refused(there.with_suffix(".npy"))
    assert "must end in .csv or .tsv" in refused(Path("/dev/null"), force=True)
    assert f"{there} is no folder" in refused(there / "out.csv")


WRITERS = {
    "predict": "predict {run} --task t --input {there} --output {out}.csv",
    "encode": "encode {run} --input {there} --output {out}.npy",
    "augment": "augment {there} --text text --method swap --output {out}.csv",
    "compare, JSON": "compare {run} --json {out}.json",
    "compare, CSV": "compare {run} --csv {out}.csv",
    "compare, Markdown": "compare {run} --markdown {out}.md",
    "report": "report {run} --out {out}.html",
    "recipes copy": "recipes copy quickstart {out}.yaml",
}


@pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS)
def test_every_command_that_writes_a_file_keeps_to_it(command: str, there: Path, tmp_path: Path) -> None:
    """What stands there is kept, even by --force where it is read, and the suffix fits; before anything is loaded."""
    run = tmp_path / "run"
    run.mkdir()

    def error(out: Path, *more: str) -> str:
        words = command.format(run=run, there=there, out=out.with_suffix("")).split()
        words[-1] = str(out)
        result = CliRunner().invoke(app, [*words, *more])
        assert isinstance(result.exception, UserError), result.output
        return str(result.exception)

    suffix = Path(command).suffix
    taken = tmp_path / f"taken{suffix}"
    taken.write_text("years of work")
    assert f"{taken}: exists already" in error(taken)
    assert f"must end in {suffix}" in error(tmp_path / "out.txt") or "must end in .tsv" in error(tmp_path / "out.txt")
    if "{there}" in command and suffix == there.suffix:
        assert "is an input of this command" in error(there, "--force")
    if "{run}" in command:
        (run / taken.name).write_text("years of work")
        assert "is an input of this command" in error(run / taken.name, "--force")
    assert taken.read_text() == "years of work"
    assert there.read_text() == "text\ngood film\n"


def test_force_replaces_what_is_there(there: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("mine")
    assert CliRunner().invoke(app, ["recipes", "copy", "quickstart", str(mine), "--force"]).exit_code == 0
    assert "tasks:" in mine.read_text()
    out = tmp_path / "out.csv"
    out.write_text("mine")
    words = ["augment", str(there), "--text", "text", "--method", "swap", "--output", str(out)]
    assert CliRunner().invoke(app, [*words, "--force"]).exit_code == 0
    assert out.read_text().startswith("id,text,origin,method\n")
