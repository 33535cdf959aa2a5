"""The loop of masked-LM pretraining: steps, held-out scores, the kept weights, checkpoints."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minbert.display.progress import Display
from minbert.encoder.masked_lm import MaskedLM, masked_lm_loss
from minbert.encoder.masked_lm_files import save_masked_lm_weights
from minbert.errors import UserError
from minbert.files import write_text
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.sequences import Sequences
from minbert.optim.ema import ExponentialMovingAverage
from minbert.optim.gradients import clip_, stored_gradients
from minbert.optim.settings import OptimizerSettings, make_optimizer, parameter_groups
from minbert.pretraining.corpus_order import CorpusOrder, Numbers
from minbert.pretraining.held_out import OVERALL, Score, score_held_out
from minbert.pretraining.settings import PretrainingSettings
from minbert.randomness import generator
from minbert.text.masking import Maskable, MaskedBatch, MaskingSettings, mask_tokens
from minbert.training.checkpoint import Best, LoopState, load_checkpoint, load_more, save_checkpoint
from minbert.training.interrupt import Interrupted, StopRequest, stop_on_signal
from minbert.training.loop import CHECKPOINT, HISTORY, NotFiniteError

LOSS = "masked LM"


@dataclass(frozen=True, slots=True)
class PretrainingTexts:
    """What a pretraining run reads."""

    train: Sequences
    """The training texts of all corpora, one corpus after the other."""
    held_out: dict[str, MaskedBatch]
    """Each corpus's held-out texts, hidden once and for all, so that scores compare."""
    vocabulary: Maskable


