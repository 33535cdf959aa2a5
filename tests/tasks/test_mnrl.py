"""Multiple negatives ranking: its formula, who takes part, and whom known duplicates do not push away."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minbert.tasks.heads import Head, HeadOutput
from minbert.tasks.kinds import Kind
from minbert.tasks.kinds.binary import Binary
from minbert.tasks.kinds.regression import Regression
from minbert.tasks.losses import Loss
from minbert.tasks.settings import TaskSettings

SCORE = Regression(range=(0.0, 5.0))
YES_NO = Binary()
LINEAR = Head.model_validate({})


def vectors(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(rows, 5, generator=random, dtype=torch.float64) for _ in range(2))
    return first.requires_grad_(), second.requires_grad_()


def run(
    settings: dict[str, object],
    sides: tuple[torch.Tensor, torch.Tensor],
    labels: list[float],
    clusters: list[tuple[int, int]] | None = None,
) -> torch.Tensor:
    loss = Loss.model_validate({"name": "mnrl", **settings})
    known = None if clusters is None else torch.tensor(clusters)
    return loss(HeadOutput(torch.zeros(len(labels), 1), sides), torch.tensor(labels), known)


def by_hand(
    sides: tuple[torch.Tensor, torch.Tensor],
    rows: list[int],
    clusters: list[tuple[int, int]],
    scale: float,
    candidates: list[int] | None = None,
) -> float:
    """One direction over the given (positive) rows, in numpy, row by row; other rows' texts only if candidates."""
    u, v = (side.detach().numpy() for side in sides)
    total = 0.0
    for i in rows:
        mass = 0.0
        for j in rows if candidates is None else candidates:
            s = scale * (u[i] @ v[j]) / np.sqrt((u[i] @ u[i]) * (v[j] @ v[j]))
            own = s if i == j else None
            if own is not None:
                score = own
            if own is not None or clusters[i][0] != clusters[j][1]:
                mass += np.exp(s)
        total -= score - np.log(mass)
    return total / len(rows)


CLUSTERS = [(0, 0), (1, 1), (0, 0), (3, 4), (5, 5), (0, 0), (7, 7)]
LABELS = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
POSITIVE = [0, 1, 2, 4, 5]


@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("known", [False, True])
def test_it_is_its_formula_in_both_directions(scale: float, known: bool) -> None:
    sides = vectors(7)
    clusters = CLUSTERS if known else [(n, n + 7) for n in range(7)]
    forward = by_hand(sides, POSITIVE, clusters, scale)
    backward = by_hand((sides[1], sides[0]), POSITIVE, [(b, a) for a, b in clusters], scale)
    given = CLUSTERS if known else None
    assert run({"scale": scale}, sides, LABELS, given).item() == pytest.approx(forward, rel=1e-12)
    both = run({"scale": scale, "symmetric": True}, sides, LABELS, given)
    assert both.item() == pytest.approx((forward + backward) / 2, rel=1e-12)


