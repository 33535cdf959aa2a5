"""What six steps of training come to, number by number, so that no change of numerics passes unnoticed.

If a test here fails, the numerics of training have changed: of the encoder, a loss, the optimizer, the schedule, the
drawing of dropout masks or initial weights, a method, or a library below. Find out which, and whether it was meant. If
it was, write into CHANGELOG.md what changed and why, then take over the new numbers: the failure prints them all, as
they are to stand in PINNED.

Nothing here depends on a random generator of numpy's that may change its stream: rows follow from arithmetic, the
encoder's weights from ``RandomState``, whose stream is frozen, dropout masks from our own (``encoder/dropout.py``).
Heads and the start of SMART's search are drawn by torch's own generator.

The tolerance leaves room for another order of summation (threads, kernels, torch's versions), for no other formula. In
bf16, whose products have 8 bits, that room is larger.
"""

from __future__ import annotations

import io
import json
import pprint
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from minbert.display.progress import Display
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import save_encoder
from minbert.recipe.recipe import parse_recipe
from minbert.running.prepare import make_learner, prepare
from minbert.tracking.tensorboard import scalars
from minbert.training.loop import TrainingLoop

VOCABULARY = "the a film question is good bad fine dull bright river train learn how why do people cook rice on cold"
WORDS = VOCABULARY.split()

SMART = {"name": "smart", "sigma": 0.1, "epsilon": 0.2, "step_size": 1.0}
"""Perturbations so large that what they come to is more than rounding."""

RUNS: dict[str, dict[str, Any]] = {
    "summed losses, fp32": {"training": {"precision": "fp32"}},
    "summed losses, bf16": {"training": {"precision": "bf16"}},
    "PCGrad, SMART, averaged weights, fp32": {
        "training": {"precision": "fp32"},
        "combination": "pcgrad",
        "optimizer": {"ema_decay": 0.6},
        "tasks": {"mood": {"regularization": SMART}, "close": {"regularization": SMART}},
    },
    "PCGrad, averaged weights, bf16": {
        "training": {"precision": "bf16"},
        "combination": "pcgrad",
        "optimizer": {"ema_decay": 0.6},
    },
}

