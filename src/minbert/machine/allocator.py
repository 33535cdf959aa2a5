"""How this process keeps memory for tensors: used again rather than fetched anew, and flat over a long run."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

# From glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_memory() -> None:
    """Let this process keep the memory that tensors free, use it again, and not grow with the steps.

    Call it before the first tensor is computed. What a user set in the environment stays.
    """
    _keep_freed_memory()
    keep_few_kernels()


@functools.cache
def keep_few_kernels() -> None:
    """Let oneDNN, and torch for it, keep kernels of the last few shapes, not of the last 1,024.

    Call it before the first product of matrices: later it has no effect. What a user set in the environment stays.
    """
    # In packed batches of fp32 nearly every step has a shape of its own, so every step leaves pieces between the
    # tensors, where the next large tensor does not fit. On one core (AVX2, fp32), cs224n/best took 1.95 GB after 5
    # minutes and 2.90 GB after an hour. With fewer shapes, 1.43 GB after 95 CPU seconds as after 308.
    # The shapes of one layer must be found in the next: all its products with bf16, only GELU and its gradient without.
    # bf16 batches have common sizes (encoder/kernel_sizes.py), so some are found in later steps, too.
    shapes = str(128 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else 4)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", shapes)
    # torch keeps the kernels of bf16 products a second time, 0.7 MB for each shape of a product and its gradients.
    # A run of ten tasks took 5.2 GB that way, and 2.6 GB with 64.
    os.environ.setdefault("LRU_CACHE_CAPACITY", shapes)


def share_memory() -> None:
    """On Linux, let all threads take memory from one place, so that each finds what another has freed.

    Call it before threads are started. By default the C library gives each thread its own place, in parts of 64 MB that
    large tensors do not fill. A server that had read a full batch in its first thread (MiniLM, bf16) took 222 MB more
    for 60 batches in another one, and still grew. With one place it took 3 MB more.
    """
    _set_allocator({_ARENA_MAX: 1})


def give_back_memory() -> None:
    """On Linux, hand memory that nothing uses to the kernel, wherever it lies.

    Tensors of ever other sizes leave ever more pieces that the next one does not fit into. After 128 batches of random
    sizes (MiniLM, fp32) a server held 1,018 MB, and 394 MB were in use. This takes 20 to 60 ms. With it after every 32
    batches, the 128 took as long as without.
    """
    if trim := _of_c_library("malloc_trim"):
        trim(0)


def _keep_freed_memory() -> None:
    """On Linux, let the C library hand freed memory to the next tensor instead of to the kernel.

    By default every large tensor is mapped anew from the kernel, which must clear each page when it is first touched.
    A training step of MiniLM (1,250 tokens, bf16, 2 cores) took 0.43 s that way, and 0.33 s with memory kept.
    """
    _set_allocator({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1})


def _set_allocator(settings: Mapping[int, int]) -> None:
    """Give settings of ``mallopt`` to glibc; other C libraries have none."""
    if mallopt := _of_c_library("mallopt"):
        for setting, value in settings.items():
            mallopt(setting, value)


def _of_c_library(name: str) -> Callable[..., Any] | None:
    """Return a function of Linux's C library; None on other systems, and where that library has none of this name."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
