"""Two tasks of your own, from files to predictions: `python examples/own_tasks.py`.

The files are those of the sample set, as if they were yours. One minute on two cores with the embedded encoder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from minbert import MultitaskModel, load_recipe, train_recipe
from minbert.data.places import sample_folder

RECIPE = """
description: Verdicts on films, and pairs of questions that one answer would serve.
data: data                # relative to this file
tasks:
  verdict:                # one text, five classes
    kind: classification
    classes: [awful, weak, neutral, good, superb]
    labels: {0: awful, 1: weak, 2: neutral, 3: good, 4: superb}   # from the file's labels to yours
    files: {train: sentiment-train.tsv, dev: sentiment-dev.tsv}
    text: sentence
    label: sentiment
  same_question:          # two texts, yes or no
    kind: binary
    files: {train: paraphrase-train.tsv, dev: paraphrase-dev.tsv}
    text: [sentence1, sentence2]
    label: is_duplicate
training: {epochs: 1}
"""


def main(folder: Path = Path("runs/own-tasks"), encoder: str = "minilm") -> None:
    """Write files and recipe into ``folder``, train there, and print what the model says of new texts."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for file in sample_folder().glob("*.tsv"):
        shutil.copy(file, folder / "data")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")

    recipe = load_recipe(str(folder / "recipe.yaml"), {"encoder.name": encoder})
    train_recipe(recipe, folder / "run", resume=True)  # a second call only sums up the finished run

    model = MultitaskModel.from_pretrained(folder / "run")
    texts = ["A quiet, generous film.", "Two hours of shouting and not one idea."]
    for text, verdict in zip(texts, model.predict("verdict", texts).names, strict=True):
        print(f"{verdict:8} {text}")
    pairs = [("How do I get wax out of cloth?", "What removes candle wax from fabric?")]
    print("the same question:", model.predict("same_question", pairs).names)


if __name__ == "__main__":
    main()
