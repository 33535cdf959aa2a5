"""The course's design, written anew to be measured against: what most first versions of such a training look like.

Random batches padded to their longest text, tokenized when they are made; the batch of each task, and of each text of
a pair, goes through the encoder alone; attention sees the padding; AdamW is a Python loop over parameters. ``tuned``
keeps the design of a step and takes what an expert would add to it: see ``CourseTraining``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from common import Figures, synchronize
from minbert.data.examples import Split


class LoopAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov & Hutter 2019, Algorithm 2), parameter by parameter and operation by operation."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state |= {"step": 0, "m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}
                state["step"] += 1
                state["m"] = beta1 * state["m"] + (1 - beta1) * parameter.grad
                state["v"] = beta2 * state["v"] + (1 - beta2) * parameter.grad**2
                first = state["m"] / (1 - beta1 ** state["step"])
                second = state["v"] / (1 - beta2 ** state["step"])
                parameter -= group["lr"] * group["weight_decay"] * parameter
                parameter -= group["lr"] * first / (second.sqrt() + group["eps"])


class CourseModel(nn.Module):
    """The encoder of ``folder`` with the course's three heads, over the mean of each text's states."""

    def __init__(self, folder: Path, attention: str) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, attn_implementation=attention)
        width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        self.sentiment = nn.Linear(width, 5)
        self.paraphrase = nn.Linear(3 * width, 1)

    def embed(self, texts: Mapping[str, Tensor]) -> Tensor:
        """Return the mean of each text's real tokens' states, (texts, hidden)."""
        return mean_states(self.encoder(**texts).last_hidden_state, texts["attention_mask"])

    def loss(self, task: str, vectors: list[Tensor], labels: Tensor) -> Tensor:
        """Return a task's loss for rows with the vectors of their one or two texts."""
        return task_loss(task, [self.dropout(vector) for vector in vectors], labels, self)


def mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """Return (texts, hidden): the mean over the tokens that ``mask`` (texts, tokens) marks."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def task_loss(task: str, vectors: list[Tensor], labels: Tensor, heads: nn.Module) -> Tensor:
    """Return the loss of the course's recipe for rows with the vectors of their one or two texts."""
    return output_loss(task, task_output(task, vectors, heads), labels)


def task_output(task: str, vectors: list[Tensor], heads: nn.Module) -> Tensor:
    """Return logits of five classes (rows, 5), a logit of yes (rows,), or a cosine from 0 to 5 (rows,).

    A pair has two vectors; where its texts are read joined, one.
    """
    if task == "sentiment":
        return heads.sentiment(vectors[0])
    if task == "paraphrase":
        pair = vectors if len(vectors) == 1 else [*vectors, (vectors[0] - vectors[1]).abs()]
        return heads.paraphrase(torch.cat(pair, dim=-1)).squeeze(-1).float()
    first, second = vectors
    return 5 * F.cosine_similarity(first.float(), second.float())


def output_loss(task: str, output: Tensor, labels: Tensor) -> Tensor:
    """Return cross-entropy, that of yes or no, or squared error."""
    if task == "sentiment":
        return F.cross_entropy(output, labels.long())
    if task == "paraphrase":
        return F.binary_cross_entropy_with_logits(output, labels)
    return F.mse_loss(output, labels)


class CourseTraining:
    """A step holds a batch of each task; its losses are summed.

    Tuned: bf16 autocast where the processor multiplies it, torch's fused AdamW, its fused attention, one forward for
    both texts of a pair, texts tokenized before training, batches of like length.
    """

    def __init__(self, folder: Path, rows: Mapping[str, Split], batch: int, seed: int, tuned: bool, bf16: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(seed)
        self.tokenizer = load_tokenizer(folder)
        self.model = CourseModel(folder, "sdpa" if tuned else "eager").to(self.device)
        self.rows, self.batch, self.tuned, self.bf16 = rows, batch, tuned, bf16
        self.random = np.random.default_rng(seed)
        self.tokens = {
            task: [self.tokenizer(list(column), truncation=True)["input_ids"] for column in columns_of(split)]
            if tuned
            else []
            for task, split in rows.items()
        }

    def run(self, epochs: int, learning_rate: float) -> Figures:
        """Train and return the seconds that steps took, batches included."""
        parameters = self.model.parameters()
        optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(parameters, lr=learning_rate, fused=True)
            if self.tuned
            else LoopAdamW(parameters, lr=learning_rate)
        )
        self.model.train()
        synchronize(self.device)
        started = time.perf_counter()
        for _ in range(epochs):
            for step in zip(*(self._batches(task) for task in self.rows), strict=True):
                optimizer.zero_grad()
                losses = [self._loss(task, numbers) for task, numbers in zip(self.rows, step, strict=True)]
                torch.stack(losses).sum().backward()
                optimizer.step()
        synchronize(self.device)
        return {"seconds": time.perf_counter() - started}

    def _batches(self, task: str) -> Iterator[np.ndarray]:
        order = self.random.permutation(len(self.rows[task]))
        if self.tuned:  # sort within stretches of fifty batches, as Trainer does, then shuffle the batches
            longest = np.array([max(map(len, texts)) for texts in zip(*self.tokens[task], strict=True)])
            stretches = np.array_split(order, max(1, len(order) // (50 * self.batch)))
            order = np.concatenate([part[np.argsort(longest[part], kind="stable")] for part in stretches])
        batches = [order[start : start + self.batch] for start in range(0, len(order), self.batch)]
        return iter([batches[number] for number in self.random.permutation(len(batches))])

    def _loss(self, task: str, numbers: np.ndarray) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            vectors = self._vectors(task, numbers)
            labels = torch.from_numpy(self.rows[task].labels[numbers]).float().to(self.device)
            return self.model.loss(task, vectors, labels)

    def _vectors(self, task: str, numbers: np.ndarray) -> list[Tensor]:
        if self.tuned:
            together = [column[number] for column in self.tokens[task] for number in numbers]
            padded = self.tokenizer.pad({"input_ids": together}, return_tensors="pt").to(self.device)
            return list(self.model.embed(padded).split(len(numbers)))
        columns = [[column[number] for number in numbers] for column in columns_of(self.rows[task])]
        padded = [
            self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(self.device)
            for texts in columns
        ]
        return [self.model.embed(texts) for texts in padded]


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of ``folder``; texts are cut to as many tokens as the encoder has positions."""
    longest = AutoConfig.from_pretrained(folder).max_position_embeddings
    return AutoTokenizer.from_pretrained(folder, model_max_length=longest)


def columns_of(split: Split) -> list[Sequence[str]]:
    """Return a split's texts column by column: one, or two of a pair."""
    return [split.first] if split.second is None else [split.first, split.second]