class PretrainingLoop:
    """One run of the loop in one folder. Call ``run`` once."""

    def __init__(
        self,
        model: MaskedLM,
        texts: PretrainingTexts,
        order: CorpusOrder,
        settings: PretrainingSettings,
        masking: MaskingSettings,
        optimizer: OptimizerSettings,
        folder: Path,
        display: Display,
        *,
        precision: Precision,
    ) -> None:
        """Train ``model`` in place, on its device; the kept weights and all records go to ``folder``."""
        self.model = model
        self.device = next(model.parameters()).device
        self.texts = texts
        self.order = order
        self.settings = settings
        self.masking = masking
        self.optimizer_settings = optimizer
        self.folder = folder
        self.display = display
        self.precision = precision
        self.lengths = texts.train.lengths()
        self.optimizer = make_optimizer(parameter_groups(model.encoder, model.head, optimizer), optimizer)
        decay = optimizer.ema_decay
        self.average = ExponentialMovingAverage(model.parameters(), decay) if decay else None
        self.steps_of_epoch = order.steps_in(settings.epochs)
        self.total_steps = sum(self.steps_of_epoch)
        self.state = LoopState()
        self.history: list[dict[str, Any]] = []
        self.last_checkpoint = time.monotonic()

    def run(self, resume: bool) -> list[dict[str, Any]]:
        """Train to the end, or from the last checkpoint to the end if ``resume``; return the history.

        Raises:
            NotFiniteError: a loss or gradient is not finite.
            Interrupted: the user asked to stop; a checkpoint has been written.
            UserError: the checkpoint is damaged, or the disk is full.
        """
        if resume:
            self._resume()
        else:
            self._evaluate()  # what training must beat
            self._checkpoint()
        if not self.state.finished:
            with stop_on_signal() as stop, self.display.training(self.total_steps, self.state.step):
                self._steps(stop)
        return self.history

    def _steps(self, stop: StopRequest) -> None:
        self.model.train()
        number = 0
        for epoch, count in enumerate(self.steps_of_epoch):
            if self.state.step >= number + count:  # done before the run was resumed
                number += count
                continue
            for numbers in self.order.steps(epoch):
                number += 1
                if number <= self.state.step:
                    continue
                self._step(numbers)
                self._after_step(epoch_ends=number == sum(self.steps_of_epoch[: epoch + 1]))
                if stop.made and not self.state.finished:
                    self._checkpoint()
                    raise Interrupted

    def _after_step(self, *, epoch_ends: bool) -> None:
        """Evaluate and write a checkpoint where it is time to."""
        every = self.settings.evaluate_every
        self.state.finished = self.state.step == self.total_steps
        if self.state.finished or (epoch_ends if every is None else self.state.step % every == 0):
            self._evaluate()
            self._checkpoint()
        elif time.monotonic() - self.last_checkpoint > 60 * self.settings.checkpoint_minutes:
            self._checkpoint()

    def _step(self, numbers: Numbers) -> None:
        started = time.perf_counter()
        factor = self.optimizer_settings.factor(self.state.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_learning_rate"] * factor
        loss = float(self._accumulate(numbers))
        gradients = stored_gradients(self.model.parameters())
        norm = torch.nn.utils.get_total_norm(gradients)
        self._check_finite(loss, norm)
        if (limit := self.optimizer_settings.max_gradient_norm) is not None:
            clip_(gradients, norm, limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        state = self.state
        state.step += 1
        state.train_seconds += time.perf_counter() - started
        state.examples += len(numbers)
        state.tokens += int(self.lengths[numbers].sum())
        total, count = state.loss_sums.get(LOSS, (0.0, 0))
        state.loss_sums[LOSS] = (total + loss, count + 1)
        self.display.step(state.step, {LOSS: (total + loss) / (count + 1)}, state.examples / state.train_seconds)

    def _accumulate(self, numbers: Numbers) -> Tensor:
        """Add the gradient of the step's mean loss over its hidden tokens to the parameters; return the loss.

        What is hidden follows from the seed and the step's number: every pass over a text hides other tokens of it,
        and cutting a step into pieces changes nothing.
        """
        random = generator(self.order.seed, "masks", self.state.step)
        masked = mask_tokens(self.texts.train.pack(numbers), self.texts.vocabulary, self.masking, random)
        loss = torch.zeros((), device=self.device)
        for piece in masked.pieces(self.settings.tokens_per_microbatch):
            if not len(piece.targets):
                continue
            part = piece.to(self.device)
            with mixed_precision(self.device, self.precision):
                logits = self.model(part.batch, part.positions)
            share = masked_lm_loss(logits, part.targets) / len(masked.targets)
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        return loss

    def _check_finite(self, loss: float, norm: Tensor) -> None:
        for what, value in (("the loss", loss), ("the gradient's norm", float(norm))):
            if not torch.isfinite(torch.tensor(value)):
                raise NotFiniteError(
                    f"step {self.state.step + 1}: {what} is {value}, so pretraining stopped. "
                    f"The last good checkpoint is {self.folder / CHECKPOINT}. "
                    "Try a lower optimizer.learning_rate, or training.precision=fp32."
                )

    def _evaluate(self) -> None:
        """Score the held-out texts, record a line of history, and keep the weights if they are to be kept.

        With an exponential moving average, the averaged weights are what is scored and kept.
        """
        # Before the first step there is nothing to average.
        with self.average.swap() if self.average is not None and self.state.step else nullcontext():
            self._evaluate_weights()

    def _evaluate_weights(self) -> None:
        scores = score_held_out(
            self.model, self.texts.held_out, self.device, self.precision, self.settings.tokens_per_microbatch
        )
        state = self.state
        self._check_finite(scores[OVERALL].loss, torch.zeros(()))
        total, count = state.loss_sums.get(LOSS, (0.0, 0))
        self.history.append(
            {
                "step": state.step,
                "seconds": round(state.train_seconds, 3),
                "loss": total / count if count else None,
                "held_out": {name: score.as_json() for name, score in scores.items()},
            }
        )
        write_text(self.folder / HISTORY, "".join(json.dumps(line) + "\n" for line in self.history))
        kept = self.settings.keep == "last" or state.best is None or -scores[OVERALL].loss > state.best.score
        if kept:
            state.best = Best(score=-scores[OVERALL].loss, step=state.step)
            save_masked_lm_weights(self.model, self.folder)
        state.loss_sums = {}
        self.display.note(_line(state.step, total / count if count else None, scores, kept))

    def _checkpoint(self) -> None:
        averages = self.average.state() if self.average is not None else {}
        more = {f"average.{name}": tensor for name, tensor in averages.items()}
        save_checkpoint(self.folder / CHECKPOINT, self.state, self.model, self.optimizer, more)
        self.last_checkpoint = time.monotonic()

    def _resume(self) -> None:
        self.state = load_checkpoint(self.folder / CHECKPOINT, self.model, self.optimizer)
        if self.average is not None:
            self.average.restore(load_more(self.folder / CHECKPOINT, "average."))
        where = self.folder / HISTORY
        try:
            lines = where.read_text(encoding="utf-8").splitlines()
            # An evaluation after the checkpoint will come again.
            self.history = [line for line in map(json.loads, lines) if line["step"] <= self.state.step]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{where}: cannot be read ({error}); start anew in another --out.") from None


def _line(step: int, loss: float | None, scores: dict[str, Score], kept: bool) -> str:
    """Return what is printed of an evaluation."""
    shown = "  ".join(
        f"{name} {score.loss:.3f} (perplexity {score.perplexity:,.1f}, accuracy {score.accuracy:.3f})"
        for name, score in scores.items()
        if len(scores) > 2 or name != OVERALL
    )
    trained = f"  train loss {loss:.3f}" if loss is not None else ""
    return f"step {step:5d}{trained}  held out: {shown}{'  kept' if kept else ''}"
