from __future__ import annotations

import numpy as np
import pytest
import torch

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
