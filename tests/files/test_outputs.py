"""Where a command may write: what it reads is safe by whatever name, and what is there is safe without --force."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from minbert.cli.main import app
from minbert.errors import UserError
from minbert.files.locks import claimed_file
from minbert.files.outputs import new_file


@pytest.fixture
def there(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("text\ngood film\n")
    return path


def refused(path: Path, *inputs: Path, force: bool = False) -> str:
    with pytest.raises(UserError) as caught, new_file(path, inputs, force=force, suffixes=[".csv", ".tsv"]):
        pass
    return str(caught.value)


def test_a_new_file_may_be_written_in_folders_yet_to_be_made(there: Path, tmp_path: Path) -> None:
    with new_file(tmp_path / "new/folder/out.TSV", [there], force=False, suffixes=[".csv", ".tsv"]):
        pass
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_replaced_only_by_force(there: Path, tmp_path: Path) -> None:
    assert "exists already. Choose another name, or add --force" in refused(there)
    with new_file(there, [tmp_path / "other.csv"], force=True, suffixes=[".csv"]):
        pass
    assert sorted(tmp_path.iterdir()) == [there]


def test_one_process_at_a_time_writes_a_file(tmp_path: Path) -> None:
    """Also where nothing is there yet, and by ``--force``; what a killed process has left does not count."""
    out = tmp_path / "out.csv"
    (tmp_path / ".out.csv.lock").write_text('{"pid": 123456789}')
    with new_file(out, force=False, suffixes=[".csv"]):
        for force in (False, True):
            assert f"{out}: another process writes it (process {os.getpid()} on " in refused(out, force=force)
        assert "or choose another name." in refused(out)
        with new_file(tmp_path / "other.csv", force=False, suffixes=[".csv"]):
            pass
        out.write_text("mine")
    assert "exists already" in refused(out)
    assert list(tmp_path.iterdir()) == [out]


def test_what_another_process_wrote_in_the_meantime_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.csv"

    @contextmanager
    def claimed_after_another(path: Path) -> Iterator[None]:
        path.write_text("another's")
        yield

    monkeypatch.setattr("minbert.files.outputs.claimed_file", claimed_after_another)
    assert "exists already" in refused(out)


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
    with claimed_file(tmp_path / f"held{suffix}"):
        assert "another process writes it" in error(tmp_path / f"held{suffix}")
        assert "another process writes it" in error(tmp_path / f"held{suffix}", "--force")
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


def test_a_report_finds_out_first_whether_its_figures_have_a_place(there: Path, tmp_path: Path) -> None:
    """The run is none, which would be told next."""
    words = ["report", str(tmp_path / "none"), "--out", str(tmp_path / "r.html"), "--figures"]
    for place, told in ((there, "is a file; choose another --figures"), (there / "in", "cannot be written to")):
        result = CliRunner().invoke(app, [*words, str(place)])
        assert isinstance(result.exception, UserError), result.output
        assert told in str(result.exception)
    assert list(tmp_path.iterdir()) == [there]
