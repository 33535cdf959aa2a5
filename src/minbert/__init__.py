"""One BERT encoder for several text tasks at once.

``MultitaskModel`` is imported when it is first asked for: importing ``minbert`` alone loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minbert.multitask.model import MultitaskModel

__all__ = ["MultitaskModel"]


def __getattr__(name: str) -> Any:
    if name == "MultitaskModel":
        from minbert.multitask.model import MultitaskModel

        return MultitaskModel
    raise AttributeError(f"module 'minbert' has no attribute '{name}'")
