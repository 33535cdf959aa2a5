"""What a task's training rows ask of its head's output."""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.multitask.sequences import Indices
from minbert.tasks.heads import HeadOutput
from minbert.tasks.settings import TaskSettings
from minbert.training.rows import Rows


class Objective:
    """The loss of any of a task's training rows."""

    def __init__(self, settings: TaskSettings, rows: Rows, device: torch.device) -> None:
        """Keep the labels of ``rows``, and what the losses must know beside them, on ``device``."""
        self.settings = settings
        self.labels = torch.from_numpy(rows.known_labels).to(device, torch.float32)
        clusters = settings.clusters(rows.sequences.rows, rows.known_labels)
        self.clusters = None if clusters is None else clusters.to(device)

    def loss(self, output: HeadOutput, rows: Indices, progress: float) -> Tensor:  # noqa: ARG002
        """Return the loss (a scalar) of the rows with these numbers.

        Args:
            output: the head's, of just these rows.
            rows: (R,) their numbers.
            progress: the share of the run's steps that lie behind, from 0 to below 1.
        """
        chosen = torch.from_numpy(rows)
        clusters = None if self.clusters is None else self.clusters[chosen]
        return self.settings.compute_loss(output, self.labels[chosen], clusters)
