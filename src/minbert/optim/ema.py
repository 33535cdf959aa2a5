"""The exponential moving average of a model's weights, to evaluate and keep in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class ExponentialMovingAverage:
    """A running mean of parameters in which older values count for less (Polyak & Juditsky 1992, with forgetting).

    After ``t`` updates, at which a parameter had the values ``p_1 ... p_t``, its average is ::

        sum_k decay**(t - k) * p_k / sum_k decay**(t - k)

    The division is Adam's correction for a start at 0 (Kingma & Ba 2015, section 3): the values before the first update
    do not count, and early in a run the average is a plain mean of what there is. Before the first update the average
    is the parameters as they were found. ``1 / (1 - decay)`` is roughly how many updates it looks back.

    Parameters stay the objects they are: ``swap`` exchanges what is in them. Buffers are not averaged.
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        """Begin with the parameters as they are.

        Raises:
            ValueError: ``decay`` is not from 0 up to 1, 1 not included.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie from 0 up to 1, 1 not included, not {decay}")
        self._parameters = list(parameters)
        self._averages = [parameter.detach().clone() for parameter in self._parameters]
        self._decay = decay
        self._updates = 0
        self._swapped = False

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters' present values into the average; call it after each step of the optimizer."""
        self._refuse_while_swapped()
        self._updates += 1
        share = (1 - self._decay) / (1 - self._decay**self._updates)
        for average, parameter in zip(self._averages, self._parameters, strict=True):
            average.lerp_(parameter, share)

    @contextmanager
    def swap(self) -> Iterator[None]:
        """Have the averages in the parameters for the length of a ``with`` block, to evaluate or save them."""
        self._refuse_while_swapped()
        self._exchange()
        self._swapped = True
        try:
            yield
        finally:
            self._exchange()
            self._swapped = False

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold: the averages themselves, not copies, and the count of updates."""
        self._refuse_while_swapped()
        averages = {f"average.{index}": average for index, average in enumerate(self._averages)}
        return averages | {"updates": torch.tensor(self._updates)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state`` returned; it may come from another device.

        Raises:
            ValueError: it belongs to other parameters.
        """
        self._refuse_while_swapped()
        shapes = {f"average.{index}": average.shape for index, average in enumerate(self._averages)}
        if {name: tensor.shape for name, tensor in state.items()} != {**shapes, "updates": torch.Size()}:
            raise ValueError("the moving average belongs to other parameters")
        for index, average in enumerate(self._averages):
            average.copy_(state[f"average.{index}"])
        self._updates = int(state["updates"])

    @torch.no_grad()
    def _exchange(self) -> None:
        for average, parameter in zip(self._averages, self._parameters, strict=True):
            value = parameter.clone()
            parameter.copy_(average)
            average.copy_(value)

    def _refuse_while_swapped(self) -> None:
        if self._swapped:
            raise RuntimeError("the averages are in the parameters until the block of swap() ends")
