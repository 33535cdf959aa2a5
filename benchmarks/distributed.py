"""How equal a step is whatever the number of processes: the table of docs/distributed.md.

    python benchmarks/distributed.py --steps 3 --json distributed.json

Every method is run under torchrun with 2 and 3 processes, and in one process with as many shards. What is printed is
the largest relative L2 difference: of the losses, of the tasks' gradients' inner products, of the gradient that the
optimizer is given, and of the weights after some steps. Dropout is on.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch import Tensor

from common import machine
from minbert.display.progress import Display
from minbert.encoder.config import EncoderConfig
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import find_encoder, save_encoder, save_tokenizer
from minbert.machine.joining import joined
from minbert.multitask.combination import Combination, Surgeon
from minbert.pretraining.loop import PretrainingLoop
from minbert.pretraining.prepare import prepare_pretraining
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.recipe.recipe import Recipe, load_recipe, parse_recipe
from minbert.running.prepare import Prepared, make_learner, prepare
from minbert.text.tokenizer import Tokenizer
from minbert.training.loop import TrainingLoop
from minbert.training.stepper import Stepper

Changes = Mapping[str, Any]

MNRL = {"name": "mnrl", "threshold": 4, "symmetric": True}
SMART = {"name": "smart", "epsilon": 0.05, "sigma": 0.01, "step_size": 1.0}
FEW_TOKENS = {"tokens_per_microbatch": 60}
FROZEN = {"encoder": "frozen"}
SMOOTH = {"name": "linear", "features": ["u", "v", "u*v"]}
"""A head without |u-v|: for two equal texts its slope is the sign of a rounding error."""
MASKED_LM = "masked LM"

METHODS: dict[str, Changes] = {
    "cross entropy": {},
    "MNRL": {"regression": {"loss": [MNRL, "mse"]}},
    "cached MNRL": {"regression": {"loss": [MNRL, "mse"]}, "training": FEW_TOKENS},
    "Pearson": {"regression": {"loss": "pearson"}},
    "CoSENT": {"regression": {"loss": ["cosent", "mse"]}},
    "R-Drop": {"classification": {"regularization": "r_drop"}, "regression": {"regularization": "r_drop"}},
    "SMART": {"classification": {"regularization": SMART}, "regression": {"regularization": SMART}},
    "MBPP": {"classification": {"regularization": "mbpp"}, "regression": {"regularization": "mbpp"}},
    "MNRL with SMART": {"regression": {"loss": [MNRL, "mse"], "regularization": SMART}},
    "frozen": {"training": FROZEN},
    "frozen, Pearson": {"regression": {"loss": "pearson"}, "training": FROZEN},
    "averaged weights": {"optimizer": {"ema_decay": 0.9}},
}
"""What changes in a recipe: of its tasks by their kind, and of its sections."""


def changed(tree: Mapping[str, Any], method: Changes, combination: str = "sum") -> dict[str, Any]:
    """Return a recipe's tree for a method, whose steps have rows of every task."""
    kinds = {task["kind"] for task in tree["tasks"].values()}
    tasks = {name: {**task, **method.get(task["kind"], {})} for name, task in tree["tasks"].items()}
    sections = {key: {**tree.get(key, {}), **value} for key, value in method.items() if key not in kinds}
    schedule = {**tree.get("schedule", {}), "method": "round_robin"}
    return {**tree, "tasks": tasks, **sections, "schedule": schedule, "combination": combination}


def measured(tree: Mapping[str, Any], shards: int, steps: int = 0) -> dict[str, Tensor]:
    """Return what the first step of a recipe comes to on these ranks, cut into so many shards, and ``steps`` more.

    They are the ``losses`` (K,), the ``gramian`` (K, K) of the tasks' gradients where there is one, the ``gradient``
    of each parameter, and each of the ``weights`` after the steps.
    """
    recipe = parse_recipe(tree, "distributed")
    return _measured_prepared(recipe, prepare(recipe, _silent()), shards, steps)


def _measured_prepared(recipe: Recipe, prepared: Prepared, shards: int, steps: int) -> dict[str, Tensor]:
    display = _silent()
    learner = make_learner(recipe, prepared, display)
    loop = TrainingLoop(learner, prepared.dev, prepared.course, Path(), display)
    learner.finish_step()  # MBPP's teacher stays behind the weights, which now move
    found = _measured(loop, shards, steps)
    sums = loop.combination.weather.sums
    return found | {"gramian": sums["cosines"] * sums["norms"] * sums["norms"][:, None]}


