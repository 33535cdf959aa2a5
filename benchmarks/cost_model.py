"""What a step costs when many processes share it, and what follows for clusters: the tables of docs/scaling.md.

    python benchmarks/cost_model.py
    python benchmarks/cost_model.py --price 2.2 --network 25 --batch 1024

Nothing is measured here. `benchmarks/many_processes.py` compares the same model with steps on this machine.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common import training_flops
from minbert.encoder.config import EncoderConfig


@dataclass(frozen=True)
class Work:
    """The seconds of a step that one process spends computing."""

    fixed: float
    """What every process does: starting kernels, the update of the weights."""
    divided: float
    """What grows with the tokens, and is shared by all."""


@dataclass(frozen=True)
class Link:
    """What processes add up through."""

    latency: float
    """Seconds of an exchange that carries next to nothing."""
    bandwidth: float
    """Bytes a second: a ring's all-reduce of ``size`` bytes takes size / bandwidth * 2 (n - 1) / n."""


def exchange_seconds(size: float, processes: int, link: Link) -> float:
    """Return how long ``processes`` take to add up ``size`` bytes."""
    return 0.0 if processes == 1 else link.latency + size / link.bandwidth * 2 * (processes - 1) / processes


def step_seconds(work: Work, size: float, processes: int, link: Link, cores: int | None = None) -> float:
    """Return how long a step takes: t = fixed + divided / n + latency + S / B * 2 (n - 1) / n.

    ``size`` is what is added up, in bytes. Where each process wants a core of its own and there are fewer ``cores``
    than processes, they take turns. What they compute then takes n / cores times as long.
    """
    computing = work.fixed + work.divided / processes
    turns = 1.0 if cores is None else max(1.0, processes / cores)
    return computing * turns + exchange_seconds(size, processes, link)


@dataclass(frozen=True)
class Shape:
    """An encoder, and what is assumed of it on a GPU."""

    name: str
    config: EncoderConfig
    parameters: float
    share_of_peak: float
    """Of the GPU's bf16 peak, in products on real tokens, where a step is large."""


SHAPES = (
    Shape("minilm", EncoderConfig(hidden_size=384, layers=6, attention_heads=12, intermediate_size=1536), 22.7e6, 0.3),
    Shape("base", EncoderConfig(), 109.5e6, 0.5),
)


@dataclass(frozen=True)
class Cluster:
    """What is assumed of GPUs and of what joins them: eight H100 a machine, by default."""

    peak: float = 989e12
    """bf16 operations a second, as NVIDIA states them."""
    gpus_per_machine: int = 8
    inside: Link = Link(latency=50e-6, bandwidth=300e9)
    network: float = 400.0
    """Gbit/s of a machine."""
    hop: float = 20e-6
    """Seconds that each doubling of the machines adds to an exchange."""
    kernels: float = 1e-3
    """Seconds a layer for starting kernels, which no number of GPUs makes shorter."""
    price: float = 3.0
    """Of a GPU's hour, in dollars."""

    def link(self, gpus: int) -> Link:
        """Return the link of so many GPUs."""
        machines = math.ceil(gpus / self.gpus_per_machine)
        if machines == 1:
            return self.inside
        bandwidth = min(self.inside.bandwidth, self.network * 1e9 / 8)
        return Link(self.inside.latency + self.hop * math.ceil(math.log2(machines)), bandwidth)

    def step(self, shape: Shape, pairs: int, tokens: int, gpus: int) -> float:
        """Return the seconds of a step over ``pairs`` pairs of texts of ``tokens`` tokens each."""
        operations = pairs * training_flops(shape.config, [tokens, tokens])
        work = Work(self.kernels * shape.config.layers, operations / (self.peak * shape.share_of_peak))
        return step_seconds(work, 4 * shape.parameters, gpus, self.link(gpus))

    def efficiency(self, shape: Shape, pairs: int, tokens: int, gpus: int) -> float:
        """Return how much of ``gpus`` times one GPU's rate so many reach."""
        return self.step(shape, pairs, tokens, 1) / (gpus * self.step(shape, pairs, tokens, gpus))


GPUS = (1, 8, 16, 64, 256, 1024)
PAIRS = (10**6, 10**7, 10**8, 10**9, 10**10)
BATCHES = (256, 1024, 16_384, 65_536)
NETWORKS = (25.0, 100.0, 400.0, 3200.0)


def time_and_money(shape: Shape, cluster: Cluster, batch: int, tokens: int) -> Iterator[str]:
    """Yield a table's lines: for each number of GPUs a step, how well it scales, times, and a price."""
    names = [f"10^{round(math.log10(pairs))} pairs" for pairs in PAIRS]
    yield from header(f"{shape.name}, GPUs", "a step", "efficiency", *names, "price of 10^9")
    for gpus in GPUS:
        step = cluster.step(shape, batch, tokens, gpus)
        efficiency = cluster.efficiency(shape, batch, tokens, gpus)
        times = [math.ceil(pairs / batch) * step for pairs in PAIRS]
        dollars = PAIRS[3] / batch * step / 3600 * gpus * cluster.price
        yield row(f"{gpus:,}", f"{1e3 * step:,.1f} ms", f"{efficiency:.0%}", *map(duration, times), f"${dollars:,.0f}")


