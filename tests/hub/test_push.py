"""``minbert push``, and reading what was pushed, with a stand-in for the hub."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants, file_download

from command_line import complains, minbert
from hub_stand_in import Hub, served
from minbert.encoder.sources import load_encoder
from minbert.export.exporting import export_model, find_format
from minbert.export.formats import Format
from minbert.export.onnx import graph
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.run_folder.card_texts import HERE
from minbert.run_folder.publishing import PUBLISHED
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer

try:
    from huggingface_hub import close_session
except ImportError:  # before 1.0
    from huggingface_hub.utils import reset_sessions as close_session

TOKEN = "hf_ana"
PAGE = Path(__file__).parents[2] / "docs/hub.md"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub in which Ana may write; the client, which has read its environment long ago, is turned to it."""
    with served({"bo/public": {"config.json": b"{}"}}, {TOKEN: "ana", "hf_you": "your-name"}) as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        point_at(hub.address, tmp_path, monkeypatch)
        yield hub


def point_at(address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    for module in (constants, file_download):  # a client before 1.0 has a copy
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    if hasattr(constants, "HF_URL_HOSTS"):  # whom a newer client sends tokens to
        monkeypatch.setattr(constants, "HF_URL_HOSTS", constants.HF_URL_HOSTS | {"127.0.0.1"})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    close_session()  # the one in use has read the proxies


@pytest.fixture
def run(two_tasks: dict[str, Any], tmp_path: Path) -> Path:
    """A finished run with weights that nobody trained, and all that a run may leave behind."""
    recipe = parse_recipe(two_tasks, "test")
    tasks = {
        name: TaskSettings.model_validate({key: getattr(task, key) for key in TaskSettings.model_fields})
        for name, task in recipe.tasks.items()
    }
    encoder = recipe.encoder.name
    model = MultitaskModel(load_encoder(encoder), Tokenizer.from_files(Path(encoder)), tasks, 40)
    folder = tmp_path / "run"
    model.save_pretrained(folder)
    (folder / "README.md").write_text(f'---\ntags: [minbert]\n---\n\n# moods\n\nUse it: from_pretrained("{HERE}")\n')
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    beside = ["checkpoints/last-8.safetensors", "optimizer.pt", "pytorch_model.bin", "augmented/rows.tsv"]
    beside += ["predictions/mood-dev-output.csv", "answers/mood-dev.parquet", "best/mood/model.safetensors"]
    for file in ["metrics.json", "inputs.json", "history.jsonl", *beside]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    return folder


def pushed_files(hub: Hub, name: str) -> dict[str, bytes]:
    repository = hub.repositories[name]
    return {file: content for file, content in repository.commits[repository.branches["main"]].items() if content}


def revision_of(printed: str) -> str:
    return re.findall(r"revision (\w{40})", printed)[0]


def test_what_was_pushed_is_read_back_by_its_commit(hub: Hub, run: Path, tmp_path: Path) -> None:
    done = minbert("push", run, "ana/moods", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["ana/moods"]
    assert repository.private
    assert len(repository.commits) == 1 + 1  # the hub's own, and one of ours
    revision = revision_of(done.stdout)
    assert revision == repository.branches["main"]
    files = pushed_files(hub, "ana/moods")
    listed = dict(re.findall(r"^(\S+) .* ([0-9a-f]{64})", done.stdout, re.MULTILINE))
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert sorted(files) == [
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "recipe.yaml",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    changed = {name for name, content in files.items() if content != (run / name).read_bytes()}
    assert changed == {"README.md", "recipe.yaml"}
    assert b'from_pretrained("ana/moods")' in files["README.md"]
    assert not [name for name, content in files.items() if str(tmp_path.parent).encode() in content]
    assert b"data: data\n" in files["recipe.yaml"]

    texts = ["a good film", "a dull river"]
    expected = MultitaskModel.from_pretrained(run).predict("mood", texts).probabilities
    repository.commit("main", {"model.safetensors": b"of somebody else"})  # what comes later changes nothing
    model = MultitaskModel.from_pretrained("ana/moods", revision=revision)
    assert np.array_equal(model.predict("mood", texts).probabilities, expected)
    answered = minbert("predict", "ana/moods", "--task", "mood", "--revision", revision, *texts, cwd=tmp_path)
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.count("0.") == len(texts)
    assert "a good film" in answered.stdout
    served_model = minbert("serve", "ana/moods", "--revision", revision, "--check")  # whether or not its port is free
    assert "folder: fine. ana/moods: mood" in served_model.stdout


@pytest.mark.parametrize("form", sorted(Format.members))
def test_what_export_wrote_goes_up_whole(
    form: str, hub: Hub, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the folders of tasks, which are repositories of their own."""
    monkeypatch.setattr(graph, "write_graph", lambda _, path: path.write_bytes(b"graph"))  # one takes ten seconds
    mood = {"kind": "classification", "classes": 3, "pooling": "pooler"}
    tasks = {"mood": TaskSettings.model_validate(mood)}
    model = MultitaskModel(load_encoder(str(tiny_encoder)), Tokenizer.from_files(tiny_encoder), tasks, 40)
    export_model(model, find_format(form), tmp_path / "exported")
    for name, folder in (("ana/all", tmp_path / "exported"), ("ana/mood", tmp_path / "exported/mood")):
        if folder.is_dir():
            done = minbert("push", folder, name)
            assert done.returncode == 0, done.stderr
            files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
            assert set(pushed_files(hub, name)) == {file for file in files if not file.startswith("mood/")}


def test_a_second_push_to_a_branch_leaves_main_as_it_is(hub: Hub, run: Path) -> None:
    first = minbert("push", run, "ana/moods", "--public")
    model = MultitaskModel.from_pretrained(run)
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    model.save_pretrained(run)
    second = minbert("push", run, "ana/moods", "--public", "--revision", "warmer")
    assert second.returncode == 0, second.stderr
    assert not hub.repositories["ana/moods"].private
    assert hub.repositories["ana/moods"].branches == {
        "main": revision_of(first.stdout),
        "warmer": revision_of(second.stdout),
    }
    one, other = (
        next(MultitaskModel.from_pretrained("ana/moods", revision).parameters()) for revision in (None, "warmer")
    )
    assert torch.equal(one + 1.0, other)


def test_a_dry_run_asks_nobody(hub: Hub, run: Path) -> None:
    done = minbert("push", run, "ana/moods", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "model.safetensors" in done.stdout
    assert not hub.asked


def test_who_may_not_write_is_told_and_nothing_is_committed(
    hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["ana/open"] = type(hub.repositories["bo/public"])({})
    before = {name: dict(repository.branches) for name, repository in hub.repositories.items()}
    complains(minbert("push", run, "moods"), "'moods': is no id of a repository", "OWNER/NAME")
    complains(minbert("push", run, "../moods"), "is no id of a repository")
    complains(minbert("push", run, "bo/new"), "bo/new on", "status 403", "rights to create", "the right to write")
    complains(minbert("push", run, "bo/public", "--public"), "status 403", "Nothing was committed")
    complains(minbert("push", run, "ana/open"), "is there already and is public", "--public", "/settings")
    monkeypatch.setenv("HF_TOKEN", "hf_stolen")
    complains(minbert("push", run, "ana/moods"), "status 401", "hf auth login")
    monkeypatch.delenv("HF_TOKEN")
    complains(minbert("push", run, "ana/moods"), "nobody is logged in here", "HF_TOKEN")
    assert before == {name: dict(repository.branches) for name, repository in hub.repositories.items()}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    complains(minbert("push", run, "ana/moods"), "the upload failed", "Try again")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    complains(minbert("push", run, "ana/moods"), "HF_HUB_OFFLINE is set")


def test_what_is_no_finished_model_is_not_pushed(hub: Hub, run: Path, tmp_path: Path) -> None:
    complains(minbert("push", tmp_path / "nothing", "ana/moods"), "nothing: holds no model")
    (run / "metrics.json").unlink()
    (run / "checkpoints/last-8.safetensors").unlink()
    complains(minbert("push", run, "ana/moods"), "this run is not finished", "Push it when it is finished")
    assert not hub.asked


def test_a_revision_that_is_not_there_is_told(hub: Hub, run: Path) -> None:
    hub.repositories["ana/moods"] = type(hub.repositories["bo/public"])({})
    for revision in ("summer", "0" * 40):
        complains(minbert("predict", "ana/moods", "--revision", revision, "x"), f"has no revision '{revision}'")
        refused = minbert("serve", "ana/moods", "--revision", revision, "--check")
        assert f"has no revision '{revision}'" in refused.stdout
    complains(minbert("predict", run, "--revision", "main", "x"), "on this machine", "no revisions")


def test_only_texts_and_tensors_may_go_up() -> None:
    written = {Path(pattern).suffix for pattern in PUBLISHED}
    assert written == {".md", "", ".yaml", ".json", ".txt", ".safetensors", ".onnx", ".html", ".css", ".js"}


def test_the_pages_example(hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_you")
    run.rename((tmp_path / "runs").mkdir() or tmp_path / "runs/mine")
    (tmp_path / "texts.tsv").write_text("text\na good film\n")
    page = PAGE.read_text(encoding="utf-8")
    for line in re.findall(r"^\$ minbert (.*)", page, re.MULTILINE):
        done = minbert(*shlex.split(line), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code.replace("COMMIT", hub.repositories["your-name/moods"].branches["main"]), {})
    assert np.load(tmp_path / "vectors.npy").shape == (1, 32)
