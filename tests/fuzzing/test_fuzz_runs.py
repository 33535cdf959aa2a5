"""What a run leaves behind, read by whoever comes after it: a report, a comparison, an ensemble, a resumed run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from damage import Reader, bounded, damaged_bytes, damaged_json, damaged_json_lines
from hypothesis import given
from hypothesis import strategies as st

from minbert.comparing.compare import compare
from minbert.display.console import terminal
from minbert.display.progress import Display
from minbert.files.checksums import CHECKSUMS
from minbert.recipe.recipe import parse_recipe
from minbert.reporting.material import read_material
from minbert.reporting.report import make_page
from minbert.running.run import train_recipe
from minbert.sweeping.plan import Configuration, Run
from minbert.sweeping.records import finished, read_record, write_record
from minbert.sweeping.results import Results, Row, write_results
from minbert.together.ensemble import make_ensemble
from minbert.together.members import weighted_runs
from minbert.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")
QUIET = Display(terminal(quiet=True))
JSON = ("metrics.json", "inputs.json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A folder with a finished run, an ensemble of it, and the tables of a sweep."""
    place = tmp_path_factory.mktemp("fuzz")
    lines = [f"film number {number}\t{number % 2}" for number in range(12)]
    for split in ("train", "dev"):
        (place / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")
    recipe = parse_recipe(
        {
            "data": str(place),
            "encoder": {"name": str(tiny_encoder)},
            "tasks": {
                "mood": {
                    "kind": "classification",
                    "classes": 2,
                    "files": {"train": "train.tsv", "dev": "dev.tsv"},
                    "text": "text",
                    "label": "label",
                }
            },
            "schedule": {"batch_size": 4},
            "training": {"epochs": 1, "head_start": "random", "precision": "fp32"},
        },
        "test",
    )
    summary = train_recipe(recipe, place / "run", False, QUIET)
    (place / "run" / CHECKSUMS).unlink()  # else they find all damage of answers, as they should
    make_ensemble([place / "run"], place / "ensemble", "uniform", None, QUIET)
    one = Configuration("base", {}, recipe)
    record = finished(Run("base", one, recipe.seed), summary.metrics)
    write_record(place, record)
    write_results(place, Results(recipe, [], [Row(one, [Run("base", one, recipe.seed)], [record])]))
    return place


def report(place: Path) -> None:
    make_page(read_material([place]))


def go_on(place: Path) -> None:
    from minbert.run_folder.folder import read_run

    train_recipe(read_run(place / "run"), place / "run", True, QUIET)


READERS: dict[str, Callable[[Path], object]] = {
    "report": report,
    "compare": lambda place: compare([place / "run"], None, QUIET),
    "go on": go_on,
    "record": lambda place: read_record(place, "base"),
    "ensemble": lambda place: weighted_runs(place / "ensemble"),
}
FILES = {
    "report": [
        "run/metrics.json",
        "run/history.jsonl",
        "sweep.json",
        "ensemble/metrics.json",
        "ensemble/ensemble.json",
    ],
    "go on": ["run/metrics.json", "run/history.jsonl", "run/inputs.json"],
    "record": ["records/base.json"],
    "ensemble": ["ensemble/ensemble.json", "ensemble/metrics.json"],
    "compare": ["run/metrics.json"],
}


@given(reader=st.sampled_from(sorted(READERS)), data=st.data())
@bounded(40)
def test_json_of_runs(place: Path, reader: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FILES[reader]))
    damaged = damaged_json_lines if name.endswith(".jsonl") else damaged_json
    Reader(place, READERS[reader]).bears(name, data.draw(damaged((place / name).read_bytes())))


@given(data=st.data())
@bounded(60)
def test_answers(place: Path, data: st.DataObject) -> None:
    name = "run/answers/mood-dev.parquet"
    Reader(place, READERS["compare"]).bears(name, data.draw(damaged_bytes((place / name).read_bytes())))


@given(data=st.data())
@bounded(30)
def test_checkpoints(place: Path, data: st.DataObject) -> None:
    path = min((place / "run/checkpoints").glob("last-*.safetensors"))
    name = path.relative_to(place).as_posix()
    whole = (place / name).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    heads = damaged_json(whole[8:header]).map(lambda tree: len(tree).to_bytes(8, "little") + tree + whole[header:])
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    Reader(place, lambda place: load_checkpoint(place / name, model, optimizer)).bears(
        name, data.draw(heads | damaged_bytes(whole))
    )
