"""The ONNX graph of a network, traced from its padded twin."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim

from minbert.errors import UserError
from minbert.export.onnx.lstm import translations
from minbert.export.onnx.padded import (
    ADAPTER,
    EMBEDDING,
    MASK,
    OPSET,
    PaddedNetwork,
    logits_name,
    rows_name,
)

LARGEST = 2**31 - 1
"""Bytes that one file of protobuf can hold."""

_SEQUENCES, _TOKENS, _ROWS = 3, 5, 4
"""Sizes of the batch that is traced: none is 0 or 1, which a tracer takes for a size that never changes."""


def write_graph(padded: PaddedNetwork, path: Path) -> None:
    """Write the ONNX graph of a network, weights included, as one file.

    Raises:
        UserError: the weights are too large for one file.
    """
    network = padded.network
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > LARGEST:
        raise UserError(
            f"--to onnx: the weights take {size / 2**30:.1f} GiB, and one ONNX file holds less than 2. "
            "Export a smaller model."
        )
    inputs = example(padded)
    sequences, tokens = Dim("sequences", min=1), Dim("tokens", min=1, max=network.encoder.longest)
    sizes: dict[str, dict[int, Dim]] = {
        name: {0: sequences} if name == ADAPTER else {0: sequences, 1: tokens} for name in padded.batch_inputs
    }
    # By numbers: a task's name need not be one that a tracer takes for a size.
    sizes |= {rows_name(task): {0: Dim(f"rows_{number}", min=1)} for number, task in enumerate(network.tasks)}
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            padded.eval(),
            (),
            path,
            kwargs={"inputs": inputs},
            input_names=list(inputs),
            output_names=[EMBEDDING, *map(logits_name, network.tasks)],
            dynamic_shapes={"inputs": sizes},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            custom_translation_table=translations(),
            verbose=False,
        )


def example(padded: PaddedNetwork) -> dict[str, Tensor]:
    """Return inputs of all names that the graph has, in its order."""
    shapes = {name: (_SEQUENCES,) if name == ADAPTER else (_SEQUENCES, _TOKENS) for name in padded.batch_inputs}
    shapes |= {rows_name(name): (_ROWS, task.sequences_per_row) for name, task in padded.network.tasks.items()}
    return {name: torch.full(shape, int(name == MASK), dtype=torch.int64) for name, shape in shapes.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling what no reader can act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
