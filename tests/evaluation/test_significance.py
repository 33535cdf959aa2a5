"""Tests find what is there, and nothing that is not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from simulated_answers import answers, skilled

from minbert.evaluation.resampling import Array, resampled_scores, score_each, swapped_differences
from minbert.evaluation.significance import Difference, SystemScores, holm, paired_difference


def difference_of(metric: str, labels: Array, first: Array, second: Array, resamples: int = 400) -> Difference:
    one, two = (
        SystemScores(score_each(metric, labels, runs), resampled_scores(metric, labels, runs, resamples))
        for runs in (first, second)
    )
    return paired_difference(one, two, swapped_differences(metric, labels, first, second, 2 * resamples))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_one_run_each_is_mcnemars_exact_test() -> None:
    random = np.random.default_rng(0)
    labels = np.ones(120)
    for _ in range(5):
        rows = random.normal(0, 1, 120)
        first, second = skilled(rows, 1, 0.3, random), skilled(rows, 1, 0.3, random)
        gained, lost = int((first > second).sum()), int((first < second).sum())
        exact = scipy.stats.binomtest(gained, gained + lost).pvalue
        assert difference_of("accuracy", labels, first, second, 5000).p == pytest.approx(exact, abs=0.02)


def test_one_run_each_is_scipys_permutation_test() -> None:
    labels, runs = answers("binary", 9, 2, np.random.default_rng(5))

    def difference(one: Array, two: Array) -> float:
        return float(score_each("f1", labels, one[None])[0] - score_each("f1", labels, two[None])[0])

    exact = scipy.stats.permutation_test(
        (runs[0], runs[1]), difference, permutation_type="samples", vectorized=False, n_resamples=np.inf
    )
    found = difference_of("f1", labels, runs[:1], runs[1:], 5000)
    assert found.score == pytest.approx(exact.statistic)
    assert found.p == pytest.approx(exact.pvalue, abs=0.02)


def test_the_same_answers_differ_in_nothing() -> None:
    labels, runs = answers("regression", 40, 3, np.random.default_rng(0))
    assert difference_of("pearson", labels, runs, runs).p == 1.0
    assert difference_of("pearson", labels, runs[:1], runs[:1]) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("runs", "of_seeds"), [(1, 0.0), (3, 0.15), (5, 0.05)])
def test_corrected_tests_find_nothing_where_nothing_is(runs: int, of_seeds: float) -> None:
    random = np.random.default_rng(10 * runs)
    families, false, covered = 150, 0, 0
    for _ in range(families):
        p_values = []
        for _task in range(2):
            rows = random.normal(0, 1, 200)
            baseline, *others = (skilled(rows, runs, of_seeds, random) for _ in range(3))
            found = [difference_of("accuracy", np.ones(200), other, baseline, 200) for other in others]
            p_values += [difference.p for difference in found]
            covered += sum(difference.low <= 0 <= difference.high for difference in found)
        false += min(holm(p_values)) < 0.05
    assert false <= scipy.stats.binom.ppf(0.99, families, 0.05)
    assert 0.93 <= covered / (4 * families) <= 0.985  # the t of two groups of few seeds is on the safe side


def test_seeds_alone_do_not_make_a_better_recipe() -> None:
    """Two models of one recipe differ, and five seeds of it each do not: the claim is another."""
    random = np.random.default_rng(1)
    labels, rows = np.ones(4000), random.normal(0, 1, 4000)
    lucky, unlucky = 0.3, -0.3
    runs = [(rows + 0.5 + skill + random.normal(0, 0.5, 4000) > 0).astype(float) for skill in (lucky, unlucky, 0.0)]
    first, second = np.stack([runs[0], runs[1], runs[2]]), np.stack([runs[1], runs[1], runs[2]])
    assert difference_of("accuracy", labels, first[:1], second[:1]).p < 0.01
    assert difference_of("accuracy", labels, first, second).p > 0.2


def test_finds_what_is_there_with_its_sign() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(0, 1, 1000)
    worse = skilled(rows, 5, 0.02, random)
    better = skilled(rows + 0.3, 5, 0.02, random)
    truth = np.diff(scipy.stats.norm.cdf(np.array([0.5, 0.8]) / np.sqrt(1.25 + 0.02**2)))[0]
    found = difference_of("accuracy", np.ones(1000), better, worse)
    assert found.p < 0.01
    assert found.low < truth < found.high
    turned = difference_of("accuracy", np.ones(1000), worse, better)
    assert turned.score == -found.score
    assert turned.high < 0