def test_without_clusters_it_is_cross_entropy_over_the_scaled_cosines() -> None:
    sides = vectors(6)
    cosines = torch.nn.functional.cosine_similarity(sides[0][:, None], sides[1][None], dim=-1)
    expected = torch.nn.functional.cross_entropy(20 * cosines, torch.arange(6))
    torch.testing.assert_close(run({}, sides, [1.0] * 6), expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_rows_that_are_not_positive_take_no_part(symmetric: bool) -> None:
    sides = vectors(7)
    loss = run({"symmetric": symmetric}, sides, LABELS)
    loss.backward()
    fewer = vectors(7)
    kept = (fewer[0][POSITIVE], fewer[1][POSITIVE])
    alone = run({"symmetric": symmetric}, kept, [1.0] * 5)
    alone.backward()
    torch.testing.assert_close(loss, alone)
    for side, other in zip(sides, fewer, strict=True):
        assert side.grad is not None
        torch.testing.assert_close(side.grad, other.grad)
        assert (side.grad[[3, 6]] == 0).all()
        assert (side.grad[POSITIVE] != 0).all()


@pytest.mark.parametrize("symmetric", [False, True])
def test_known_duplicates_do_not_push_each_other(symmetric: bool) -> None:
    """Two rows of one cluster are apart as far as either's gradient goes; a stranger pushes both."""
    alike = vectors(2)
    pair = run({"symmetric": symmetric}, alike, [1.0, 1.0], [(4, 4), (4, 4)])
    assert pair.item() == 0.0
    pair.backward()
    assert all((side.grad == 0).all() for side in alike if side.grad is not None)

    pushing = vectors(2)
    run({"symmetric": symmetric}, pushing, [1.0, 1.0], [(4, 4), (5, 5)]).backward()
    assert all((side.grad != 0).all() for side in pushing if side.grad is not None)

    # With a stranger in the batch, each of the two has the gradient it has without the other.
    three, two = vectors(3), vectors(3)
    (3 * run({"symmetric": symmetric}, three, [1.0] * 3, [(4, 4), (4, 4), (9, 9)])).backward()
    kept = (two[0][[0, 2]], two[1][[0, 2]])
    (2 * run({"symmetric": symmetric}, kept, [1.0] * 2, [(4, 4), (9, 9)])).backward()
    anchors, others = three[0].grad, two[0].grad
    assert anchors is not None
    assert others is not None
    if not symmetric:  # else the stranger, as an anchor, weighs both against each other
        torch.testing.assert_close(anchors[0], others[0])


@pytest.mark.parametrize("labels", [[0.0] * 4, [0.0, 1.0, 0.0, 0.0]])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_batch_with_no_or_one_positive_row_has_a_loss_of_zero_with_a_graph(
    labels: list[float], symmetric: bool
) -> None:
    sides = vectors(4)
    loss = run({"symmetric": symmetric}, sides, labels)
    assert loss.item() == 0.0
    loss.backward()
    assert all(side.grad is not None and (side.grad == 0).all() for side in sides)


def test_on_a_range_rows_from_the_threshold_on_are_positive() -> None:
    sides = vectors(4)
    got = run({"threshold": 3.8}, sides, [3.8, 3.7, 5.0, 4.0])
    kept = (sides[0][[0, 2, 3]], sides[1][[0, 2, 3]])
    torch.testing.assert_close(got, run({}, kept, [1.0] * 3))


@pytest.mark.parametrize(
    ("settings", "labels", "message"),
    [
        ({}, SCORE, "'threshold' must say"),
        ({"threshold": 0}, SCORE, "above 0 and at most 5"),
        ({"threshold": 5.5}, SCORE, "above 0 and at most 5"),
        ({"threshold": 0.5}, YES_NO, "goes with kind: regression"),
        ({"threshold": 4}, SCORE, None),
        ({}, YES_NO, None),
    ],
)
def test_a_threshold_goes_with_a_range(settings: dict[str, float], labels: Kind, message: str | None) -> None:
    why = Loss.model_validate({"name": "mnrl", **settings}).refusal(labels, LINEAR, "bi")
    assert (why is None) if message is None else (message in (why or ""))


@pytest.mark.parametrize("known", [False, True])
def test_hard_negatives_are_candidates_of_every_positive_row(known: bool) -> None:
    sides = vectors(7)
    # Row 6 is no positive pair, but its second text is known to mean the same as the texts of rows 0, 2 and 5.
    given = [*CLUSTERS[:6], (7, 0)] if known else None
    clusters = given or [(n, n + 7) for n in range(7)]
    everyone = list(range(7))
    forward = by_hand(sides, POSITIVE, clusters, 20.0, everyone)
    backward = by_hand((sides[1], sides[0]), POSITIVE, [(b, a) for a, b in clusters], 20.0, everyone)
    got = run({"hard_negatives": True}, sides, LABELS, given)
    assert got.item() == pytest.approx(forward, rel=1e-12)
    assert got > run({}, sides, LABELS, given)
    both = run({"hard_negatives": True, "symmetric": True}, sides, LABELS, given)
    assert both.item() == pytest.approx((forward + backward) / 2, rel=1e-12)


def test_a_hard_negative_pushes_with_its_second_text_alone_and_is_not_pulled() -> None:
    sides = vectors(3)
    run({"hard_negatives": True}, sides, [1.0, 0.0, 1.0]).backward()
    first, second = sides[0].grad, sides[1].grad
    assert first is not None
    assert second is not None
    assert (first[1] == 0).all()
    assert (second[1] != 0).all()
    assert (first[[0, 2]] != 0).all()


def test_a_hard_negative_known_to_mean_the_same_pushes_nobody() -> None:
    """A pair labelled no, though other pairs make its second text a duplicate of the only positive row's first."""
    sides = vectors(2)
    loss = run({"hard_negatives": True}, sides, [1.0, 0.0], [(4, 4), (9, 4)])
    assert loss.item() == 0.0
    loss.backward()
    assert all(side.grad is not None and (side.grad == 0).all() for side in sides)
    assert run({"hard_negatives": True}, sides, [1.0, 0.0], [(4, 4), (9, 5)]) > 0


@pytest.mark.parametrize("symmetric", [False, True])
def test_hard_negatives_without_a_positive_row_are_no_loss(symmetric: bool) -> None:
    sides = vectors(3)
    loss = run({"hard_negatives": True, "symmetric": symmetric}, sides, [0.0] * 3)
    assert loss.item() == 0.0
    loss.backward()
    assert all(side.grad is not None and (side.grad == 0).all() for side in sides)


def test_clusters_reach_the_texts_of_pairs_labelled_no() -> None:
    """Rows (0, 1) and (1, 2) are duplicates; row (3, 2) is labelled no, and its second text is one of theirs."""
    task = TaskSettings.model_validate(
        {"kind": "binary", "pair": "bi", "loss": {"name": "mnrl", "hard_negatives": True}}
    )
    texts = np.array([[0, 1], [1, 2], [3, 2], [3, 4]])
    clusters = task.clusters(texts, np.array([1.0, 1.0, 0.0, 0.0]))
    assert clusters is not None
    assert clusters.tolist() == [[0, 0], [0, 0], [3, 0], [3, 4]]
