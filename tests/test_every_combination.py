"""Any choice of a recipe with any other: two steps, or a refusal that says why.

The axes are found in the recipe's own schema: every method of every family, every choice among words, every switch. So
a new method is tried with all else as soon as it is there. What is refused must be what the rules below say.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from covering import Axes, Row, Rule, broken, covering_rows, forbidden_rows
from minbert.display.progress import Display
from minbert.encoder.architectures import Architecture
from minbert.errors import UserError
from minbert.methods import families
from minbert.multitask.combination import Combination
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.tasks.losses import Loss
from minbert.training.loop import TrainingLoop
from recipe_schema import is_method, keys, parts

KINDS = {"mood": "classification", "same": "binary", "close": "regression", "stars": "ordinal", "topics": "multilabel"}
PAIRS = ("same", "close")
NEEDED = {("tasks.close.loss", "mnrl"): {"threshold": 3}, ("schedule.method", "single"): {"task": "mood"}}
"""Settings that a method cannot do without there."""
ELSEWHERE = {"synonyms", "insertion", "contextual", "back_translation"}
"""Methods that need files which are not here; tests/augmentation brings them along."""
NUMBERS: dict[str, list[Any]] = {
    "optimizer.head_learning_rate": [None, 1e-2],
    "optimizer.layer_decay": [1.0, 0.7],
    "optimizer.max_gradient_norm": [1.0, None],
    "optimizer.ema_decay": [None, 0.9],
    "training.tokens_per_microbatch": [8192, 12],
    "training.patience": [None, 1],
    "encoder.new_characters": [None, 1],
}
"""Numbers that change the way of a step."""
OTHER_VALUES: dict[str, list[Any]] = {
    "training.precision": ["fp32", "bf16"],
    "tasks.same.loss": [
        [
            "binary_cross_entropy",
            {"name": "mnrl", "hard_negatives": True, "symmetric": True},
            "cosent",
            "contrastive_mse",
            "cosine_embedding",
        ]
    ],
    "tasks.close.loss": [["mse", {"name": "cosent", "weight": 0.5}]],
    "tasks.mood.loss": [["cross_entropy", "supervised_contrastive"]],
}
"""Values that the schema alone does not tell; where it tells words, these replace them."""
NO_AXIS = {f"tasks.{task}.kind" for task in KINDS}
"""Keys that say what the data are."""
LABELS = "labels of the pairs"
"""An axis that is no key: whether the labels of a batch differ. Alike, they leave some losses without a gradient."""
FAMILY = "family of the encoder"
"""An axis that is no key, either."""
WITHOUT_POOLER = {"distilbert", "electra", "modernbert"}


def choices() -> dict[str, dict[str, Any]]:
    """Return every key of a recipe that is a choice, with its values by what to call them."""
    found = {
        key: values for key, field in keys(Recipe, KINDS) if key not in NO_AXIS and (values := values_of(key, field))
    }
    return {**found, LABELS: {"varied": None, "alike": None}, FAMILY: dict.fromkeys(sorted(Architecture.members))}


def values_of(key: str, field: Any) -> dict[str, Any]:
    """Return the values of a key by their names; none where it is no choice."""
    values, inner = {str(value): value for value in NUMBERS.get(key, ())}, list(parts(field.annotation))
    words = [word for part in inner if get_origin(part) is Literal for word in get_args(part)]
    if bool in inner:
        words += [False, True]
    values |= {str(word): word for word in OTHER_VALUES.get(key, words) if words}
    for family in filter(is_method, inner):
        names = sorted({*family.members} - ELSEWHERE)
        values |= {name: {"name": name, **NEEDED.get((key, name), {})} for name in names}
    if any(map(is_method, inner)):
        values |= {f"{key}: several": value for value in OTHER_VALUES.get(key, ())}
        if get_origin(field.annotation) is list:
            values = {"none": [], **values}
    return {"none": None, **values} if values and NoneType in inner and None not in values.values() else values


def rules() -> Iterator[Rule]:
    """Yield what has no meaning."""
    yield Rule(
        ("combination", "schedule.method"),
        lambda combination, schedule: combination != "sum" and schedule != "round_robin",
        "each step needs a batch of every task: use schedule.method=round_robin",
    )
    yield Rule(
        ("combination", "training.encoder"),
        lambda combination, encoder: encoder == "frozen" and Combination.model_validate(combination).looks_at_gradients,
        "a frozen encoder has none",
    )
    yield Rule(
        ("encoder.adapters", "training.encoder"),
        lambda adapters, encoder: adapters != "none" and encoder == "frozen",
        "does not go with training.encoder=frozen",
    )
    yield Rule(
        ("encoder.shared_layer", "training.encoder"),
        lambda layer, encoder: layer != "none" and encoder == "frozen",
        "does not go with training.encoder=frozen",
    )
    yield Rule(
        ("training.patience", "training.keep"),
        lambda patience, keep: patience != "None" and keep == "last",
        "'patience' waits for a better model",
    )
    yield Rule(
        ("training.head_end", "training.keep"),
        lambda end, keep: end == "probe" and keep != "last",
        "'head_end: probe' solves the last model's heads",
    )
    yield Rule(
        ("training.head_end", "training.patience"),
        lambda end, patience: end == "probe" and patience != "None",
        "'patience' waits for a better model",
        follows=True,
    )
    yield Rule(
        ("training.head_end", "optimizer.ema_decay"),
        lambda end, decay: end == "probe" and decay != "None",
        "solves heads over the last weights",
    )
    for task, kind in KINDS.items():
        yield from rules_of_task(f"tasks.{task}", kind, task in PAIRS)


def rules_of_task(key: str, kind: str, pairs: bool) -> Iterator[Rule]:
    """Yield what has no meaning for one task."""
    yield Rule((f"{key}.pair",), lambda pair: (pair != "none") != pairs, "'pair' goes with two text columns")
    yield Rule(
        (f"{key}.regularization", "training.encoder"),
        lambda method, encoder: method != "none" and encoder == "frozen",
        "a frozen one reads each text once",
    )
    fits = {"cosine": ["regression"], "scale_softmax": ["regression"], "cosine_linear": ["binary", "regression"]}
    fits |= {"coral": ["ordinal"], "corn": ["ordinal"]}
    yield Rule(
        (f"{key}.head",),
        lambda head: kind not in fits.get(head, [kind]),
        "does not fit: it (scores|is for classes in order)",
    )
    yield Rule(
        (f"{key}.loss",),
        lambda loss: any(kind not in part.kinds for part in losses(loss)),
        "it trains tasks of kind",
    )
    yield Rule(
        (f"{key}.pooling", FAMILY, "encoder.shared_layer"),
        lambda pooling, family, layer: pooling == "pooler" and family in WITHOUT_POOLER and layer == "none",
        "the encoder has no pooler",
    )
    yield Rule(
        (f"{key}.pooling", f"{key}.pair"),
        lambda pooling, pair: pooling != "mean" and pair == "joint",
        "takes means over each text's states",
    )
    if pairs:
        yield from untrained_heads(key, kind)
        yield Rule(
            (f"{key}.head", f"{key}.pair"),
            lambda head, pair: (
                (head in ("cosine", "cosine_linear") and pair in ("cross", "none"))
                or (head, pair) == ("cosine", "both")
            ),
            "it scores pairs",
        )
        yield Rule(
            (f"{key}.loss", f"{key}.pair"),
            lambda loss, pair: (
                pair not in ("bi", "both") and any(part.over_vectors == "texts" for part in losses(loss))
            ),
            "it compares the vectors of texts read by themselves",
        )
        yield Rule(
            (f"{key}.loss", f"{key}.pair"),
            lambda loss, pair: (
                pair in ("bi", "joint", "both")
                and any(part.over_vectors == "rows" and kind in part.kinds for part in losses(loss))
            ),
            "it compares rows that have one vector each",
        )
    else:
        # Of the stars, whose classes are weighed, it is refused for that first.
        yield Rule(
            (f"{key}.loss",), leave_the_head_alone, "no loss trains the head|it is no mean of a loss of each label"
        )
    if kind == "regression":
        yield Rule(
            (f"{key}.loss", f"{key}.head"),
            lambda loss, head: loss == "soft_cross_entropy" and head != "scale_softmax",
            "it needs the classes of head 'scale_softmax'",
        )


def untrained_heads(key: str, kind: str) -> Iterator[Rule]:
    """Yield which losses, alone, leave which heads of pairs untrained: all but ``cosine``, which wants ``bi``."""
    reason = "no loss trains the head"
    if kind != "regression":
        yield Rule((f"{key}.loss",), leave_the_head_alone, reason)
        return
    yield Rule(
        (f"{key}.loss", f"{key}.head"), lambda loss, head: head != "cosine" and leave_the_head_alone(loss), reason
    )
    yield Rule(
        (f"{key}.loss", f"{key}.pair"),
        lambda loss, pair: pair != "bi" and leave_the_head_alone(loss),
        reason,
        follows=True,
    )


def leave_the_head_alone(loss: str) -> bool:
    return all(part.over_vectors for part in losses(loss))


def losses(value: str) -> list[type[Loss]]:
    """Return the losses that a value of a task's ``loss`` names."""
    key, several, _ = value.partition(": several")
    names = OTHER_VALUES[key][0] if several else [value]
    return [Loss.members[name if isinstance(name, str) else name["name"]] for name in names]  # type: ignore[misc]


