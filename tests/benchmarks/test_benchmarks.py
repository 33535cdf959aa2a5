"""The benchmarks' arithmetic and texts. Nothing is timed here and no peer runs: a test machine cannot measure."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import common
from answering import Contestant, answerer, our_model
from common import (
    encoder_flops,
    in_a_process,
    interleaved,
    matrix_product_peak,
    median_ratio,
    medians,
    training_flops,
    write_figures,
)
from course import CourseTraining, LoopAdamW, mean_states
from inference import CONTESTANTS as ANSWERING
from inference import difference, file_name
from long_files import WORK, measured, write_model, write_rows
from minbert.display.progress import Display
from minbert.encoder.architectures.modernbert import ModernBertConfig
from minbert.encoder.config import EncoderConfig
from minbert.encoder.config_file import config_mapping
from minbert.running.prepare import prepare
from minbert.training.learner import row_lengths
from texts import FILES, TOKEN_QUANTILES, TextGenerator, benchmark_recipe, real_tokens, training_rows, write_generated
from training import CONTESTANTS


@pytest.fixture
def generated(tmp_path: Path, tiny_encoder: Path) -> Path:
    """A folder with the course's files, 70 rows of each task."""
    write_generated(tmp_path, 70, str(tiny_encoder), seed=1)
    return tmp_path


def small_recipe(data: Path, encoder: Path, **changes: Any) -> Any:
    return benchmark_recipe(data, 64, 1, 16, encoder__name=str(encoder), encoder__max_length=20, **changes)


def test_flops_of_a_known_shape() -> None:
    config = EncoderConfig(hidden_size=2, layers=1, attention_heads=1, intermediate_size=4)
    # By hand, 3 tokens: four maps 2x2 (2*2*2*2*3 each: 24), two of the feed-forward (2*2*4*3: 48), 2*3*3*2 for the
    # scores and as many for the contexts (36).
    assert encoder_flops(config, 3) == 4 * 24 + 2 * 48 + 2 * 36
    assert training_flops(config, [3, 3]) == 6 * encoder_flops(config, 3)


def test_flops_are_those_that_torch_counts() -> None:
    from transformers import BertConfig, BertModel

    config = EncoderConfig(hidden_size=32, layers=3, attention_heads=4, intermediate_size=48)
    hub = {key: value for key, value in config_mapping(config).items() if key != "model_type"}
    peer = BertModel(BertConfig(**hub, attn_implementation="eager"), add_pooling_layer=False).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        peer(torch.ones(1, 11, dtype=torch.long))
    assert counter.get_total_flops() == encoder_flops(config, 11)


def test_flops_of_a_gated_feed_forward_part() -> None:
    sizes = {"hidden_size": 2, "layers": 1, "attention_heads": 1, "intermediate_size": 4, "padding_id": 0}
    gated = encoder_flops(ModernBertConfig(**sizes), 3)
    assert gated == encoder_flops(EncoderConfig(**sizes), 3) + 48  # three maps of the feed-forward part instead of two


@pytest.mark.parametrize(("rate", "size"), [(4e10, 4096), (1e9, 1024), (1e6, 256), (1e3, 256)])
def test_the_product_that_is_the_peak_is_as_large_as_time_allows(
    monkeypatch: pytest.MonkeyPatch, rate: float, size: int
) -> None:
    asked: list[tuple[int, int]] = []

    def measured(_device: torch.device, _dtype: torch.dtype, size: int, repeats: int) -> float:
        asked.append((size, repeats))
        return rate

    monkeypatch.setattr(common, "_product_rate", measured)
    assert matrix_product_peak(torch.device("cpu"), torch.bfloat16, 4096) == rate
    assert asked == [(256, 1), (size, 5)]


