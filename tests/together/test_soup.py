"""Soups: the mean of weights, taken as far as it helps on dev."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import save_weights
from minbert.run_folder.folder import read_run
from minbert.running.evaluating import evaluate_run
from minbert.running.run import train_recipe
from minbert.together.soup import make_soup
from short_runs import trained

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


@pytest.fixture
def run(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> Path:
    """A run that scores better than it would with its heads' signs turned."""
    run = trained(two_tasks, tmp_path / "a", quiet)
    turned = changed(run, "turned", lambda model: scale_heads(model, -1))
    scores = {folder: evaluate_run(folder, None, "dev", quiet).selected("mood") for folder in (run, turned)}
    assert scores[run] != scores[turned]
    return max(scores, key=lambda folder: scores[folder])


def weights_of(folder: Path) -> dict[str, Tensor]:
    return dict(MultitaskModel.from_pretrained(folder).state_dict())


def changed(run: Path, name: str, change: Any) -> Path:
    """Return a copy of a run whose weights ``change`` has changed."""
    folder = run.with_name(name)
    shutil.copytree(run, folder)
    model = MultitaskModel.from_pretrained(run)
    with torch.no_grad():
        change(model)
    save_weights(model, folder)
    return folder


def scale_heads(model: MultitaskModel, factor: float) -> None:
    for parameter in model.heads.parameters():
        parameter.mul_(factor)


def spoil(model: MultitaskModel) -> None:
    scale_heads(model, -9)  # the mean with up to eight others still has its signs turned


def shift_pooler(model: MultitaskModel) -> None:
    model.encoder.pooler.weight.add_(1)  # no task of these reads the pooler


