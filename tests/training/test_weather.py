from __future__ import annotations

import numpy as np
import pytest
import torch

from minbert.training.combining import gramian, weighted_sum
from minbert.training.weather import Weather


def test_weather_reports_means_by_hand() -> None:
    gradients = [np.array([[3.0, 4.0], [0.0, -2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])]
    weights = [np.array([1.0, 1.0]), np.array([2.0, 0.5])]
    weather = Weather(["a", "b"])
    for g, w in zip(gradients, weights, strict=True):
        weather.add(torch.from_numpy(w), torch.from_numpy(g @ g.T))
    report = weather.report()
    assert report["weights"] == {"a": 1.5, "b": 0.75}
    assert report["norms"] == {"a": pytest.approx(3.0), "b": pytest.approx(1.5)}
    assert report["cosines"] == {"a~b": pytest.approx((-0.8 + 0.0) / 2)}
    assert report["conflicts"] == {"a~b": 0.5}
    moved = np.linalg.norm(np.array([1.0, -0.5])) / np.linalg.norm(np.array([1.0, 1.0]))
    assert report["moved"] == pytest.approx((0 + moved) / 2)
    weather.clear()
    assert weather.report() == {}


def test_a_zero_gradient_conflicts_with_none() -> None:
    weather = Weather(["a", "b", "c"])
    weather.add(torch.ones(3, dtype=torch.float64), torch.diag(torch.tensor([1.0, 0.0, 4.0], dtype=torch.float64)))
    report = weather.report()
    assert set(report["cosines"].values()) == {0.0}
    assert set(report["conflicts"].values()) == {0.0}


def test_weights_alone_report_no_cosines() -> None:
    weather = Weather(["a", "b"])
    weather.add(torch.tensor([0.5, 1.5], dtype=torch.float64))
    assert weather.report() == {"weights": {"a": 0.5, "b": 1.5}}


def test_gramian_and_sum_treat_a_missing_gradient_as_zero() -> None:
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
    np.testing.assert_allclose(gramian(parts).numpy(), dense @ dense.T, rtol=1e-5)
    weights = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    sums = [weighted_sum(list(column), weights) for column in zip(*parts, strict=True)]
    assert sums[2] is None
    total = torch.cat([part for part in sums if part is not None]).numpy()
    np.testing.assert_allclose(total, (weights.numpy() @ dense)[:9], rtol=1e-5)
