"""Sentence vectors for search: the texts that are nearest to a query: `python examples/search.py`.

One minute on two cores with the embedded encoder, nearly all of it for training.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from minbert import MultitaskModel, load_recipe, train_recipe
from minbert.data.places import sample_folder


def main(folder: Path = Path("runs/search"), encoder: str = "minilm") -> list[str]:
    """Train in ``folder`` if nothing is there yet, then print and return the texts nearest to a query."""
    recipe = load_recipe("quickstart", {"encoder.name": encoder, "training.epochs": 1})
    train_recipe(recipe, folder, resume=True)
    model = MultitaskModel.from_pretrained(folder)

    with (sample_folder() / "similarity-train.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = sorted({row[column] for row in rows for column in ("sentence1", "sentence2")})
    vectors = unit(model.encode(texts))  # (N, hidden); encode a collection once and keep the vectors

    query = "A child is playing with a ball."
    cosines = vectors @ unit(model.encode([query]))[0]
    nearest = np.argsort(-cosines)[:5]
    for index in nearest:
        print(f"{cosines[index]:.3f}  {texts[index]}")
    return [texts[index] for index in nearest]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1, whose products are cosines."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
