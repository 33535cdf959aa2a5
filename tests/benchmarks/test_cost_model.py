"""The cost model's arithmetic, and that docs/scaling.md holds what the script prints. Nothing is timed here."""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

import cost_model
from cost_model import PUBLISHED, SHAPES, Cluster, Link, Work, duration, most_gpus, predicted_rate, step_seconds, tables
from many_processes import KNOWN, PREDICTED, compared, fitted_link, fitted_work, of_steps
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import load_encoder
from scaling import USUAL, write_point

PAGE = Path(__file__).parents[2] / "docs/scaling.md"


def test_a_step_by_hand() -> None:
    work, link = Work(fixed=0.5, divided=6.0), Link(latency=0.1, bandwidth=100.0)
    assert step_seconds(work, 300.0, 1, link) == 6.5
    # A third of the work; each of three sends 2/3 of 300 bytes twice.
    assert step_seconds(work, 300.0, 3, link) == pytest.approx(0.5 + 2.0 + 0.1 + 4.0)
    # Three on two cores take half as long again to compute, and no longer to send.
    assert step_seconds(work, 300.0, 3, link, cores=2) == pytest.approx(1.5 * 2.5 + 4.1)
    assert step_seconds(work, 300.0, 2, link, cores=2) == step_seconds(work, 300.0, 2, link)


def test_what_the_model_made_is_fitted_and_predicted_again() -> None:
    link = {2: Link(0.01, 1e9), 3: Link(0.02, 5e8)}
    fixed, token, size = 0.03, 2e-4, 45e6

    def figures(processes: int) -> dict[str, float]:
        own = link.get(processes, Link(0.0, 1.0))
        found = {}
        for tokens in (*KNOWN, *PREDICTED):
            found[f"step {tokens}"] = step_seconds(Work(fixed, token * tokens), size, processes, own, cores=2)
            found[f"bytes {tokens}"] = size
        for given in (10**6, 10**8):
            found[f"exchange {given}"] = own.latency + given / own.bandwidth * 2 * (processes - 1) / processes
        return found

    lines = compared({count: figures(count) for count in (1, 2, 3)}, cores=2)
    assert len(lines) == 3 * len(PREDICTED)
    assert [line["error"] for line in lines] == pytest.approx([0.0] * len(lines), abs=1e-9)
    assert fitted_work({512: fixed + 512 * token, 256: fixed + 256 * token}, 1000).divided == pytest.approx(0.2)
    assert fitted_link({10**6: 0.011, 10**7: 0.02}, 2) == Link(pytest.approx(0.01), pytest.approx(1e9))


def test_a_steps_gradient_has_the_rows_that_were_read(tmp_path: Path, tiny_encoder: Path) -> None:
    options = Namespace(encoder=str(tiny_encoder), steps=2, seed=1)
    tree = write_point(USUAL | {"rows": 4, "length": 6}, tmp_path, options)
    tree["training"] |= {"head_start": "random", "precision": "fp32"}
    found = of_steps(tree, processes=1, steps=2)
    assert found["step"] > 0
    # The classifier is 384 x 5. Of the 1,000 or fewer word embeddings only rows of the step's 24 tokens are exchanged.
    encoder = load_encoder(tree["encoder"]["name"])
    words, all_numbers = encoder.embeddings.word.weight, sum(p.numel() for p in encoder.parameters()) + 385 * 5
    rest = found["bytes"] / 4 - (all_numbers - words.numel() - unused(encoder))
    assert rest % 384 == 0
    assert 0 < rest / 384 <= 24


def unused(encoder: Encoder) -> int:
    """Return the numbers of the pooler, which no gradient reaches where vectors are means."""
    return 0 if encoder.pooler is None else sum(p.numel() for p in encoder.pooler.parameters())


def test_published_rates_are_predicted_within_a_fifth_and_better_than_without_communication() -> None:
    for case in PUBLISHED:
        perfect = case.machines * cost_model.ALONE[case.length]
        assert abs(predicted_rate(case) / case.rate - 1) < 0.2
        assert case.rate < predicted_rate(case) < perfect
    # By hand, 1,024 GPUs: 65,536 sequences at 64 times one machine's rate, and 2 x 0.672 GB over 100 GB/s.
    by_hand = 65_536 / (65_536 / (64 * 3379.2) + 2 * 0.672e9 * 1023 / 1024 / 100e9)
    assert predicted_rate(PUBLISHED[2]) == pytest.approx(by_hand)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_shapes_have_the_parameters_that_are_said(shape: cost_model.Shape) -> None:
    with torch.device("meta"):
        encoder = Encoder(shape.config)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(shape.parameters, rel=0.01)


def test_more_gpus_are_faster_and_less_efficient_until_they_are_slower() -> None:
    for shape in SHAPES:
        steps = [Cluster().step(shape, 16_384, 32, gpus) for gpus in (1, 2, 4, 8)]
        assert steps == sorted(steps, reverse=True)
        efficient = [Cluster().efficiency(shape, 16_384, 32, gpus) for gpus in (1, 8, 64, 1024)]
        assert efficient[0] == 1.0
        assert efficient == sorted(efficient, reverse=True)
        # A larger batch and a faster network each let more of them work.
        assert most_gpus(shape, Cluster(), 65_536, 32) > most_gpus(shape, Cluster(), 1024, 32)
        assert most_gpus(shape, Cluster(network=25), 16_384, 32) <= most_gpus(shape, Cluster(network=3200), 16_384, 32)


def test_times_are_told_in_units_of_which_there_are_two() -> None:
    assert [duration(seconds) for seconds in (0.123, 119, 120, 7200, 2 * 86_400, 1e9)] == [
        "0.12 s", "119 s", "2 min", "2 h", "2 d", "11,574 d"
    ]  # fmt: skip


def test_the_page_holds_what_the_script_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in tables(Cluster(), 16_384, 32):
        assert table in page, f"run: python benchmarks/cost_model.py\n{table}"
    monkeypatch.setattr(sys, "argv", ["cost_model.py"])
    cost_model.main()
    assert capsys.readouterr().out.strip() == "\n\n".join(tables(Cluster(), 16_384, 32))


def test_the_script_for_gpus_is_bash_and_names_files_that_exist() -> None:
    script = PAGE.parents[1] / "benchmarks/gpu.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    named = re.findall(r"(?:tests|benchmarks)/[\w/]+\.(?:py|sh)", script.read_text(encoding="utf-8"))
    assert len(named) > 5
    for path in named:
        assert (PAGE.parents[1] / path).is_file(), path