PINNED: dict[str, dict[str, float]] = {
    "summed losses, fp32": {
        "0 dev/mood/accuracy": 0.35,
        "0 dev/close/pearson": -0.0001915873,
        "3 loss/mood": 1.0712,
        "3 loss/close": 7.385774,
        "3 combination/weights/mood": 1.0,
        "3 combination/weights/close": 1.0,
        "3 dev/mood/accuracy": 0.35,
        "3 dev/close/pearson": -0.1060774,
        "6 loss/mood": 1.047297,
        "6 loss/close": 1.24801,
        "6 combination/weights/mood": 1.0,
        "6 combination/weights/close": 1.0,
        "6 dev/mood/accuracy": 0.65,
        "6 dev/close/pearson": -0.0484258,
        "sum of squared weights": 368.1709,
    },
    "summed losses, bf16": {
        "0 dev/mood/accuracy": 0.35,
        "0 dev/close/pearson": 0.0002238657,
        "3 loss/mood": 1.068321,
        "3 loss/close": 7.39468,
        "3 combination/weights/mood": 1,
        "3 combination/weights/close": 1,
        "3 dev/mood/accuracy": 0.35,
        "3 dev/close/pearson": -0.1071124,
        "6 loss/mood": 1.051368,
        "6 loss/close": 1.245565,
        "6 combination/weights/mood": 1,
        "6 combination/weights/close": 1,
        "6 dev/mood/accuracy": 0.55,
        "6 dev/close/pearson": -0.04922346,
        "sum of squared weights": 368.175,
    },
    "PCGrad, SMART, averaged weights, fp32": {
        "0 dev/mood/accuracy": 0.35,
        "0 dev/close/pearson": -0.0001915873,
        "3 loss/mood": 1.128279,
        "3 loss/close": 7.560682,
        "3 combination/weights/mood": 1.140949,
        "3 combination/weights/close": 1.000671,
        "3 gradients/norm/mood": 2.230421,
        "3 gradients/norm/close": 24.33871,
        "3 gradients/cosine/mood.close": 0.06194383,
        "3 gradients/conflicts/mood.close": 0.3333333,
        "3 gradients/moved": 0.00972711,
        "3 regularization/close/smart/divergence": 3.443901,
        "3 regularization/close/smart/perturbation": 0.2,
        "3 regularization/mood/smart/divergence": 0.6237897,
        "3 regularization/mood/smart/perturbation": 0.2,
        "3 dev/mood/accuracy": 0.35,
        "3 dev/close/pearson": -0.03961905,
        "6 loss/mood": 1.11483,
        "6 loss/close": 2.254997,
        "6 combination/weights/mood": 1.0,
        "6 combination/weights/close": 1.0,
        "6 gradients/norm/mood": 1.090118,
        "6 gradients/norm/close": 10.70413,
        "6 gradients/cosine/mood.close": 0.1365256,
        "6 gradients/conflicts/mood.close": 0.0,
        "6 gradients/moved": 0.0,
        "6 regularization/close/smart/divergence": 3.081406,
        "6 regularization/close/smart/perturbation": 0.2,
        "6 regularization/mood/smart/divergence": 0.2523869,
        "6 regularization/mood/smart/perturbation": 0.2,
        "6 dev/mood/accuracy": 0.5,
        "6 dev/close/pearson": 0.07928155,
        "sum of squared weights": 367.704,
    },
    "PCGrad, averaged weights, bf16": {
        "0 dev/mood/accuracy": 0.35,
        "0 dev/close/pearson": 0.0002238657,
        "3 loss/mood": 1.107423,
        "3 loss/close": 7.470489,
        "3 combination/weights/mood": 3.199771,
        "3 combination/weights/close": 1.037008,
        "3 gradients/norm/mood": 1.670309,
        "3 gradients/norm/close": 26.73325,
        "3 gradients/cosine/mood.close": -0.1697622,
        "3 gradients/conflicts/mood.close": 1,
        "3 gradients/moved": 0.1697622,
        "3 dev/mood/accuracy": 0.5,
        "3 dev/close/pearson": -0.05818729,
        "6 loss/mood": 1.042834,
        "6 loss/close": 1.10497,
        "6 combination/weights/mood": 1.14072,
        "6 combination/weights/close": 1.009,
        "6 gradients/norm/mood": 1.720207,
        "6 gradients/norm/close": 6.115461,
        "6 gradients/cosine/mood.close": 0.02532147,
        "6 gradients/conflicts/mood.close": 0.3333333,
        "6 gradients/moved": 0.03558858,
        "6 dev/mood/accuracy": 0.75,
        "6 dev/close/pearson": -0.01603792,
        "sum of squared weights": 368.1044,
    },
}

TOLERANCE = {"fp32": (2e-4, 2e-5), "bf16": (1e-2, 1e-2)}
"""Relative and absolute; the sum of both is allowed."""


def sentence(number: int) -> str:
    """Return a few words that follow from ``number``."""
    return " ".join(WORDS[(7 * number + 5 * place * (number % 4 + 1)) % len(WORDS)] for place in range(3 + number % 6))


