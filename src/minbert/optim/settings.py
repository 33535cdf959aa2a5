"""The optimizer's settings, and which parameters get which of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn
from torch.nn import Parameter

from minbert.optim.adamaxw import AdamaxW
from minbert.optim.adamw import AdamW
from minbert.optim.base import AdamFamily
from minbert.optim.learning_rate import LearningRateSettings

_BELOW_THE_LAYERS = ("embeddings", "position_bias")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(LearningRateSettings):
    """The optimizer. The defaults are those of BERT's fine-tuning (Devlin et al. 2019, appendix A.2 and A.3), with the
    highest of its learning rates, and a higher one for what begins at random (docs/experiments.md)."""

    name: Literal["adamw", "adamaxw"] = Field(
        "adamw",
        description="adamw: steps scaled by the mean of squared gradients; adamaxw: by the largest gradient of late",
    )
    learning_rate: Positive = Field(5e-5, description="highest learning rate of the encoder")
    head_learning_rate: Positive | None = Field(
        1e-3, description="highest learning rate of heads, adapters and the shared layer; null: the encoder's"
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="the learning rate of each encoder layer, over that of the layer above; embeddings are lowest",
    )
    weight_decay: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="weight decay of matrices; biases and LayerNorms have none"
    )
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="how slowly the optimizer's two moments forget")
    epsilon: Positive = Field(1e-6, description="keeps the optimizer from dividing by zero")
    max_gradient_norm: Positive | None = Field(
        1.0, description="gradients with a larger norm, all together, are scaled down to it; null: never"
    )
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="evaluate and keep the weights' moving average over about 1 / (1 - ema_decay) steps; null: do not",
    )


def make_optimizer(groups: Iterable[dict[str, Any]], settings: OptimizerSettings) -> AdamFamily:
    """Return the optimizer that ``settings`` names, for the groups of ``parameter_groups``."""
    return AdamaxW(groups) if settings.name == "adamaxw" else AdamW(groups)


def parameter_groups(encoder: nn.Module, heads: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Return parameter groups: encoder and heads, each with and without weight decay (empty ones left out).

    Each parameter that is to be trained is in exactly one group; one that encoder and heads share is the encoder's.
    Only parameters of two or more dimensions decay: biases and LayerNorm weights do not.

    With a ``layer_decay`` below 1 the encoder has such a pair of groups for each of its learning rates, the lowest
    first; see ``_encoder_parts``.

    Beside the optimizer's own keys a group has ``base_learning_rate``: for a step, set
    ``group["lr"] = group["base_learning_rate"] * settings.factor(step, total_steps)``.
    """
    head_rate = settings.learning_rate if settings.head_learning_rate is None else settings.head_learning_rate
    in_encoder = set(encoder.parameters())
    parts = [
        *_encoder_parts(encoder, settings),
        (head_rate, [parameter for parameter in heads.parameters() if parameter not in in_encoder]),
    ]
    groups = []
    for rate, parameters in parts:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        decayed = [parameter for parameter in trained if parameter.dim() >= 2]
        not_decayed = [parameter for parameter in trained if parameter.dim() < 2]
        for members, weight_decay in ((decayed, settings.weight_decay), (not_decayed, 0.0)):
            if members:
                group = {
                    "params": members,
                    "lr": rate,
                    "base_learning_rate": rate,
                    "weight_decay": weight_decay,
                    "betas": settings.betas,
                    "eps": settings.epsilon,
                }
                groups.append(group)
    return groups


def _encoder_parts(encoder: nn.Module, settings: OptimizerSettings) -> list[tuple[float, list[Parameter]]]:
    """Return the encoder's parameters by learning rate, the lowest first.

    Of ``L`` layers, layer ``l`` has ``learning_rate * layer_decay**(L - l)`` (Howard & Ruder 2018, section 3.2; Sun et
    al. 2019). The embeddings, and a bias of attention that all layers share, are layer 0; what stands above the layers,
    the last norm and the pooler, has the top layer's.
    """
    if settings.layer_decay == 1:
        return [(settings.learning_rate, list(encoder.parameters()))]
    layers = list(encoder.get_submodule("layers").children())
    below = nn.ModuleList(module for name, module in encoder.named_children() if name in _BELOW_THE_LAYERS)
    depth_of: dict[Parameter, int] = {}
    for depth, module in enumerate([below, *layers]):
        for parameter in module.parameters():
            depth_of.setdefault(parameter, depth)
    parts: dict[int, list[Parameter]] = {depth: [] for depth in range(len(layers) + 1)}
    for parameter in encoder.parameters():
        parts[depth_of.get(parameter, len(layers))].append(parameter)
    rate, decay = settings.learning_rate, settings.layer_decay
    return [(rate * decay ** (len(layers) - depth), parameters) for depth, parameters in parts.items()]
