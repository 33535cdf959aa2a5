"""What tests of both loops share: a run that a signal stops, and two runs that must be one to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from command_line import press_ctrl_c
from minbert.training.interrupt import Interrupted


def run_until_signal(loop: Any, stop_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a loop that a signal stops after so many steps."""
    take = loop._step

    def step_and_signal(step: Any) -> None:
        take(step)
        if loop.state.step == stop_at:
            press_ctrl_c()

    monkeypatch.setattr(loop, "_step", step_and_signal)
    with pytest.raises(Interrupted):
        loop.run(resume=False)


def assert_same_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    """Assert that two states hold the same tensors, bit by bit."""
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different


def assert_same_records(one: Any, other: Any, folder: Path, other_folder: Path) -> None:
    """Assert that two loops, which ran in these folders, kept the same weights, history and counts of examples."""
    assert (folder / "model.safetensors").read_bytes() == (other_folder / "model.safetensors").read_bytes()
    for a, b in zip(one.history, other.history, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}
    assert one.state.examples == other.state.examples
