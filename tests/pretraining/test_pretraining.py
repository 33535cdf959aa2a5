"""The pretraining loop: it learns, never sees what is held out, and goes on after a stop as if there had been none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from minbert.display.progress import Display
from minbert.encoder.sources import load_encoder
from minbert.errors import UserError
from minbert.pretraining.held_out import Score, score_by_frequency, score_held_out, with_overall
from minbert.pretraining.loop import PretrainingLoop
from minbert.pretraining.prepare import prepare_pretraining
from minbert.pretraining.recipe import PretrainingRecipe, parse_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe, pretraining_loop, read_pretraining_run
from minbert.randomness import generator
from minbert.text.masking import mask_tokens
from minbert.training.checkpoint_folder import CHECKPOINTS
from minbert.training.history import HISTORY
from minbert.training.stepper import NotFiniteError
from stopped_runs import assert_same_records, assert_same_weights, run_until_signal


def text(random: np.random.Generator) -> str:
    """A sentence in which what is hidden can be told from what is not."""
    noun, quality = (("film", "dull"), ("river", "cold"), ("rice", "fine"))[random.integers(3)]
    start = ("the", "a", "why is the", "how is a")[random.integers(4)]
    end = ("on days", "people learn", "do cook", "is good", "train on")[random.integers(5)]
    return f"{start} {quality} {noun} {end} " * int(random.integers(1, 4))


@pytest.fixture
def tree(tmp_path: Path, tiny_encoder: Path) -> dict[str, Any]:
    """A recipe over two corpora of a few dozen texts."""
    random = np.random.default_rng(0)
    (tmp_path / "plain.txt").write_text("".join(text(random) + "\n" for _ in range(150)), encoding="utf-8")
    rows = [f"{n}\t{text(random)}\tx {text(random)}" for n in range(20)]
    (tmp_path / "pairs.tsv").write_text("\n".join(["id\ta\tb", *rows]) + "\n", encoding="utf-8")
    return {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "corpora": {"plain": {"files": "plain.txt"}, "pairs": {"files": ["pairs.tsv"], "column": ["a", "b"]}},
        "held_out": {"share": 0.2},
        "optimizer": {"learning_rate": 3e-3},
        "training": {"epochs": 2, "batch_size": 8, "evaluate_every": 7, "precision": "fp32"},
    }


def loop_of(recipe: PretrainingRecipe, folder: Path, display: Display) -> PretrainingLoop:
    return pretraining_loop(recipe, prepare_pretraining(recipe, display), folder, display)


def weights(loop: PretrainingLoop) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}


def test_the_held_out_loss_goes_down(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    tree["training"] |= {"epochs": 12, "evaluate_every": None}
    loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path / "run", quiet)
    history = loop.run(resume=False).history
    assert len(history) == 13
    assert history[0]["loss"] is None
    losses = [line["held_out"]["overall"]["loss"] for line in history]
    assert losses[0] == pytest.approx(math.log(27), abs=0.3)  # knows nothing of 27 tokens
    by_frequency = score_by_frequency(
        loop.texts.train.token_counts(27), loop.texts.held_out, loop.texts.vocabulary.ordinary
    )
    assert losses[-1] < by_frequency["overall"].loss - 0.3
    assert history[-1]["held_out"]["overall"]["accuracy"] > by_frequency["overall"].accuracy + 0.1
    assert history[-1]["loss"] < history[1]["loss"]


def test_training_equals_a_plain_loop(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    """Hand-written steps with torch's own AdamW, clipping and schedule give the same weights."""
    tree["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}
    tree["training"] = {"epochs": 1, "batch_size": 40, "precision": "fp32", "tokens_per_microbatch": 50}
    tree["optimizer"] |= {"head_learning_rate": 1e-2, "weight_decay": 0.1, "warmup": 1, "max_gradient_norm": 0.5}
    recipe = parse_pretraining_recipe(tree, "test")
    loop = loop_of(recipe, tmp_path / "run", quiet)
    loop.run(resume=False)
    assert loop.state.step == 3

    prepared = prepare_pretraining(recipe, quiet)
    model = prepared.model.train()
    groups: list[dict[str, Any]] = []
    for module, rate in ((model.encoder, 3e-3), (model.head, 1e-2)):
        for decays in (True, False):
            members = [p for p in module.parameters() if (p.dim() > 1) == decays]
            groups.append({"params": members, "base": rate, "weight_decay": 0.1 if decays else 0.0})
    optimizer = torch.optim.AdamW(groups, lr=1.0, eps=1e-6)
    for step, (numbers, _) in enumerate(prepared.course.steps()):
        batch = prepared.texts.train.pack(numbers)
        random = generator(recipe.seed, "masks", step)
        masked = mask_tokens(batch, prepared.texts.vocabulary, recipe.masking, random)
        loss = functional.cross_entropy(model(masked.batch, masked.positions), masked.targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * [0.5, 1.0, 0.5][step]
        optimizer.step()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(weights(loop)[name], tensor, atol=5e-5, rtol=1e-4, msg=name)


def test_held_out_texts_are_never_trained_on(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = (tmp_path / "plain.txt").read_text().splitlines()[:40]
    (tmp_path / "again.txt").write_text("".join(line.upper() + "\n" for line in shared))
    tree["corpora"]["again"] = {"files": "again.txt"}
    loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path / "run", quiet)
    originals = []
    for masked in loop.texts.held_out.values():
        whole = masked.batch.token_ids.clone()
        whole[masked.positions] = masked.targets
        originals += [tuple(part.tolist()) for part in whole.split(masked.batch.lengths.tolist())]
    read: set[tuple[int, ...]] = set()
    sequences = type(loop.texts.train)
    pack = sequences.pack

    def pack_and_note(self: Any, numbers: Any) -> Any:
        batch = pack(self, numbers)
        read.update(tuple(part.tolist()) for part in batch.token_ids.split(batch.lengths.tolist()))
        return batch

    monkeypatch.setattr(sequences, "pack", pack_and_note)
    loop.run(resume=False)
    assert len(originals) > 20
    assert len(read) > 60
    assert not read & set(originals)


@pytest.mark.parametrize(("stop_at", "average"), [(1, None), (7, 0.9), (20, None), (25, 0.9)])
def test_a_run_stopped_by_a_signal_resumes_to_the_same_bits(
    tree: dict[str, Any],
    tmp_path: Path,
    quiet: Display,
    stop_at: int,
    average: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree["optimizer"]["ema_decay"] = average
    tree["training"]["tokens_per_step"] = 100
    recipe = parse_pretraining_recipe(tree, "test")
    whole = loop_of(recipe, tmp_path / "whole", quiet)
    whole.run(resume=False)
    assert whole.state.step > 30

    first = loop_of(recipe, tmp_path / "cut", quiet)
    run_until_signal(first, stop_at, monkeypatch)
    second = loop_of(recipe, tmp_path / "cut", quiet)
    torch.manual_seed(999)  # whatever was drawn before must not matter
    second.run(resume=True)

    assert_same_weights(weights(second), weights(whole))
    assert_same_records(second, whole, tmp_path / "cut", tmp_path / "whole")
    assert second.state.tokens == whole.state.tokens


def test_every_pass_hides_other_tokens_and_scoring_always_the_same(
    tree: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    recipes = [parse_pretraining_recipe(tree | {"seed": seed}, "test") for seed in (1, 2)]
    one, two = (prepare_pretraining(recipe, quiet) for recipe in recipes)
    for name, masked in one.texts.held_out.items():
        assert torch.equal(masked.batch.token_ids, two.texts.held_out[name].batch.token_ids)
        assert torch.equal(masked.positions, two.texts.held_out[name].positions)
    loop = loop_of(recipes[0], tmp_path, quiet)
    seen: list[torch.Tensor] = []
    loop.model.encoder.register_forward_hook(lambda _m, args, _out: seen.append(args[0].token_ids))
    numbers = np.arange(8)
    loop._accumulate(numbers)
    loop.state.step += 1
    loop._accumulate(numbers)
    assert not torch.equal(seen[0], seen[1])


def test_micro_batches_change_memory_not_gradients(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    tree["encoder"] |= {"hidden_dropout": 0.0, "attention_dropout": 0.0}

    def gradients(budget: int) -> tuple[float, dict[str, torch.Tensor], list[int]]:
        tree["training"]["tokens_per_microbatch"] = budget
        loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path, quiet)
        calls: list[int] = []
        loop.model.encoder.register_forward_hook(lambda _m, args, _out: calls.append(len(args[0].token_ids)))
        loss = loop._accumulate(np.arange(20))
        return float(loss), {n: p.grad for n, p in loop.model.named_parameters() if p.grad is not None}, calls

    whole_loss, whole, whole_calls = gradients(10_000)
    loss, parts, calls = gradients(40)
    assert len(whole_calls) == 1
    assert len(calls) > 4
    assert max(calls) <= 40
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert parts.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_scores_are_those_of_the_formula_and_do_not_depend_on_pieces(
    tree: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path, quiet)
    loop.model.train()
    cpu = torch.device("cpu")
    whole = score_held_out(loop.model, loop.texts.held_out, cpu, "fp32", 100_000)
    parts = score_held_out(loop.model, loop.texts.held_out, cpu, "fp32", 30)
    assert loop.model.training
    loop.model.eval()
    losses = []
    for name, masked in loop.texts.held_out.items():
        with torch.no_grad():
            logits = loop.model(masked.batch, masked.positions).double()
        loss = functional.cross_entropy(logits, masked.targets).item()
        losses.append(loss)
        for score in (whole[name], parts[name]):
            assert score.loss == pytest.approx(loss, rel=1e-5)
            assert score.perplexity == pytest.approx(math.exp(loss), rel=1e-4)
            assert score.accuracy == (logits.argmax(-1) == masked.targets).double().mean().item()
    assert whole["overall"].loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_guessing_by_frequency_is_its_formula(tree: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path, quiet)
    counts = np.arange(27) % 5
    ordinary = loop.texts.vocabulary.ordinary
    scores = score_by_frequency(counts, loop.texts.held_out, ordinary)
    total = sum(int(counts[token]) + 1 for token in range(27) if ordinary[token])
    for name, masked in loop.texts.held_out.items():
        expected = np.mean([-math.log((counts[token] + 1) / total) for token in masked.targets.tolist()])
        assert scores[name].loss == pytest.approx(expected)


def test_the_overall_score_counts_each_corpus_alike() -> None:
    overall = with_overall({"a": Score(2.0, 0.5, 10), "b": Score(4.0, 0.1, 1000)})["overall"]
    assert (overall.loss, overall.accuracy, overall.tokens) == (3.0, pytest.approx(0.3), 1010)
    assert overall.perplexity == pytest.approx(math.exp(3))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_kept_weights_are_the_best_or_the_last(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, keep: str
) -> None:
    tree["optimizer"] |= {"learning_rate": 0.5, "warmup": 0, "max_gradient_norm": None}  # soon worse than the start
    tree["training"] |= {"keep": keep, "epochs": 1}
    recipe = parse_pretraining_recipe(tree, "test")
    metrics = pretrain_recipe(recipe, tmp_path / "run", False, quiet)
    losses = [json.loads(line)["held_out"]["overall"]["loss"] for line in open(tmp_path / "run" / HISTORY)]  # noqa: PTH123, SIM115
    assert losses[-1] > min(losses)
    assert metrics["held_out"]["overall"]["loss"] == (min(losses) if keep == "best" else losses[-1])
    assert metrics["before_training"]["overall"]["loss"] == losses[0]
    again = parse_pretraining_recipe(tree | {"encoder": {"name": str(tmp_path / "run")}}, "test")
    loop = loop_of(again, tmp_path / "again", quiet)
    scores = score_held_out(loop.model, loop.texts.held_out, torch.device("cpu"), "fp32", 8192)
    assert scores["overall"].loss == pytest.approx(metrics["held_out"]["overall"]["loss"], rel=1e-6)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_numbers_that_are_not_finite_stop_the_run(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_of(parse_pretraining_recipe(tree, "test"), tmp_path, quiet)
    accumulate = loop._accumulate

    def broken(numbers: Any) -> torch.Tensor:
        loss = accumulate(numbers)
        if where == "loss":
            return loss * float("nan")
        next(iter(loop.model.head.parameters())).grad[0] = float("inf")  # type: ignore[index]
        return loss

    monkeypatch.setattr(loop, "_accumulate", broken)
    before = weights(loop)
    with pytest.raises(
        NotFiniteError, match=r"step 1: the (loss of task 'masked LM' is nan|gradient's norm is inf)"
    ) as caught:
        loop.run(resume=False)
    assert str(tmp_path / CHECKPOINTS) in str(caught.value)
    assert_same_weights(weights(loop), before)


@pytest.mark.parametrize("head", ["bert", "two_layer"])
def test_the_folder_is_an_encoder_for_training_and_for_transformers(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, head: str
) -> None:
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "run"
    recipe = parse_pretraining_recipe(tree | {"head": head}, "test")
    metrics = pretrain_recipe(recipe, out, False, quiet)
    assert metrics["head"] == f"{head} (fresh)"
    assert read_pretraining_run(out) == recipe
    trained = loop_of(
        parse_pretraining_recipe(tree | {"head": head, "encoder": {"name": str(out)}}, "test"), out, quiet
    )
    ours = trained.model.encoder.eval().embeddings.word.weight
    assert torch.equal(load_encoder(str(out)).embeddings.word.weight, ours)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(out).eval()
    assert torch.equal(theirs.bert.embeddings.word_embeddings.weight, ours)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    if head == "bert":
        masked = trained.texts.held_out["plain"]
        ids = masked.batch.token_ids[: int(masked.batch.offsets[1])]
        shown = tokenizer.decode([t for t in ids.tolist() if t > 4])
        assert tokenizer(shown)["input_ids"] == [2, *[t for t in ids.tolist() if t > 4], 3]
        first = next(masked.micro_batches(1))
        logits = theirs(input_ids=ids[None]).logits[0, first.positions]
        trained.model.eval()
        torch.testing.assert_close(trained.model(first.batch, first.positions), logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corpora": {"plain": {"files": "none.txt"}}}, "no such file"),
        ({"corpora": {"plain": {"files": "pairs.tsv"}}}, "name the column"),
        ({"corpora": {"plain": {"files": "pairs.tsv", "column": "c"}}}, "there is no column 'c'"),
        ({"corpora": {"plain": {"files": "empty.txt"}}}, "holds no text"),
        ({"corpora": {"plain": {"recipe": "nothing-like-this"}}}, "nothing-like-this"),
        ({"corpora": {"plain": {"recipe": "quickstart", "task": "sentimnt"}}}, "did you mean 'sentiment'"),
        ({"corpora": {"plain": {"files": "one.txt"}}, "held_out": {"share": 0.001}}, "corpora.plain: none of the"),
        ({"corpora": {"plain": {"files": "taken.txt"}}, "held_out": {"share": 0.5}}, "corpora.plain: all of its texts"),
        ({"corpora": {"plain": {"files": "odd.txt"}}}, "knows no token"),
        ({"optimizer": {"warmup": 1000}}, "optimizer.warmup"),
    ],
)
def test_what_cannot_be_pretrained_on_is_one_message(
    tree: dict[str, Any], tmp_path: Path, quiet: Display, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "one.txt").write_text("the film\n")
    (tmp_path / "taken.txt").write_text("good\n")
    (tmp_path / "odd.txt").write_text("".join(f"xyzzy{n}\n" for n in range(50)))
    with pytest.raises(UserError) as caught:
        prepare_pretraining(parse_pretraining_recipe(tree | changes, "test"), quiet)
    assert words in str(caught.value)
