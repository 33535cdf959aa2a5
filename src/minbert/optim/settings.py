"""The optimizer's settings, and which parameters get which of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import nn

from minbert.optim.learning_rate import LearningRateSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(LearningRateSettings):
    """AdamW's settings. The defaults are those of BERT's fine-tuning (Devlin et al. 2019, appendix A.2 and A.3)."""

    learning_rate: Positive = Field(2e-5, description="highest learning rate of the encoder")
    head_learning_rate: Positive | None = Field(
        None, description="highest learning rate of the heads; null: the encoder's"
    )
    weight_decay: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="weight decay of matrices; biases and LayerNorms have none"
    )
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="how slowly AdamW's two moments forget")
    epsilon: Positive = Field(1e-6, description="keeps AdamW from dividing by zero")
    max_gradient_norm: Positive | None = Field(
        1.0, description="gradients with a larger norm, all together, are scaled down to it; null: never"
    )


def parameter_groups(encoder: nn.Module, heads: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: encoder and heads, each with and without weight decay (empty ones left out).

    Each parameter that is to be trained is in exactly one group; one that encoder and heads share is the encoder's.
    Only parameters of two or more dimensions decay: biases and LayerNorm weights do not.

    Beside AdamW's own keys a group has ``base_learning_rate``: for a step, set
    ``group["lr"] = group["base_learning_rate"] * settings.factor(step, total_steps)``.
    """
    encoder_rate = settings.learning_rate
    head_rate = encoder_rate if settings.head_learning_rate is None else settings.head_learning_rate
    in_encoder = set(encoder.parameters())
    parts = [
        (encoder_rate, list(encoder.parameters())),
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
