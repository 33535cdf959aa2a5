"""transformers' Trainer and sentence-transformers' trainer on the benchmark's rows.

Neither trains several heads over one encoder, so each gets the fairest task it knows (see docs/performance.md). Both
start from the same weights as ours, with the same rows, epochs, learning rate and dropout.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
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
from course import columns_of, load_tokenizer, mean_states, task_loss
from minbert.data.examples import Split

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
    """One task's head over the encoder; both texts of a pair are read in one padded forward."""

    def __init__(self, folder: Path, task: str) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder)
        self.task = task
        width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        if task == "sentiment":
            self.sentiment = nn.Linear(width, 5)
        elif task == "paraphrase":
            self.paraphrase = nn.Linear(3 * width, 1)

    def forward(self, labels: Tensor, **texts: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch whose ``texts`` are all first ones, then all second ones."""
        vectors = mean_states(self.encoder(**texts).last_hidden_state, texts["attention_mask"])
        parts = list(self.dropout(vectors).split(len(labels)))
        return {"loss": task_loss(self.task, parts, labels, self)}


class Collator:
    """Pads the texts of a batch's rows to the longest among them: all first ones, then all second ones."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = load_tokenizer(folder)

    def dataset(self, split: Split) -> Dataset:
        """Return the rows, tokenized, as Trainer takes them; a row's length is that of its longer text."""
        columns = [self.tokenizer(list(column), truncation=True)["input_ids"] for column in columns_of(split)]
        texts = [list(row) for row in zip(*columns, strict=True)]
        lengths = [max(map(len, row)) for row in texts]
        return Dataset.from_dict({"texts": texts, "length": lengths, "labels": split.labels})

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Return a batch."""
        columns = zip(*(row["texts"] for row in rows), strict=True)
        together = [ids for column in columns for ids in column]
        labels = torch.tensor([row["labels"] for row in rows], dtype=torch.float32)
        return {**self.tokenizer.pad({"input_ids": together}, return_tensors="pt"), "labels": labels}


def run_trainer(
    folder: Path,
    rows: Mapping[str, Split],
    batch: int,
    epochs: int,
    learning_rate: float,
    seed: int,
    tuned: bool,
    bf16: bool,
) -> Figures:
    """Train each task by itself from the same weights, and add up the times.

    By default Trainer's own settings (fp32, random batches; its AdamW is torch's fused one). Tuned: bf16 autocast where
    the processor multiplies it, and batches of like length.
    """
    seconds = 0.0
    collator = Collator(folder)
    more = {"bf16": bf16, "train_sampling_strategy": "group_by_length", "length_column_name": "length"} if tuned else {}
    for task, split in rows.items():
        torch.manual_seed(seed)
        stopwatch = Stopwatch()
        arguments = TrainingArguments(
            output_dir="unused",
            per_device_train_batch_size=batch,
            num_train_epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            remove_unused_columns=False,
            **ALIKE,
            **more,
        )
        model, dataset = TaskModel(folder, task), collator.dataset(split)
        Trainer(model, arguments, collator, dataset, callbacks=[stopwatch]).train()
        seconds += stopwatch.seconds
    return {"seconds": seconds}


def run_sentence_transformers(
    folder: Path,
    rows: Mapping[str, Split],
    batch: int,
    epochs: int,
    learning_rate: float,
    seed: int,
    tuned: bool,
    bf16: bool,
) -> Figures:
    """Train the tasks on pairs in one run, a batch of one task a step, in turn.

    Similarity has the loss of a squared error of the cosine, paraphrase the contrastive one. By default the trainer's
    own settings (fp32, random batches). Tuned: bf16 autocast where the processor multiplies it, batches of like length.
    """
    torch.manual_seed(seed)
    model = SentenceTransformer(str(folder))
    model.max_seq_length = 512
    datasets, loss = {}, {}
    for task, split in rows.items():
        scale = 5.0 if task == "similarity" else 1
        labels = split.labels / scale if task == "similarity" else split.labels.astype(int)
        texts = {"sentence1": list(split.first), "sentence2": list(split.second or [])}
        datasets[task] = Dataset.from_dict({**texts, "label": labels})
        loss[task] = (losses.CosineSimilarityLoss if task == "similarity" else losses.ContrastiveLoss)(model)
    stopwatch = Stopwatch()
    arguments = SentenceTransformerTrainingArguments(
        output_dir="unused",
        per_device_train_batch_size=batch,
        num_train_epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        multi_dataset_batch_sampler="round_robin",
        **({"bf16": bf16, "batch_sampler": partial(_like_lengths, model.tokenizer)} if tuned else {}),
        **ALIKE,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=datasets, loss=loss, callbacks=[stopwatch]
    )
    trainer.train()
    return {"seconds": stopwatch.seconds}


def _like_lengths(tokenizer: Any, dataset: Dataset, batch_size: int, generator: Any = None, **more: Any) -> Any:
    """Return the trainer's own batch sampler over transformers' own sampler of like lengths."""
    columns = [tokenizer(list(dataset[name]))["input_ids"] for name in ("sentence1", "sentence2")]
    lengths = [len(first) + len(second) for first, second in zip(*columns, strict=True)]
    sampler = LengthGroupedSampler(batch_size, lengths=lengths, generator=generator)
    return DefaultBatchSampler(sampler, batch_size=batch_size, **more)
