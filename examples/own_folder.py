"""A folder of files becomes a model, without a recipe: `python examples/own_folder.py`.

The files are those of one task of the sample set, as if they were yours. One minute on two cores with the embedded
encoder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from minbert import MultitaskModel, infer_folder, train_recipe
from minbert.data.places import sample_folder


def main(folder: Path = Path("runs/own-folder"), encoder: str = "minilm") -> None:
    """Copy files into ``folder``, say what they hold, train there, and print what the model says of new texts."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for file in sample_folder().glob("sentiment-*.tsv"):
        shutil.copy(file, folder / "data")

    inferred = infer_folder(folder / "data", encoder)
    print(inferred)
    # The files hold codes 0 to 4. They are in order, which nothing but their author knows.
    recipe = inferred.recipe({"tasks.sentiment.kind": "ordinal", "tasks.sentiment.metric": "qwk", "training.epochs": 1})
    train_recipe(recipe, folder / "run", resume=True)  # a second call only sums up the finished run

    model = MultitaskModel.from_pretrained(folder / "run")
    texts = ["A quiet, generous film.", "Two hours of shouting and not one idea."]
    for text, stars in zip(texts, model.predict("sentiment", texts).names, strict=True):
        print(f"{stars} of 4  {text}")


if __name__ == "__main__":
    main()
