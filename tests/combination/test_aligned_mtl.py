from __future__ import annotations

import numpy as np
import pytest
import torch
from gradient_matrices import FULL_RANK, MATRICES, weights_of

from laws import each

SCALES = {"min": lambda s: s[-1], "median": lambda s: s[len(s) // 2], "rmse": lambda s: np.sqrt(np.mean(s**2))}


@pytest.mark.parametrize("scale", SCALES)
@each("matrix", [*FULL_RANK, "cancelling", "rank two of five", "one zero", "alike", "parallel"])
def test_aligned_mtl_gives_all_singular_values_of_the_gradients_one_size(matrix: str, scale: str) -> None:
    """With ``J = U S V^T``, and singular values of 0 left out: the sum of the rows of ``s U V^T``."""
    gradients = MATRICES[matrix]
    left, values, right = np.linalg.svd(gradients, full_matrices=False)
    kept = values > 1e-6 * values[0]
    balanced = SCALES[scale](values[kept]) * left[:, kept] @ right[kept]
    direction = gradients.T @ weights_of("aligned_mtl", gradients, scale=scale)
    assert direction == pytest.approx(balanced.sum(0), abs=1e-7 * values[0])


def test_orthogonal_gradients_get_the_length_of_the_shortest() -> None:
    assert weights_of("aligned_mtl", MATRICES["orthogonal"]) == pytest.approx([0.5, 0.25, 1])


def test_what_float32_cannot_tell_apart_counts_as_one_direction() -> None:
    gradients = np.tile(MATRICES["one task"], (3, 1)) * (1 + 1e-8 * np.random.default_rng(0).normal(size=(3, 5)))
    assert gradients.T @ weights_of("aligned_mtl", gradients) == pytest.approx(gradients.sum(0), rel=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@each("matrix", [*FULL_RANK, "rank two of five", "one zero", "zero"])
def test_aligned_mtl_is_torchjds_times_the_tasks(matrix: str, scale: str) -> None:
    from torchjd.aggregation import AlignedMTL

    gradients = MATRICES[matrix]
    theirs = AlignedMTL(scale_mode=scale)(torch.from_numpy(gradients)).numpy() * len(gradients)
    ours = gradients.T @ weights_of("aligned_mtl", gradients, scale=scale)
    assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-12 * np.abs(gradients).max())
