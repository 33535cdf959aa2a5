from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from minbert.errors import UserError
from minbert.optim.adamw import AdamW
from minbert.training import checkpoint
from minbert.training.checkpoint import LoopState, load_checkpoint, save_checkpoint


def test_a_flipped_bit_in_the_header_is_told_or_harmless(tmp_path: Path) -> None:
    """A state whose step is another, or a tensor whose name is, would resume another run."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    path, state = tmp_path / "last.safetensors", LoopState(step=3)
    save_checkpoint(path, state, model, optimizer, {"rest": torch.ones(1)})
    whole, weight, refused = path.read_bytes(), model.weight.detach().clone(), 0
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in range(header):  # one bit a byte; all of them: tests/encoder/test_tensor_files.py
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            assert load_checkpoint(path, model, optimizer) == (state, {"rest": torch.ones(1)})
            assert torch.equal(model.weight, weight)
        except UserError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
    assert refused > 0.8 * header


def test_a_file_of_weights_is_no_checkpoint(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "last.safetensors"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        load_checkpoint(path, model, optimizer)


def test_a_checkpoint_copies_no_weights_and_no_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of them all left its pieces between the tensors of later steps: memory grew with each checkpoint."""
    model = nn.Linear(3, 2)
    optimizer = AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    written: list[int] = []

    def write(_path: Path, tensors: dict[str, torch.Tensor], _metadata: dict[str, str]) -> None:
        written.extend(tensor.data_ptr() for tensor in tensors.values())

    monkeypatch.setattr(checkpoint, "write_tensors", write)
    save_checkpoint(tmp_path / "last.safetensors", LoopState(), model, optimizer)
    moments = [moment for state in optimizer.state.values() for name, moment in state.items() if name != "step"]
    assert len(moments) == 4
    assert {tensor.data_ptr() for tensor in [*model.parameters(), *moments]} <= set(written)
