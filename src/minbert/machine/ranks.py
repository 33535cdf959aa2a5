"""The processes that share one run: who they are, and how they add up, collect and hand on what each has.

What decides (numbers, words, lists) goes through the launcher's store as JSON, and waits for as long as it takes: the
first rank may tokenize for an hour. Tensors go through the collectives of gloo on CPUs and of NCCL on GPUs, which give
up after a time. A rank of a process that was started by itself is alone: it sends nothing, and copies nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from minbert.errors import UserError
from minbert.machine.rank_process import RankProcess

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

Value = TypeVar("Value")

_BUCKET_BYTES = {"cpu": 4 * 2**20, "cuda": 25 * 2**20}
"""Small tensors travel together, so many bytes at a time; copying all at once would double the memory they take.

Larger buffers take a CPU longer, because it gets their memory anew each time; smaller ones, because there are more.
"""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.2
"""Seconds between two looks of a rank that waits for another: the longer it waits, the less often it looks."""

AT_THE_START = "at the start"
"""Where a rank is before its first step, or its first rows."""

FAILURE = "failure"
"""Stands in the store when a rank has failed, so that no other waits for it."""


class LostRankError(UserError):
    """Another process of the run is gone, or does not answer."""


class Ranks:
    """This process among all that share a run. Every method must be called by all ranks, in the same order."""

    def __init__(
        self, rank: int = 0, count: int = 1, store: Store | None = None, patience: float = float("inf")
    ) -> None:
        """Take the ``rank``-th of ``count`` processes, which meet in ``store``; by default one that is alone.

        ``patience`` are the seconds after which a rank that a signal has stopped is given up.
        """
        self.rank = rank
        self.count = count
        self.place = AT_THE_START
        """What this rank is doing, for the message if it fails."""
        self._store = store
        self._patience = patience
        self._told = 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that decides, writes files and prints."""
        return self.rank == 0

    def share(self, things: int) -> range:
        """Return which of so many ``things`` in a row are this rank's: each is one rank's, in the order of ranks."""
        return range(things * self.rank // self.count, things * (self.rank + 1) // self.count)

    def tell(self, decide: Callable[[], Value]) -> Value:
        """Return what ``decide``, called on the first rank alone, returns there: anything that JSON holds.

        The others wait for as long as it takes, so this is also how they wait for work of the first rank.
        """
        if self.alone:
            return decide()
        self._told += 1
        key = f"told/{self._told}"
        if self.first:
            self._keep(key, json.dumps(decide()))
        return cast("Value", json.loads(self._awaited(key, 0)))

    def collect(self, value: Value) -> list[Value]:
        """Return every rank's ``value``, in their order: anything that JSON holds. Waits for as long as it takes."""
        if self.alone:
            return [value]
        self._told += 1
        self._keep(f"collected/{self._told}/{self.rank}", json.dumps(value))
        return [json.loads(self._awaited(f"collected/{self._told}/{rank}", rank)) for rank in range(self.count)]

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Put the sum over ranks into each tensor, in place; they are alike in number, shape and type on every rank."""
        if not self.alone:
            with _peers():
                _in_buckets(tensors, lambda flat: dist.all_reduce(flat))

    def sum_parts(self, tensors: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """Return this rank's part of the sum over ranks of each tensor; a tensor is given as its parts, one a rank.

        That is half of the bytes of ``sum_``. The parts of a tensor may differ in size; all ranks cut it alike.
        """
        with _peers(), torch.no_grad():
            return [part for bucket in _buckets(tensors) for part in self._sum_parts(bucket)]

    def join_parts_(self, own: Iterable[Tensor], into: Iterable[Sequence[Tensor]]) -> None:
        """Copy every rank's ``own`` parts to their places: ``into`` has those of each tensor, one a rank."""
        parts = iter(own)
        with _peers(), torch.no_grad():
            for places in _buckets(into):
                sizes = [sum(place.numel() for place in ours) for ours in zip(*places, strict=True)]
                flat = places[0][0].new_empty(max(sizes))
                _lay_out(flat[: sizes[self.rank]], [next(parts) for _ in places])
                found = [torch.empty_like(flat) for _ in range(self.count)]
                dist.all_gather(found, flat)
                for size, ours, theirs in zip(sizes, zip(*places, strict=True), found, strict=True):
                    for place, part in zip(ours, _cut(theirs[:size], ours), strict=True):
                        place.copy_(part)

    def _sum_parts(self, bucket: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        by_rank = list(zip(*bucket, strict=True))
        sizes = [sum(part.numel() for part in parts) for parts in by_rank]
        sent = bucket[0][0].new_empty(sum(sizes))
        _lay_out(sent, [part for parts in by_rank for part in parts])
        size = sizes[self.rank]
        found = sent.new_empty(self.count * size)
        # Not reduce_scatter: gloo's takes longer than its all_reduce.
        dist.all_to_all_single(found, sent, [size] * self.count, sizes)
        return _cut(found.view(self.count, size).sum(0), by_rank[self.rank])

    def copy_(self, tensors: Iterable[Tensor]) -> None:
        """Put what the first rank has into each tensor, in place; they are alike in number, shape and type."""
        if not self.alone:
            with _peers():
                _in_buckets(tensors, lambda flat: dist.broadcast(flat, 0))

    def gather(self, rows: Tensor) -> list[Tensor]:
        """Return every rank's ``rows`` (R, ...), in their order, without a graph; each may have a number of its own."""
        if self.alone:
            return [rows]
        with _peers(), torch.no_grad():
            counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.count)]
            dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
            most = max(int(count) for count in counts)
            # gloo takes no tensors of different sizes.
            padded = rows.new_zeros(most, *rows.shape[1:])
            padded[: len(rows)] = rows
            found = [torch.empty_like(padded) for _ in range(self.count)]
            dist.all_gather(found, padded)
        return [own[: int(count)] for own, count in zip(found, counts, strict=True)]

    def _keep(self, key: str, text: str) -> None:
        with _peers():
            assert self._store is not None
            self._store.set(key, text)

    def _awaited(self, key: str, rank: int) -> str:
        """Return what a rank puts into the store, when it does."""
        with _peers():
            assert self._store is not None
            pause, running = _SHORTEST_PAUSE, time.monotonic()
            while not self._store.check([key]):  # the store's own way to wait prints warnings from time to time
                process = RankProcess.of(rank, self._store)
                ended = self._store.check([FAILURE]) or process.has_ended()
                if ended and not self._store.check([key]):
                    raise LostRankError(f"rank {rank} has ended")
                if not process.is_stopped():
                    running = time.monotonic()
                elif time.monotonic() - running > self._patience:
                    raise LostRankError(f"timed out: rank {rank} is stopped")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            return str(self._store.get(key), "utf-8")