def test_medians_and_ratios() -> None:
    slow, fast = (
        [{"seconds": s, "precision": "fp32"} for s in seconds] for seconds in ((4.0, 90.0, 6.0), (1.0, 45.0, 3.0))
    )
    assert medians(slow) == {"seconds": 6.0, "precision": "fp32"}
    assert median_ratio(slow, fast, "seconds") == 2.0  # the median of 4, 2 and 2
    assert median_ratio([{"s": 8.0}, {"s": 2.0}, {"s": 9.0}], [{"s": 1.0}, {"s": 2.0}, {"s": 3.0}], "s") == 3.0
    with pytest.raises(ValueError, match="shorter"):
        median_ratio(slow, fast[:2], "seconds")


def test_runs_are_interleaved() -> None:
    order: list[str] = []

    def run(name: str) -> dict[str, int]:
        order.append(name)
        return {"number": len(order)}

    found = interleaved(["a", "b", "c"], 2, run, Console(quiet=True))
    assert order == ["a", "b", "c", "a", "b", "c"]
    assert found["b"] == [{"number": 2}, {"number": 5}]


def test_a_process_that_fails_ends_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('noise')\nprint('{\"seconds\": 2}')\nsys.exit(int(sys.argv[1]))\n")
    assert in_a_process(str(script), ["0"], threads=1) == {"seconds": 2}
    script.write_text("raise ValueError('no such thing')\n")
    with pytest.raises(SystemExit, match="failed with 1"):
        in_a_process(str(script), [], threads=1)
    assert "no such thing" in capsys.readouterr().err


def test_generated_texts_have_the_lengths_asked_for() -> None:
    generator = TextGenerator(["film", "good", "river"], seed=2)
    assert [len(text.split()) for text in generator.texts([1, 7, 3])] == [1, 7, 3]
    for task, quantiles in TOKEN_QUANTILES.items():
        lengths = generator.lengths(task, 4000)
        assert min(lengths) >= quantiles[0]
        assert max(lengths) <= quantiles[-1]
        assert abs(np.median(lengths) - quantiles[5]) <= 1
        assert abs(np.quantile(lengths, 0.95) - quantiles[10]) <= 2


def test_real_tokens_are_what_a_run_reads(generated: Path, tiny_encoder: Path, quiet: Display) -> None:
    recipe = small_recipe(generated, tiny_encoder)
    rows = training_rows(recipe)
    assert {name: len(split) for name, split in rows.items()} == dict.fromkeys(FILES, 64)
    lengths = real_tokens(recipe, rows)
    words = [text.split() for text in rows["sentiment"].first]
    assert lengths["sentiment"] == [min(len(text) + 2, 20) for text in words]  # every word is one token
    run = row_lengths(prepare(recipe, quiet).train)
    assert {name: sum(own) for name, own in lengths.items()} == {name: int(own.sum()) for name, own in run.items()}


def test_tasks_can_be_left_out(generated: Path, tiny_encoder: Path) -> None:
    recipe = benchmark_recipe(generated, 8, 1, 4, ("similarity",), encoder__name=str(tiny_encoder))
    assert list(recipe.tasks) == ["similarity"]