CHOICES = choices()
AXES: Axes = {axis: list(values) for axis, values in CHOICES.items()}
RULES = list(rules())
PARTS = 16
"""Into how many items the rows are cut, so that several workers can share them."""


@functools.cache
def allowed() -> list[Row]:
    return covering_rows(AXES, RULES)


@functools.cache
def refused() -> list[tuple[Row, Rule]]:
    return list(forbidden_rows(AXES, RULES))


def test_every_family_has_an_axis() -> None:
    """A family that no recipe key chooses from would be tried with nothing."""
    found = {part.family for _, field in keys(Recipe, KINDS) for part in parts(field.annotation) if is_method(part)}
    assert found == set(families), f"give the family an axis: {', '.join(set(families) ^ found)}"
    assert set(KINDS.values()) == set(families["kind"].members), "give the kind a task"
    assert {"combination", "schedule.method", "tasks.mood.head", "tasks.close.loss", "training.encoder"} <= set(AXES)
    assert set(NUMBERS) | set(OTHER_VALUES) | NO_AXIS <= {key for key, _ in keys(Recipe, KINDS)}


def test_the_rows_cover_every_pair_that_has_a_meaning() -> None:
    axes = {"a": ["1", "2", "3"], "b": ["1", "2"], "c": ["1", "2"], "d": ["1", "2", "3"]}
    apart = [
        Rule(("a", "b"), lambda a, b: a == "1" and b == "1", ""),
        Rule(("c",), lambda c: c == "2", ""),
    ]
    rows = covering_rows(axes, apart)
    met = {(x, row[x], y, row[y]) for row in rows for x in axes for y in axes if x < y}
    every = {(x, i, y, j) for x in axes for y in axes if x < y for i in axes[x] for j in axes[y]}
    assert every - met == {("a", "1", "b", "1")} | {pair for pair in every if ("c", "2") in (pair[:2], pair[2:])}
    assert not any(broken(row, apart) for row in rows)
    assert len(rows) < 3 * 2 * 3
    refused = list(forbidden_rows(axes, apart))
    assert [(row["a"], row["b"]) for row, rule in refused if rule is apart[0]] == [("1", "1")]
    assert [row["c"] for row, rule in refused if rule is apart[1]] == ["2"]


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, tiny_encoder_of: Callable[[str], Path]
) -> dict[str, Any]:
    """Some small tasks, one batch each; all that is no axis, and where the encoders are."""
    random = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("combinations")
    tasks: dict[str, Any] = {}
    labels = {"mood": [0, 1, 2, 1], "same": [1, 0, 1, 1], "close": [4.5, 0.5, 3.0, 2.0], "stars": [0, 2, 3, 1]}
    labels["topics"] = [["0"], [], ["1", "2"], ["2"]]
    for task, kind in KINDS.items():
        for name, of_rows in (("varied", labels[task]), ("alike", [labels[task][1]] * 4), ("dev", labels[task][:2])):
            rows = [{"a": text(random), "b": text(random), "label": label} for label in of_rows]
            (folder / f"{task}-{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tasks[task] = {"kind": kind, "label": "label", "text": ["a", "b"] if task in PAIRS else "a"}
    tasks["mood"]["classes"], tasks["close"]["range"] = 3, [0, 5]
    tasks["topics"] |= {"classes": 3, "pos_weight": "balanced", "thresholds": "dev"}
    tasks["stars"] |= {"classes": 4, "class_weights": "balanced"}
    return {
        "data": str(folder),
        "encoder": {"max_length": 16},
        FAMILY: {name: str(tiny_encoder_of(name)) for name in AXES[FAMILY]},
        "words": str(tiny_encoder),
        "tasks": tasks,
        "schedule": {"batch_size": 4},
        "optimizer": {"learning_rate": 1e-2},
        "training": {"epochs": 1},
    }


def text(random: np.random.Generator) -> str:
    return " ".join(
        random.choice(["good", "bad", "film", "question", "cold", "rice", "river🥝"], random.integers(3, 9))
    )


def recipe_of(row: Row, base: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe tree of a row."""
    tree = deepcopy(base)
    words = tree.pop("words")
    tree["encoder"]["name"] = tree.pop(FAMILY)[row[FAMILY]]
    for axis, name in row.items():
        if axis not in (LABELS, FAMILY):
            place = tree
            *parents, last = axis.split(".")
            for parent in parents:
                place = place[parent]
            place[last] = deepcopy(CHOICES[axis][name])
    if tree["schedule"]["method"]["name"] != "sequential":  # its epoch is what it is
        tree["schedule"]["method"]["epoch"] = 2
    for task, settings in tree["tasks"].items():
        train = row[LABELS] if task in PAIRS else "varied"
        settings["files"] = {"train": f"{task}-{train}.jsonl", "dev": f"{task}-dev.jsonl"}
        if settings["augmentation"] == {"name": "neighbours"}:  # in one with whole words, far from each other
            settings["augmentation"] |= {"encoder": words, "cosine": -1}
    return tree


@pytest.fixture
def start(
    base: dict[str, Any], quiet: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Row], TrainingLoop]:
    """From a row to a loop that is ready to run and writes nothing."""
    for writer in ("loop.save_weights", "stepper.write_history", "stepper.keep_checkpoint"):
        monkeypatch.setattr(f"minbert.training.{writer}", lambda *_arguments: None)

    def begin(row: Row) -> TrainingLoop:
        recipe = parse_recipe(recipe_of(row, base), "test")
        prepared = prepare(recipe, quiet)
        learner = make_learner(recipe, prepared, quiet)
        return TrainingLoop(
            learner,
            prepared.dev,
            prepared.course,
            tmp_path,
            quiet,
        )

    return begin


def complaint(loop: TrainingLoop, row: Row) -> str | None:
    """Run the loop; return what is wrong with the weights after it."""
    before = {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}
    result = loop.run(resume=False)
    if result.state.step < 2:
        return f"{result.state.step} steps"
    after = loop.model.state_dict()
    if unfit := [name for name, tensor in after.items() if not torch.isfinite(tensor).all()]:
        return f"not finite: {unfit[0]}"
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    encoder_moved = any(name.startswith("encoder.") for name in changed)
    if row["training.encoder"] == "frozen" and encoder_moved:
        return "the frozen encoder has moved"
    trained = [task for task in result.history[-1]["losses"] if row[LABELS] == "varied" or task not in PAIRS]
    if row["encoder.adapters"] == "lora":  # by default it leaves the encoder's own weights alone
        if encoder_moved:
            return "the encoder has moved under its adapters"
        encoder_moved = any("adapter" in name for name in changed)
    if trained and row["training.encoder"] == "finetuned" and not encoder_moved:
        return "the encoder has not moved"
    for task in trained:
        own = {name for name in after if name.startswith(f"heads.{task}.")}
        reached = any(not loss.over_vectors for loss in losses(row[f"tasks.{task}.loss"]))
        if own and reached and not own & changed:
            return f"the head of {task} has not moved"
    return None


@pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_choice_goes_with_every_other(start: Callable[[Row], TrainingLoop], part: int) -> None:
    wrong = []
    for row in allowed()[part::PARTS]:
        try:
            problem = complaint(start(row), row)
        except Exception as error:  # all of them are worth knowing at once
            problem = repr(error)
        if problem:
            wrong.append(f"{problem}\n    {row}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(PARTS))
def test_what_has_no_meaning_is_refused_with_the_reason(start: Callable[[Row], TrainingLoop], part: int) -> None:
    wrong = []
    for row, rule in refused()[part::PARTS]:
        values = {axis: row[axis] for axis in rule.axes}
        try:
            start(row)
            wrong.append(f"{values}: was not refused")
        except UserError as error:
            if not re.search(rule.reason, str(error)):
                wrong.append(f"{values}: refused, but with: {error}")
    assert not wrong, "\n".join(wrong)


def test_mnrl_on_a_range_asks_where_positive_begins(base: dict[str, Any]) -> None:
    row = next(row for row in allowed() if row["tasks.close.loss"] == "mnrl")
    tree = recipe_of(row, base)
    tree["tasks"]["close"]["loss"] = "mnrl"
    with pytest.raises(UserError, match=r"tasks\.close: loss 'mnrl' does not fit: .*'threshold' must say"):
        parse_recipe(tree, "test")
