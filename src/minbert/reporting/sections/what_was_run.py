"""What was run: systems, encoders, seeds, machines; and of the recipes only what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from minbert.files.strict_yaml import read_yaml
from minbert.methods import Method
from minbert.recipe.recipe import Recipe, load_recipe
from minbert.recipe.shipped import RECIPES, recipe_names
from minbert.reporting.material import Material, System
from minbert.reporting.page import Block, Listing, Paragraph, Section, Table
from minbert.reporting.records import RunRecords
from minbert.sweeping.values import compact

_NOT_SETTINGS = {"description", "seed"}
_NEEDED = {"kind", "classes", "range", "files", "text", "label", "pair"}
"""What a task cannot do without, and so no choice among settings."""
_ABSENT = "–"
_WORDS = frozenset({0, 1, 2})


def what_was_run(material: Material, detailed: Sequence[System]) -> Section:
    """Return the section; whole recipes are those of the ``detailed`` systems."""
    blocks: list[Block] = []
    first = material.systems[0]
    if first.first.recipe is not None and first.first.recipe.description:
        blocks.append(Paragraph(first.first.recipe.description))
    blocks.append(_systems(material.systems))
    missing: list[str] = []
    if first.first.recipe is not None:
        blocks.append(_own_settings(first, first.first.recipe))
    if len(material.systems) > 1:
        blocks += _differences(material.systems)
    blocks += [
        Listing(f"The whole recipe of {system.name}", system.first.recipe.to_yaml())
        for system in detailed
        if system.first.recipe is not None
    ]
    for system in material.systems:
        missing += [message for run in system.runs if (message := _unfinished(run))]
    return Section("what-was-run", "What was run", blocks, [*missing, *material.remarks])


def settings_of(value: Any) -> Any:
    """Return a recipe, or a piece of it, as a tree of texts in few characters; a method is one text."""
    if isinstance(value, Method):
        said = value.model_dump(mode="json", exclude_defaults=True)
        return compact({"name": value.name, **said}) if said.keys() - {"name"} else str(value.name)
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {name: settings_of(inner) for name, inner in fields.items() if name not in _NOT_SETTINGS}
    if isinstance(value, Mapping):
        return {str(key): settings_of(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, map(settings_of, value)))}]"
    return compact(value)


def differences(one: Any, other: Any, key: str = "") -> dict[str, tuple[str, str]]:
    """Return where two trees of settings differ: dotted keys with both texts, a dash for what only the other has."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found: dict[str, tuple[str, str]] = {}
        for name in [*one, *(name for name in other if name not in one)]:
            found |= differences(one.get(name), other.get(name), f"{key}.{name}" if key else name)
        return found
    return {} if one == other else {key: (_in_short(one), _in_short(other))}


def _in_short(settings: Any) -> str:
    if settings is None:
        return _ABSENT
    if isinstance(settings, Mapping):
        return ", ".join(f"{name}: {_in_short(inner)}" for name, inner in settings.items() if inner != "null")
    return str(settings)


def shipped_base(recipe: Recipe) -> tuple[str, Recipe] | None:
    """Return the shipped recipe that ``recipe`` was made from, by its description; of several the most similar."""
    here = settings_of(recipe)
    found = []
    for name, description in _descriptions().items():
        if recipe.description and description == recipe.description:
            base = load_recipe(name)
            found.append((len(differences(settings_of(base), here)), name, base))
    return min(found, key=lambda each: each[:2])[1:] if found else None


@cache
def _descriptions() -> dict[str, str | None]:
    return {name: read_yaml(RECIPES.find(name)).get("description") for name in recipe_names()}


def _systems(systems: Sequence[System]) -> Table:
    rows = []
    for system in systems:
        run = system.first
        seeds = ", ".join(str(each.seed) for each in system.runs if each.seed is not None)
        metrics = run.metrics
        machine = f"{metrics['device']}, threads: {metrics['threads']}" if "threads" in metrics else _ABSENT
        machine += f", ranks: {metrics['ranks']}" if metrics.get("ranks", 1) > 1 else ""
        encoder = run.recipe.encoder.name if run.recipe is not None else _ABSENT
        steps = str(metrics["steps"]) if "steps" in metrics else _ABSENT
        rows.append(
            [system.name, encoder, seeds or run.origin, steps, metrics.get("torch", _ABSENT), machine, _state(system)]
        )
    return Table(
        "Systems",
        ["system", "encoder", "seeds", "steps", "torch", "machine", "state"],
        rows,
        words=frozenset({0, 1, 2, 4, 5, 6}),
    )


def _state(system: System) -> str:
    if system.first.origin != "run":
        return f"{'an' if system.first.origin == 'ensemble' else 'a'} {system.first.origin} of runs"
    states = [_state_of(run) for run in system.runs]
    if len(set(states)) == 1:
        return states[0]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _state_of(run: RunRecords) -> str:
    return "finished" if run.finished else "failed" if run.failure is not None else "not finished"


def _unfinished(run: RunRecords) -> str | None:
    if run.failure is not None:
        return f"{run.folder.name}: failed. {run.failure}"
    if run.finished:
        return None
    if not run.history:
        return f"{run.folder}: is not finished and was not evaluated yet, so it has no scores."
    step = run.history[-1]["step"]
    return (
        f"{run.folder}: is not finished (last evaluated at step {step}), so it has the scores of its best "
        "evaluation so far, and counts only where no other seed is finished."
    )


def _own_settings(system: System, recipe: Recipe) -> Table:
    """Return what a system's recipe says other than the recipe it was made from, or else than the defaults."""
    found = shipped_base(recipe)
    if found is None:
        bare = recipe.model_dump(include={"tasks": dict.fromkeys(recipe.tasks, _NEEDED)})
        rows = [[key, here] for key, (_, here) in differences(settings_of(Recipe(**bare)), settings_of(recipe)).items()]
        return Table(f"{system.name}: settings other than the defaults", ["setting", "here"], rows, words=_WORDS)
    name, base = found
    rows = [[key, *pair] for key, pair in differences(settings_of(base), settings_of(recipe)).items()]
    if not rows:
        return Table(f"{system.name}: the shipped recipe {name} as it is", ["setting", name, "here"], [])
    return Table(
        f"{system.name}: what differs from the shipped recipe {name}",
        ["setting", name, "here"],
        rows,
        words=_WORDS,
    )


def _differences(systems: Sequence[System]) -> list[Block]:
    """Return what the other systems' recipes say other than the first system's."""
    recipe = systems[0].first.recipe
    if recipe is None:
        return []
    first = settings_of(recipe)
    rows = []
    for system in systems[1:]:
        if (other := system.first.recipe) is not None:
            pairs = differences(first, settings_of(other))
            rows.append([system.name, "; ".join(f"{key}: {value}" for key, (_, value) in pairs.items())])
    if not rows:
        return []
    caption = f"What the other systems' recipes say other than that of {systems[0].name}"
    return [Table(caption, ["system", "settings"], rows, words=_WORDS)]
