"""Everything from Python: train, evaluate, predict, encode, save: `python examples/python_api.py`.

One minute on two cores with the embedded encoder.
"""

from __future__ import annotations

from pathlib import Path

from minbert import MultitaskModel, UserError, evaluate_run, load_recipe, train_recipe


def main(folder: Path = Path("runs/python-api"), encoder: str = "minilm") -> None:
    """Train a shipped recipe with two changes in ``folder``, and use the model that it leaves."""
    changes = {"encoder.name": encoder, "training.epochs": 1}
    recipe = load_recipe("quickstart", changes)  # a shipped recipe's name, or a YAML file
    summary = train_recipe(recipe, folder / "run", resume=True)
    print("best step:", summary.metrics["best_step"], "dev:", round(summary.metrics["dev"]["overall"], 3))

    scores = evaluate_run(folder / "run", split="test")  # nothing was chosen on test
    print("test:", {task: round(score, 3) for task, score in scores.primary.items()})

    model = MultitaskModel.from_pretrained(folder / "run")
    answers = model.predict("sentiment", ["A small film with a large heart.", "I left before the end."])
    assert answers.probabilities is not None
    for name, probability in zip(answers.names, answers.probabilities.max(axis=1), strict=True):
        print(f"{name} ({probability:.2f})")
    print("similarity, 0 to 5:", model.predict("similarity", [("A dog runs.", "A dog is running.")]).values.round(2))
    print("vectors:", model.encode(["A sentence.", "Another one."]).shape)

    model.save_pretrained(folder / "copy")  # transformers.AutoModel and SentenceTransformer load it too
    try:
        model.predict("sentimnt", ["What is wrong is said in one message."])
    except UserError as error:
        print("error:", error)


if __name__ == "__main__":
    main()
