"""A pretraining run, from recipe to a folder whose encoder training, and transformers, can start from."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from minbert.augmentation.tables import keep_new_rows
from minbert.display.progress import Display
from minbert.encoder.masked_lm_files import save_masked_lm
from minbert.encoder.sources import encoder_files, save_tokenizer
from minbert.files import write_json, write_text
from minbert.files.checksums import write_checksums
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.machine.ranks import ranks
from minbert.pretraining.corpus_texts import corpus_files
from minbert.pretraining.held_out import Score, score_by_frequency
from minbert.pretraining.loop import PretrainingLoop
from minbert.pretraining.metrics import read_pretraining_metrics
from minbert.pretraining.prepare import Pretraining, prepare_pretraining
from minbert.pretraining.recipe import PretrainingRecipe, parse_pretraining_recipe
from minbert.pretraining.texts import PretrainingTexts
from minbert.run_folder.folder import METRICS, NEW_ROWS, RECIPE, check_run_folder, is_finished, read_run_yaml
from minbert.run_folder.inputs import RunInputs
from minbert.run_folder.whole import check_whole, describing_files
from minbert.training.checkpoint_folder import newest_checkpoint


def pretrain_recipe(recipe: PretrainingRecipe, out: Path, resume: bool, display: Display) -> dict[str, Any]:
    """Pretrain by ``recipe`` in the folder ``out``, write everything the folder holds, and return ``metrics.json``.

    With ``resume``, an unfinished run of the same recipe and the same files (see ``RunInputs``) goes on where its last
    checkpoint stands, and a finished one is only summed up.

    Raises:
        BusyError: another process works in ``out``.
        UserError: ``out`` holds something else, or files, encoder or settings do not serve the recipe.
        Interrupted: the user asked to stop; ``resume`` goes on.
    """
    with claimed(out) if ranks().first else nullcontext():
        if ranks().first:
            remove_left_overs(out)
        return _pretrain(resolve_pretraining(recipe), out, resume, display)


def _pretrain(recipe: PretrainingRecipe, out: Path, resume: bool, display: Display) -> dict[str, Any]:
    finished, resumed = ranks().tell(lambda: _stand(recipe, out, resume))
    if not finished:
        inputs = RunInputs(out, resumed, display)
        if ranks().first:
            inputs.add(corpus_files(recipe))
        prepared = prepare_pretraining(recipe, display)
        if ranks().first:
            inputs.add(encoder_files(recipe.encoder.name))
        ranks().collect(None)  # an exchange of tensors would not wait as long as one rank may take to prepare
        ranks().copy_(prepared.model.state_dict().values())
        loop = pretraining_loop(recipe, prepared, out, display)
        display.note(
            f"pretraining on {available_device()} in {loop.precision}: {loop.total_steps:,} steps; {out} keeps the run"
        )
        if ranks().first:
            if not resumed:
                write_text(out / RECIPE, recipe.to_yaml())
                inputs.write()
                save_tokenizer(prepared.tokenizer, prepared.model.encoder, out)
                save_masked_lm(prepared.model, out, prepared.tokenizer)
            keep_new_rows(out / NEW_ROWS, prepared.new_texts, resumed)
        loop.run(resumed)
        ranks().tell(lambda: _finish(out, _metrics(recipe, prepared, loop)))
    else:
        RunInputs(out, True, display).tell_changed()
    metrics = read_pretraining_metrics(out)
    if metrics["kept_step"] == 0:
        display.note(
            "the encoder that is kept is the one it began with (step 0): no evaluation had a lower loss on held-out "
            "texts. Train longer, or try another learning rate"
        )
    return metrics


def _finish(out: Path, metrics: dict[str, Any]) -> None:
    write_checksums(out, describing_files(out))
    write_json(out / METRICS, metrics)


def _stand(recipe: PretrainingRecipe, out: Path, resume: bool) -> tuple[bool, bool]:
    """Return whether the run in ``out`` has finished, and whether it has begun; see ``check_run_folder``.

    Raises:
        UserError: it may not go on; or it has finished, and a file of it is not what was written.
    """
    check_run_folder(out, recipe, resume, command="pretrain", read=read_pretraining_run)
    if finished := resume and is_finished(out):
        check_whole(out)
    return finished, newest_checkpoint(out) is not None


def resolve_pretraining(recipe: PretrainingRecipe) -> PretrainingRecipe:
    """Return the recipe with all that depends on the machine spelt out, so that it can be repeated elsewhere."""
    training = recipe.training.model_copy(update={"precision": chosen_precision(recipe.training.precision)})
    return recipe.model_copy(update={"training": training})


def pretraining_loop(recipe: PretrainingRecipe, prepared: Pretraining, out: Path, display: Display) -> PretrainingLoop:
    """Return the loop of a run in ``out``."""
    precision = chosen_precision(recipe.training.precision)
    return PretrainingLoop(prepared.model, prepared.texts, prepared.course, precision, out, display)


def read_pretraining_run(folder: Path) -> PretrainingRecipe:
    """Return the recipe of a pretraining run's folder.

    Raises:
        UserError: the folder is none.
    """
    path = folder / RECIPE
    return parse_pretraining_recipe(read_run_yaml(path), str(path))


def _metrics(recipe: PretrainingRecipe, prepared: Pretraining, loop: PretrainingLoop) -> dict[str, Any]:
    state, order = loop.state, prepared.course.order
    assert state.best is not None
    kept = next(line for line in loop.history if line["step"] == state.best.step)
    by_frequency = {name: score.as_json() for name, score in _by_frequency(prepared.texts).items()}
    return {
        "held_out": kept["held_out"],
        "before_training": loop.history[0]["held_out"],
        "by_frequency": by_frequency,
        "last": loop.history[-1]["held_out"],
        "kept_step": state.best.step,
        "steps": state.step,
        "texts": {name: {"train": size, "an_epoch": order.counts[name]} for name, size in order.sizes.items()},
        "head": recipe.head if prepared.head_was_there else f"{recipe.head} (fresh)",
        "train_seconds": round(state.train_seconds, 3),
        "texts_per_second": round(state.examples / state.train_seconds, 2),
        "real_tokens_per_second": round(state.tokens / state.train_seconds, 1),
        "encoder": recipe.encoder.name,
        "seed": recipe.seed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "ranks": ranks().count,
        "device": str(available_device()),
    }


def _by_frequency(texts: PretrainingTexts) -> dict[str, Score]:
    ordinary = texts.vocabulary.ordinary
    return score_by_frequency(texts.train.token_counts(len(ordinary)), texts.held_out, ordinary)
