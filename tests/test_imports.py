"""What is imported when, seen by one fresh interpreter. No timing: what would make a command slow is never imported."""

from __future__ import annotations

import json
import subprocess
import sys

LOOK = """
import contextlib, io, json, sys

def tell(what):
    heavy = "torch transformers scipy sklearn pyarrow tokenizers huggingface_hub optuna matplotlib jinja2".split()
    print(json.dumps([what, [name for name in heavy if name in sys.modules]]))

from minbert.cli.main import app
for command in sys.argv[1:]:
    sys.argv = ["minbert", *command.split()]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            app()
        except SystemExit as stop:
            assert not stop.code, (command, stop.code)
    tell(command)
import minbert.encoder
tell("the encoder's room")
import minbert.data.check, minbert.data.download, minbert.encoder.hub, minbert.evaluation.intervals
tell("kinds, rows, downloads and scores")
from minbert.reporting.style import new_drawing, styled
tell("the figures' style")
with styled():
    new_drawing(1)
tell("a drawing")
assert "matplotlib.pyplot" not in sys.modules

from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.weights import export_tensors, fresh_encoder
config = EncoderConfig(vocabulary_size=9, hidden_size=4, layers=1, attention_heads=1, intermediate_size=4)
shapes = {name: tensor.shape for name, tensor in export_tensors(Encoder(config)).items()}
assert fresh_encoder(config, shapes, "file").embeddings.word.weight.std() > 0
compiler = "sympy torch._dynamo torch._inductor".split()
print(json.dumps(["a fresh encoder", [name for name in compiler if name in sys.modules]]))

import torch
from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
for kind in (AdamW, AdamaxW):
    optimizer = kind([weight := torch.nn.Parameter(torch.ones(3))])
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
from minbert.training.gradient_cache import backward_from
weight = torch.tensor([2.0, 3.0], requires_grad=True)
backward_from(2 * weight, torch.tensor([0.1, 0.2]), weight.sum())
assert torch.allclose(weight.grad, torch.tensor([1.2, 1.4]))
print(json.dumps(["a step and a checkpoint", [name for name in compiler if name in sys.modules]]))

import numpy as np
import minbert.comparing.compare, minbert.reporting.report
from minbert.evaluation.answers import Answers
from minbert.evaluation.intervals import score_interval
from minbert.evaluation.resampling import swapped_differences
from minbert.reporting.figures.agreement import predicted_against_true
from minbert.reporting.figures.reliability import reliability_diagram
from minbert.tasks.predictions import Predictions
ids, labels = ["a", "b", "c", "d"], np.array([0.0, 1.0, 1.0, 0.0])
score_interval("regression", "spearman", [scores := Answers(ids, labels, Predictions(np.arange(4.0), None, []))])
swapped_differences("spearman", labels, np.arange(4.0)[None], labels[None], 9)
assert predicted_against_true("a", scores)
assert reliability_diagram("b", Answers(ids, labels, Predictions(labels, np.full((4, 2), 0.5), ["no", "yes"])))
slow = "scipy.stats scipy.optimize sklearn transformers huggingface_hub optuna matplotlib.pyplot".split()
print(json.dumps(["a report and a comparison", [name for name in slow if name in sys.modules]]))
"""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    commands = ["--help", *(f"{command} --help" for command in ("train", "pretrain", "sweep", "report"))]
    commands += ["recipes", "recipes show quickstart", "--version"]
    run = subprocess.run([sys.executable, "-c", LOOK, *commands], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    expected = [
        [what, []]
        for what in (*commands, "the encoder's room", "kinds, rows, downloads and scores", "the figures' style")
    ]
    assert told[:-4] == expected
    assert "matplotlib" in told[-4][1]
    assert told[-3:] == [["a fresh encoder", []], ["a step and a checkpoint", []], ["a report and a comparison", []]]
