"""Tasks' own gradients, dense, sparse and missing: inner products and weighted sums equal those of whole matrices."""

from __future__ import annotations

import numpy as np
import torch

from minbert.training.task_gradients import TaskGradients


def test_a_missing_gradient_is_zero() -> None:
    random = np.random.default_rng(0)
    dense = random.normal(size=(3, 10)).astype(np.float32)
    dense[0, :4] = 0
    dense[1, 4:] = 0
    dense[:, 9:] = 0
    parts = [
        [
            None if not row[:4].any() else torch.tensor(row[:4]),
            None if not row[4:9].any() else torch.tensor(row[4:9]),
            None,
        ]
        for row in dense
    ]
    gradients = TaskGradients(parts)
    np.testing.assert_allclose(gradients.gramian().numpy(), dense @ dense.T, rtol=1e-5)
    np.testing.assert_allclose(gradients.gramian([1]).numpy(), dense[:, 4:9] @ dense[:, 4:9].T, rtol=1e-5, atol=1e-6)
    weights = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    *totals, nothing = gradients.combine(weights)
    assert nothing is None
    total = torch.cat([total for total in totals if total is not None]).numpy()
    np.testing.assert_allclose(total, (weights.numpy() @ dense)[:9], rtol=1e-5)


def test_sparse_gradients_are_dense_ones_with_zeros() -> None:
    """Three tasks read rows of one table, some of them twice, some in common; a fourth reads none of it."""
    random = np.random.default_rng(1)
    shape = (50, 3)
    reads = [np.array([4, 9, 4]), np.array([9, 30, 4, 9]), np.array([7])]
    dense = np.zeros((4, 50, 3), dtype=np.float32)
    parts: list[list[torch.Tensor | None]] = []
    for task, rows in enumerate(reads):
        values = random.normal(size=(len(rows), 3)).astype(np.float32)
        np.add.at(dense[task], rows, values)
        index = torch.from_numpy(rows)[None]
        parts.append([torch.sparse_coo_tensor(index, torch.from_numpy(values), shape, check_invariants=True)])
    gradients = TaskGradients([*parts, [None]])
    flat = dense.reshape(4, -1)
    np.testing.assert_allclose(gradients.gramian().numpy(), flat @ flat.T, rtol=1e-5, atol=1e-6)
    weights = torch.tensor([2.0, -1.0, 0.5, 3.0], dtype=torch.float64)
    [total] = gradients.combine(weights)
    assert total is not None and total.is_sparse
    assert total._nnz() == 4  # the rows that were read, each once
    np.testing.assert_allclose(
        total.to_dense().numpy(), np.einsum("k,kij->ij", weights.numpy(), dense), rtol=1e-5, atol=1e-6
    )


def test_products_of_large_matrices_are_as_exact_as_float32() -> None:
    """A running total in float32 of so many products is off by 7e-5."""
    values = torch.randn(2_359_296, generator=torch.Generator().manual_seed(0))
    products = TaskGradients([[values], [-values]]).gramian()
    exact = float(values.double() @ values.double())
    np.testing.assert_allclose(products.numpy(), [[exact, -exact], [-exact, exact]], rtol=5e-7)
