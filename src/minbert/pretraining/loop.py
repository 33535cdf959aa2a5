"""The loop of masked-LM pretraining: what a step's gradient is, what held-out texts say, which weights are kept."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from minbert.display.progress import Display
from minbert.encoder.masked_lm import MaskedLM, masked_lm_loss
from minbert.encoder.masked_lm_files import save_masked_lm_weights
from minbert.machine.precision import Precision, mixed_precision
from minbert.machine.ranks import ranks
from minbert.optim.settings import parameter_groups
from minbert.pretraining.course import PretrainingCourse
from minbert.pretraining.held_out import OVERALL, Score, score_held_out
from minbert.pretraining.texts import PretrainingTexts
from minbert.randomness import Numbers, generator
from minbert.text.masking import MaskedBatch, mask_tokens
from minbert.training.checkpoint import Best
from minbert.training.protocols import Counts
from minbert.training.shards import Shards
from minbert.training.stepper import Stepper

TASK = "masked LM"
"""What the only task is called."""


class PretrainingLoop(Stepper[Numbers]):
    """The loop over the corpora's texts."""

    model: MaskedLM
    course: PretrainingCourse

    def __init__(
        self,
        model: MaskedLM,
        texts: PretrainingTexts,
        course: PretrainingCourse,
        precision: Precision,
        folder: Path,
        display: Display,
    ) -> None:
        """Train ``model`` in place, on its device; the kept weights and all records go to ``folder``."""
        groups = parameter_groups(model.encoder, model.head, course.optimizer)
        super().__init__(model, groups, course, course.settings, folder, display)
        self.device = next(model.parameters()).device
        self.texts = texts
        self.precision = precision

    def _accumulate(self, step: Numbers) -> Tensor:
        """Add the gradient of the step's mean loss over its hidden tokens to the parameters; return the loss, (1,).

        What is hidden follows from the seed and the step's number: every pass over a text hides other tokens of it,
        and cutting a step into shards and micro-batches changes nothing.
        """
        order, step_number = self.course.order, self.state.step
        random = generator(order.seed, "masks", step_number)
        masked = mask_tokens(self.texts.train.pack(step), self.texts.vocabulary, self.course.masking, random)
        shards, budget = Shards(self.state.shards, order.seed, step_number), self.course.settings.tokens_per_microbatch
        loss = torch.zeros(1, device=self.device)
        for shard in shards.own():
            shards.draw(TASK, shard)
            for micro_batch in masked.shard(shard, shards.count).micro_batches(budget):
                loss += self._add_gradient(micro_batch, len(masked.targets))
        return self.reduction.total_(loss, self.parameters)

    def _add_gradient(self, micro_batch: MaskedBatch, targets: int) -> Tensor:
        """Add the gradient of a part of a step with so many ``targets`` to the parameters; return its loss, (1,)."""
        if not len(micro_batch.targets):
            return torch.zeros(1, device=self.device)
        own = micro_batch.to(self.device)
        with mixed_precision(self.device, self.precision):
            logits = self.model(own.batch, own.positions)
        loss = masked_lm_loss(logits, own.targets) / targets
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach().unsqueeze(0)

    def _counts(self, step: Numbers) -> Counts:
        return Counts([TASK], len(step), int(self.texts.train.lengths(step).sum()))

    def _judge(self) -> None:
        budget = self.course.settings.tokens_per_microbatch
        self.stop.break_off_together()
        with self.stop.breaking_off():
            scores = score_held_out(self.model, self.texts.held_out, self.device, self.precision, budget)
        score, trained = -scores[OVERALL].loss, self._mean_losses().get(TASK)
        if not math.isfinite(score):
            raise self._not_finite(self.state.step, f"the loss on held-out texts is {-score}")
        self._record({"loss": trained, "held_out": {name: score.as_json() for name, score in scores.items()}})
        kept = self.course.settings.keep == "last" or self._is_better(score)
        if kept:
            self.state.best = Best(score=score, step=self.state.step)
        if kept and ranks().first:
            save_masked_lm_weights(self.model, self.folder)
        self.display.note(_line(self.state.step, trained, scores, kept))


def _line(step: int, loss: float | None, scores: dict[str, Score], kept: bool) -> str:
    """Return what is printed of an evaluation."""
    shown = "  ".join(
        f"{name} {score.loss:.3f} (perplexity {score.perplexity:,.1f}, accuracy {score.accuracy:.3f})"
        for name, score in scores.items()
        if len(scores) > 2 or name != OVERALL
    )
    trained = f"  train loss {loss:.3f}" if loss is not None else ""
    return f"step {step:5d}{trained}  held out: {shown}{'  kept' if kept else ''}"
