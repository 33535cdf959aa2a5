"""The most memory that a run will hold at once, from its parts, before it is trained.

======================== =========================================================================================
what is there            measured when all is read and built: libraries, texts, tokens, weights, their moving average,
                         the vectors of a frozen encoder
code                     of kernels that training is the first to run: 40 MiB on a CPU
optimizer                two moments of each weight that is trained
a step                   the graph of the largest, measured, and the gradients: each task's own for surgery
an evaluation            the states of a layer and a half, for as many tokens as are read at once
the model read back      at the end, to predict
======================== =========================================================================================

The parts are added, though a step, an evaluation and the end are not at the same time: what one kind of work frees lies
in pieces, where the large tensors of another seldom fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from minbert.data.schedules import Step
from minbert.machine.memory import held_bytes, peak_bytes
from minbert.multitask.inference import TOKENS_PER_BATCH
from minbert.optim.gradients import stored_gradients
from minbert.training.loop import TrainingLoop
from minbert.training.micro_batches import step_tokens

_CODE = 40 * 2**20
_LAYERS_AT_ONCE = 1.5


def expected_peak(loop: TrainingLoop) -> int:
    """Return the bytes that a run will hold at most, on the model's device. Makes its largest step, without effect."""
    learner, model, course = loop.learner, loop.learner.model, loop.course
    there = held_bytes(model.device)
    weights = _bytes(model.parameters())
    moments = 2 * _bytes(loop.parameters)

    def size(step: Step) -> int:
        return step_tokens(step, learner.held)

    largest = max((step for step, _ in course.steps()), key=size)
    graph = _graph_bytes(lambda: loop.combination.accumulate(largest, 0), model.parameters())
    gradients = _bytes(stored_gradients(loop.parameters)) * (len(largest) if loop.combination.task_by_task else 1)
    model.zero_grad(set_to_none=True)

    evaluation = 0.0
    if tokens := size(largest):  # a frozen encoder reads none
        read = max((int(rows.sequences.lengths().sum()) for rows in loop.dev.values()), default=0)
        evaluation = _LAYERS_AT_ONCE * graph / len(model.encoder.layers) * min(read, TOKENS_PER_BATCH) / tokens
    code = _CODE if model.device.type == "cpu" else 0
    expected = there + code + moments + graph + gradients + round(evaluation) + weights
    return max(peak_bytes(model.device), expected)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class _Saved:
    """A tensor that a graph holds; its storage counts until the last graph that holds it is freed."""

    def __init__(self, tensor: Tensor, graph: _Graph) -> None:
        self.tensor, self._graph = tensor, graph
        graph.hold(tensor, 1)

    def __del__(self) -> None:
        self._graph.hold(self.tensor, -1)


class _Graph:
    """Counts the bytes of what graphs hold, and the most at a time."""

    def __init__(self) -> None:
        self._holders: Counter[int] = Counter()
        self._held = 0
        self.most = 0

    def hold(self, tensor: Tensor, more: int) -> None:
        """Note that one more, or with -1 one less, holds a tensor."""
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        before = self._holders[place]
        self._holders[place] += more
        if 0 in (before, self._holders[place]):
            self._held += more * storage.nbytes()
            self.most = max(self.most, self._held)


def _graph_bytes(work: Callable[[], object], parameters: Iterable[Tensor]) -> int:
    """Return how much graphs hold at most while ``work`` is done, beside the parameters themselves."""
    graph = _Graph()
    weights = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def pack(tensor: Tensor) -> _Saved | Tensor:
        return tensor if tensor.untyped_storage().data_ptr() in weights else _Saved(tensor, graph)

    def unpack(saved: _Saved | Tensor) -> Tensor:
        return saved.tensor if isinstance(saved, _Saved) else saved

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        work()
    return graph.most
