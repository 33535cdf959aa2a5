"""The network over padded batches, for programs that know no packed ones: the same weights, plain tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from minbert.encoder.adaptation import LayerAdaptation
from minbert.encoder.attention.padded import PaddedLayout, padded_batch
from minbert.encoder.encoder import EncoderOutput
from minbert.encoder.pooling import Taken
from minbert.multitask.adapters import Adapter
from minbert.multitask.network import MultitaskNetwork

IDS, MASK, SEGMENTS, ADAPTER = "input_ids", "attention_mask", "token_type_ids", "adapter"
"""Inputs (S, L) int64: tokens, 1 for a token and 0 for padding behind it, 1 for tokens of a second text; and (S,) which
task's own adapter a sequence meets: its place among the tasks, from 1, or 0 for none."""
EMBEDDING = "sentence_embedding"
"""The output (S, hidden): the mean of the encoder's last hidden states."""

OPSET = 18
"""The version of ONNX's operators that the graph is of: onnxruntime reads it since 1.14."""


def rows_name(task: str) -> str:
    """Return the input that tells a task which sequences its rows are: (R, sequences a row), int64."""
    return f"{task}.rows"


def logits_name(task: str) -> str:
    """Return the output with a task's logits (R, outputs)."""
    return f"{task}.logits"


class PaddedNetwork(nn.Module):
    """See the module's text. ``S`` sequences of at most ``L`` tokens go through the encoder once, whosever they are."""

    def __init__(self, network: MultitaskNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def reads_segments(self) -> bool:
        """Whether what comes out depends on which tokens are a second text's."""
        encoder = self.network.encoder
        joint = any(task.taken == "texts" for task in self.network.tasks.values())
        return joint or encoder.architecture.reads_segments(encoder.config)

    @property
    def batch_inputs(self) -> list[str]:
        """The inputs that are of sequences, whatever the tasks."""
        return [IDS, MASK, *([SEGMENTS] if self.reads_segments else []), *([ADAPTER] if self.network.adapters else [])]

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return sentence embeddings (S, hidden), and the logits (R, outputs) of each task.

        ``inputs`` are as ``IDS`` and ``rows_name`` say. Without adapters or segments, theirs are left out.
        """
        ids, mask = inputs[IDS], inputs[MASK].bool()
        segments = inputs[SEGMENTS] if self.reads_segments else torch.zeros_like(ids)
        encoder = self.network.encoder
        layout = PaddedLayout(mask, encoder.config.attention_heads, encoder.bias(ids.shape[1]))
        output = encoder(padded_batch(ids, segments), layout=layout, adaptations=self._adaptations(inputs, layout))
        states = output.hidden_states.view(*ids.shape, -1)
        below = EncoderOutput(states, output.pooled)
        above = below if self.network.shared_layer is None else self.network.shared_layer.padded(states, mask)
        vectors: dict[Taken, Tensor] = {}
        logits = []
        for name, task in self.network.tasks.items():
            if task.taken not in vectors:
                vectors[task.taken] = taken(above, mask, segments, task.taken)
            logits.append(self._logits(name, vectors[task.taken], inputs[rows_name(name)]))
        return taken(below, mask, segments, "mean"), *logits

    def _adaptations(self, inputs: Mapping[str, Tensor], layout: PaddedLayout) -> list[LayerAdaptation] | None:
        shared = self.network.shared_adapter
        if shared is not None:
            return list(shared.padded_adaptations([shared], torch.ones_like(inputs[IDS][:, 0]), layout))
        adapters = [adapter for adapter in self.network.adapters.values() if isinstance(adapter, Adapter)]
        return list(adapters[0].padded_adaptations(adapters, inputs[ADAPTER], layout)) if adapters else None

    def _logits(self, name: str, vectors: Tensor, rows: Tensor) -> Tensor:
        """Return a task's logits (R, outputs) from the vectors of all sequences and those (R, n) that a row reads."""
        head = self.network.head(name)
        parts = [vectors.index_select(0, rows[:, place]) for place in range(self.network.task(name).sequences_per_row)]
        if self.network.task(name).pair == "joint":
            parts = list(parts[0].chunk(2, dim=1))
        return head.output(head.logits(*parts)).logits


def taken(output: EncoderOutput, mask: Tensor, segments: Tensor, what: Taken) -> Tensor:
    """Return a vector of each sequence (S, width), or two side by side for ``texts``; see ``pooling``.

    Args:
        output: states (S, L, width) and pooled vectors (S, width).
        mask: (S, L) which tokens are no padding.
        segments: (S, L) 1 for tokens of a second text.
        what: is taken.
    """
    if what == "pooler":
        assert output.pooled is not None  # the network was refused without a pooler
        return output.pooled
    if what == "cls":
        return output.hidden_states[:, 0]
    if what == "mean":
        return _mean(output.hidden_states, mask)
    second = segments.bool() & mask
    return torch.cat([_mean(output.hidden_states, part) for part in (mask & ~second, second)], dim=1)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (S, width) over the states of chosen tokens; 0 where there are none."""
    chosen = mask[..., None].to(states.dtype)
    return (states * chosen).sum(1) / chosen.sum(1).clamp(min=1)
