"""A soup: one model whose weights are the mean of several runs' (Wortsman et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from minbert.display.progress import Display
from minbert.encoder.config import EncoderConfig
from minbert.errors import UserError
from minbert.evaluation.deciding import decide_on_dev
from minbert.evaluation.predicting import SplitTask, predict_rows, score_predictions
from minbert.files import write_json, write_text
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.multitask.model import MultitaskModel
from minbert.run_folder.answers import write_predicted
from minbert.run_folder.card import write_model_card
from minbert.run_folder.folder import METRICS, RECIPE, SOUP
from minbert.run_folder.model import model_of_run
from minbert.tasks.metrics import worth
from minbert.tasks.predictions import Predictions
from minbert.together.members import Member, check_new_folder, check_same_labels, common_rows, find_members, names_apart
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores, score_name

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A run that might go into the soup."""

    folder: Path
    dev: DevScores
    taken: bool


@dataclass(frozen=True, slots=True)
class SoupSummary:
    """What a soup has to show."""

    select: str
    """The dev score that decided, by the best run's ``training.select``."""
    ingredients: list[Ingredient]
    """The best run first."""
    greedy: DevScores
    """Of the soup that was kept."""
    uniform: DevScores
    """Of the mean of all runs."""


def make_soup(folders: Sequence[Path], out: Path, data: str | None, display: Display) -> SoupSummary:
    """Write the greedy soup of finished runs to ``out``: a model's files, with recipe, metrics and predictions.

    Greedy soup (Wortsman et al. 2022, recipe 1): runs in the order of their dev score, the best first; each is taken
    if the mean of its weights and of those taken so far scores no worse than without it.

    Raises:
        UserError: a run is not finished, the runs' architectures, tasks or dev rows differ, or ``out`` is not empty.
    """
    with claimed(out):
        remove_left_overs(out)
        check_new_folder(out, SOUP)
        members = find_members(folders)
        if len(members) < 2:
            raise UserError("a soup needs at least two runs.")
        return _cook(members, out, data, display)


def _cook(members: Sequence[Member], out: Path, data: str | None, display: Display) -> SoupSummary:
    model = model_of_run(members[0].folder, members[0].recipe).to(available_device())
    for name, task in members[0].recipe.tasks.items():  # thresholds that were chosen on dev are chosen anew
        model.tasks[name] = model.tasks[name].model_copy(update={"kind": task.kind})
    for member in members[1:]:
        _check_alike(members[0], model, member)
    if len(encoders := {member.recipe.encoder.name for member in members}) > 1:
        display.note(
            f"the runs started from different encoders ({', '.join(sorted(encoders))}): the mean of weights that were "
            "trained apart from the start is rarely good"
        )
    select = members[0].recipe.training.select
    if any(member.recipe.training.select != select for member in members):
        display.note(f"the runs were selected by different scores; the soup is by {select}, as {members[0].folder}")
    rows = _rows(members, model, data, display)
    kitchen = _Kitchen(model, rows, members[0])
    names = names_apart([member.folder for member in members])
    scores = [
        kitchen.score(_weights(member), f"scoring {name}", display) for member, name in zip(members, names, strict=True)
    ]
    name = score_name(select, model.tasks)
    order = sorted(range(len(members)), key=lambda index: -worth(name, scores[index].selected(select)))

    total = _doubled(_weights(members[order[0]]))
    best, taken = scores[order[0]], [order[0]]
    for index in order[1:]:
        weights = _weights(members[index])
        with_it = {name: ((total[name] + weights[name]) / (len(taken) + 1)).float() for name in total}
        found = kitchen.score(with_it, f"adding {names[index]}", display)
        if worth(name, found.selected(select)) >= worth(name, best.selected(select)):
            best = found
            taken.append(index)
            for name, tensor in total.items():
                tensor += weights[name]
    kept = {name: (tensor / len(taken)).float() for name, tensor in total.items()}
    uniform = kitchen.score(_mean_of_all(members), "scoring the mean of all", display)
    model.load_state_dict(kept)
    ingredients = [Ingredient(members[index].folder, scores[index], index in taken) for index in order]
    summary = SoupSummary(select, ingredients, best, uniform)
    _write(out, members[order[0]], model, rows, kitchen.predict(rows, "predicting dev and test", display), summary)
    return summary


