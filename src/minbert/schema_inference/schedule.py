"""How fast an encoder learns, where heads begin, how tasks take turns, how large batches and how many epochs are."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.encoder.config_file import read_config
from minbert.encoder.sources import find_encoder
from minbert.files.json_text import read_json
from minbert.schema_inference.few_rows import VERY_FEW_ROWS, contrasts_rows, has_few_rows
from minbert.schema_inference.found import Findings, InferredTask

_BATCHES = (32, 16, 8)
_BATCHES_OF_FEW, _BATCHES_OF_CONTRASTED = ((32, 8), (VERY_FEW_ROWS, 16)), ((VERY_FEW_ROWS, 16),)
"""Of at most so many rows, batches so large. Rows that are drawn to each other need more of their class beside them."""
_MOST_EPOCHS = 10
_TEXTS_OF_CONTRASTED, _MOST_EPOCHS_OF_CONTRASTED = 640, 20
"""Rows that are drawn to each other are read more often: until they were so many in all, but at most so often."""
_LEAST_EPOCHS = ((20_000, 3), (100_000, 2))
"""Of at most so many rows, epochs at least. Three were ahead of two with 2,000 rows, more gave nothing with 64,000."""
_SMALL, _EPOCHS_OF_SMALL = 3_000, 5
"""Of one task alone with so many rows: with 2,000, five were likely better than three, with 4,000 they were not."""
_LEAST_OF_RANDOM = 1_000
"""Of one task alone with so many rows, heads may begin at random: with 500 and three passes they were far behind."""
_FEW_CLASSES = 11
"""Then heads of such a task that begin at random were likely better than solved ones. Of 28 classes they were worse."""
_SMALLER, _BATCH_OF_SMALLER = 1_500, 16
"""Of one task alone with so many rows: with 1,200, batches of 16 were likely better than of 32."""
_LEAST_STEPS = 100
"""Of single texts, 63 steps (two passes) were still better than 31. The best evaluation is kept, so more cost time."""
_STEP_LENGTH = 0.1
"""Nearly every task's gradient is longer, until it has learnt its rows: those of ten tasks went from 0.2 to 8."""
_NARROW, _RATE_OF_NARROW = 512, 1e-4
"""minilm has 384. Wider encoders have not been measured: they keep the recipe's own rate. A few rows forget by more."""


def choose_rate(tasks: Sequence[InferredTask], encoder: str, optimizer: Findings) -> None:
    """Set the encoder's ``learning_rate`` where another than the usual one was better."""
    config = find_encoder(encoder).config
    width = read_config(read_json(config), config).hidden_size
    if width <= _NARROW and not all(map(has_few_rows, tasks)):
        optimizer.set("learning_rate", _RATE_OF_NARROW, f"an encoder of width {width} learns more by it than by 5e-5")


def choose_turns(tasks: Sequence[InferredTask], schedule: Findings, optimizer: Findings) -> None:
    """Let several tasks take turns, by steps of one length: where gradients are added up, the longest hide the others.

    Not where all have few rows: turns were behind there. The figures are in docs/defaults.md, "Several tasks in
    turn, by steps of one length".
    """
    if len(tasks) > 1 and not all(map(has_few_rows, tasks)):
        schedule.set(
            "method",
            {"name": "alternating", "epoch": "longest"},
            "a batch of one task a step, in turn, and as many of each",
        )
        optimizer.set(
            "max_gradient_norm",
            _STEP_LENGTH,
            "scales longer gradients down to it, nearly all: so tasks count alike, whatever their losses and weights",
        )


def choose_head_start(tasks: Sequence[InferredTask], training: Findings) -> None:
    """Let heads begin at random, where they were better in the end than solved ones.

    The figures are in docs/defaults.md, "Rates and passes for one task alone".
    """
    [task, *others] = tasks
    if others or has_few_rows(task) or task.findings.settings.get("pair") == "bi":  # vectors of pairs already know much
        return
    if _LEAST_OF_RANDOM <= _trained_rows(task) <= _SMALL and task.classes <= _FEW_CLASSES:
        reason = "heads solved before the first step learn the rows by heart sooner, and were likely worse in the end"
        training.set("head_start", "random", reason)


def choose_schedule(tasks: Sequence[InferredTask], training: Findings) -> None:
    """Set each task's ``batch_size``, and the number of epochs."""
    trained = {task.name: _trained_rows(task) for task in tasks}
    most = max(trained.values())
    few = all(map(has_few_rows, tasks))
    contrasted = all(map(contrasts_rows, tasks))
    batches = _BATCHES_OF_CONTRASTED if contrasted else _BATCHES_OF_FEW
    largest = next((batch for rows, batch in batches if few and most <= rows), _BATCHES[0])
    smaller = len(tasks) == 1 and not few and most <= _SMALLER
    if smaller:
        largest = _BATCH_OF_SMALLER
    steps = 1
    for task in tasks:
        rows = trained[task.name]
        wanted = largest * rows / most
        batch = next((size for size in _BATCHES if size <= 1.2 * wanted), _BATCHES[-1])
        reason = f"one task of {rows:,} rows: more and smaller batches were likely better" if smaller else ""
        if batch < largest:
            reason = f"of {rows:,} rows beside {most:,}: so their batches are as many, or nearer to it"
        task.findings.set("batch_size", batch, reason)
        steps = max(steps, -(-rows // batch))
    counted = f"{steps:,} steps{' of each task' if len(tasks) > 1 else ''} an epoch"
    if few:
        told = "the last model is kept" if "keep" in training.settings else "dev is scored after each"
        epochs = _MOST_EPOCHS
        if contrasted:
            epochs = min(_MOST_EPOCHS_OF_CONTRASTED, max(epochs, -(-_TEXTS_OF_CONTRASTED // most)))
        training.set("epochs", epochs, f"{counted}; {told}")
        return
    least = next((epochs for rows, epochs in _LEAST_EPOCHS if most <= rows), 1)  # beyond, one is thousands of steps
    if len(tasks) == 1 and most <= _SMALL:
        least = _EPOCHS_OF_SMALL
    epochs = min(_MOST_EPOCHS, max(least, -(-_LEAST_STEPS // steps)))
    start = ", be it that before training" if training.settings.get("head_start") != "random" else ""
    reason = f"{counted}; dev is scored after each, and the best model is kept{start}"
    training.set("epochs", epochs, reason)


def _trained_rows(task: InferredTask) -> int:
    """Return how many rows of a task are trained on, those that are held out aside."""
    share = float(task.findings.settings.get("held_out", "0%").removesuffix("%")) / 100
    return round(task.labelled * (1 - share))
