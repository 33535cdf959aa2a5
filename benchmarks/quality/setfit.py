"""SetFit: the encoder learns from pairs of texts of equal or different classes; then a logistic regression.

It knows single texts alone, so the pairs of the other tasks are answered by the frozen encoder, as ``frozen`` does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

from minbert.machine.precision import mixed_precision
from quality.curves import Curve, Recorder, Scores
from quality.frozen import PENALTY, cosines, encoder, features, load, regression
from quality.rows import Course, score, training_and_dev
from quality.trained import Looks
from trainers import Settings

PAIRS = 2
"""Made of each text: one of its class, and one of another. All there are would be 36 million for SST."""


def setfit_peer(course: Course, folder: Path, settings: Settings) -> Curve:
    """Return the curve of SetFit on sentiment, the two tasks on pairs answered over the frozen encoder."""
    train, dev = training_and_dev(course.read())
    rows = train["sentiment"]
    assert rows.labels is not None
    texts, labels = list(rows.first), rows.labels.astype(int).tolist()
    torch.manual_seed(settings.seed)
    recorder = Recorder()
    frozen = encoder(load(folder, settings.precision))
    paraphrase = regression(frozen, train["paraphrase"], PENALTY)
    model = SetFitModel(SentenceTransformer(str(folder)), LogisticRegression(C=PENALTY, max_iter=1000))

    @cache
    def pairs() -> dict[str, float]:
        asked = dev["paraphrase"]
        return {
            "paraphrase": score("paraphrase", asked, paraphrase.predict(features(frozen, asked))),
            "similarity": score("similarity", dev["similarity"], cosines(frozen, dev["similarity"])),
        }

    def finish() -> Callable[[], Scores]:
        model.fit(texts, labels, num_epochs=1, show_progress_bar=False)
        return scores

    def scores() -> Scores:
        found = model.predict(list(dev["sentiment"].first), as_numpy=True, show_progress_bar=False)
        model.model_body.train()
        return {**pairs(), "sentiment": score("sentiment", dev["sentiment"], found)}

    with tempfile.TemporaryDirectory() as unused, mixed_precision(model.model_body.device, settings.precision):
        arguments = TrainingArguments(
            output_dir=unused,
            batch_size=settings.batch,
            max_steps=max(1, PAIRS * len(texts) // settings.batch),
            body_learning_rate=settings.learning_rate,
            seed=settings.seed,
            report_to="none",
            show_progress_bar=False,
            logging_strategy="no",
            save_strategy="no",
        )
        rows_of_texts = Dataset.from_dict({"text": texts, "label": labels})
        looks = Looks(recorder, finish, settings.epochs)
        trainer = Trainer(model, arguments, rows_of_texts, callbacks=[looks])
        trainer.train_embeddings(*trainer.dataset_to_parameters(rows_of_texts))
    return recorder.curve
