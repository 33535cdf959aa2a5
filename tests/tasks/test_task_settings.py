"""A task's losses: one or several, in a recipe and in a sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

from minbert.tasks.heads import HeadOutput
from minbert.tasks.settings import TaskSettings


def task(**settings: Any) -> TaskSettings:
    return TaskSettings.model_validate({"kind": "regression", "range": [0, 5], "pair": "bi", **settings})


@pytest.mark.parametrize(
    ("written", "names", "weights"),
    [
        ("pearson", ["pearson"], [1.0]),
        ("{name: pearson, weight: 0.5}", ["pearson"], [0.5]),
        ("[mse]", ["mse"], [1.0]),
        ("[mse, {name: cosent, scale: 10, weight: 2}]", ["mse", "cosent"], [1.0, 2.0]),
    ],
)
def test_one_loss_or_a_list_read_alike_and_read_back(written: str, names: list[str], weights: list[float]) -> None:
    read = task(loss=yaml.safe_load(written))
    assert [loss.name for loss in read.losses] == names
    assert [loss.weight for loss in read.losses] == weights
    again = TaskSettings.model_validate(yaml.safe_load(yaml.safe_dump(read.model_dump(mode="json"))))
    assert again == read
    if "scale" in written:
        assert again.losses[1].model_dump()["scale"] == 10


@pytest.mark.parametrize(
    ("loss", "message", "where"),
    [
        ([], "at least 1 item", ("loss",)),
        ("msee", "did you mean 'mse'", ("loss",)),
        (["mse", "perason"], "did you mean 'pearson'", ("loss", 1)),
        ({"name": "mse", "weight": -1}, "greater than or equal to 0", ("loss", "weight")),
        (["mse", {"name": "cosent", "skale": 1}], "Extra inputs", ("loss", 1, "skale")),
        (["mse", "mnrl"], "'mnrl' does not fit.*threshold", ()),
        (["mse", "cross_entropy"], "'cross_entropy' does not fit.*kind classification", ()),
        (["mse", "soft_cross_entropy"], "scale_softmax", ()),
        (3, "name of a loss", ("loss",)),
    ],
)
def test_a_wrong_loss_is_told_once_and_where(loss: Any, message: str, where: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        task(loss=loss)
    assert [problem["loc"] for problem in caught.value.errors()] == [where]


def test_a_cross_pair_has_no_vectors_to_compare() -> None:
    with pytest.raises(ValidationError, match=r"'cosent' does not fit.*pair: bi"):
        task(pair="cross", loss=["mse", "cosent"])


def test_a_joint_pair_takes_means() -> None:
    assert task(pair="joint").taken == "texts"
    assert task(pair="cross", head="linear", pooling="cls").taken == "cls"
    with pytest.raises(ValidationError, match=r"'pair: joint' takes means.*'pooling: cls' does not fit"):
        task(pair="joint", pooling="cls")


@pytest.mark.parametrize(
    ("settings", "head"),
    [
        ({}, "cosine_linear"),
        ({"pair": "joint"}, "cosine_linear"),
        ({"pair": "cross"}, "linear"),
        ({"pair": None}, "linear"),
        ({"kind": "binary", "range": None}, "linear"),
    ],
)
def test_scores_of_pairs_start_from_the_cosine(settings: dict[str, Any], head: str) -> None:
    assert task(**settings).head.name == head


def test_the_tasks_loss_is_the_weighted_sum() -> None:
    settings = task(
        head="scale_softmax",
        loss=[
            {"name": "mse", "weight": 0.25},
            {"name": "contrastive_mse", "weight": 3},
            {"name": "soft_cross_entropy", "weight": 2},
        ],
    )
    logits, classes = torch.randn(4, 1), torch.randn(4, 6)
    sides = (torch.randn(4, 8), torch.randn(4, 8))
    labels = torch.tensor([0.0, 5.0, 2.0, 3.0])
    got = settings.compute_loss(HeadOutput(logits, sides, classes), labels)
    u, v = (torch.nn.functional.normalize(side) for side in sides)
    expected = (
        0.25 * (logits.squeeze(-1) - labels).square().mean()
        + 3 * (u @ v.T - torch.diag(labels / 5)).square().mean()
        + 2 * torch.nn.functional.cross_entropy(classes, torch.tensor([0, 5, 2, 3]))
    )
    torch.testing.assert_close(got, expected)


def test_batches_stay_whole_where_a_loss_is_no_mean_over_rows() -> None:
    assert not task(loss="mse").whole_batches
    assert task(loss=["mse", "pearson"]).whole_batches


def test_clusters_join_the_rows_that_a_ranking_loss_counts_as_positive() -> None:
    texts = np.array([[0, 1], [2, 1], [3, 4], [5, 0]])
    labels = np.array([5.0, 3.8, 3.7, 1.0])
    assert task(loss=["mse", "cosent"]).clusters(texts, labels) is None
    got = task(loss=["mse", {"name": "mnrl", "threshold": 3.8}]).clusters(texts, labels)
    assert got is not None
    assert got.tolist() == [[0, 0], [0, 0], [3, 4], [5, 0]]
