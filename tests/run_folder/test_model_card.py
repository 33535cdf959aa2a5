"""The model card: what the hub reads of it, what a person does, and that what it shows works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard, metadata_load

from minbert.display.progress import Display
from minbert.evaluation.answers import read_answers
from minbert.evaluation.intervals import score_interval
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe, ScheduleChoice, load_recipe, parse_recipe
from minbert.run_folder.card import write_model_card
from minbert.run_folder.folder import read_run
from minbert.running.run import train_recipe
from minbert.together.soup import make_soup

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")

TEXTS = ["A text of your own.", "Another, longer text."]


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    two_tasks["encoder"]["max_length"] = 40
    two_tasks["training"] |= {"epochs": 1, "evaluate_every": 6, "head_start": "probe"}
    return parse_recipe(two_tasks, "test")


@pytest.fixture
def run(recipe: Recipe, tmp_path: Path, quiet: Display) -> Path:
    train_recipe(recipe, tmp_path / "my-run", False, quiet)
    return tmp_path / "my-run"


def snippets(run: Path) -> list[str]:
    """Return the programs that a card shows, for a model that is in ``run``."""
    text = (run / "README.md").read_text(encoding="utf-8")
    return [code.replace("PATH-OR-HUB-ID", str(run)) for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def test_the_hub_reads_tasks_and_scores(run: Path) -> None:
    data = metadata_load(run / "README.md")
    metrics = json.loads((run / "metrics.json").read_text())
    assert data is not None
    assert data["pipeline_tag"] == "feature-extraction"
    assert data["metrics"] == ["accuracy", "f1", "pearsonr", "spearmanr"]
    assert not {"base_model", "language", "datasets"} & data.keys()  # of an encoder and files in folders: not known
    [model] = data["model-index"]
    assert model["name"] == "my-run"
    told = {
        result["task"]["name"]: {metric["name"]: metric["value"] for metric in result["metrics"]}
        for result in model["results"]
    }
    dev = metrics["dev"]
    assert told == {
        "mood": {
            "Accuracy": pytest.approx(dev["mood"]["accuracy"], abs=5e-5),
            "Macro F1": pytest.approx(dev["mood"]["macro_f1"], abs=5e-5),
        },
        "close": {
            "Pearson r": pytest.approx(dev["close"]["pearson"], abs=5e-5),
            "Spearman rho": pytest.approx(dev["close"]["spearman"], abs=5e-5),
        },
    }
    assert {result["dataset"]["split"] for result in model["results"]} == {"dev"}
    card = ModelCard.load(run / "README.md")  # the library's own classes read back the same
    assert card.data.eval_results is not None
    assert len(card.data.eval_results) == 4


def test_scores_stand_with_their_intervals(run: Path) -> None:
    text = (run / "README.md").read_text()
    before = json.loads((run / "metrics.json").read_text())["before_training"]
    for name, kind, metric, shown in (
        ("mood", "classification", "accuracy", "Accuracy"),
        ("close", "regression", "spearman", "Spearman rho"),
    ):
        score, low, high = score_interval(kind, metric, [read_answers(run, name, "dev")])
        first = f"{before[name][metric]:.3f}"
        assert f"| `{name}` | {shown} | {first} | {score:.3f} | {low:.3f} to {high:.3f} |" in text
    assert "heads were solved over the vectors of the encoder as it was" in text
    assert "| start of heads | probe |" in text


def test_no_text_of_the_data_and_no_place_on_this_machine_is_in_it(run: Path, recipe: Recipe) -> None:
    text = (run / "README.md").read_text()
    data = Path(str(recipe.data))
    texts = [line.split("\t")[1] for line in (data / "mood-dev.tsv").read_text().splitlines()[1:]]
    texts += [json.loads(line)["a"] for line in (data / "close-train.jsonl").read_text().splitlines()]
    assert not [sentence for sentence in texts if len(sentence) > 12 and sentence in text]
    for place in (data, run, Path(recipe.encoder.name), Path.home()):
        assert str(place) not in text


def test_each_library_reads_the_folder_as_the_card_says(run: Path) -> None:
    """The three programs run as they stand, and their vectors are those of ``minbert encode``."""
    programs = snippets(run)
    assert len(programs) == 3
    expected = MultitaskModel.from_pretrained(run).encode(TEXTS)
    for program in programs:
        names: dict[str, Any] = {}
        exec(compile(program, "README.md", "exec"), names)
        np.testing.assert_allclose(np.asarray(names["vectors"]), expected, atol=2e-6, err_msg=program)


def test_sentence_transformers_cuts_long_texts_where_we_do(run: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(run))
    assert model.max_seq_length == 40
    assert not [module for module in model if type(module).__name__ not in ("Transformer", "Pooling")]
    texts = ["film " * 30, "film " * 60, "good film"]
    np.testing.assert_allclose(model.encode(texts), MultitaskModel.from_pretrained(run).encode(texts), atol=2e-6)


def test_resuming_writes_the_same_card_and_leaves_a_finished_one_alone(
    run: Path, recipe: Recipe, quiet: Display
) -> None:
    card = run / "README.md"
    first = card.read_bytes()
    (run / "metrics.json").unlink()
    card.unlink()
    train_recipe(recipe, run, True, quiet)  # the end was cut off: it is written once more
    assert card.read_bytes() == first
    card.write_text("my own words")
    train_recipe(recipe, run, True, quiet)
    assert card.read_text() == "my own words"


def test_kept_models_and_soups_have_cards_of_their_own(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    two_tasks["training"] |= {"keep_best_of_tasks": True, "head_epochs": 1}
    runs = [tmp_path / name for name in ("a", "b")]
    for seed, folder in enumerate(runs):
        train_recipe(parse_recipe(two_tasks | {"seed": seed}, "test"), folder, False, quiet)
    text = (runs[0] / "best/close/README.md").read_text()
    assert metadata_load(runs[0] / "best/close/README.md")["model-index"][0]["name"] == "a-best-close"  # type: ignore[index]
    step = json.loads((runs[0] / "metrics.json").read_text())["best_of_task"]["close"]["step"]
    assert f"best on dev by `close`, at step {step} of 12" in text
    assert "each head was trained alone" in (runs[0] / "README.md").read_text()
    assert "each head was trained alone" not in text
    summary = make_soup([*runs, runs[0] / "best/close"], tmp_path / "soup", None, quiet)
    told = (tmp_path / "soup/README.md").read_text()
    assert f"| overall | mean of the tasks' own metrics | {summary.greedy.overall['overall']:.3f} | |" in told
    np.testing.assert_array_equal(
        read_answers(tmp_path / "soup", "mood", "dev").labels, read_answers(runs[0], "mood", "dev").labels
    )


def test_what_is_known_of_encoder_and_data_is_told(run: Path) -> None:
    """A card over the same answers, for a recipe whose encoder and files have names that people know."""
    course = load_recipe("cs224n/multitask")
    names = {"mood": "sentiment", "close": "similarity"}
    own = read_run(run)
    tasks = {
        name: task.model_copy(update={"files": course.tasks[names[name]].files}) for name, task in own.tasks.items()
    }
    dev = json.loads((run / "metrics.json").read_text())["dev"]
    for encoder, base in (
        ("minilm", "sentence-transformers/all-MiniLM-L6-v2"),
        ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
        ("someone/another-bert", "someone/another-bert"),
    ):
        changes = {"tasks": tasks, "encoder": own.encoder.model_copy(update={"name": encoder})}
        write_model_card(run, "known", own.model_copy(update=changes), dev, "")
        data = metadata_load(run / "README.md")
        assert data is not None
        assert data["base_model"] == base
        assert "language" not in data  # the texts' language is not known, whatever the encoder's is
        assert data["datasets"] == ["SetFit/sst5", "nyu-mll/glue"]
        assert ("1.17 billion pairs" in (run / "README.md").read_text()) == (encoder == "minilm")
        types = {result["task"]["name"]: result["task"]["type"] for result in data["model-index"][0]["results"]}
        assert types == {"mood": "text-classification", "close": "sentence-similarity"}


def test_how_losses_are_combined_is_told_where_steps_have_several_tasks(run: Path) -> None:
    dev = json.loads((run / "metrics.json").read_text())["dev"]
    own = read_run(run)
    alone = own.model_copy(update={"tasks": {"mood": own.tasks["mood"]}})
    in_turn = own.model_copy(update={"schedule": ScheduleChoice.model_validate({"method": "alternating"})})
    for recipe, told in ((own, True), (in_turn, False), (alone, False)):
        write_model_card(run, "my-run", recipe, {task: dev[task] for task in recipe.tasks}, "")
        assert ("| combination of tasks | sum |" in (run / "README.md").read_text()) == told