def measured_pretraining(tree: Mapping[str, Any], shards: int, steps: int = 0) -> dict[str, Tensor]:
    """Return the same of a pretraining recipe."""
    recipe = parse_pretraining_recipe(tree, "distributed")
    prepared = prepare_pretraining(recipe, _silent())
    loop = PretrainingLoop(prepared.model, prepared.texts, prepared.course, "fp32", Path(), _silent())
    return _measured(loop, shards, steps)


def _silent() -> Display:
    return Display(Console(file=io.StringIO()))


def _measured(loop: Stepper[Any], shards: int, steps: int) -> dict[str, Tensor]:
    loop.state.shards = shards
    loop.model.train()
    with torch.no_grad():
        for parameter in loop.parameters:
            parameter *= 1.02
    course = [step for step, _ in loop.course.steps(0)][: steps + 1]
    found = {"losses": loop._accumulate(course[0]).double()}
    for name, parameter in loop.model.named_parameters():
        if parameter.grad is not None:
            found[f"gradient.{name}"] = parameter.grad.to_dense().clone()
            parameter.grad = None
    for step in course[1:]:
        loop._step(step)
    if steps:
        average = {} if loop.average is None else loop.average.state()
        found |= {f"weights.{name}": tensor.detach().clone() for name, tensor in loop.model.named_parameters()}
        found |= {f"weights.{name}": tensor.clone() for name, tensor in average.items()}
    return found


def differences(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how far two measurements are apart: each part's relative L2 difference, all its tensors taken together."""
    assert one.keys() == other.keys(), one.keys() ^ other.keys()
    apart: dict[str, float] = {}
    for part in dict.fromkeys(name.partition(".")[0] for name in one):
        names = [name for name in one if name.partition(".")[0] == part]
        off = sum(float((one[name].double() - other[name].double()).square().sum()) for name in names)
        size = sum(float(other[name].double().square().sum()) for name in names)
        apart[part] = (off / size) ** 0.5 if size else off**0.5
    return apart


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the methods and combinations to be measured together, the only one of pretraining last."""
    for method in options.methods:
        for combination in options.combinations:
            if not (METHODS[method].get("training") == FROZEN and _on_shared_gradients(combination)):
                yield method, combination
    if options.methods == list(METHODS):
        yield MASKED_LM, "sum"


def measured_case(method: str, combination: str, encoder: str, shards: int, steps: int) -> dict[str, Tensor]:
    """Return what a case comes to on the sample set."""
    if method == MASKED_LM:
        corpora = {"sample": {"recipe": "quickstart"}}
        tree = {"data": "sample", "encoder": {"name": encoder}, "corpora": corpora, "training": {"precision": "fp32"}}
        return measured_pretraining(tree, shards, steps)
    tree, prepared, weights = _prepared(method, encoder)
    recipe = parse_recipe({**tree, "combination": combination}, "distributed")
    prepared.model.load_state_dict(weights)
    course = replace(prepared.course, combination=recipe.combination)
    return _measured_prepared(recipe, replace(prepared, course=course), shards, steps)


@lru_cache(maxsize=1)
def _prepared(method: str, encoder: str) -> tuple[dict[str, Any], Prepared, dict[str, Tensor]]:
    """Return a method's recipe, what is made ready for it once for all combinations, and the weights it begins with."""
    tree = load_recipe("quickstart").model_dump(mode="json")
    tree["encoder"]["name"] = encoder
    tree["training"] |= {"precision": "fp32", "head_start": "random", "epochs": 50}
    tree["optimizer"]["epsilon"] = 1e-4  # with a small one Adam makes a whole step of a gradient that is only rounding
    for task in tree["tasks"].values():
        task |= {"rows": 64, "dev_rows": 8}
        if task["kind"] == "regression":
            task["head"] = SMOOTH
    tree = changed(tree, METHODS[method])
    prepared = prepare(parse_recipe(tree, "distributed"), _silent())
    return tree, prepared, {name: tensor.clone() for name, tensor in prepared.model.state_dict().items()}


def _on_shared_gradients(combination: str) -> bool:
    combiner = Combination.model_validate(combination)
    return combiner.norm_layer is not None or isinstance(combiner.start(2), Surgeon)


def small_encoder(folder: Path) -> str:
    """Write a random encoder of two layers, 64 wide, with MiniLM's tokenizer; return its name."""
    files = find_encoder("minilm")
    tokenizer = Tokenizer.from_files(files.folder)
    config = EncoderConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        hidden_size=64,
        layers=2,
        attention_heads=4,
        intermediate_size=128,
    )
    torch.manual_seed(0)
    encoder = Encoder(config)
    save_encoder(encoder, folder)
    save_tokenizer(tokenizer, encoder, folder)
    return str(folder)