_current = Ranks()


def ranks() -> Ranks:
    """Return this process's place among those of its run; see ``minbert.machine.joining.joined``."""
    return _current


@contextmanager
def taking_part(own: Ranks) -> Iterator[Ranks]:
    """Let ``ranks`` return ``own`` until the body ends; ``Ranks()`` makes a rank work by itself for a while."""
    global _current
    before, _current = _current, own
    try:
        yield own
    finally:
        _current = before


@contextmanager
def _peers() -> Iterator[None]:
    """Say of what fails in the body that another rank is to blame."""
    try:
        yield
    except RuntimeError as error:  # whatever torch.distributed raises is one
        raise LostRankError(str(error)) from error


def _in_buckets(tensors: Iterable[Tensor], collective: Callable[[Tensor], Any]) -> None:
    """Call ``collective`` with all ``tensors``, several small ones of a type as one."""
    for bucket in _buckets((tensor,) for tensor in tensors):
        _as_one([tensor for (tensor,) in bucket], collective)


def _buckets(tensors: Iterable[Sequence[Tensor]]) -> Iterator[list[Sequence[Tensor]]]:
    """Yield ``tensors``, each given as its parts, by neighbours of a type that travel together."""
    bucket: list[Sequence[Tensor]] = []
    for parts in tensors:
        most = _BUCKET_BYTES[parts[0].device.type]
        if bucket and (sum(map(_bytes, [*bucket, parts])) > most or bucket[0][0].dtype != parts[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parts)
    if bucket:
        yield bucket


@torch.no_grad()
def _as_one(bucket: Sequence[Tensor], collective: Callable[[Tensor], Any]) -> None:
    if len(bucket) == 1 and bucket[0].is_contiguous():
        collective(bucket[0])
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
    collective(flat)
    for tensor, own in zip(bucket, _cut(flat, bucket), strict=True):
        tensor.copy_(own)


def _lay_out(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Copy ``tensors`` into ``flat``, end to end: once, where ``torch.cat`` would copy a strided one twice."""
    for place, tensor in zip(_cut(flat, tensors), tensors, strict=True):
        place.copy_(tensor)


def _cut(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Return views of ``flat``, end to end, of the shapes of ``like``."""
    pieces = torch.split(flat, [tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
