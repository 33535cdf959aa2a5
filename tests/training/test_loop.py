"""The loop against a plain reference, and what happens when a run is cut short or goes wrong."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file

from command_line import press_ctrl_c
from laws import each
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.packed import concatenate
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.prepare import Prepared, make_learner, prepare
from minbert.training.checkpoint_folder import CHECKPOINTS, load_newest
from minbert.training.history import HISTORY
from minbert.training.interrupt import Interrupted
from minbert.training.loop import TrainingLoop
from minbert.training.stepper import NotFiniteError
from run_bits import bits, flip
from stopped_runs import assert_same_records, assert_same_weights, run_until_signal

SMOOTH = {"name": "linear", "dropout": 0.0, "features": ["u", "v", "u*v"]}
"""No |u-v|: for two equal texts its slope is the sign of a rounding error."""


def loop_of(recipe: Recipe, folder: Path, display: Display) -> TrainingLoop:
    prepared = prepare(recipe, display)
    return TrainingLoop(
        make_learner(recipe, prepared, display),
        prepared.dev,
        prepared.course,
        folder,
        display,
    )


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_training_equals_a_plain_loop(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    """Three hand-written steps with torch's own AdamW, clipping and schedule give the same weights."""
    two_tasks["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    for task in two_tasks["tasks"].values():
        task["head"] = SMOOTH
    two_tasks["tasks"]["mood"]["weight"] = 0.5
    two_tasks["schedule"]["method"] = {"name": "round_robin", "epoch": 3}
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "tokens_per_microbatch": 20, "precision": "fp32"}
    two_tasks["optimizer"] |= {"head_learning_rate": 3e-3, "weight_decay": 0.1, "warmup": 1, "max_gradient_norm": 0.5}
    two_tasks["optimizer"]["epsilon"] = 1e-4  # Adam makes a whole step of a gradient that is only rounding
    recipe = parse_recipe(two_tasks, "test")

    loop = loop_of(recipe, tmp_path / "ours", quiet)
    loop.run(resume=False)

    prepared = prepare(recipe, quiet)
    model = prepared.model.train()
    groups: list[dict[str, Any]] = []
    for module, rate in ((model.encoder, 1e-3), (model.heads, 3e-3)):
        for decays in (True, False):
            members = [p for p in module.parameters() if (p.dim() > 1) == decays]
            groups.append({"params": members, "base": rate, "weight_decay": 0.1 if decays else 0.0})
    optimizer = torch.optim.AdamW(groups, lr=1.0, eps=1e-4)
    for number, (_, step) in enumerate(recipe.schedule.method.steps(prepared.course.sizes, 1, recipe.seed)):
        packed, total = [], torch.zeros(())
        for task, rows in step.items():
            sequences = prepared.train[task].sequences
            packed.append(sequences.pack(sequences.of(rows)))
        outputs = model(concatenate(packed), [Span(task, len(batch)) for task, batch in zip(step, packed, strict=True)])
        for (task, rows), output in zip(step.items(), outputs, strict=True):
            labels = torch.tensor(prepared.train[task].known_labels[rows], dtype=torch.float32)
            if task == "mood":
                total = total + 0.5 * torch.nn.functional.cross_entropy(output.logits, labels.long())
            else:
                total = total + torch.nn.functional.mse_loss(output.logits.squeeze(-1), labels)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * [0.5, 1.0, 0.5][number]
        optimizer.step()
    ours = weights(loop.model)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(ours[name], tensor, atol=2e-5, rtol=1e-4, msg=name)


@each("method", ["alternating", "round_robin"])
def test_in_turn_and_by_steps_of_one_length_the_scale_of_a_loss_does_not_matter(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, method: str
) -> None:
    """Steps shorter than every gradient: a task whose loss is 30 times as large learns the same, and is not louder.

    Where losses are added up, it is louder, at whatever length.
    """
    two_tasks["schedule"]["method"] = {"name": method, "epoch": 4}
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32"}
    two_tasks["optimizer"] |= {"warmup": 1, "max_gradient_norm": 1e-3, "epsilon": 1e-10}
    start = prepare(parse_recipe(two_tasks, "test"), quiet).model
    ours = []
    for weight in (0.2, 6.0):
        two_tasks["tasks"]["mood"]["weight"] = weight
        loop = loop_of(parse_recipe(two_tasks, "test"), tmp_path / f"{weight}", quiet)
        loop.run(resume=False)
        ours.append(torch.cat([tensor.detach().flatten() for tensor in loop.model.parameters()]))
    began = torch.cat([tensor.detach().flatten() for tensor in start.parameters()])
    apart = float((ours[0] - ours[1]).norm() / (ours[0] - began).norm())
    assert apart < 0.01 if method == "alternating" else apart > 0.1


