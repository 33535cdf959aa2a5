"""transformers' Trainer and sentence-transformers' trainer on the benchmark's rows.

Neither trains several heads over one encoder, so each gets the fairest task it knows (see docs/performance.md). Both
start from the same weights as ours, with the same rows, epochs, learning rate and dropout.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer import losses
from torch import Tensor, nn
from transformers import AutoModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from common import Figures, synchronize
from course import columns_of, load_tokenizer, mean_states, output_loss, task_output
from minbert.data.examples import Split
from minbert.machine.precision import Precision

ALIKE = {
    "max_grad_norm": 1.0,
    "weight_decay": 0.01,
    "adam_epsilon": 1e-6,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "logging_strategy": "no",
    "use_cpu": not torch.cuda.is_available(),
    "dataloader_pin_memory": torch.cuda.is_available(),
}
"""What both trainers are told so that they do what ours does, and write nothing meanwhile."""


class Stopwatch(TrainerCallback):
    """Counts the seconds from the first step's beginning to the last one's end, batches included."""

    def __init__(self) -> None:
        self.started = self.seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stop, when a GPU has finished too."""
        synchronize(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        self.seconds = time.perf_counter() - self.started


class TaskModel(nn.Module):
    """One task's head over the encoder; both texts of a pair are read in one padded forward, or joined to one text."""

    def __init__(self, folder: Path, task: str, joined: bool = False) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder)
        self.task = task
        width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        if task == "sentiment":
            self.sentiment = nn.Linear(width, 5)
        elif task == "paraphrase":
            self.paraphrase = nn.Linear(width if joined else 3 * width, 1)

    def outputs(self, rows: int, **texts: Tensor) -> Tensor:
        """Return the head's output for so many rows whose ``texts`` are all first ones, then all second ones."""
        vectors = mean_states(self.encoder(**texts).last_hidden_state, texts["attention_mask"])
        return task_output(self.task, list(self.dropout(vectors).split(rows)), self)

    def forward(self, labels: Tensor, **texts: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch."""
        return {"loss": output_loss(self.task, self.outputs(len(labels), **texts), labels)}


class Collator:
    """Pads the texts of a batch's rows to the longest among them: all first ones, then all second ones."""

    def __init__(self, folder: Path, joined: bool = False) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.joined = joined

    def dataset(self, split: Split) -> Dataset:
        """Return the rows, tokenized, as Trainer takes them; a row's length is that of its longer text."""
        columns = [list(column) for column in columns_of(split)]
        readings = [columns] if self.joined else [[column] for column in columns]
        encoded = [self.tokenizer(*reading, truncation=True) for reading in readings]
        texts = [list(row) for row in zip(*(reading["input_ids"] for reading in encoded), strict=True)]
        lengths = [max(map(len, row)) for row in texts]
        segments = {"segments": encoded[0]["token_type_ids"]} if self.joined else {}
        return Dataset.from_dict({"texts": texts, "length": lengths, "labels": split.labels, **segments})

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Return a batch."""
        columns = zip(*(row["texts"] for row in rows), strict=True)
        together = {"input_ids": [ids for column in columns for ids in column]}
        if self.joined:
            together["token_type_ids"] = [row["segments"] for row in rows]
        labels = torch.tensor([row["labels"] for row in rows], dtype=torch.float32)
        return {**self.tokenizer.pad(together, return_tensors="pt"), "labels": labels}


@dataclass(frozen=True)
class Settings:
    """How a peer's trainer is to train."""

    batch: int
    epochs: int
    learning_rate: float
    seed: int
    like_lengths: bool
    """Batches of texts of like length, which is not its default."""
    precision: Precision
    """bf16 is autocast."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What both trainers take alike."""
        return {
            "output_dir": "unused",
            "per_device_train_batch_size": self.batch,
            "num_train_epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "bf16": self.precision == "bf16",
            **ALIKE,
        }


def task_trainer(
    model: TaskModel, collator: Collator, dataset: Dataset, settings: Settings, callback: TrainerCallback
) -> Trainer:
    """Return transformers' Trainer for one task.

    What ``settings`` do not say is as Trainer comes; its AdamW is torch's fused one.
    """
    more = (
        {"train_sampling_strategy": "group_by_length", "length_column_name": "length"} if settings.like_lengths else {}
    )
    arguments = TrainingArguments(remove_unused_columns=False, **settings.arguments, **more)
    return Trainer(model, arguments, collator, dataset, callbacks=[callback])


def run_trainer(folder: Path, rows: Mapping[str, Split], settings: Settings) -> Figures:
    """Train each task by itself from the same weights, and add up the times."""
    seconds = 0.0
    collator = Collator(folder)
    for task, split in rows.items():
        torch.manual_seed(settings.seed)
        stopwatch = Stopwatch()
        task_trainer(TaskModel(folder, task), collator, collator.dataset(split), settings, stopwatch).train()
        seconds += stopwatch.seconds
    return {"seconds": seconds}


def pair_trainer(
    model: SentenceTransformer, rows: Mapping[str, Split], settings: Settings, turns: str, callback: TrainerCallback
) -> SentenceTransformerTrainer:
    """Return sentence-transformers' trainer of the tasks on pairs in one run, a batch of one task a step.

    Similarity has the loss of a squared error of the cosine, paraphrase the contrastive one.
    ``turns`` is its ``multi_dataset_batch_sampler``: whose batch comes next.
    """
    datasets, loss = {}, {}
    for task, split in rows.items():
        scale = 5.0 if task == "similarity" else 1
        labels = split.labels / scale if task == "similarity" else split.labels.astype(int)
        texts = {"sentence1": list(split.first), "sentence2": list(split.second or [])}
        datasets[task] = Dataset.from_dict({**texts, "label": labels})
        loss[task] = (losses.CosineSimilarityLoss if task == "similarity" else losses.ContrastiveLoss)(model)
    arguments = SentenceTransformerTrainingArguments(
        multi_dataset_batch_sampler=turns,
        **({"batch_sampler": partial(_like_lengths, model.tokenizer)} if settings.like_lengths else {}),
        **settings.arguments,
    )
    return SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=datasets, loss=loss, callbacks=[callback]
    )


def run_sentence_transformers(folder: Path, rows: Mapping[str, Split], settings: Settings) -> Figures:
    """Train the tasks on pairs in one run, in turn."""
    torch.manual_seed(settings.seed)
    model = SentenceTransformer(str(folder))
    model.max_seq_length = 512
    stopwatch = Stopwatch()
    pair_trainer(model, rows, settings, "round_robin", stopwatch).train()
    return {"seconds": stopwatch.seconds}


def _like_lengths(tokenizer: Any, dataset: Dataset, batch_size: int, generator: Any = None, **more: Any) -> Any:
    """Return the trainer's own batch sampler over transformers' own sampler of like lengths."""
    columns = [tokenizer(list(dataset[name]))["input_ids"] for name in ("sentence1", "sentence2")]
    lengths = [len(first) + len(second) for first, second in zip(*columns, strict=True)]
    sampler = LengthGroupedSampler(batch_size, lengths=lengths, generator=generator)
    return DefaultBatchSampler(sampler, batch_size=batch_size, **more)
