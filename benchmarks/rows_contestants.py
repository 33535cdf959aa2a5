"""What people do with a few labelled rows, each as a function from rows to what answers new ones.

Every contestant starts from the same encoder, knows the same rows and has no others to choose by.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Texts = Sequence[tuple[str, ...]]
"""Of each row its one text or its two."""
Answering = Callable[[Texts], list[str]]

LEAST_STEPS = 200
"""Of Trainer: a few rows in three epochs are a handful of steps, and then its new head has learnt nothing."""
SETFIT_ITERATIONS = 20
"""Contrastive pairs a row, of each sort, as in the paper. All pairs, the library's default, grow with the square."""
SETFIT_MOST_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows that a contestant learns from."""

    texts: Texts
    labels: Sequence[str]

    @property
    def classes(self) -> list[str]:
        """Return the labels that there are, in order."""
        return sorted(set(self.labels))


def logistic_regression(rows: Labelled, encoder: Path, seed: int, changes: Sequence[str] = ()) -> Answering:  # noqa: ARG001
    """Fit scikit-learn's logistic regression over frozen sentence vectors; of pairs over [u, v, |u-v|, u*v].

    C is cross-validated where every class has three rows, and scikit-learn's 1 where one has not.
    """
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    reader = SentenceTransformer(str(encoder), device="cpu")

    def features(texts: Texts) -> NDArray[np.float32]:
        columns = [reader.encode(list(column), show_progress_bar=False) for column in zip(*texts, strict=True)]
        if len(columns) == 1:
            return columns[0]
        u, v = columns
        return np.concatenate([u, v, abs(u - v), u * v], axis=1)

    model = LogisticRegression(max_iter=1000, random_state=seed)
    if min(Counter(rows.labels).values()) >= 3:
        model = GridSearchCV(model, {"C": [0.1, 1, 10, 100]}, cv=3)
    model.fit(features(rows.texts), list(rows.labels))
    return lambda texts: [str(label) for label in model.predict(features(texts))]


def setfit(rows: Labelled, encoder: Path, seed: int, changes: Sequence[str] = ()) -> Answering:  # noqa: ARG001
    """Run SetFit (Tunstall et al. 2022): the encoder on contrastive pairs, one epoch, then a logistic head.

    Its settings are the library's own but for the number of pairs, which is the paper's. It reads single texts, so the
    two of a pair are joined by [SEP].
    """
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    def joined(texts: Texts) -> list[str]:
        return [" [SEP] ".join(row) for row in texts]

    with tempfile.TemporaryDirectory() as folder:
        model = SetFitModel.from_pretrained(str(encoder), labels=rows.classes, device="cpu")
        arguments = TrainingArguments(
            output_dir=folder,
            num_iterations=SETFIT_ITERATIONS,
            max_steps=SETFIT_MOST_STEPS if len(rows.labels) * 2 * SETFIT_ITERATIONS / 16 > SETFIT_MOST_STEPS else -1,
            seed=seed,
            report_to="none",
            show_progress_bar=False,
            save_strategy="no",
        )
        table = Dataset.from_dict({"text": joined(rows.texts), "label": list(rows.labels)})
        Trainer(model=model, args=arguments, train_dataset=table).train()
    return lambda texts: [str(label) for label in model.predict(joined(texts))]


def trainer(rows: Labelled, encoder: Path, seed: int, changes: Sequence[str] = ()) -> Answering:  # noqa: ARG001
    """Fine-tune with transformers' Trainer at its own rate (5e-5), three epochs but at least ``LEAST_STEPS`` steps."""
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    torch.manual_seed(seed)
    classes, batch = rows.classes, 16
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(classes))

    def table(texts: Texts, labels: Sequence[str] | None = None) -> Any:
        read = dict(tokenizer(*map(list, zip(*texts, strict=True)), truncation=True, max_length=256))
        return Dataset.from_dict(
            read if labels is None else read | {"labels": [classes.index(name) for name in labels]}
        )

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch,
            per_device_eval_batch_size=64,
            max_steps=max(LEAST_STEPS, 3 * -(-len(rows.labels) // batch)),
            warmup_steps=LEAST_STEPS // 10,
            seed=seed,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        learner = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), table(rows.texts, rows.labels))
        learner.train()
    return lambda texts: [classes[place] for place in learner.predict(table(texts)).predictions.argmax(axis=1)]


def ours(rows: Labelled, encoder: Path, seed: int, changes: Sequence[str] = ()) -> Answering:
    """Run what ``minbert train FOLDER`` runs on a folder with a table of the rows, with ``changes`` of the recipe."""
    from rich.console import Console

    from minbert import MultitaskModel, infer_folder, train_recipe
    from minbert.display.progress import Display

    with tempfile.TemporaryDirectory() as folder:
        names = ["text"] if len(rows.texts[0]) == 1 else ["text1", "text2"]
        with (Path(folder) / "train.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow([*names, "label"])
            table.writerows([*texts, label] for texts, label in zip(rows.texts, rows.labels, strict=True))
        inferred = infer_folder(folder, str(encoder))
        [task] = (found.name for found in inferred.tasks)
        recipe = inferred.recipe({"seed": seed}, [change.replace("TASK", task) for change in changes])
        run = Path(folder) / "run"
        train_recipe(recipe, run, display=Display(Console(file=io.StringIO())))
        model = MultitaskModel.from_pretrained(run)

    def answer(texts: Texts) -> list[str]:
        return model.predict(task, [row[0] if len(row) == 1 else row for row in texts]).names

    return answer


CONTESTANTS: dict[str, Callable[[Labelled, Path, int, Sequence[str]], Answering]] = {
    "logistic regression": logistic_regression,
    "SetFit": setfit,
    "Trainer": trainer,
    "ours": ours,
}
NEEDS = {
    "logistic regression": ["sklearn", "sentence_transformers"],
    "SetFit": ["setfit", "datasets"],
    "Trainer": ["transformers", "accelerate", "datasets"],
    "ours": ["minbert.running.run", "minbert.schema_inference.infer"],
}
"""What each imports. It is imported before the clock starts."""