def write_data(folder: Path) -> None:
    folder.mkdir()
    for split, start, rows in (("train", 0, 24), ("dev", 100, 20)):
        numbers = range(start, start + rows)
        lines = ["id\ttext\tlabel", *(f"m{n}\t{sentence(n)} {WORDS[5 + n % 3]}\t{n % 3}" for n in numbers)]
        (folder / f"mood-{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        pairs = [{"id": f"c{n}", "a": sentence(n), "b": sentence(n + n % 4), "score": 5.0 - n % 4} for n in numbers]
        (folder / f"close-{split}.jsonl").write_text(
            "".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8"
        )


def write_encoder(folder: Path) -> None:
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = EncoderConfig(
        vocabulary_size=len(vocabulary),
        hidden_size=32,
        layers=2,
        attention_heads=4,
        intermediate_size=64,
        max_positions=64,
    )
    encoder = Encoder(config)
    random = np.random.RandomState(3)
    with torch.no_grad():
        for name, parameter in sorted(encoder.named_parameters()):
            drawn = torch.from_numpy(random.standard_normal(tuple(parameter.shape)).astype(np.float32))
            parameter.copy_(1 + 0.02 * drawn if name.endswith("norm.weight") else 0.1 * drawn)
    save_encoder(encoder, folder)


def six_steps(folder: Path, changes: dict[str, Any]) -> dict[str, float]:
    """Train six steps with dropout, evaluate after three and six; return what the history says, by step and name."""
    write_data(folder / "data")
    write_encoder(folder / "encoder")
    more = changes.get("tasks", {})
    tree = {
        "seed": 7,
        "data": str(folder / "data"),
        "encoder": {"name": str(folder / "encoder")},
        "tasks": {
            "mood": {
                "kind": "classification",
                "classes": 3,
                "files": {split: f"mood-{split}.tsv" for split in ("train", "dev")},
                "id": "id",
                "text": "text",
                "label": "label",
                **more.get("mood", {}),
            },
            "close": {
                "kind": "regression",
                "range": [0, 5],
                "weight": 1.0,
                "files": {split: f"close-{split}.jsonl" for split in ("train", "dev")},
                "id": "id",
                "text": ["a", "b"],
                "label": "score",
                "head": {"name": "linear", "features": ["u", "v", "u*v"]},  # |u-v| has no slope for two equal texts
                **more.get("close", {}),
            },
        },
        "schedule": {"method": {"name": "round_robin", "epoch": 6}, "batch_size": 8},
        "combination": changes.get("combination", "sum"),
        # A large epsilon: with a small one Adam makes a whole step of a gradient that is only rounding.
        "optimizer": {
            "learning_rate": 2e-3,
            "head_learning_rate": 2e-2,
            "epsilon": 1e-4,
            "weight_decay": 0.1,
            **changes.get("optimizer", {}),
        },
        "training": {"epochs": 1, "evaluate_every": 3, **changes["training"]},
    }
    recipe = parse_recipe(tree, "pinned")
    display = Display(Console(file=io.StringIO()))
    prepared = prepare(recipe, display)
    loop = TrainingLoop(
        make_learner(recipe, prepared, display),
        prepared.dev,
        prepared.course,
        folder / "run",
        display,
    )
    history = loop.run(resume=False).history
    told = {
        f"{line['step']} {name}": value
        for line in history
        for name, value in scalars(line).items()
        if not re.search("time/|overall|macro_f1|spearman", name)
    }
    squares = [float(parameter.detach().double().square().sum()) for parameter in loop.model.parameters()]
    return told | {"sum of squared weights": sum(squares)}


@pytest.mark.parametrize("name", RUNS)
def test_six_steps_come_to_what_they_came_to(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See the module's text for what to do when this fails."""
    monkeypatch.setattr("minbert.running.prepare.available_device", lambda: torch.device("cpu"))
    got = six_steps(tmp_path, RUNS[name])
    expected = PINNED.get(name, {})
    relative, absolute = TOLERANCE[RUNS[name]["training"]["precision"]]
    moved = {
        key: (expected.get(key), got.get(key))
        for key in expected.keys() | got.keys()
        if key not in expected
        or key not in got
        or abs(got[key] - expected[key]) > relative * abs(expected[key]) + absolute
    }
    if moved:
        numbers = "\n".join(f'        "{key}": {value:.7g},' for key, value in got.items())
        pytest.fail(
            f"the numerics of training have changed (was, is): {pprint.pformat(moved)}\n"
            f'Read this file\'s first lines. The new numbers:\n    "{name}": {{\n{numbers}\n    }},'
        )
