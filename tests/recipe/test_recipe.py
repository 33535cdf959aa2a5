from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError, create_model

from laws import each
from minbert.data.places import resolve_data
from minbert.errors import UserError
from minbert.methods import Settings
from minbert.recipe.recipe import load_recipe, parse_recipe
from minbert.recipe.shipped import recipe_names


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@each("name", recipe_names())
def test_every_shipped_recipe_reads_and_repeats_itself(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.description
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe


def test_the_course_names_stand_as_the_course_spells_them() -> None:
    outputs = [task.output for task in load_recipe("cs224n/multitask").tasks.values()]
    assert [(o.file, o.column) for o in outputs if o] == [
        ("sst", "Predicted_Sentiment"),
        ("para", "Predicted_Is_Paraphrase"),
        ("sts", "Predicted_Similiary"),
    ]


def test_overrides_and_settings_reach_into_tasks_and_methods(two_tasks_file: Path) -> None:
    recipe = load_recipe(
        str(two_tasks_file),
        {"seed": 5},
        ["tasks.mood.head=linear", "tasks.mood.head.dropout=0.4", "training.epochs=7", "schedule.method=annealed"],
    )
    assert recipe.seed == 5
    assert recipe.tasks["mood"].head.model_dump()["dropout"] == 0.4
    assert recipe.training.epochs == 7
    assert recipe.schedule.method.name == "annealed"


def test_defaults_follow_from_the_kind(two_tasks: dict[str, Any]) -> None:
    recipe = parse_recipe(two_tasks, "here")
    mood, close = recipe.tasks["mood"], recipe.tasks["close"]
    assert (mood.loss.name, mood.metric, mood.pair) == ("cross_entropy", "accuracy", None)
    assert (close.loss.name, close.metric, close.pair) == ("mse", "pearson", "bi")


@pytest.mark.parametrize(
    ("changes", "weight"),
    [
        ({}, 1.0),
        ({"range": [0, 5]}, 1 / 25),
        ({"range": [-50, 50]}, 1e-4),
        ({"range": [0, 5], "weight": 1}, 1.0),
        ({"range": [0, 5], "loss": "cosent"}, 1 / 20),
        ({"range": [0, 5], "loss": {"name": "cosent", "scale": 0.5}}, 2.0),
        ({"range": [0, 5], "loss": "cosent", "weight": 1}, 1.0),
        ({"range": [0, 5], "loss": "pearson"}, 1.0),
        ({"range": [0, 5], "loss": ["mse", "cosent"]}, 1.0),
    ],
)
def test_long_gradients_are_shortened_by_default_unless_the_recipe_says(
    two_tasks: dict[str, Any], changes: dict[str, Any], weight: float
) -> None:
    two_tasks["tasks"]["close"] |= {"range": [0, 1], "weight": None, **changes}
    assert parse_recipe(two_tasks, "here").tasks["close"].weight == pytest.approx(weight, rel=1e-15)


def test_a_method_of_another_name_takes_none_of_the_base_methods_settings(
    tmp_path: Path, two_tasks: dict[str, Any]
) -> None:
    two_tasks["tasks"]["close"]["head"] = {"name": "linear", "dropout": 0.3}
    two_tasks["optimizer"]["name"] = "adamw"
    base = write(tmp_path / "base.yaml", yaml.safe_dump(two_tasks))
    write(tmp_path / "cos.yaml", f"extends: {base}\ntasks: {{close: {{head: {{name: cosine, lowest_cosine: -1}}}}}}\n")
    assert load_recipe(str(tmp_path / "cos.yaml")).tasks["close"].head.model_dump() == {
        "name": "cosine",
        "lowest_cosine": -1,
    }
    write(tmp_path / "same.yaml", f"extends: {base}\ntasks: {{close: {{head: {{features: [u, v]}}}}}}\n")
    head = load_recipe(str(tmp_path / "same.yaml")).tasks["close"].head.model_dump()
    assert head == {"name": "linear", "features": ["u", "v"], "dropout": 0.3, "normalize": False}
    write(tmp_path / "other.yaml", f"extends: {base}\noptimizer: {{name: adamaxw}}\n")  # no method: settings stay
    assert load_recipe(str(tmp_path / "other.yaml")).optimizer.learning_rate == two_tasks["optimizer"]["learning_rate"]


def test_a_method_by_its_name_alone_takes_settings_of_an_extending_recipe(
    tmp_path: Path, two_tasks: dict[str, Any]
) -> None:
    two_tasks["schedule"]["method"] = "round_robin"
    base = write(tmp_path / "base.yaml", yaml.safe_dump(two_tasks))
    write(tmp_path / "over.yaml", f"extends: {base}\nschedule: {{method: {{epoch: shortest}}}}\n")
    schedule = load_recipe(str(tmp_path / "over.yaml")).schedule
    assert schedule.method.model_dump() == {"name": "round_robin", "epoch": "shortest"} and schedule.batch_size == 4


@pytest.mark.parametrize("name", ["values", "type", "train"])
def test_a_task_is_not_called_what_torchs_containers_keep_for_themselves(two_tasks: dict[str, Any], name: str) -> None:
    two_tasks["tasks"][name] = two_tasks["tasks"].pop("mood")
    with pytest.raises(UserError, match=f"tasks: '{name}' is a word that torch keeps"):
        parse_recipe(two_tasks, "test")


def test_a_task_of_null_is_taken_out(tmp_path: Path, two_tasks: dict[str, Any]) -> None:
    base = write(tmp_path / "base.yaml", yaml.safe_dump(two_tasks))
    write(tmp_path / "one.yaml", f"extends: {base}\ntasks: {{mood: null}}\n")
    assert list(load_recipe(str(tmp_path / "one.yaml")).tasks) == ["close"]


def test_what_is_no_recipe_is_told_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tickets").mkdir()
    Path("rows.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.csv: is a table of rows\. Give the folder that it is in"):
        load_recipe("rows.csv")
    with pytest.raises(UserError, match=r"'tikets': neither a shipped recipe nor a file \(did you mean 'tickets'\?\)"):
        load_recipe("tikets")


def test_the_path_of_pretraining_is_meant_from_the_recipes_folder(tmp_path: Path, two_tasks: dict[str, Any]) -> None:
    two_tasks["encoder"]["pretraining"] = "before.yaml"
    (tmp_path / "sub").mkdir()
    path = write(tmp_path / "sub" / "after.yaml", yaml.safe_dump(two_tasks))
    first = load_recipe(str(path)).encoder.pretraining
    assert first is not None and first.recipe == str(tmp_path / "sub" / "before.yaml") and first.changes == {}
    first = load_recipe(str(path), {"encoder.pretraining": "pretrain/sample"}).encoder.pretraining
    assert first is not None and first.recipe == "pretrain/sample"


def test_extends_merges_mappings_and_replaces_the_rest(tmp_path: Path, two_tasks_file: Path) -> None:
    (tmp_path / "sub").mkdir()
    child = write(tmp_path / "sub" / "child.yaml", "extends: ../two.yaml\ntraining: {epochs: 9}\nseed: 3\n")
    recipe, base = load_recipe(child), load_recipe(str(two_tasks_file))
    assert (recipe.training.epochs, recipe.training.evaluate_every, recipe.seed) == (9, 3, 3)
    assert recipe.tasks == base.tasks
    assert recipe.data == base.data


def test_a_data_folder_is_meant_from_the_recipe_file(tmp_path: Path, two_tasks: dict[str, Any]) -> None:
    path = write(tmp_path / "r.yaml", yaml.safe_dump(two_tasks | {"data": "data"}))
    assert Path(load_recipe(path).data) == (tmp_path / "data").resolve()


def test_a_recipe_without_data_asks_for_it() -> None:
    recipe = load_recipe("cs224n/sst")
    assert recipe.data is None
    with pytest.raises(UserError, match="--data"):
        resolve_data(recipe.data)


def test_a_circle_of_recipes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "extends: b.yaml\n")
    write(tmp_path / "b.yaml", "extends: a.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_recipe(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("trainin.epochs=3", ["trainin", "did you mean 'training'"]),
        ("training.epoch=3", ["training.epoch", "did you mean 'epochs'"]),
        ("training.epochs=0", ["training.epochs", "greater than or equal to 1"]),
        ("training.epochs=many", ["training.epochs", "takes a number"]),
        ("tasks.mood.wieght=1", ["tasks.mood.wieght", "did you mean 'weight'"]),
        ("tasks.mood.head.dropuot=1", ["dropuot", "did you mean 'dropout'"]),
        ("combination={name: pcgrad, layer: 1}", ["combination.layer: is a setting of gradnorm, which is not chosen"]),
        ("tasks.mood.loss={name: mnrl, margin: 1}", ["loss.margin: is a setting of cosine_embedding, which"]),
        ("tasks.mood.head=liner", ["tasks.mood.head", "did you mean 'linear'"]),
        ("tasks.mood.head=cosine", ["tasks.mood", "pair: bi"]),
        ("tasks.mood.loss=mse", ["tasks.mood", "kind regression"]),
        (
            "tasks.mood.kind=clasification",
            ["tasks.mood", "binary, classification, multilabel, ordinal, regression", "you mean 'classif"],
        ),
        ("tasks.mood.pair=bi", ["tasks.mood", "two text columns"]),
        ("tasks.mood.metric=acuracy", ["did you mean 'accuracy'"]),
        ("tasks.mood.weight=.nan", ["tasks.mood.weight", "finite"]),
        ("tasks.mood.rows=0", ["tasks.mood.rows"]),
        ("tasks.mood.rows=12%%", ["tasks.mood.rows"]),
        ("tasks.mood.files.tarin=x.csv", ["did you mean 'train'"]),
        ("schedule.method=roundrobin", ["did you mean 'round_robin'"]),
        ("optimizer.warmup=1.5", ["optimizer.warmup"]),
        ("optimizer.learning_rate=-1", ["optimizer.learning_rate"]),
        ("tasks.overall.kind=binary", ["overall"]),
        ("seed", ["KEY=VALUE"]),
        ("seed=[1", ["YAML"]),
    ],
)
def test_a_wrong_setting_is_one_clear_message(two_tasks_file: Path, setting: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(str(two_tasks_file), settings=[setting])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("seed=true", "seed: takes a number, not true"),
        ("training.epochs=true", "training.epochs: takes a number, not true"),
        ("tasks.mood.weight=false", "tasks.mood.weight: takes a number, not false"),
        ("tasks.mood.rows=true", "tasks.mood.rows: takes a number, not true"),
        ("tasks.mood.loss={name: cross_entropy, label_smoothing: true}", "loss.label_smoothing: takes a number, not t"),
        ("tasks.close.range=[false, 5]", "tasks.close.range: takes a number, not false"),
        ("optimizer.betas=[0.9, true]", "optimizer.betas: takes a number, not true"),
        ("combination={name: gradnorm, layer: true}", "combination.layer: takes a number, not true"),
        ("schedule.batch_size='1_0'", "schedule.batch_size: takes a number, not the text '1_0'"),
        ("encoder.max_length='32'", "encoder.max_length: takes a number, not the text '32'"),
    ],
)
def test_neither_a_truth_value_nor_a_text_is_a_number(two_tasks_file: Path, setting: str, told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        load_recipe(str(two_tasks_file), {}, [setting])
    assert str(caught.value).count("\n") == 1, "one line beside the file's"


def test_every_key_that_takes_a_number_refuses_true() -> None:
    """So a type of a key that the check does not see through shows here."""

    def all_settings(cls: type[Settings]) -> Iterator[type[Settings]]:
        yield cls
        for below in cls.__subclasses__():
            yield from all_settings(below)

    for cls in all_settings(Settings):
        for field in cls.model_fields.values():
            for value in (True, [True], [0, True], {"a": True}):
                try:
                    read = TypeAdapter(field.annotation).validate_python(value)
                except ValidationError:
                    continue
                if "True" in repr(read) or get_origin(field.annotation) is Literal:  # that is what the key takes
                    continue
                one = create_model("One", __base__=Settings, key=(field.annotation, ...))
                with pytest.raises(ValidationError, match="takes a number, not true"):
                    one.model_validate({"key": value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tasks: [1, 2\n", ["line", "YAML"]),
        ("- a\n- b\n", ["mapping"]),
        ("", ["mapping"]),
        ("tasks: {}\n", ["tasks"]),
        ("seed: 1\n", ["tasks", "missing"]),
        ("extends: nothing-like-this\n", ["nothing-like-this"]),
        ("extends: 3\n", ["extends"]),
        ("a: &a [*a]\n", []),
        ("a: !!python/object/apply:os.system ['true']\n", ["YAML"]),
    ],
)
def test_a_file_that_is_no_recipe_is_one_clear_message(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(write(tmp_path / "r.yaml", text))
    for word in [str(tmp_path / "r.yaml"), *words] if "nothing" not in text else words:
        assert word in str(caught.value)


def test_an_unknown_name_hints_at_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'quickstart'"):
        load_recipe("quikstart")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_bytes_are_refused_not_crashed_on(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "garbage.yaml"
    path.write_bytes(garbage)
    with pytest.raises(UserError):
        load_recipe(str(path))


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.sampled_from(["encoder", "tasks", "schedule", "optimizer", "training", "seed", "data"]), trees, st.data())
def test_garbage_values_are_refused_not_crashed_on(
    two_tasks: dict[str, Any], key: str, tree: Any, data: st.DataObject
) -> None:
    recipe = dict(two_tasks)
    if isinstance(recipe.get(key), dict) and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(recipe[key])))
        recipe[key] = recipe[key] | {inner: tree}
    else:
        recipe[key] = tree
    try:
        again = yaml.safe_load(parse_recipe(recipe, "here").to_yaml())
    except UserError:
        return
    assert parse_recipe(again, "again") == parse_recipe(recipe, "here")


@pytest.mark.parametrize(("first", "second"), [("sst", "sst"), ("SST", "sst"), (None, "MOOD")])
def test_predictions_of_two_tasks_need_two_files(two_tasks: dict[str, Any], first: str | None, second: str) -> None:
    for name, file in (("mood", first), ("close", second)):
        if file is not None:
            two_tasks["tasks"][name]["output"] = {"file": file, "column": "Predicted"}
    with pytest.raises(UserError, match=r"tasks mood, close: .* one file, (sst|mood)-dev-output\.csv"):
        parse_recipe(two_tasks, "test")


def test_class_names_are_read_as_they_are_written(two_tasks_file: Path) -> None:
    for written, names in (("[no, yes]", ["no", "yes"]), ("[on, off, 01]", ["on", "off", "01"])):
        recipe = load_recipe(str(two_tasks_file), settings=[f"tasks.mood.classes={written}"])
        assert recipe.tasks["mood"].kind.class_names == names
    with pytest.raises(UserError, match=r"put the names in quotes.*\['true', '1', 'null'\]"):
        load_recipe(str(two_tasks_file), settings=["tasks.mood.classes=[true, 1, null]"])


def test_a_task_name_is_also_that_of_files() -> None:
    task = {"kind": "binary", "files": {"train": "a.tsv", "dev": "b.tsv"}, "text": "text", "label": "label"}
    with pytest.raises(UserError, match="is no name for a task: at most 100 letters"):
        parse_recipe({"tasks": {"x" * 101: task}}, "here")
    assert list(parse_recipe({"tasks": {"x" * 100: task}}, "here").tasks) == ["x" * 100]
