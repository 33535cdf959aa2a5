"""From which probability on a class is answered: given, or chosen on labelled rows for a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minbert.tasks.metrics import METRICS, Metric, Values
from minbert.tasks.metrics.f_scores import OverClasses

HALF = 0.5
DEV = "dev"
"""What a recipe writes where thresholds shall be chosen on dev."""

_OF_DECISIONS = ("f1", "mcc", "micro_f1", "macro_f1")
"""Metrics worth choosing thresholds for."""
_CANDIDATES = 60
_ROUNDS = 2
_ROWS_OF_COMMON = 20
"""Twenty and fifty were equally good on halves of two dev sets that had not chosen; see docs/defaults.md."""
_LEAST = 1e-3
"""Beyond, log-odds say more of the number format than of the rows."""


def one_threshold(value: Any) -> Any:
    """Return a recipe's threshold: a number between 0 and 1, or ``dev``.

    Raises:
        ValueError: it is neither.
    """
    if value == DEV:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"give a number between 0 and 1, or 'dev'; found {value!r}")
    return float(value)


def refusal(metric: str, known: Sequence[str]) -> str | None:
    """Return why thresholds cannot be chosen for a metric, or None where they can; ``known`` are those of the kind."""
    if not METRICS[metric].of_probabilities:
        return None
    others = " or ".join(name for name in _OF_DECISIONS if name in known)
    return (
        f"'{DEV}' chooses thresholds for the task's metric, and '{metric}' is the same whatever they are. "
        f"Set metric: {others}, or leave the threshold out"
    )


def chosen_threshold(metric: str, labels: Values, probabilities: Values) -> float:
    """Return the threshold of yes for which a metric of labels (R,) is best, for its probabilities (R,).

    Candidates lie midway between neighbouring probabilities, at most ``_CANDIDATES`` of them. Of equals the one nearest
    to one half is taken.
    """

    candidates = _candidates(probabilities)
    answers = (probabilities >= candidates[:, None]).astype(np.float64)
    return _best(candidates, np.array([METRICS[metric].of_rows(labels, answer) for answer in answers]))


def chosen_thresholds(metric: str, labels: Values, probabilities: Values) -> Values:
    """Return a threshold (classes,) for each class, chosen for a metric of labels (R, classes).

    First one for all classes. Then class by class, the others staying as they are, twice around ("SCut": Yang 2001, "A
    study of thresholding strategies for text categorization"; for F1: Fan & Lin 2007). Those of rare classes are chosen
    by a few rows, so by chance. So a class that n rows have gets the mean of its own, n times, and of the common one,
    ``_ROWS_OF_COMMON`` times, in log-odds.
    """
    scored = METRICS[metric]
    candidates = _candidates(probabilities)
    common = _best(
        candidates, np.array([scored.of_rows(labels, (probabilities >= one).astype(np.float64)) for one in candidates])
    )
    own = np.full(labels.shape[1], common)
    decided = (probabilities >= own).astype(np.float64)
    for _ in range(_ROUNDS):
        for number in np.flatnonzero(labels.any(0)).tolist():
            of_class = probabilities[:, number]
            candidates = _candidates(of_class)
            scores = _scores_of(scored, labels, decided, number, of_class >= candidates[:, None])
            own[number] = _best(candidates, scores)
            decided[:, number] = of_class >= own[number]
    rows = labels.sum(0)
    odds = (rows * _log_odds(own) + _ROWS_OF_COMMON * _log_odds(common)) / (rows + _ROWS_OF_COMMON)
    thresholds: Values = 1 / (1 + np.exp(-odds))
    return thresholds


def _log_odds(probability: Values | float) -> Values:
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    log_odds: Values = np.log(inside) - np.log1p(-inside)
    return log_odds


def _scores_of(
    scored: Metric, labels: Values, decided: Values, number: int, answers: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the score (N,) of ``decided`` (R, classes) with each of N answers (N, R) to the class ``number``."""
    if isinstance(scored, OverClasses):  # only that class's sums change
        sums = np.tile(scored.parts(labels, decided[None])[0].sum(0), (len(answers), 1))
        right, _, said = np.split(sums, 3, axis=1)
        right[:, number] = (answers & (labels[:, number] == 1)).sum(1)
        said[:, number] = answers.sum(1)
        return scored.from_sums(sums)
    scores = np.empty(len(answers))
    for place, answer in enumerate(answers):
        decided[:, number] = answer
        scores[place] = scored.of_rows(labels, decided)
    return scores


def _candidates(probabilities: Values) -> Values:
    distinct = np.unique(probabilities)
    # The midpoint of two neighbours among floats may round to 0 or 1, which are no thresholds.
    between = np.clip((distinct[:-1] + distinct[1:]) / 2, np.nextafter(0, 1), np.nextafter(1, 0))
    if len(between) > _CANDIDATES:
        between = between[np.linspace(0, len(between) - 1, _CANDIDATES).astype(np.int64)]
    return np.append(between, HALF)


def _best(candidates: Values, scores: Values) -> float:
    """Return the candidate with the highest score, of equals the one nearest to one half."""
    return float(candidates[np.lexsort((np.abs(candidates - HALF), -scores))[0]])
