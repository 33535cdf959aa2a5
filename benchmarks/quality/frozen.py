"""A user's quickest way: vectors of a frozen sentence-transformers model, logistic regression, and the cosine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from minbert.data.examples import Split
from minbert.machine.precision import Precision
from quality.curves import Curve, Recorder, Scores
from quality.ours import SHARES
from quality.rows import Course, score, training_and_dev

PENALTY = 10.0
"""scikit-learn's ``C`` where there is no search for it."""

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
"""From texts to their vectors (texts, hidden)."""


def frozen_peer(course: Course, folder: Path, penalty: float, precision: Precision) -> Curve:
    """Return the curve of logistic regressions: a point for each share of the rows, each begun anew.

    ``penalty`` is scikit-learn's ``C``: the larger, the weaker.
    """
    curve = []
    for share in SHARES:
        train, dev = training_and_dev(course.read(share))
        recorder = Recorder()
        encode = encoder(load(folder, precision))
        recorder.record(lambda: fitted(encode, train, dev, penalty))  # noqa: B023
        curve += recorder.curve
    return curve


def fitted(
    encode: Encode, train: Mapping[str, Split], dev: Mapping[str, Split], penalty: float
) -> Callable[[], Scores]:
    """Fit what has to be fitted over the vectors of training rows; return what scores dev."""
    regressions = {task: regression(encode, train[task], penalty) for task in ("sentiment", "paraphrase")}

    def scores() -> Scores:
        found = {
            task: score(task, dev[task], fit.predict(features(encode, dev[task]))) for task, fit in regressions.items()
        }
        return found | {"similarity": score("similarity", dev["similarity"], cosines(encode, dev["similarity"]))}

    return scores


def load(folder: Path, precision: Precision) -> SentenceTransformer:
    """Return the model of ``folder``, its weights in ``precision``."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = SentenceTransformer(str(folder), model_kwargs={"dtype": dtype})
    model.max_seq_length = 512
    return model


def encoder(model: SentenceTransformer) -> Encode:
    """Return what encodes texts with a model as it stands; it sorts texts by length itself."""
    return lambda texts: np.asarray(model.encode(list(texts), show_progress_bar=False), np.float32)


def regression(encode: Encode, rows: Split, penalty: float) -> Any:
    """Return a logistic regression over the features of training rows."""
    assert rows.labels is not None
    return LogisticRegression(C=penalty, max_iter=1000).fit(features(encode, rows), rows.labels)


def features(encode: Encode, rows: Split) -> Vectors:
    """Return each row's vector, or ``|u - v|`` and ``u * v`` of a pair's two vectors."""
    if rows.second is None:
        return encode(rows.first)
    first, second = encode(rows.first), encode(rows.second)
    return np.concatenate([np.abs(first - second), first * second], axis=1)


def cosines(encode: Encode, rows: Split) -> Vectors:
    """Return the cosine of each pair's two vectors, (rows,)."""
    assert rows.second is not None
    first, second = encode(rows.first), encode(rows.second)
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