@pytest.mark.parametrize("encoder", ["finetuned", "frozen", "new characters"])
@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_a_run_stopped_by_a_signal_resumes_to_the_same_bits(
    two_tasks: dict[str, Any],
    tmp_path: Path,
    quiet: Display,
    encoder: str,
    stop_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if encoder == "new characters":
        two_tasks["encoder"]["new_characters"] = 2
        train = Path(two_tasks["data"]) / "mood-train.tsv"
        train.write_text(train.read_text(encoding="utf-8").replace("\t0\n", " 好\t0\n"), encoding="utf-8")
    else:
        two_tasks["training"]["encoder"] = encoder
    recipe = parse_recipe(two_tasks, "test")
    whole = loop_of(recipe, tmp_path / "whole", quiet)
    whole.run(resume=False)
    assert ("好" in whole.model.tokenizer.vocabulary()) is (encoder == "new characters")

    first = loop_of(recipe, tmp_path / "cut", quiet)
    run_until_signal(first, stop_at, monkeypatch)
    second = loop_of(recipe, tmp_path / "cut", quiet)
    torch.manual_seed(999)  # whatever was drawn before must not matter
    second.run(resume=True)

    assert_same_weights(weights(second.model), weights(whole.model))
    assert_same_records(second, whole, tmp_path / "cut", tmp_path / "whole")
    assert second.state.best == whole.state.best


@pytest.mark.parametrize("evaluation", [0, 1, 4])
def test_a_signal_breaks_off_an_evaluation_which_comes_again(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, evaluation: int
) -> None:
    """Before the first step, after the first three, after the last; scoring may take longer than one may wait."""
    two_tasks["optimizer"]["ema_decay"] = 0.5
    recipe = parse_recipe(two_tasks, "test")
    whole = loop_of(recipe, tmp_path / "whole", quiet)
    whole.run(resume=False)
    cut = loop_of(recipe, tmp_path / "cut", quiet)
    scores, scored = cut._dev_scores, []

    def scores_and_signal() -> Any:
        if len(cut.history) == evaluation:
            press_ctrl_c()
        scored.append(cut.state.step)
        return scores()

    monkeypatch.setattr(cut, "_dev_scores", scores_and_signal)
    with pytest.raises(Interrupted):
        cut.run(resume=False)
    assert len(scored) == evaluation
    assert cut.state.step == 3 * evaluation
    loop_of(recipe, tmp_path / "cut", quiet).run(resume=True)
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")


def test_a_run_killed_between_checkpoints_resumes_to_the_same_bits(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be ahead of its checkpoint: history and kept model are those of a later evaluation."""
    recipe = parse_recipe(two_tasks, "test")
    whole = loop_of(recipe, tmp_path / "whole", quiet)
    whole.run(resume=False)

    class KilledError(Exception):
        pass

    cut = loop_of(recipe, tmp_path / "cut", quiet)
    save = cut._checkpoint

    def save_until_step_six() -> None:
        if cut.state.step >= 6:
            raise KilledError
        save()

    monkeypatch.setattr(cut, "_checkpoint", save_until_step_six)
    with pytest.raises(KilledError):
        cut.run(resume=False)
    assert json.loads((tmp_path / "cut" / HISTORY).read_text().splitlines()[-1])["step"] == 6
    again = loop_of(recipe, tmp_path / "cut", quiet)
    again.run(resume=True)
    assert_same_weights(weights(again.model), weights(whole.model))
    assert [line["step"] for line in again.history] == [line["step"] for line in whole.history]
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_the_untrained_model_is_the_first_line_of_history(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    two_tasks["training"]["epochs"] = 1
    loop = loop_of(parse_recipe(two_tasks, "test"), tmp_path, quiet)
    loop.run(resume=False)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 3, 6]
    assert lines[0]["losses"] == {}
    assert set(lines[1]["losses"]) == {"mood", "close"}
    assert {"mood", "close", "overall", "overall_leaderboard"} == set(lines[1]["dev"])


def test_the_kept_model_is_the_best_on_dev(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["training"] |= {"select": "close.spearman", "epochs": 3, "evaluate_every": 2}
    loop = loop_of(parse_recipe(two_tasks, "test"), tmp_path, quiet)
    kept: dict[int, bytes] = {}
    evaluate = loop._evaluate

    def evaluate_and_copy() -> bool:
        improved = evaluate()
        kept[loop.state.step] = (tmp_path / "model.safetensors").read_bytes()
        return improved

    loop._evaluate = evaluate_and_copy  # type: ignore[method-assign]
    result = loop.run(resume=False)
    scores = {line["step"]: line["dev"]["close"]["spearman"] for line in result.history}
    best = max(scores, key=lambda step: scores[step])
    assert result.state.best is not None
    assert (result.state.best.step, result.state.best.score) == (best, scores[best])
    assert (tmp_path / "model.safetensors").read_bytes() == kept[best]
    moods = {line["step"]: line["dev"]["mood"]["accuracy"] for line in result.history}
    assert result.state.best_of_task["mood"].score == max(moods.values())
    assert moods[result.state.best_of_task["mood"].step] == max(moods.values())


def test_patience_stops_early(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    two_tasks["optimizer"]["learning_rate"] = 1e-12  # nothing will ever improve
    two_tasks["training"] |= {"epochs": 20, "evaluate_every": 1, "patience": 2, "select": "mood"}
    result = loop_of(parse_recipe(two_tasks, "test"), tmp_path, quiet).run(resume=False)
    assert result.state.finished
    assert result.state.step == 2


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_numbers_that_are_not_finite_stop_the_run(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(two_tasks, "test")
    loop = loop_of(recipe, tmp_path, quiet)
    if where == "loss":
        loop.learner.objectives["close"].labels[:] = float("nan")
    else:
        accumulate = loop.learner.accumulate

        def broken(*given: Any) -> torch.Tensor:
            losses = accumulate(*given)
            next(iter(loop.model.heads.parameters())).grad[0] = float("inf")  # type: ignore[index]
            return losses

        monkeypatch.setattr(loop.learner, "accumulate", broken)
    before = weights(loop.model)
    with pytest.raises(NotFiniteError) as caught:
        loop.run(resume=False)
    message = str(caught.value)
    assert "step 1:" in message
    assert ("loss of task 'close' is nan" if where == "loss" else "gradient's norm is inf") in message
    assert "ctrain" in message  # the rows' ids
    assert str(tmp_path / CHECKPOINTS) in message
    assert_same_weights(weights(loop.model), before)
    fresh = loop_of(recipe, tmp_path, quiet)
    assert load_newest(tmp_path, fresh.model, fresh.optimizer, quiet.note)[0].step == 0
    assert_same_weights(weights(fresh.model), before)


def test_weights_that_no_reader_takes_stop_the_run(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_tasks["training"]["evaluate_every"] = 1
    loop = loop_of(parse_recipe(two_tasks, "test"), tmp_path, quiet)
    step = loop.optimizer.step

    def leap() -> None:
        step()
        with torch.no_grad():
            next(iter(loop.model.heads.parameters()))[0] = 1e19

    monkeypatch.setattr(loop.optimizer, "step", leap)
    with pytest.raises(NotFiniteError, match=r"a weight is beyond 1e\+18 by now, so training stopped"):
        loop.run(resume=False)
    fresh = loop_of(parse_recipe(two_tasks, "test"), tmp_path, quiet)
    assert load_newest(tmp_path, fresh.model, fresh.optimizer, quiet.note)[0].step == 0


def test_micro_batches_change_memory_not_gradients(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    for task in two_tasks["tasks"].values():
        task["head"] = SMOOTH

    def gradients_with(budget: int) -> tuple[torch.Tensor, dict[str, torch.Tensor], list[int]]:
        two_tasks["training"]["tokens_per_microbatch"] = budget
        recipe = parse_recipe(two_tasks, "test")
        prepared: Prepared = prepare(recipe, quiet)
        calls: list[int] = []
        prepared.model.encoder.register_forward_hook(lambda _m, args, _out: calls.append(len(args[0].token_ids)))
        _, step = next(recipe.schedule.method.steps(prepared.course.sizes, 1, 0))
        losses = make_learner(recipe, prepared, quiet).accumulate(step, dict.fromkeys(step, 1.0))
        return losses, {n: p.grad for n, p in prepared.model.named_parameters() if p.grad is not None}, calls

    whole_losses, whole, whole_calls = gradients_with(10_000)
    losses, parts, calls = gradients_with(16)
    assert len(whole_calls) == 1  # both tasks in one forward
    assert len(calls) > 4
    assert max(calls) <= 24  # one pair may be longer than the budget
    torch.testing.assert_close(losses, whole_losses)
    assert parts.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_a_frozen_encoder_scores_as_one_that_runs_every_time(two_tasks: dict[str, Any], quiet: Display) -> None:
    two_tasks["training"]["encoder"] = "frozen"
    recipe = parse_recipe(two_tasks, "test")
    prepared = prepare(recipe, quiet)
    reads = 0

    def count(_module: Any, arguments: Any, _output: Any) -> None:
        nonlocal reads
        reads += len(arguments[0].lengths)

    prepared.model.encoder.register_forward_hook(count)
    learner = make_learner(recipe, prepared, quiet)
    assert reads == sum(len(rows.sequences) for rows in prepared.train.values())  # each distinct text once
    prepared.model.eval()
    for _, step in recipe.schedule.method.steps(prepared.course.sizes, 3, 0):
        learner.accumulate(step, dict.fromkeys(step, 1.0))
    assert reads == sum(len(rows.sequences) for rows in prepared.train.values())
    for task, rows in prepared.dev.items():
        texts = rows.sequences.pack(rows.sequences.of(np.arange(len(rows))))
        [plain] = prepared.model(texts, [Span(task, len(texts))])
        torch.testing.assert_close(learner.logits(task, rows), plain.logits, atol=1e-5, rtol=1e-5)
    encoder_gradients = [p.grad for p in prepared.model.encoder.parameters()]
    assert all(gradient is None for gradient in encoder_gradients)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    two_tasks["training"] |= {"epochs": 1}
    recipe = parse_recipe(two_tasks, "test")
    loop_of(recipe, tmp_path, quiet).run(resume=False)
    whole = bits(tmp_path)
    newest, before = (tmp_path / f"checkpoints/last-{step}.safetensors" for step in (6, 3))
    assert sorted(newest.parent.iterdir()) == [before, newest]
    flip(newest, -100)
    told = io.StringIO()
    loop_of(recipe, tmp_path, Display(Console(file=told, width=400))).run(resume=True)
    [line] = [line for line in told.getvalue().splitlines() if "checkpoints" in line]
    assert line.startswith(f"{newest}: is damaged (the tensor ")
    assert line.endswith("its checksum differs), so the one before it is used")
    assert bits(tmp_path) == whole
    for path in (newest, before):
        flip(path, -100)
    with pytest.raises(UserError, match=r"last-3\.safetensors: is damaged .* there is none before it"):
        loop_of(recipe, tmp_path, quiet).run(resume=True)


def as_older_versions_wrote(path: Path, to: Path) -> None:
    """Copy a checkpoint without what checkpoints have had since: checksums, and whether an evaluation is due."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        state = json.loads(file.metadata()["state"])
    del state["evaluation_due"]
    metadata = {"state": json.dumps(state)}
    content = [metadata, {name: list(tensor.shape) for name, tensor in tensors.items()}]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    save_file(tensors, to, {**metadata, "digest": digest})


def test_a_run_of_an_older_version_goes_on_from_its_only_checkpoint(
    two_tasks: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(two_tasks, "test")
    loop_of(recipe, tmp_path / "whole", quiet).run(resume=False)
    run_until_signal(loop_of(recipe, cut := tmp_path / "cut", quiet), 4, monkeypatch)
    for path in sorted((cut / "checkpoints").iterdir()):
        as_older_versions_wrote(path, cut / "checkpoints/last.safetensors")
        path.unlink()
    loop_of(recipe, cut, quiet).run(resume=True)
    assert bits(cut) == bits(tmp_path / "whole")


def test_dropout_is_off_in_evaluation_and_on_in_training(two_tasks: dict[str, Any], quiet: Display) -> None:
    prepared = prepare(parse_recipe(two_tasks, "test"), quiet)
    model: MultitaskModel = prepared.model
    model.train()
    texts = ["a good film", "a bad river"]
    assert np.array_equal(model.encode(texts), model.encode(texts))
    assert model.training
    batch = model.sequences("mood", texts).pack(np.arange(2))
    assert not torch.equal(model.encoder(batch).pooled, model.encoder(batch).pooled)
