from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from minbert.data.text_rows import TextRows
from minbert.display.progress import Display
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.evaluation.streaming import encode_file, predict_file
from minbert.files import write_json
from minbert.files.json_text import read_json
from minbert.multitask import model as model_module
from minbert.multitask.inference import _batches
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.multitask.sequences import Sequences
from minbert.multitask.shared_layers import SharedLayer
from minbert.packed import concatenate
from minbert.tasks.settings import TaskSettings
from minbert.text.packing import pack_joined
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

TASKS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["low", "high", "none"], "pooling": "pooler"},
    "same": {"kind": "binary", "pair": "cross", "pooling": "cls"},
    "close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"},
    "like": {"kind": "regression", "range": [0, 5], "pair": "joint", "head": "cosine"},
    "akin": {"kind": "binary", "pair": "both"},
}
PAIRS = [("a good film", "how do people cook"), ("rice", "a cold river"), ("a good film", "rice")]


@pytest.fixture
def model(tiny_encoder: Path) -> MultitaskModel:
    torch.manual_seed(0)
    tasks = {name: TaskSettings.model_validate(task) for name, task in TASKS.items()}
    return MultitaskModel(load_encoder(str(tiny_encoder)), Tokenizer.from_files(tiny_encoder), tasks, 64).eval()


def test_one_packed_call_equals_a_call_a_task(model: MultitaskModel) -> None:
    calls = []
    model.encoder.register_forward_hook(lambda _m, _a, _o: calls.append(1))
    packs, spans = [], []
    for task in TASKS:
        texts: list[Any] = ["a good film", "rice"] if task == "mood" else PAIRS
        sequences = model.sequences(task, texts)
        packs.append(sequences.pack(sequences.of(np.arange(len(texts)))))
        spans.append(Span(task, len(packs[-1])))
    with torch.no_grad():
        together = model(concatenate(packs), spans)
        assert len(calls) == 1
        for pack, span, output in zip(packs, spans, together, strict=True):
            [alone] = model(pack, [span])
            torch.testing.assert_close(output.logits, alone.logits, atol=1e-6, rtol=1e-5)


def test_pooling_is_each_tasks_own(model: MultitaskModel) -> None:
    texts = ["a good film"]
    expected = model.head("mood")(torch.from_numpy(model.encode(texts, pooling="pooler"))).logits
    got = model.predict("mood", texts)
    assert got.probabilities is not None
    np.testing.assert_allclose(got.probabilities, expected.detach().double().softmax(-1).numpy(), atol=1e-6)


def joined_means(model: MultitaskModel, pairs: list[tuple[str, str]]) -> torch.Tensor:
    """Return the mean state (R, hidden) of each pair joined."""
    table, numbers = TokenTable.from_texts([text for pair in pairs for text in pair], model.tokenizer)
    batch = pack_joined(table, numbers[::2], numbers[1::2], model.template, 64)
    with torch.no_grad():
        return model.pooled(batch, None, ["mean"])["mean"]


