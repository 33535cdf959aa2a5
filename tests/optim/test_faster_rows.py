"""Some rows of a table learn as if they were a parameter with a learning rate of its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
from minbert.optim.base import AdamFamily
from minbert.optim.faster_rows import moving_faster


@pytest.mark.parametrize("optimizer", [AdamW, AdamaxW])
@pytest.mark.parametrize("sparse", [False, True])
def test_as_a_parameter_with_a_rate_of_its_own(optimizer: type[AdamFamily], sparse: bool) -> None:
    random = torch.Generator().manual_seed(4)
    whole = nn.Parameter(torch.randn(9, 3, generator=random, dtype=torch.float64))
    slow, fast, last = (nn.Parameter(whole.detach()[rows].clone()) for rows in (slice(6), slice(6, 8), slice(8, 9)))
    together = optimizer([whole], lr=1e-3, weight_decay=0.1)
    apart = optimizer([{"params": [slow, last]}, {"params": [fast], "lr": 2e-2}], lr=1e-3, weight_decay=0.1)
    for step in range(4):
        gradient = torch.randn(9, 3, generator=random, dtype=torch.float64)
        gradient[step] = gradient[6 + step % 2] = 0  # a token that the step has not read
        whole.grad = with_rows(gradient) if sparse else gradient.clone()
        slow.grad, fast.grad, last.grad = gradient[:6].clone(), gradient[6:8].clone(), gradient[8:].clone()
        with moving_faster(whole, range(6, 8), 20.0):
            together.step()
        apart.step()
        torch.testing.assert_close(whole.detach(), torch.cat([slow, fast, last]).detach())


def with_rows(gradient: Tensor) -> Tensor:
    rows = gradient.abs().sum(1).nonzero()[:, 0]
    return torch.sparse_coo_tensor(rows[None], gradient[rows], gradient.shape, check_invariants=True)
