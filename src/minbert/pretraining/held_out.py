"""What a masked language model scores on held-out texts, and what guessing by frequency would."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.encoder.masked_lm import MaskedLM, masked_lm_loss
from minbert.machine.precision import Precision, mixed_precision
from minbert.machine.ranks import ranks
from minbert.text.masking import MaskedBatch

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Score:
    """How well hidden tokens were guessed."""

    loss: float
    """Mean cross entropy of the hidden tokens, in nats."""
    accuracy: float
    """Share of them for which the token that stood there was the likeliest."""
    tokens: int
    """How many were hidden."""

    @property
    def perplexity(self) -> float:
        """``exp(loss)``."""
        return math.exp(min(self.loss, 700.0))

    def as_json(self) -> dict[str, float]:
        """Return it as ``metrics.json`` holds it."""
        return {"loss": self.loss, "perplexity": self.perplexity, "accuracy": self.accuracy, "tokens": self.tokens}


def with_overall(scores: Mapping[str, Score]) -> dict[str, Score]:
    """Return the scores with their mean over corpora (each counts alike), under ``overall``."""
    count = len(scores)
    mean = Score(
        sum(score.loss for score in scores.values()) / count,
        sum(score.accuracy for score in scores.values()) / count,
        sum(score.tokens for score in scores.values()),
    )
    return {**scores, OVERALL: mean}


def score_held_out(
    model: MaskedLM, held_out: Mapping[str, MaskedBatch], device: torch.device, precision: Precision, budget: int
) -> dict[str, Score]:
    """Return the score of each corpus's held-out texts and their mean, dropout off; ``budget`` tokens at a time.

    Each rank reads its share of the texts, and all return the scores of all.
    """
    was_training = model.training
    model.eval()
    scores = {}
    try:
        with torch.no_grad():
            for name, masked in held_out.items():
                # In float64, because a sum over many micro-batches should not depend on how many there are.
                loss = torch.zeros((), dtype=torch.float64, device=device)
                right = torch.zeros((), dtype=torch.int64, device=device)
                for micro_batch in masked.shard(ranks().rank, ranks().count).micro_batches(budget):
                    own = micro_batch.to(device)
                    with mixed_precision(device, precision):
                        logits = model(own.batch, own.positions)
                    loss += masked_lm_loss(logits, own.targets)
                    right += (logits.argmax(-1) == own.targets).sum()
                ranks().sum_([loss, right])
                tokens = len(masked.targets)
                scores[name] = Score(float(loss) / max(tokens, 1), float(right) / max(tokens, 1), tokens)
    finally:
        model.train(was_training)
    return with_overall(scores)


def score_by_frequency(
    counts: NDArray[np.int64], held_out: Mapping[str, MaskedBatch], ordinary: NDArray[np.bool_]
) -> dict[str, Score]:
    """Return what a guess scores that knows no context: each token's frequency in the training texts.

    ``counts`` (V,) are the training texts' tokens; every ``ordinary`` (V,) token counts one more, so that none is
    impossible.
    """
    smoothed = np.where(ordinary, counts + 1.0, 0.0)
    logs = np.log(np.where(ordinary, smoothed / smoothed.sum(), 1.0))
    likeliest = int(smoothed.argmax())
    scores = {}
    for name, masked in held_out.items():
        targets = masked.targets.numpy()
        tokens = len(targets)
        loss = -float(logs[targets].sum()) / max(tokens, 1)
        scores[name] = Score(loss, float((targets == likeliest).sum()) / max(tokens, 1), tokens)
    return with_overall(scores)
