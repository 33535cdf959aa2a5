"""Joining the processes that torchrun started, and ending with them when one of them fails."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from minbert.errors import UserError
from minbert.machine.container import usable_cores
from minbert.machine.launch import Launch, launched
from minbert.machine.rank_process import RankProcess, announce
from minbert.machine.ranks import AT_THE_START, FAILURE, LostRankError, Ranks, ranks, taking_part
from minbert.machine.signals import EndedBySignal

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

_REFUSAL = "refusal"
"""In the store: why the first rank does not begin."""
_ALIKE_SECONDS = 1.0
"""How long a rank that cannot begin waits to see whether the first cannot, either."""
_LAST_WORDS_SECONDS = 2.0
"""How long a rank that has lost another waits to hear why, and from all that are still there."""


@contextmanager
def joined() -> Iterator[Ranks]:
    """Be one of the processes that torchrun started until the body ends; alone, where it did not.

    Only the first rank prints. A body that fails ends all ranks. What failed first is raised where it did, and there
    alone; the other ranks exit with 1, and print nothing.

    Raises:
        LostRankError: a rank was killed, or does not answer; on one of those that are left.
        UserError: the processes do not find each other.
    """
    launch = launched()
    if launch is None:
        yield ranks()
        return
    store = _meet(launch)
    try:
        with ExitStack() as silence, taking_part(Ranks(launch.rank, launch.ranks, store, launch.seconds)) as own:
            if not own.first:
                nowhere = silence.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                silence.enter_context(redirect_stdout(nowhere))
                silence.enter_context(redirect_stderr(nowhere))
            yield own
    except LostRankError as error:
        _leave()
        raise _last_words(own, launch, store, error) from None
    except EndedBySignal as signalled:  # launchers send it to all ranks; the first that heeds it tells it
        if not _is_first_failure(store):
            raise SystemExit(signalled.exit_code) from None
        raise
    except Exception as error:
        at_start = own.place == AT_THE_START
        if (at_start and _first_tells(own, store, error)) or not _is_first_failure(store):
            raise SystemExit(1) from None
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher sends it when it sees that a rank has ended
        if not (at_start and own.first):  # what the first rank finds at the start is no matter of ranks
            error.add_note(f"(on rank {own.rank} of {own.count}, {own.place})")
        raise
    finally:
        _leave()


def _meet(launch: Launch) -> Store:
    """Open the process group of all ranks; return the store that they meet in."""
    backend = "gloo"
    if torch.cuda.is_available():
        if (there := torch.cuda.device_count()) < launch.local_ranks:
            raise UserError(f"{launch.local_ranks} ranks, but only {there} GPUs: use --nproc-per-node {there}.")
        torch.cuda.set_device(launch.local_rank)
        backend = "cpu:gloo,cuda:nccl"
    elif os.environ.get("OMP_NUM_THREADS") == "1" and "TORCHELASTIC_RUN_ID" in os.environ:
        # torchrun asks for one thread where nobody has asked for another number.
        torch.set_num_threads(max(1, usable_cores() // launch.local_ranks))
    patience = timedelta(seconds=launch.seconds)
    try:
        found, rank, count = next(rendezvous("env://", timeout=patience))
        # A launcher that starts all anew after a failure may give them the store that they had.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(f"minbert/{attempt}", found)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=patience)
        announce(rank, store)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"rank {launch.rank} of {launch.ranks} does not find the others: {error}") from None
    return store


def _leave() -> None:
    """Close the connections to all other ranks, which lets those that wait for this one know."""
    if dist.is_initialized():
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _first_tells(own: Ranks, store: Store, error: Exception) -> bool:
    """Return whether the first rank fails at the start by what this one does, too, so that it tells it for both."""
    deadline = time.monotonic() + _ALIKE_SECONDS
    with suppress(RuntimeError):  # the launcher is gone
        if own.first:
            store.set(_REFUSAL, str(error))
            return False
        while time.monotonic() < deadline:
            if store.check([_REFUSAL]):
                return bool(store.get(_REFUSAL) == str(error).encode())
            time.sleep(0.02)
    return False


def _is_first_failure(store: Store) -> bool:
    """Note that this rank has failed; return whether none had before."""
    try:
        return bool(store.add(FAILURE, 1) == 1)
    except RuntimeError:  # the launcher, whose store it is, is gone: better told twice than never
        return True


def _last_words(own: Ranks, launch: Launch, store: Store, error: LostRankError) -> BaseException:
    """Return what a rank ends with that has lost another: the message, or nothing where another rank tells it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher sends it when it sees that a rank has ended
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    late = "timed out" in str(error).lower()
    try:
        store.set(_lost_key(own.rank), "")
        others = [RankProcess.of(rank, store) for rank in range(own.count) if rank != own.rank]
        while True:
            if store.check([FAILURE]):
                return SystemExit(1)
            missing = [other for other in others if not store.check([_lost_key(other.rank)])]
            to_blame = [other for other in missing if other.has_ended() or (late and other.is_stopped())]
            if to_blame or not missing or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if not _is_first_failure(store):
            return SystemExit(1)
    except RuntimeError as gone:
        return LostRankError(f"{own.place}: the launcher of this run is gone ({gone}).")
    if not missing:
        return LostRankError(f"{own.place}: the ranks no longer reach each other ({error}).")
    to_blame = to_blame or missing
    for other in to_blame if late else ():
        other.kill()
    names = " and ".join(map(str, to_blame))
    what = f"has not answered for {launch.seconds:g} s" if late else "is gone: it was killed, or has crashed"
    return LostRankError(f"{own.place}: {names} {what}. So all ranks have stopped.")


def _lost_key(rank: int) -> str:
    return f"lost/{rank}"
