"""What a model card says: its sections, from what is known of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minbert.data.schedules.round_robin import RoundRobin
from minbert.display.columns import escaped
from minbert.encoder.sources import MINILM, MINILM_DESCRIPTION
from minbert.evaluation.intervals import Interval
from minbert.recipe.recipe import Recipe, TaskRecipe

HERE = "PATH-OR-HUB-ID"
"""What stands in the snippets for the model's place."""


_INTENDED_USE = (
    "Answering the tasks above for texts like those it was trained on, and comparing ways of training one encoder for "
    "several tasks. It was not made for decisions about people, nor checked for such use: whether it treats groups of "
    "people alike, nobody has measured."
)


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model."""

    name: str
    recipe: Recipe
    base_model: str | None
    """On the hub; None where the encoder came from a folder."""
    chosen: str
    """How the model came about, a sentence."""
    scores: Mapping[str, Mapping[str, Interval]]
    """On dev, where there are dev rows: task, then the metric's name as people know it."""
    answers: Mapping[str, str]
    """What an answer to each task is."""
    overall: float | None
    before: Mapping[str, Mapping[str, float]] | None
    """Like ``scores``, before training; None where the model came about otherwise."""
    overall_before: float | None
    max_length: int
    """In tokens."""


def card_text(card: Card) -> str:
    """Return the card's Markdown, without its metadata."""
    sections = {
        f"# {card.name}": _summary(card),
        "## Tasks": _tasks(card),
        "## Scores": _scores(card),
        "## How to use it": _usage(card),
        "## What it is for": _INTENDED_USE,
        "## What to know before you trust it": _limits(card),
        "## How it was trained": _training(card),
    }
    return "\n\n".join(f"{heading}\n\n{text}" for heading, text in sections.items()) + "\n"


def _summary(card: Card) -> str:
    names = ", ".join(card.recipe.tasks)
    many = len(card.recipe.tasks)
    told = f"One encoder with a head for {'each of ' if many > 1 else ''}{many} task{'s' * (many > 1)}: {names}."
    return f"{told} Trained with minbert from {_encoder(card)}. {card.chosen}"


def _encoder(card: Card) -> str:
    if card.base_model is None:
        return f"the encoder in a folder called `{Path(card.recipe.encoder.name).name}`"
    return f"[{card.base_model}](https://huggingface.co/{card.base_model})"


def _tasks(card: Card) -> str:
    lines = ["| task | a row is | an answer is |", "|---|---|---|"]
    for name, task in card.recipe.tasks.items():
        if task.pair is None:
            row = "one text"
        else:
            how = {"bi": "each read by itself", "both": "each read by itself, and together"}
            row = f"two texts, {how.get(task.pair, 'read together')}"
        lines.append(f"| `{name}` | {row} | {escaped(card.answers[name])} |")
    return "\n".join(lines)


def _scores(card: Card) -> str:
    if not card.scores:
        return (
            "None are known: all labelled rows were trained on, and none kept apart. Score it on labelled rows of your "
            "own before you trust it."
        )
    known = card.before is not None
    lines = [
        f"| task | metric |{' before training |' * known} dev | 95 % interval |",
        f"|---|---|{'---:|' * known}---:|---|",
    ]
    for name, metrics in card.scores.items():
        for metric, interval in metrics.items():
            before = f" {card.before[name][metric]:.3f} |" if card.before is not None else ""
            after = f"{interval.score:.3f} | {interval.low:.3f} to {interval.high:.3f}"
            lines.append(f"| `{name}` | {metric} |{before} {after} |")
    if card.overall is not None and len(card.scores) > 1:
        before = f" {card.overall_before:.3f} |" if card.overall_before is not None else ""
        lines.append(f"| overall | mean of the tasks' own metrics |{before} {card.overall:.3f} | |")
    chose = (
        " Dev also chose the model, so its scores are a little too good; a test split that chose nothing is what to "
        "report."
        if card.recipe.training.keep == "best"
        else ""
    )
    probe = (
        "Before training, heads were solved over the vectors of the encoder as it was (a linear probe). "
        if known and card.recipe.training.head_start == "probe"
        else ""
    )
    return (
        "\n".join(lines)
        + f"\n\n{probe}The intervals are bootstrapped over dev rows: how far a score of this very model might be off "
        f"because other rows might have been drawn. What another seed would give, they do not tell.{chose}"
    )


