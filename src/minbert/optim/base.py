"""What the optimizers share: settings in their ranges, parameters in full precision."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from minbert.errors import shown
from minbert.optim.gradients import Tables


class AdamFamily(Optimizer):
    """An optimizer with two moments, epsilon and weight decay; groups of parameters may have settings of their own.

    A sparse gradient is the dense one with zeros elsewhere: rows without a gradient decay, and move by their moments.
    """

    moments: ClassVar[tuple[str, ...]]
    """What the state of a parameter holds beside its step."""

    # Torch wraps these to hide them from its compiler, which the first call imports: 1.5 s of every run. Ours are not
    # compiled.
    _add_param_group = inspect.unwrap(Optimizer.add_param_group)
    _load_state_dict = inspect.unwrap(Optimizer.load_state_dict)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        """Take the parameters, or groups of them with settings of their own.

        Raises:
            ValueError: a setting is out of its range, or a parameter is neither float32 nor float64.
        """
        self.tables = Tables()
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what a copy or a pickle holds: all but the room for sparse gradients."""
        super().__setstate__(state)
        self.tables = Tables()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; see ``__init__`` for what is refused."""
        self._add_param_group(param_group)
        try:
            _check(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of ``state_dict``: ours or torch's, from any device, its steps tensors or plain numbers.

        Raises:
            ValueError: it is of another kind of optimizer, or its groups are not like these.
        """
        expected = {"step", *self.moments}
        for held in state_dict["state"].values():
            if held and set(held) != expected:
                raise ValueError(f"a state of {sorted(held)} is another optimizer's: here it is {sorted(expected)}")
            _check_state(held)
        for group in state_dict["param_groups"]:
            for key in ("amsgrad", "maximize"):
                if group.get(key):
                    raise ValueError(f"the state is of an optimizer with {key}, which this one does not have")
        self._load_state_dict(state_dict)
        for parameter, state in self.state.items():
            if state:
                step = torch.as_tensor(state["step"], dtype=torch.float32, device=self.step_device(parameter))
                state["step"] = step.reshape(())

    def step_device(self, parameter: Tensor) -> torch.device:  # noqa: ARG002
        """Return where the step count of a parameter lives: on the CPU, where reading it waits for nothing."""
        return torch.device("cpu")

    def fresh_state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return the state of a parameter before its first step."""
        step = torch.zeros((), dtype=torch.float32, device=self.step_device(parameter))
        return {"step": step} | {moment: torch.zeros_like(parameter) for moment in self.moments}


def _check_state(held: dict[str, Any]) -> None:
    """Raise a ``ValueError`` for a parameter's state whose step is no number, or whose moments are no tensors."""
    for name, value in held.items():
        if name == "step":
            numbers = value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, int | float)
            fits, wanted = numbers and not isinstance(value, bool), "a number"
        else:
            fits, wanted = isinstance(value, Tensor), "a tensor"
        if not fits:
            raise ValueError(
                f"a state's {name} must be {wanted}, not {shown(repr(value))} of type {type(value).__name__}"
            )


def _check(group: dict[str, Any]) -> None:
    """Raise a ``ValueError`` for a group with a setting out of its range, or a parameter of another type."""
    for key in ("lr", "eps", "weight_decay"):
        if not 0 <= group[key] < float("inf"):
            raise ValueError(f"{key} must be a finite number, 0 or more, not {group[key]}")
    if not all(0 <= beta < 1 for beta in group["betas"]):
        raise ValueError(f"betas must lie from 0 up to 1, 1 not included, not {group['betas']}")
    for parameter in group["params"]:
        # In bfloat16 a weight of 0.04 has neighbours 1.2e-4 to 2.4e-4 away: steps of 2e-5 would all be rounded off.
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"a parameter is {parameter.dtype}: keep parameters in float32, and compute in a smaller type "
                "under torch.autocast"
            )
