"""What was run: systems, encoders, seeds, machines; and of the recipes only what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from minbert.recipe import Recipe, load_recipe
from minbert.reporting.material import Material, System
from minbert.reporting.page import Block, Listing, Paragraph, Section, Table
from minbert.reporting.records import RunRecords
from minbert.shipped import find_recipe, recipe_names
from minbert.sweeping.values import compact

_NOT_SETTINGS = {"description", "seed"}
_ABSENT = "–"


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


def flat(tree: Any, above: str = "") -> dict[str, str]:
    """Return the settings of a recipe's tree by their dotted keys, in few characters each."""
    if not isinstance(tree, Mapping) or not tree:
        return {above: compact(tree)}
    settings: dict[str, str] = {}
    for key, value in tree.items():
        if above or key not in _NOT_SETTINGS:
            settings |= flat(value, f"{above}.{key}" if above else str(key))
    return settings


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the settings that differ, with both values; a dash stands for one that the other has not."""
    keys = [*one, *(key for key in other if key not in one)]
    pairs = {key: (one.get(key, _ABSENT), other.get(key, _ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def shipped_base(recipe: Recipe) -> tuple[str, Recipe] | None:
    """Return the shipped recipe that ``recipe`` was made from, by its description; of several the most similar."""
    here = flat(recipe.model_dump(mode="json"))
    found = []
    for name in recipe_names():
        tree = yaml.safe_load(find_recipe(name).read_text(encoding="utf-8"))
        if recipe.description and tree.get("description") == recipe.description:
            base = load_recipe(name)
            found.append((len(differing(flat(base.model_dump(mode="json")), here)), name, base))
    return min(found, key=lambda each: each[:2])[1:] if found else None


def _systems(systems: Sequence[System]) -> Table:
    rows = []
    for system in systems:
        run = system.first
        seeds = ", ".join(str(each.seed) for each in system.runs if each.seed is not None)
        metrics = run.metrics
        machine = f"{metrics['device']}, threads: {metrics['threads']}" if "threads" in metrics else _ABSENT
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
        f"{run.folder}: is not finished (last evaluated at step {step}), so its scores are those of its best evaluation "
        "so far."
    )


def _own_settings(system: System, recipe: Recipe) -> Table:
    """Return what a system's recipe says other than the recipe it was made from, or else than the defaults."""
    found = shipped_base(recipe)
    here = flat(recipe.model_dump(mode="json"))
    if found is None:
        set_here = flat(recipe.model_dump(mode="json", exclude_defaults=True))
        return Table(
            f"{system.name}: settings other than the defaults",
            ["setting", "value"],
            [[key, value] for key, value in set_here.items()],
            words=frozenset({0, 1}),
        )
    name, base = found
    rows = [[key, *pair] for key, pair in differing(flat(base.model_dump(mode="json")), here).items()]
    if not rows:
        return Table(f"{system.name}: the shipped recipe {name} as it is", ["setting", name, "here"], [])
    return Table(
        f"{system.name}: what differs from the shipped recipe {name}",
        ["setting", name, "here"],
        rows,
        words=frozenset({0, 1, 2}),
    )


def _differences(systems: Sequence[System]) -> list[Block]:
    """Return what the other systems' recipes say other than the first system's."""
    recipe = systems[0].first.recipe
    if recipe is None:
        return []
    first = flat(recipe.model_dump(mode="json"))
    rows = []
    for system in systems[1:]:
        if (other := system.first.recipe) is not None:
            pairs = differing(first, flat(other.model_dump(mode="json")))
            rows.append([system.name, "; ".join(f"{key}: {value}" for key, (_, value) in pairs.items())])
    if not rows:
        return []
    caption = f"What the other systems' recipes say other than that of {systems[0].name}"
    return [Table(caption, ["system", "settings"], rows, words=frozenset({0, 1}))]