def limits(shape: Shape, tokens: int) -> Iterator[str]:
    """Yield a table's lines: up to how many GPUs half of them is not lost, for batches and networks."""
    yield from header(f"{shape.name}, pairs a step", *(f"{network:g} Gbit/s" for network in NETWORKS))
    for batch in BATCHES:
        found = [most_gpus(shape, Cluster(network=network), batch, tokens) for network in NETWORKS]
        yield row(f"{batch:,}", *(f"{gpus:,}" for gpus in found))


def most_gpus(shape: Shape, cluster: Cluster, batch: int, tokens: int, least: float = 0.5) -> int:
    """Return the largest power of two of GPUs that are as efficient as ``least``."""
    gpus = 1
    while cluster.efficiency(shape, batch, tokens, 2 * gpus) >= least:
        gpus *= 2
    return gpus


@dataclass(frozen=True)
class Published:
    """BERT-large's pretraining on some DGX-2H machines of 16 V100, as NVIDIA has published it."""

    machines: int
    length: int
    batch: int
    """Sequences of a GPU at a time."""
    accumulated: int
    """So many times, before gradients are added up."""
    rate: float
    """Sequences a second."""


GPUS_PER_DGX_2 = 16
ALONE = {128: 3379.2, 512: 625.66}
"""Sequences a second of one machine, by their length; it adds up only after 64 and 256 batches."""
PUBLISHED = (
    Published(4, 128, 64, 16, 12_709.88),
    Published(16, 128, 64, 4, 51_937.28),
    Published(64, 128, 64, 1, 188_088.32),
    Published(4, 512, 8, 64, 2_386.38),
    Published(16, 512, 8, 16, 9_932.8),
    Published(64, 512, 8, 4, 37_478.4),
)
"""github.com/NVIDIA/DeepLearningExamples, commit 23a6382, PyTorch/LanguageModeling/BERT/README.md: the tables
'Pre-training on multiple NVIDIA DGX-2H With 32G' (mixed precision) and 'Pre-training loss results'."""
LARGE_BYTES = 2 * 336e6
"""BERT-large's gradients; the script adds them up in half precision (``allreduce_post_accumulation_fp16``)."""
EIGHT_PORTS = Link(latency=0.0, bandwidth=8 * 100e9 / 8)
"""A machine's eight ports of InfiniBand, 100 Gbit/s each, at their full rate."""


def predicted_rate(case: Published) -> float:
    """Return the sequences a second that the model says, from the rate of one machine and the ports' bandwidth."""
    gpus = case.machines * GPUS_PER_DGX_2
    sequences = gpus * case.batch * case.accumulated
    computing = sequences / (case.machines * ALONE[case.length])
    return sequences / (computing + exchange_seconds(LARGE_BYTES, gpus, EIGHT_PORTS))


def published() -> Iterator[str]:
    """Yield a table's lines: the model beside what has been published, and beside perfect scaling."""
    yield from header("GPUs", "length", "published, sequences/s", "model", "off by", "without communication, off by")
    for case in PUBLISHED:
        rate, perfect = predicted_rate(case), case.machines * ALONE[case.length]
        off, without = rate / case.rate - 1, perfect / case.rate - 1
        gpus = case.machines * GPUS_PER_DGX_2
        yield row(f"{gpus:,}", f"{case.length}", f"{case.rate:,.0f}", f"{rate:,.0f}", f"{off:+.1%}", f"{without:+.1%}")


def header(*names: str) -> tuple[str, str]:
    """Return the first two lines of a Markdown table, the first column to the left."""
    return row(*names), "|" + "|".join(["---", *["---:"] * (len(names) - 1)]) + "|"


def row(*cells: str) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def duration(seconds: float) -> str:
    """Return a time in the largest unit of which there are two."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds:.0f} s"


def tables(cluster: Cluster, batch: int, tokens: int) -> list[str]:
    """Return all tables of the page, as Markdown."""
    found: list[Sequence[str]] = [list(time_and_money(shape, cluster, batch, tokens)) for shape in SHAPES]
    found += [list(limits(shape, tokens)) for shape in SHAPES]
    return ["\n".join(lines) for lines in [*found, list(published())]]


def main() -> None:
    """Print all tables."""
    options = parser().parse_args()
    cluster = Cluster(peak=options.peak, network=options.network, price=options.price)
    print("\n\n".join(tables(cluster, options.batch, options.tokens)))


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    usual = Cluster()
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--price", type=float, default=usual.price, help="dollars for a GPU's hour")
    options.add_argument("--peak", type=float, default=usual.peak, help="a GPU's bf16 operations a second")
    options.add_argument("--network", type=float, default=usual.network, help="Gbit/s of a machine of eight GPUs")
    options.add_argument("--batch", type=int, default=16_384, help="pairs a step")
    options.add_argument("--tokens", type=int, default=32, help="of a text")
    return options


if __name__ == "__main__":
    main()