class _Kitchen:
    """Scores weights on dev. Rows are tokenized once: all runs read alike."""

    def __init__(self, model: MultitaskModel, rows: dict[SplitTask, Rows], first: Member) -> None:
        self.model = model
        self.dev = {(split, name): part for (split, name), part in rows.items() if split == "dev"}
        self.precision = chosen_precision(first.recipe.training.precision)

    def score(self, weights: Tensors, what: str, display: Display) -> DevScores:
        self.model.load_state_dict(weights)
        return score_predictions(self.model.tasks, self.dev, self.predict(self.dev, what, display))

    def predict(self, rows: dict[SplitTask, Rows], what: str, display: Display) -> dict[SplitTask, Predictions]:
        return predict_rows(self.model, rows, self.precision, display, what)


def _weights(member: Member) -> Tensors:
    """Return a run's weights, fp32 on the CPU."""
    return dict(MultitaskModel.from_pretrained(member.folder).state_dict())


def _doubled(weights: Tensors) -> Tensors:
    """Return a copy in float64, to sum in."""
    return {name: tensor.double() for name, tensor in weights.items()}


def _mean_of_all(members: Sequence[Member]) -> Tensors:
    total = _doubled(_weights(members[0]))
    for member in members[1:]:
        weights = _weights(member)
        for name, tensor in total.items():
            tensor += weights[name]
    return {name: (tensor / len(members)).float() for name, tensor in total.items()}


def _check_alike(first: Member, model: MultitaskModel, member: Member) -> None:
    """Check that a run's weights may be averaged with the first one's.

    Raises:
        UserError: encoders, tokenizers, tasks or heads differ.
    """
    other = model_of_run(member.folder, member.recipe)
    places = f"{first.folder} and {member.folder}"

    def refuse(what: str) -> UserError:
        return UserError(f"{places}: {what} differ, so their weights cannot be averaged. An ensemble takes such runs.")

    if _architecture(model) != _architecture(other):
        raise refuse("the encoders' architectures")
    if model.tokenizer.vocabulary() != other.tokenizer.vocabulary():
        raise refuse("the vocabularies")
    if model.max_length != other.max_length:
        raise refuse("the longest lengths (encoder.max_length)")
    if model.tasks.keys() != other.tasks.keys():
        raise refuse(f"the tasks ({', '.join(model.tasks)}; {', '.join(other.tasks)})")
    for name, task in model.tasks.items():
        check_same_labels(name, task.kind, str(first.folder), other.tasks[name].kind, str(member.folder))
        for key in ("pair", "pooling", "head", "metric"):
            if getattr(task, key) != getattr(other.tasks[name], key):
                raise refuse(f"task '{name}': '{key}'s")


def _architecture(model: MultitaskModel) -> EncoderConfig:
    """Return what the encoder computes with its weights; dropout is only for training."""
    return model.encoder.config.model_copy(update={"hidden_dropout": 0.0, "attention_dropout": 0.0})


def _rows(
    members: Sequence[Member], model: MultitaskModel, data: str | None, display: Display
) -> dict[SplitTask, Rows]:
    rows = {}
    for split in ("dev", "test"):
        for name in model.tasks:
            part = common_rows(members, name, split, data, display)
            if part is not None:
                rows[split, name] = Rows.of_split(model, name, part, display)
    return rows


def _write(
    out: Path,
    best: Member,
    model: MultitaskModel,
    rows: dict[SplitTask, Rows],
    predicted: dict[SplitTask, Predictions],
    summary: SoupSummary,
) -> None:
    """Write what a run's folder holds, the recipe being the best run's."""
    ingredients = [
        {"run": str(each.folder), "dev": each.dev.as_json(), "taken": each.taken} for each in summary.ingredients
    ]
    write_json(out / SOUP, {"select": summary.select, "ingredients": ingredients, "uniform": summary.uniform.as_json()})
    model.save_pretrained(out)
    predicted = decide_on_dev(out, model.tasks, rows, predicted)
    write_text(out / RECIPE, best.recipe.to_yaml())
    write_predicted(out, best.recipe.tasks, rows, predicted)
    taken = sum(each.taken for each in summary.ingredients)
    chosen = (
        "Its weights are those of the best run alone: the mean with any other was worse on dev."
        if taken == 1
        else f"Its weights are the mean of {taken} runs', taken one by one as long as {summary.select} on dev did not "
        "fall."
    )
    write_model_card(out, out.resolve().name, best.recipe, summary.greedy.as_json(), chosen)
    write_json(out / METRICS, {"dev": summary.greedy.as_json(), "encoder": best.recipe.encoder.name})