def _usage(card: Card) -> str:
    calls = []
    for name, task in card.recipe.tasks.items():
        texts = '["A text of your own."]' if task.pair is None else '[("A text of your own.", "Another one.")]'
        what = "names" if task.kind.class_names else "values"
        calls.append(f'print(model.predict("{name}", {texts}).{what})')
    answers = "\n".join(calls)
    heads = ""
    sharing = card.recipe.encoder
    if sharing.shared_layer.name != "none" or (sharing.adapters.name != "none" and sharing.adapters.private):
        heads = " The layer above the encoder, or the tasks' own adapters, serve minbert's answers only."
    return f"""With minbert, the tasks' answers and sentence vectors (the mean of the encoder's last hidden states):

```python
from minbert import MultitaskModel

model = MultitaskModel.from_pretrained("{HERE}")
{answers}
vectors = model.encode(["A text of your own.", "Another, longer text."])
```

The other two read the encoder alone: the same vectors, no answers. They may list the heads' weights as unexpected, and
leave them out.{heads} With transformers:

```python
import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{HERE}")
encoder = AutoModel.from_pretrained("{HERE}")
texts = ["A text of your own.", "Another, longer text."]
inputs = tokenizer(texts, padding=True, truncation=True, max_length={card.max_length}, return_tensors="pt")
with torch.no_grad():
    states = encoder(**inputs).last_hidden_state
mask = inputs["attention_mask"].unsqueeze(-1)
vectors = (states * mask).sum(1) / mask.sum(1)
```

With sentence-transformers:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{HERE}")
vectors = model.encode(["A text of your own.", "Another, longer text."])
```"""


def _limits(card: Card) -> str:
    limits = []
    if card.recipe.encoder.name == MINILM:
        limits.append(f"The encoder it started from: {MINILM_DESCRIPTION}")
    else:
        limits.append(
            "What the encoder had read before this training, and what licence it has: see where it came from."
        )
    if card.recipe.data == "sample":
        limits.append(
            "It was trained on the small sample set that ships with minbert, which is for trying the software: its "
            "scores say little about a model."
        )
    limits += [
        f"A sequence is cut to {card.max_length} tokens.",
        "Texts of another language or kind than the training's were not tried.",
        "The data sets have licences of their own, which may restrict what a model trained on them may be used for.",
    ]
    return "\n".join(f"- {limit}" for limit in limits)


def _training(card: Card) -> str:
    recipe = card.recipe
    facts = {
        "training files": ", ".join(map(_training_file, recipe.tasks.values())),
        "schedule": recipe.schedule.method.name,
        **_combination(recipe),
        "learning rate of the encoder": f"{recipe.optimizer.learning_rate:g}",
        "longest gradient": _longest_gradient(recipe),
        "encoder": recipe.training.encoder,
        "start of heads": recipe.training.head_start,
        "epochs": str(recipe.training.epochs),
        "precision": recipe.training.precision,
        "seed": str(recipe.seed),
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    told = "`recipe.yaml` holds every setting: `minbert train recipe.yaml` repeats the run."
    return f"{told}\n\n| what | |\n|---|---|\n{rows}"


def _combination(recipe: Recipe) -> dict[str, str]:
    """Return how tasks share a step, where steps have several."""
    shared = len(recipe.tasks) > 1 and isinstance(recipe.schedule.method, RoundRobin)
    return {"combination of tasks": recipe.combination.name} if shared else {}


def _training_file(task: TaskRecipe) -> str:
    held_out = f" ({task.held_out}{' rows' * isinstance(task.held_out, int)} held out as dev)" if task.held_out else ""
    file = Path(task.files.train or "")
    return f"`{file.name if file.is_absolute() else file}`{held_out}"


def _longest_gradient(recipe: Recipe) -> str:
    limit = recipe.optimizer.max_gradient_norm
    return "any" if limit is None else f"{limit:g}"