def write_references(options: argparse.Namespace) -> None:
    """Write what every case comes to in this one process."""
    for method, combination in cases(options):
        found = measured_case(method, combination, options.encoder, options.shards, options.steps)
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, _file(options, method, combination))


def compare(options: argparse.Namespace) -> None:
    """Print a line of JSON for every case: how far it is on these ranks from its reference."""
    with joined() as own:
        for method, combination in cases(options):
            found = measured_case(method, combination, options.encoder, own.count, options.steps)
            if own.first:
                apart = differences(found, load_file(_file(options, method, combination)))
                print(json.dumps({"method": method, "combination": combination, "processes": own.count, **apart}))


def _file(options: argparse.Namespace, method: str, combination: str) -> Path:
    return Path(options.folder) / f"{method} {combination}.safetensors".replace(" ", "-")


def main() -> None:
    """Measure all cases with 2 and 3 processes, and print the largest difference of each method."""
    options = parser().parse_args()
    if options.part:
        {"write": write_references, "compare": compare}[options.part](options)
        return
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        encoder = small_encoder(Path(folder) / "tiny") if options.encoder == "tiny" else options.encoder
        for count in options.processes:
            words = [__file__, *_words(options), "--encoder", encoder, "--folder", folder, "--shards", str(count)]
            subprocess.run([sys.executable, *words, "--part", "write"], check=True)
            launch = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", "--standalone"]
            said = subprocess.run([*launch, *words, "--part", "compare"], check=True, stdout=subprocess.PIPE, text=True)
            lines += [json.loads(line) for line in said.stdout.splitlines()]
    show(lines)
    if options.json is not None:
        described = machine(torch.get_num_threads(), torch.device("cpu"), 1024)
        found = {"cases": lines, "machine": described, "settings": {"encoder": options.encoder, "steps": options.steps}}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def show(lines: list[dict[str, Any]]) -> None:
    """Print the largest differences of every method over all combinations, and of every combination over methods."""
    parts = [part for part in ("losses", "gramian", "gradient", "weights") if any(part in line for line in lines)]
    for subject in ("method", "combination"):
        table = Table(title="largest relative L2 difference from one process", title_justify="left")
        for column in (subject, "processes", "cases", *parts):
            table.add_column(column, justify="left" if column == subject else "right")
        for name, count in dict.fromkeys((line[subject], line["processes"]) for line in lines):
            own = [line for line in lines if (line[subject], line["processes"]) == (name, count)]
            worst = [f"{max(line.get(part, 0.0) for line in own):.1e}" for part in parts]
            table.add_row(name, str(count), str(len(own)), *worst)
        Console(width=120).print(table)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--encoder", default="tiny", help="'tiny' (random, 2 layers), 'minilm' or a folder")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    members = sorted(Combination.members)
    options.add_argument("--combinations", nargs="+", choices=members, default=members, metavar="NAME")
    options.add_argument("--processes", nargs="+", type=int, default=[2, 3])
    options.add_argument("--steps", type=int, default=0, help="compare weights after so many steps, too")
    options.add_argument("--json", type=Path, help="write the figures there")
    for name in ("--part", "--folder", "--shards"):
        options.add_argument(name, help=argparse.SUPPRESS, type=int if name == "--shards" else str)
    return options


def _words(options: argparse.Namespace) -> list[str]:
    return ["--methods", *options.methods, "--combinations", *options.combinations, "--steps", str(options.steps)]


if __name__ == "__main__":
    main()
