"""IMTL-G: the combination of gradients that has the same projection on each of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from minbert.multitask.combination.base import Combination, Surgeon
from minbert.multitask.combination.gramian import NOISE, RANK_TOLERANCE, Array, Pure, norms_and_units

CANCELLING = 1e-6


class IMTLG(Combination):
    """``K v / sum(v)`` with ``v = G^-1 n``, ``n_i = |g_i|``: then ``d . g_i / |g_i|`` is the same for all ``i``.

    The paper's weights sum to 1; these sum to ``K``, so that gradients alike give the plain sum: ``K`` times torchjd's
    ``IMTLG`` where ``G`` can be inverted. With ``C`` the cosines, ``v_i = (C^-1 1)_i / n_i``; a singular ``C`` has a
    pseudo-inverse, so what counts as dependent does not hang on the tasks' scales (torchjd: of ``G``, and sums below an
    absolute 1e-12 count as 0). A gradient of 0 gets weight 0.

    Nothing bounds these weights: they can be negative, they grow without limit as ``sum(v)`` nears 0, and where it is
    negative every loss rises. A sum within 1e-6 of cancelling, and gradients exactly opposed, give weights of 0.
    """

    name: ClassVar[str] = "imtl_g"
    title: ClassVar[str] = "the same projection on every task's gradient (IMTL-G)"
    source: ClassVar[str] = "Liu et al. 2021, 'Towards Impartial Multi-task Learning', section 3.1"

    def start(self, tasks: int) -> Surgeon:
        """Return a surgeon that remembers nothing."""
        return Pure(tasks, _weights)


def _weights(gramian: Array) -> Array:
    norms, units = norms_and_units(gramian, NOISE)
    live = norms > 0
    on_units = np.linalg.pinv(units.T @ units, rcond=RANK_TOLERANCE, hermitian=True) @ live.astype(np.float64)
    if np.abs(on_units).max() <= CANCELLING:
        return np.zeros_like(norms)
    weights = np.divide(on_units, norms, out=np.zeros_like(norms), where=live)
    total = float(weights.sum())
    if abs(total) <= CANCELLING * float(np.abs(weights).sum()):
        return np.zeros_like(norms)
    return np.asarray(len(norms) * weights / total)