def test_a_joint_pair_has_the_means_of_both_texts_read_together(model: MultitaskModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    batch = transformers.AutoTokenizer.from_pretrained(tmp_path)(
        *zip(*PAIRS, strict=True), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        states = theirs(**batch).last_hidden_state
    vectors = []
    for segment in (0, 1):
        own = ((batch["token_type_ids"] == segment) & (batch["attention_mask"] == 1)).unsqueeze(-1)
        vectors.append((states * own).sum(1) / own.sum(1))
    expected = 5 * torch.cosine_similarity(*vectors).double()
    np.testing.assert_allclose(model.predict("like", PAIRS).values, expected.clamp(0, 5).numpy(), atol=1e-4)


def test_a_pair_read_both_ways_shows_its_head_two_texts_and_the_joined_ones(model: MultitaskModel) -> None:
    """Single texts are shared between rows and come in any order; the head sees those of its own row."""
    pairs = [*PAIRS, (PAIRS[0][1], PAIRS[0][0]), PAIRS[1]]
    sequences = model.sequences("akin", pairs)
    assert len(sequences) == 4 + 4
    read: list[int] = []
    model.encoder.register_forward_hook(lambda _m, arguments, _o: read.append(len(arguments[0].lengths)))
    got = model.predict("akin", pairs)
    assert sum(read) == len(sequences)
    u, v = (torch.from_numpy(model.encode([pair[side] for pair in pairs])) for side in (0, 1))
    joined = joined_means(model, pairs)
    features = torch.cat([u, v, (u - v).abs(), u * v, joined], dim=1)
    linear = model.head("akin").get_submodule("linear")
    expected = torch.sigmoid(linear(features)).squeeze(-1).detach().double().numpy()
    assert got.probabilities is not None
    np.testing.assert_allclose(np.asarray(got.probabilities).reshape(len(pairs), -1)[:, -1], expected, atol=1e-5)


def test_predictions_do_not_depend_on_company_or_order(model: MultitaskModel) -> None:
    texts = ["a good film", "why", "how do people cook rice on cold days on a river", "a"] * 3
    together = model.predict("mood", texts).probabilities
    alone = np.concatenate([p for t in texts if (p := model.predict("mood", [t]).probabilities) is not None])
    assert together is not None
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_repeated_texts_are_encoded_once(model: MultitaskModel) -> None:
    read: list[int] = []
    model.encoder.register_forward_hook(lambda _m, arguments, _o: read.append(len(arguments[0].lengths)))
    vectors = model.encode(["rice", "a film", "rice", "rice"])
    assert sum(read) == 2
    assert np.array_equal(vectors[0], vectors[2])
    model.predict("close", PAIRS)
    assert sum(read) == 2 + 4


def test_no_texts_give_no_vectors(model: MultitaskModel) -> None:
    assert model.encode([]).shape == (0, 32)


def test_a_subclass_loads_as_itself(model: MultitaskModel, tmp_path: Path) -> None:
    class Polite(MultitaskModel):
        """A user's own verbs on top."""

    model.save_pretrained(tmp_path)
    assert type(Polite.from_pretrained(tmp_path)) is Polite
    assert type(MultitaskModel.from_pretrained(tmp_path)) is MultitaskModel


def test_what_is_saved_is_what_is_loaded_by_us_and_by_transformers(model: MultitaskModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = MultitaskModel.from_pretrained(tmp_path)
    assert again.tasks == model.tasks
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    first, second = model.predict("close", PAIRS), again.predict("close", PAIRS)
    assert np.array_equal(first.values, second.values)

    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = ["a good film", "how do people cook rice"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = theirs(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    np.testing.assert_allclose(model.encode(texts), ((states * mask).sum(1) / mask.sum(1)).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("task", "texts", "message"),
    [
        ("moud", ["a"], "did you mean 'mood'"),
        ("mood", [("a", "b")], "takes single texts; input 1 is a pair"),
        ("close", [("a", "b"), "c"], "takes pairs of texts; input 2 is one text"),
    ],
)
def test_wrong_inputs_are_explained(model: MultitaskModel, task: str, texts: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.predict(task, texts)


NOT_A_LIST: list[tuple[Any, str]] = [
    ("ab", "one text was given. Give a list of "),
    (b"ab", "a value of type bytes was given"),
    (None, "the value None was given"),
    (3, "the value 3 was given"),
    ({"a": "b"}, "a value of type dict was given"),
    ({"a", "b"}, "a value of type set was given"),
]


@pytest.mark.parametrize(("texts", "message"), NOT_A_LIST)
@pytest.mark.parametrize("verb", ["encode", "mood", "close"])
def test_what_is_no_list_of_texts_is_explained(model: MultitaskModel, verb: str, texts: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        model.encode(texts) if verb == "encode" else model.predict(verb, texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], "input 2 is the value None"),
        (["a", float("nan")], "input 2 is the value nan"),
        ([b"a"], "input 1 is a value of type bytes"),
        ([["a", "b", "c"]], "input 1 is a list of 3"),
        ([("a", "b")], "input 1 is a pair"),
        ([1], "input 1 is the value 1"),
    ],
)
def test_what_is_no_text_is_named_by_its_place(model: MultitaskModel, texts: Any, message: str) -> None:
    for verb in (model.encode, lambda rows: model.predict("mood", rows)):
        with pytest.raises(UserError, match=message + r".* Give a list of texts: \["):
            verb(texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([("a", "b"), ("a", "b", "c")], "input 2 is a list of 3"),
        ((["a", "b", "c"], ["d", "e", "f"]), "not two lists of texts"),
        ((["a", "b"], ["c", "d"]), "not two lists of texts"),
        (("a", "b"), "input 1 is one text"),
        ([("a", None)], "input 1 is a list with the value None"),
        ([("a",)], "input 1 is a list of 1"),
        ([None], "input 1 is the value None"),
        ([()], "input 1 is a value of type tuple"),
    ],
)
def test_what_is_no_pair_is_named_by_its_place(model: MultitaskModel, texts: Any, message: str) -> None:
    with pytest.raises(UserError, match=message + r".* Give a list of pairs: \["):
        model.predict("close", texts)


def test_texts_come_in_any_order_keeping_container(model: MultitaskModel) -> None:
    texts = ["a good film", "", "how do people cook rice"]
    expected, moods = model.encode(texts), model.predict("mood", texts).values
    for form in (tuple(texts), np.array(texts), np.array(texts, dtype=object), iter(texts)):
        if not isinstance(form, Iterator):
            np.testing.assert_array_equal(model.predict("mood", form).values, moods)
        np.testing.assert_array_equal(model.encode(form), expected)
    closes = model.predict("close", PAIRS).values
    for pairs in (np.array(PAIRS), [list(pair) for pair in PAIRS], tuple(PAIRS), iter(PAIRS)):
        np.testing.assert_array_equal(model.predict("close", pairs).values, closes)
    assert model.encode(iter(())).shape[0] == 0


def test_an_encoder_without_tasks_is_no_model(tiny_encoder: Path) -> None:
    with pytest.raises(UserError, match="encoder without tasks"):
        MultitaskModel.from_pretrained(tiny_encoder)


def test_damaged_models_are_explained(model: MultitaskModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(key for key in weights if key.startswith("heads.mood"))
    save_file({key: value for key, value in weights.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"head weights are missing.*mood"):
        MultitaskModel.from_pretrained(tmp_path)
    save_file(weights, tmp_path / "model.safetensors")
    config = read_json(tmp_path / "config.json")
    write_json(tmp_path / "config.json", config | {"minbert": config["minbert"] | {"format": 99}})
    with pytest.raises(UserError, match="format 99"):
        MultitaskModel.from_pretrained(tmp_path)
    write_json(tmp_path / "config.json", config | {"minbert": {"format": 1, "tasks": {"mood": {}}, "max_length": 64}})
    with pytest.raises(UserError, match="damaged"):
        MultitaskModel.from_pretrained(tmp_path)


def test_inference_batches_hold_every_sequence_once_long_and_short_alike() -> None:
    lengths = np.random.default_rng(0).integers(1, 512, 200)
    batches = list(_batches(lengths))
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert len(batches) == -(-lengths.sum() // 4096)
    tokens = [lengths[batch].sum() for batch in batches]
    assert max(tokens) - min(tokens) <= 512  # no more than the longest sequence apart
    assert all(lengths[batch].min() < 128 and lengths[batch].max() > 384 for batch in batches)
    assert [len(batch) for batch in _batches(np.array([5000, 5000]))] == [1, 1]


def test_bf16_predictions_stay_close_to_fp32(model: MultitaskModel) -> None:
    texts = ["a good film", "how do people cook rice"]
    exact, rounded = (model.encode(texts, precision=precision) for precision in ("fp32", "bf16"))  # type: ignore[arg-type]
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(exact, rounded, atol=0.05)


def test_a_runs_folder_is_an_encoder_to_start_from(model: MultitaskModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    started = load_encoder(str(tmp_path))
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(started.state_dict()[name], tensor), name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_no_finite_number_is_an_error(model: MultitaskModel, task: str, value: float) -> None:
    """Not "very negative (nan)", nor a score cut off at the end of its range."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    texts: list[Any] = ["a good film", "rice"] if task == "mood" else PAIRS
    with pytest.raises(UserError, match=rf"^task '{task}', input 1: the model's answer is not a finite number"):
        model.predict(task, texts)
    with pytest.raises(UserError, match=r"^sentence vectors, input 1: the model's answer is not a finite number"):
        model.encode(["a good film"])


def test_the_row_whose_answer_is_no_number_is_named(
    model: MultitaskModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: Display
) -> None:
    def last_is_no_number(_module: Any, _inputs: Any, output: Any) -> None:
        output.logits[-1] = float("nan")

    def vectors(_model: Any, sequences: Sequences, *_: Any) -> torch.Tensor:
        return torch.tensor([*[[0.0]] * (len(sequences) - 1), [float("nan")]])

    model.head("mood").register_forward_hook(last_is_no_number)
    monkeypatch.setattr(model_module, "sentence_vectors", vectors)
    with pytest.raises(UserError, match=r"^task 'mood', input 2: "):
        model.predict("mood", ["a good film", "cook rice"])
    source = tmp_path / "texts.csv"
    source.write_text("text\na good film\nwhy\ncook rice\n")
    rows = TextRows(source, ["text"])
    for ask in (
        lambda: predict_file(model, ["mood"], rows, tmp_path / "out.tsv", "fp32", quiet),
        lambda: encode_file(model, rows, tmp_path / "out.npy", "mean", "fp32", quiet),
    ):
        with pytest.raises(UserError, match=r"texts\.csv, line 4: the model's answer is not a finite number"):
            ask()
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e30])
def test_weights_that_cannot_be_are_refused_by_name(model: MultitaskModel, tmp_path: Path, value: float) -> None:
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    for name, told in (
        ("heads.mood.linear.weight", "head weights with values that are no finite numbers.*mood.linear.weight"),
        ("encoder.layer.1.output.dense.bias", "encoder.layer.1.output.dense.bias with values that are no finite"),
    ):
        damaged = {key: tensor.clone() for key, tensor in weights.items()}
        damaged[name].view(-1)[-1] = value
        save_file(damaged, tmp_path / "model.safetensors")
        with pytest.raises(UserError, match=told):
            MultitaskModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("shared", [None, "bilstm"])
def test_only_a_task_that_pools_so_needs_a_pooler(tiny_encoder: Path, tmp_path: Path, shared: str | None) -> None:
    shutil.copytree(tiny_encoder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({key: value for key, value in weights.items() if "pooler" not in key}, tmp_path / "model.safetensors")
    settings = {"kind": "classification", "classes": 2, "pooling": "mean"}
    tokenizer = Tokenizer.from_files(tmp_path)
    layer = None if shared is None else SharedLayer.model_validate(shared)

    def build(pooling: str) -> MultitaskModel:
        task = TaskSettings.model_validate(settings | {"pooling": pooling})
        return MultitaskModel(load_encoder(str(tmp_path)), tokenizer, {"mood": task}, 64, None, layer)

    for pooling in ("mean", "cls"):
        build(pooling).save_pretrained(tmp_path / pooling)
        again = MultitaskModel.from_pretrained(tmp_path / pooling)
        assert again.encoder.pooler is None
        again.predict("mood", ["a film"])
    with pytest.raises(UserError, match="this encoder has no pooler"):
        again.encode(["a film"], pooling="pooler")
    if shared is None:
        with pytest.raises(UserError, match=r"^tasks\.mood\.pooling: the encoder has no pooler\. Use 'mean' or 'cls'"):
            build("pooler")
    else:
        build("pooler").predict("mood", ["a film"])  # the shared layer's own


@pytest.mark.parametrize("options", [{"pooling": "max"}, {"pooling": None}, {"precision": "fp64"}, {"precision": ""}])
def test_words_that_are_no_choice_are_refused(model: MultitaskModel, options: dict[str, Any]) -> None:
    [(key, value)] = options.items()
    with pytest.raises(UserError, match=f"^{key}: {value!r} is none of"):
        model.encode(["a film"], **options)
    if key == "precision":
        with pytest.raises(UserError, match="precision"):
            model.predict("mood", ["a film"], **options)


@pytest.mark.parametrize("task", [None, ["mood"], "moood"])
def test_what_is_no_task_is_refused(model: MultitaskModel, task: Any) -> None:
    with pytest.raises(UserError, match="the model has no task"):
        model.predict(task, ["a film"])


def test_arrays_without_rows_and_two_columns_are_refused(model: MultitaskModel) -> None:
    with pytest.raises(UserError, match="Give a list of texts"):
        model.predict("mood", np.array("a film"))
    with pytest.raises(UserError, match="not two lists of texts"):
        model.predict("close", (np.array(["a", "b"]), np.array(["c", "d"])))


def test_a_model_is_saved_into_a_folder(model: MultitaskModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for place, words in (("", "an empty text was given"), (tmp_path / "file", "is a file; give a folder")):
        with pytest.raises(UserError, match=words):
            model.save_pretrained(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
