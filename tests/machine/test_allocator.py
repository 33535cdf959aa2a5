"""Memory that stays flat over steps of ever new shapes, and that one thread finds where another has left it."""

import os
import subprocess
import sys

import pytest

# Counts what the C library has given out after every new shape was seen forwards and backwards. Then what it has taken
# from the kernel for a thread that needs as much as another one has given back.
GROWTH = """
import ctypes, sys, threading
from minbert.machine.allocator import give_back_memory, keep_memory, share_memory
keep_memory()
share_memory()
import torch
from torch.nn import functional

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo

weight = torch.zeros(64, 64, requires_grad=True)

def used_after(tokens):
    for count in tokens:
        hidden = torch.zeros(count, 64, requires_grad=True)
        functional.gelu(hidden).sum().backward()
        with torch.autocast("cpu", torch.bfloat16):
            functional.linear(hidden, weight).sum().backward()
    del hidden
    return mallinfo().uordblks

before = used_after(range(100, 200))
print(used_after(range(200, 500)) - before)

def fill(numbers):
    torch.ones(numbers)

fill(10_000_000)
taken = mallinfo().arena
thread = threading.Thread(target=fill, args=[8_000_000])  # the thread itself may lie where the others lay
thread.start()
thread.join()
print(mallinfo().arena - taken)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

pieces = [torch.ones(250_000) for _ in range(100)]
del pieces[::2]
held = resident()
give_back_memory()
print(held - resident())
"""


def has_mallinfo2() -> bool:
    return sys.platform.startswith("linux") and "glibc" in os.confstr("CS_GNU_LIBC_VERSION")


@pytest.mark.skipif(not has_mallinfo2(), reason="counts by glibc's mallinfo2")
def test_memory_does_not_grow_with_the_shapes_that_were_seen_nor_with_threads():
    environment = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
    result = subprocess.run(
        [sys.executable, "-c", GROWTH], env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    grown, taken, given_back = map(int, result.stdout.split())
    assert grown < 1_000_000
    assert taken < 4_000_000
    assert given_back > 0.9 * 50 * 1_000_000
