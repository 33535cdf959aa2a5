"""What it saves to fill batches up to common sizes: forward and backward passes in bf16 with it and without, in turns.

    python benchmarks/kernel_sizes.py --texts 32

Each pass has other texts, as many as ``--texts``, with the lengths of SST's. Both ways see the same ones. The first
passes, before any kernel is kept, do not count. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from common import processor
from minbert.encoder import encoder as encoder_module
from minbert.encoder.encoder import Encoder
from minbert.encoder.sources import load_encoder
from minbert.machine.allocator import keep_memory
from minbert.packed import PackedBatch
from texts import SHARES, TOKEN_QUANTILES

FIRST = 20
"""Passes that do not count."""


def main() -> None:
    """Print the seconds of both ways."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--texts", type=int, default=32, help="in a batch")
    options.add_argument("--passes", type=int, default=100)
    options.add_argument("--encoder", default="minilm", help="'minilm' or a folder")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    keep_memory()
    torch.set_num_threads(given.threads)
    encoder = load_encoder(given.encoder).train()
    random = np.random.default_rng(1)
    ways = {"as they come": lambda _weight: False, "common sizes": encoder_module.made_for_each_size}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(FIRST + given.passes):
        batch = texts(given.texts, random, encoder)
        for way in sorted(ways, reverse=bool(number % 2)):
            encoder_module.made_for_each_size = ways[way]  # type: ignore[assignment]  # takes turns
            begun = time.process_time()
            with torch.autocast("cpu", torch.bfloat16):
                output = encoder(batch)
            output.hidden_states.square().sum().backward()
            seconds[way].append(time.process_time() - begun)
            encoder.zero_grad()
    print(f"{processor()}, {given.threads} threads, torch {torch.__version__}")
    medians = {way: statistics.median(each[FIRST:]) for way, each in seconds.items()}
    for way, median in medians.items():
        print(f"{way}: {median:.4f} s")
    print(f"ratio: {medians['common sizes'] / medians['as they come']:.3f}")


def texts(count: int, random: np.random.Generator, encoder: Encoder) -> PackedBatch:
    """Return a batch of so many made-up texts with the lengths of SST's."""
    words = np.interp(random.random(count), SHARES, TOKEN_QUANTILES["sentiment"]).round().astype(int)
    lengths = torch.from_numpy(words) + 2  # [CLS] and [SEP]
    tokens = int(lengths.sum())
    ids = torch.from_numpy(random.integers(1000, encoder.config.vocabulary_size, tokens))
    positions = torch.cat([torch.arange(length) for length in lengths.tolist()])
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    return PackedBatch(ids, torch.zeros(tokens, dtype=torch.int64), positions, offsets)


if __name__ == "__main__":
    main()