def assert_equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_a_soup_that_a_kill_has_cut_short_is_made_anew(
    run: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [run, shutil.copytree(run, run.with_name("b"))]
    make_soup(runs, tmp_path / "whole", None, quiet)
    with monkeypatch.context() as patch:
        patch.setattr("minbert.together.soup.write_predicted", lambda *_: sys.exit(137))
        with pytest.raises(SystemExit):
            make_soup(runs, tmp_path / "soup", None, quiet)
    assert (tmp_path / "soup/soup.json").is_file()
    make_soup(runs, tmp_path / "soup", None, quiet)
    names = [sorted(path.name for path in (tmp_path / name).rglob("*")) for name in ("whole", "soup")]
    assert names[0] == names[1]
    with pytest.raises(UserError, match="not empty"):
        make_soup(runs, tmp_path / "soup", None, quiet)


def test_a_soup_of_identical_runs_is_the_run(run: Path, tmp_path: Path, quiet: Display) -> None:
    copies = [shutil.copytree(run, run.with_name(name)) for name in ("b", "c")]
    summary = make_soup([run, *copies], tmp_path / "soup", None, quiet)
    assert all(each.taken for each in summary.ingredients)
    assert_equal(weights_of(tmp_path / "soup"), weights_of(run))
    own = json.loads((run / "metrics.json").read_text())["dev"]
    assert summary.greedy.as_json() == summary.uniform.as_json() == own
    for path in (run / "predictions").iterdir():
        assert (tmp_path / "soup/predictions" / path.name).read_bytes() == path.read_bytes()


def test_a_run_that_hurts_is_left_out(run: Path, tmp_path: Path, quiet: Display) -> None:
    bad = changed(run, "bad", spoil)
    summary = make_soup([bad, run], tmp_path / "soup", None, quiet)
    assert [(each.folder.name, each.taken) for each in summary.ingredients] == [(run.name, True), ("bad", False)]
    assert_equal(weights_of(tmp_path / "soup"), weights_of(run))
    assert "Its weights are those of the best run alone" in (tmp_path / "soup/README.md").read_text()
    uniform = {name: ((one.double() + weights_of(bad)[name]) / 2).float() for name, one in weights_of(run).items()}
    model = MultitaskModel.from_pretrained(run)
    model.load_state_dict(uniform)
    shutil.copytree(run, tmp_path / "mean")
    save_weights(model, tmp_path / "mean")
    assert evaluate_run(tmp_path / "mean", None, "dev", quiet).as_json() == summary.uniform.as_json()
    assert summary.uniform.selected("mood") < summary.greedy.selected("mood")


def test_a_run_that_does_not_hurt_is_taken_and_one_after_a_bad_one_too(
    run: Path, tmp_path: Path, quiet: Display
) -> None:
    """Weights that no task reads: the score does not fall, so the run is taken, and they are averaged."""
    others = [changed(run, "shifted", shift_pooler), changed(run, "bad", spoil), changed(run, "too", shift_pooler)]
    summary = make_soup([run, *others], tmp_path / "soup", None, quiet)
    assert {each.folder.name for each in summary.ingredients if each.taken} == {run.name, "shifted", "too"}
    name = "encoder.pooler.weight"
    expected = (3 * weights_of(run)[name].double() + 2) / 3
    torch.testing.assert_close(weights_of(tmp_path / "soup")[name].double(), expected, rtol=1e-6, atol=1e-6)


def test_a_soup_serves_like_a_run(run: Path, tmp_path: Path, quiet: Display) -> None:
    soup = tmp_path / "soup"
    summary = make_soup([run, changed(run, "b", shift_pooler)], soup, None, quiet)
    assert evaluate_run(soup, None, "dev", quiet).as_json() == summary.greedy.as_json()
    assert json.loads((soup / "metrics.json").read_text())["dev"] == summary.greedy.as_json()
    assert MultitaskModel.from_pretrained(soup).predict("mood", ["good film"]).names
    assert read_run(soup) == read_run(run)
    assert [each["taken"] for each in json.loads((soup / "soup.json").read_text())["ingredients"]] == [True, True]
    for resume in (False, True):
        with pytest.raises(UserError, match="holds a soup"):
            train_recipe(read_run(soup), soup, resume, quiet)


def test_different_encoders_are_told_of(
    run: Path, two_tasks: dict[str, Any], tmp_path: Path, tiny_encoder: Path
) -> None:
    console = Console(file=io.StringIO(), width=1000)
    shutil.copytree(tiny_encoder, tmp_path / "copied")
    encoder = {"name": str(tmp_path / "copied")}
    other = trained(two_tasks, tmp_path / "b", Display(console), encoder=encoder)
    make_soup([run, other], tmp_path / "soup", None, Display(console))
    assert "started from different encoders" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_cannot_be_averaged_is_refused(
    run: Path, two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    def refused(runs: list[Path], message: str) -> None:
        with pytest.raises(UserError, match=message):
            make_soup(runs, tmp_path / "out", None, quiet)
        assert not (tmp_path / "out").exists()

    tasks = two_tasks["tasks"]
    refused([run], "at least two")
    refused([run, run], "named twice")
    only = trained(two_tasks, tmp_path / "only", quiet, tasks={"mood": tasks["mood"]})
    refused([run, only], "the tasks .* differ.*ensemble")
    heads = {**tasks, "mood": tasks["mood"] | {"head": {"name": "mlp"}}}
    refused([run, trained(two_tasks, tmp_path / "heads", quiet, tasks=heads)], "task 'mood': 'head's differ")
    short = two_tasks["encoder"] | {"max_length": 16}
    refused([run, trained(two_tasks, tmp_path / "short", quiet, encoder=short)], "max_length")
    shallow = tmp_path / "shallow"
    shutil.copytree(run, shallow)
    config = json.loads((shallow / "config.json").read_text())
    (shallow / "config.json").write_text(json.dumps(config | {"num_attention_heads": 2}))
    refused([run, shallow], "architectures differ")
    with pytest.raises(UserError, match="not empty"):
        make_soup([run, only], run, None, quiet)
