"""The network over padded batches says what it says over packed ones, and more padding changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from padded_models import KINDS, SHARING, model_of, texts_of
from pydantic import ValidationError

from minbert.encoder.architectures import Architecture
from minbert.encoder.pooling import Pooling
from minbert.export.onnx.padded import ADAPTER, MASK, PaddedNetwork, rows_name
from minbert.export.onnx.session import padded
from minbert.methods import families
from minbert.multitask.inference import task_logits
from minbert.multitask.model import MultitaskModel
from minbert.tasks.heads import Head, Pair
from minbert.tasks.settings import TaskSettings


def tasks_with_everything() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a task for each pooling of each way of reading, and for each head of each way of reading."""
    for pair in (None, *get_args(Pair)):
        for pooling in get_args(Pooling) if pair != "joint" else ("mean",):
            yield f"{pair}-{pooling}", KINDS["binary"] | {"pair": pair, "pooling": pooling}
        for head in sorted(Head.members):
            for settings in KINDS.values():
                task = settings | {"pair": pair, "head": head}
                if fits(task):
                    yield f"{pair}-{head}", task
                    break
    yield "argmax", KINDS["regression"] | {"head": {"name": "scale_softmax", "decode": "argmax"}}


def fits(task: dict[str, Any]) -> bool:
    try:
        return bool(TaskSettings.model_validate(task))
    except ValidationError:
        return False


def agree(model: MultitaskModel, rows: int) -> None:
    """Assert that a model's padded twin gives every task's logits, with as little padding as can be and with more."""
    random, twin = np.random.default_rng(5), PaddedNetwork(model)
    for number, (name, task) in enumerate(model.tasks.items(), start=1):
        sequences = model.sequences(name, texts_of(task, rows, random))
        expected = task_logits(model, name, sequences, "fp32")
        batch = padded(sequences, model.tokenizer.padding_id)
        for more in (0, 9):
            given = {key: np.pad(values, ((0, 0), (0, more))) for key, values in batch.items()}
            given[ADAPTER] = np.full(len(sequences), number)
            given |= {rows_name(other): np.zeros((1, it.sequences_per_row)) for other, it in model.tasks.items()}
            given[rows_name(name)] = sequences.rows
            with torch.no_grad():
                output = twin({key: torch.from_numpy(values.astype(np.int64)) for key, values in given.items()})
            torch.testing.assert_close(output[number], expected, atol=1e-5, rtol=1e-5, msg=f"{name}: {{}}".format)


def test_every_head_and_pooling(tiny_encoder_of: Callable[[str], Path]) -> None:
    agree(model_of(tiny_encoder_of("bert"), dict(tasks_with_everything())), 4)


FAMILIES_AND_SHARING = [
    *(("bert", sharing) for sharing in SHARING),
    *((family, "nothing beside the encoder") for family in sorted(Architecture.members) if family != "bert"),
    *((family, "pals and bilstm") for family in ("electra", "modernbert", "mpnet")),
    ("modernbert", "lora of each task"),
]


@pytest.mark.parametrize(("family", "sharing"), FAMILIES_AND_SHARING)
def test_every_family_and_all_that_tasks_share(
    family: str, sharing: str, tiny_encoder_of: Callable[[str], Path]
) -> None:
    tasks = {
        "one": KINDS["ordinal"] | {"head": "coral", "pooling": "cls"},
        "two": KINDS["regression"] | {"pair": "both"},
        "parts": KINDS["binary"] | {"pair": "joint"},
    }
    model = model_of(tiny_encoder_of(family), tasks, *SHARING[sharing])
    agree(model, 3)


def test_all_ways_of_sharing_are_among_them() -> None:
    tried = {method if isinstance(method, str) else method["name"] for pair in SHARING.values() for method in pair}
    assert tried == {*families["adapters"].members, *families["shared_layer"].members}


@pytest.mark.parametrize("sharing", ["lora", "lora of each task", "pals and bilstm"])
def test_the_embedding_is_the_encoders_alone(sharing: str, tiny_encoder_of: Callable[[str], Path]) -> None:
    model = model_of(tiny_encoder_of("mpnet"), {"one": KINDS["binary"]}, *SHARING[sharing])
    texts = ["hello world", "the quick brown fox " * 20, "ok"]
    sequences = model.single_texts(texts)
    given = padded(sequences, model.tokenizer.padding_id) | {ADAPTER: np.zeros(3, np.int64), rows_name("one"): [[0]]}
    with torch.no_grad():
        embeddings, _ = PaddedNetwork(model)({key: torch.as_tensor(values) for key, values in given.items()})
    np.testing.assert_allclose(embeddings.numpy()[sequences.rows[:, 0]], model.encode(texts), atol=1e-5)


def test_a_sequence_of_nothing_but_padding_is_finite(tiny_encoder_of: Callable[[str], Path]) -> None:
    model = model_of(tiny_encoder_of("modernbert"), {"one": KINDS["binary"]})
    given = padded(model.single_texts(["hello"]), model.tokenizer.padding_id)
    given = {key: np.pad(values, ((0, 1), (0, 30))) for key, values in given.items()}
    assert not given[MASK][1].any()
    with torch.no_grad():
        outputs = PaddedNetwork(model)(
            {key: torch.from_numpy(values) for key, values in given.items()} | {rows_name("one"): torch.tensor([[0]])}
        )
    assert all(output.isfinite().all() for output in outputs)
