"""What a task's training rows ask of its head's output."""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.multitask.sequences import Indices
from minbert.tasks.distillation import distillation_loss
from minbert.tasks.heads import HeadOutput
from minbert.tasks.settings import TaskSettings
from minbert.training.distillation import DistillationSettings
from minbert.training.rows import Rows


class Objective:
    """The loss of any of a task's training rows."""

    def __init__(self, settings: TaskSettings, rows: Rows, device: torch.device) -> None:
        """Keep the labels of ``rows``, and on ``device`` what the losses must know beside them."""
        self.settings = settings
        self.device = device
        self.labels = rows.known_labels
        clusters = settings.clusters(rows.sequences.rows, rows.known_labels)
        self.clusters = None if clusters is None else clusters.to(device)
        weights = settings.kind.label_weights(rows.known_labels)
        self.weights = None if weights is None else torch.from_numpy(weights).to(device, torch.float32)
        self.distillation: DistillationSettings | None = None
        self.targets: Tensor | None = None

    def learn_from(self, targets: Tensor, distillation: DistillationSettings) -> None:
        """Ask for teachers' answers, too: ``targets`` (R, ...) are those of ``teacher_targets`` for all rows."""
        self.distillation = distillation
        self.targets = targets.to(self.device, torch.float32)

    def loss(self, output: HeadOutput, rows: Indices, progress: float) -> Tensor:
        """Return the loss (a scalar) of the rows with these numbers.

        Args:
            output: the head's, of just these rows.
            rows: (R,) their numbers.
            progress: the share of the run's steps that lie behind, from 0 to below 1.
        """
        chosen = torch.from_numpy(rows)
        labels = torch.from_numpy(self.labels[rows]).to(self.device, torch.float32)
        clusters = None if self.clusters is None else self.clusters[chosen]
        weights = None if self.weights is None else self.weights[chosen]
        gold = self.settings.compute_loss(output, labels, clusters, weights)
        if self.distillation is None or self.targets is None:
            return gold
        share = self.distillation.share_at(progress)
        temperature = self.distillation.temperature
        teacher = distillation_loss(output, self.targets[chosen], self.settings, temperature)
        return share * gold + (1 - share) * teacher