def test_the_loop_adamw_is_torchs() -> None:
    torch.manual_seed(4)
    ours, theirs = (nn.Linear(5, 3).double() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    settings: dict[str, Any] = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}
    optimizers = [LoopAdamW(ours.parameters(), **settings), torch.optim.AdamW(theirs.parameters(), **settings)]
    for _ in range(6):
        inputs = torch.randn(7, 5, dtype=torch.float64)
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_means_leave_padding_out() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    assert mean_states(states, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("tuned", [False, True])
def test_the_course_trains_on_every_row_once(generated: Path, tiny_encoder_of_transformers: Path, tuned: bool) -> None:
    rows = training_rows(small_recipe(generated, tiny_encoder_of_transformers))
    training = CourseTraining(tiny_encoder_of_transformers, rows, 16, seed=1, tuned=tuned, bf16=False)
    for task in rows:
        batches = list(training._batches(task))
        assert sorted(np.concatenate(batches).tolist()) == list(range(64))
        assert [len(batch) for batch in batches] == [16] * 4
    before = [parameter.clone() for parameter in training.model.parameters()]
    training.run(epochs=1, learning_rate=1e-3)
    assert any(not torch.equal(old, new) for old, new in zip(before, training.model.parameters(), strict=True))


@pytest.fixture
def tiny_encoder_of_transformers(tiny_encoder: Path, tmp_path: Path) -> Path:
    """The tiny encoder with a tokenizer.json, as ``AutoTokenizer`` wants it."""
    from minbert.encoder.sources import load_encoder, save_encoder, save_tokenizer
    from minbert.text.tokenizer import Tokenizer

    folder = tmp_path / "encoder"
    folder.mkdir()
    encoder = load_encoder(str(tiny_encoder))
    save_encoder(encoder, folder)
    save_tokenizer(Tokenizer.from_files(tiny_encoder), encoder, folder)
    return folder


def test_outputs_are_compared(tmp_path: Path) -> None:
    def save(name: str, values: list[list[float]]) -> None:
        np.save(tmp_path / f"{file_name(name)}.npy", np.array(values, dtype=np.float32))

    assert difference(tmp_path, "sentence-transformers") is None
    save("ours, encode", [[1, 0], [0, 2]])
    save("sentence-transformers", [[3, 0], [0, 1]])
    assert difference(tmp_path, "sentence-transformers") == pytest.approx(0)  # lengths do not count
    save("sentence-transformers", [[3, 0], [1, 1]])
    assert difference(tmp_path, "sentence-transformers") == pytest.approx(1 - 0.5**0.5)
    save("ours, predict", [[0.25, 0.75]])
    save("pipeline", [[0.5, 0.5]])
    assert difference(tmp_path, "pipeline") == pytest.approx(0.25)


def test_our_score_of_a_pair_is_the_cosine_of_its_vectors(tiny_encoder: Path) -> None:
    model = our_model(str(tiny_encoder), seed=1)
    pairs = [("a good film", "rice"), ("how do people cook", "a cold river")]
    score, encode = (answerer(Contestant("ours", what), model, str(tiny_encoder)) for what in ("bi", "encode"))
    first, second = (encode(column) for column in zip(*pairs, strict=True))
    expected = torch.nn.functional.cosine_similarity(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(score(pairs)[:, 0], expected, atol=1e-6)


def test_every_contestant_is_measured_against_ours() -> None:
    assert {who.tasks for who in CONTESTANTS.values() if who.design == "ours"} == {
        who.tasks for who in CONTESTANTS.values()
    }
    assert {f"ours, {who.what}" for who in ANSWERING.values()} <= set(ANSWERING)
    assert len({file_name(name) for name in ANSWERING}) == len(ANSWERING)


def test_figures_are_written(tmp_path: Path) -> None:
    options = argparse.Namespace(json=tmp_path / "figures.json", rows=3, one=None)
    write_figures(options, {"a / b": 2.0}, {"b": {"seconds": 1}}, {"a": {"seconds": 2}}, {"threads": 1})
    assert json.loads(options.json.read_text(encoding="utf-8")) == {
        "ratios": {"a / b": 2.0},
        "ours": {"b": {"seconds": 1}},
        "peers": {"a": {"seconds": 2}},
        "machine": {"threads": 1},
        "settings": {"rows": 3},
    }


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells a process's anonymous memory")
def test_long_files_are_answered_and_checked(tmp_path: Path, tiny_encoder: Path) -> None:
    write_model(tmp_path / "model", str(tiny_encoder))
    write_rows(tmp_path, 12, str(tiny_encoder))
    for work in WORK.values():
        assert measured(work, tmp_path, 12)["peak_mb"] > 0
    assert np.load(tmp_path / "vectors.npy").shape == (12, 32)
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 12
