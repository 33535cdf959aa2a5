"""`minbert serve` under load, on this machine's loopback only: rates, waiting, refusals, memory, and faults.

    python benchmarks/serving.py --seconds 60 --repeats 5 --json serving.json
    python benchmarks/serving.py --only rates idle --requests 200 --repeats 1

The server has all cores but the last, the load generator the last one, so neither takes the other's. `minbert predict`
is measured on the server's cores, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from answering import MAX_LENGTH, THREE_TASKS, our_model
from common import (
    Figures,
    add_common_options,
    interleaved,
    machine,
    median_ratio,
    medians,
    show,
    show_machine,
    wide_console,
    write_figures,
)
from faults import mixed_requests, wrong_answers
from load import Answer, Request, closed_loop, lateness, open_loop, percentile
from minbert.machine.device import available_device
from minbert.machine.precision import Precision, fastest_precision
from minbert.multitask.inference import TOKENS_PER_BATCH, task_predictions
from minbert.multitask.model import MultitaskModel
from servers import OURS, Server, quota_of_one_core, served
from texts import TextGenerator, vocabulary_words

PARTS = ("company", "rates", "tasks", "idle", "overload", "memory", "faults", "quota")
CLIENTS = 32
QUIET_SECONDS = 3
SERVER = next(iter(OURS))
PREDICT: dict[str, Precision] = {"minbert predict": "fp32", "minbert predict, bf16": "bf16"}
ONE_TASK = ("unbatched", "pipeline", "sentence-transformers")


def main() -> None:
    """Measure the parts that are asked for."""
    options = parser().parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_cores, own = (cores[:-1], cores[-1:]) if len(cores) > 1 else (cores, cores)
    console = wide_console()
    described = machine(len(server_cores), available_device(), options.peak_size)
    os.sched_setaffinity(0, own)
    model = our_model(options.encoder, options.seed)
    bench = Bench(options, model, server_cores, own)
    with tempfile.TemporaryDirectory() as place:
        bench.folder = Path(place)
        model.save_pretrained(bench.folder / "one")
        our_model(options.encoder, options.seed, THREE_TASKS).save_pretrained(bench.folder / "three")
        found: Figures = {}
        show_machine(console, described, options.repeats)
        for part in options.only or PARTS:
            if part in ("rates", "tasks"):
                found |= rates(bench, part, console)
            else:
                with console.status(part):
                    figures = {
                        "company": bench.company,
                        "idle": bench.idle,
                        "overload": bench.overload,
                        "memory": bench.memory,
                        "faults": bench.faults,
                        "quota": bench.quota,
                    }[part]()
                rows = [{"name": name, "value": value} for name, value in figures.items()]
                show(console, part, {"name": "what", "value": "figure"}, rows)
                found |= {f"{part}: {name}": value for name, value in figures.items()}
    write_figures(options, {}, found, {}, described)


def memory_at_rest(server: Server) -> float:
    """Return a server's memory in MB once nobody has asked for some seconds: under load it goes up and down."""
    time.sleep(QUIET_SECONDS)
    return server.resident_mb


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(options, PARTS, texts=False)
    options.add_argument("--requests", type=int, default=1000, help="of one text each, to measure a rate by")
    options.add_argument("--seconds", type=float, default=60.0, help="of three times the load that can be borne")
    options.add_argument("--mixed", type=int, default=10_000, help="requests of which a tenth are bad")
    return options


class Bench:
    """The measurements, all with one model and one kind of texts."""

    folder: Path
    """Of the model, and in ``three`` of one with three tasks."""

    def __init__(
        self, options: argparse.Namespace, model: MultitaskModel, cores: Sequence[int], own: Sequence[int]
    ) -> None:
        self.options, self.model, self.cores, self.own = options, model, cores, own
        self.generator = TextGenerator(vocabulary_words(options.encoder), options.seed)

    def texts(self, count: int) -> list[str]:
        """Return texts as long as those of SST-5."""
        return self.generator.texts(self.generator.lengths("sentiment", count))

    def requests(self, count: int, path: str = "/v1/predict/predict") -> list[Request]:
        """Return a request for each of so many texts."""
        return [Request.of(path, {"inputs": [text]}) for text in self.texts(count)]

    def served(self, design: str = SERVER, model: str = "one") -> AbstractContextManager[Server]:
        """Return a server of the model with one task on texts, or with ``three``, to be entered."""
        return served(design, self.folder / model, self.cores, self.options.encoder, self.options.seed)

    def on_its_cores(self, work: Callable[[], object]) -> float:
        """Return the seconds that something takes in this process with the server's cores and threads."""
        os.sched_setaffinity(0, self.cores)
        torch.set_num_threads(len(self.cores))
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        os.sched_setaffinity(0, self.own)
        return seconds

    def predicted(self, texts: list[str], precision: Precision = "fp32") -> object:
        """Answer texts as `minbert predict` does, tokenizing included."""
        return task_predictions(self.model, "predict", self.model.sequences("predict", texts), precision)

    def predict_rate(self, precision: Precision) -> Figures:
        """Return the rows a second of `minbert predict`."""
        texts = self.texts(self.options.requests)
        worked = time.process_time()
        seconds = self.on_its_cores(lambda: self.predicted(texts, precision))
        cpu = (time.process_time() - worked) / len(texts) * 1000
        return {"rows_per_second": len(texts) / seconds, "cpu_ms": cpu, "p99_ms": None}

    def rate(self, name: str, model: str) -> Figures:
        """Return the rows a second of a server that 32 clients ask."""
        count = self.options.requests
        ours = "/v1/predict/predict" if model == "one" else "/v1/analyze"
        path = ours if name in OURS else "/predict"
        with self.served(name, model) as server:
            asyncio.run(closed_loop(server.port, self.requests(CLIENTS * 2, path), CLIENTS))
            worked = server.cpu_seconds
            answers, seconds = asyncio.run(closed_loop(server.port, self.requests(count, path), CLIENTS))
            cpu = (server.cpu_seconds - worked) / count * 1000
        lost = [answer for answer in answers if answer.status != 200]
        if lost:
            raise SystemExit(f"{name}: {len(lost)} of {count} requests got no answer: {lost[0].status}")
        return {"rows_per_second": count / seconds, "cpu_ms": cpu, "p99_ms": percentile(answers, 99)}

    def company(self) -> Figures:
        """Return how far one text's probabilities move in 100 random companies."""
        [mine], others = self.requests(1), self.requests(1000)
        random = np.random.default_rng(self.options.seed)

        def shares(answer: Answer) -> list[float]:
            return list(json.loads(answer.body)["predictions"][0]["probabilities"].values())

        with self.served() as server:
            [alone], _ = asyncio.run(closed_loop(server.port, [mine], 1))
            worst = 0.0
            for _ in range(100):
                some = [others[number] for number in random.choice(len(others), size=random.integers(1, 40))]
                answers, _ = asyncio.run(closed_loop(server.port, [*some, mine], len(some) + 1))
                worst = max(worst, float(np.abs(np.subtract(shares(answers[-1]), shares(alone))).max()))
        return {"largest difference of a probability": worst}

    def idle(self) -> Figures:
        """Return what a server that has nothing else to do adds to the time of one text."""
        count = min(self.options.requests, 500)
        texts = self.texts(count)
        self.predicted(texts[:20])
        alone = [self.on_its_cores(lambda text=text: self.predicted([text])) for text in texts]
        requests = [Request.of("/v1/predict/predict", {"inputs": [text]}) for text in texts]
        with self.served() as server:
            asyncio.run(closed_loop(server.port, requests[:20], 1))
            answers, _ = asyncio.run(closed_loop(server.port, requests, 1))
        return {
            "p50 in Python, ms": statistics.median(alone) * 1000,
            "p50 of the server, ms": percentile(answers, 50),
            "added, ms": percentile(answers, 50) - statistics.median(alone) * 1000,
        }

    def overload(self) -> Figures:
        """Return what happens at the capacity, and at three times as much."""
        # All different, so that each is read.
        longest = self.generator.texts([MAX_LENGTH - 2] * (TOKENS_PER_BATCH // MAX_LENGTH))
        full = self.on_its_cores(lambda: self.predicted(longest)) * 1000
        requests = self.requests(1000)
        with self.served() as server:
            asyncio.run(closed_loop(server.port, requests[:100], CLIENTS))
            count = self.options.requests
            _, seconds = asyncio.run(closed_loop(server.port, self.requests(count), CLIENTS))
            capacity = count / seconds
            figures: Figures = {"capacity, requests/s": capacity, "a full batch, ms": full}
            for name, times in (("at capacity", 1), ("at three times", 3)):
                answers = asyncio.run(
                    open_loop(
                        server.port,
                        lambda number: requests[number % 1000],
                        times * capacity,
                        self.options.seconds,
                        times,
                    )
                )
                taken = [answer for answer in answers if answer.status == 200]
                refused = [answer for answer in answers if answer.status == 503]
                figures |= {
                    f"{name}: requests": len(answers),
                    f"{name}: answered": len(taken),
                    f"{name}: refused": len(refused),
                    f"{name}: of them without Retry-After": sum("retry-after" not in one.headers for one in refused),
                    f"{name}: neither": len(answers) - len(taken) - len(refused),
                    f"{name}: p99 answered, ms": percentile(taken, 99),
                    f"{name}: p99 refused, ms": percentile(refused, 99),
                    f"{name}: p99 until the client itself had sent a request, ms": lateness(answers, 99),
                }
        return figures

    def memory(self) -> Figures:
        """Return the server's memory after 2,000 requests of random lengths, and after 20,000 (or a tenth of it)."""
        random = np.random.default_rng(self.options.seed)
        few = self.options.requests * 2
        with self.served() as server:
            held = []
            for count in (few, few * 9):
                lengths = random.integers(1, 200, size=count).tolist()
                bodies = [Request.of("/v1/embeddings", {"input": text}) for text in self.generator.texts(lengths)]
                asyncio.run(closed_loop(server.port, bodies, CLIENTS))
                held.append(memory_at_rest(server))
        return {f"MB after {few:,}": held[0], f"MB after {few * 10:,}": held[1], "more, MB": held[1] - held[0]}

    def faults(self) -> Figures:
        """Return what becomes of many requests of which a tenth are malformed, too large, slow or cut off."""
        requests, expected = mixed_requests(self.model, self.texts(500), self.options.mixed, self.options.seed)
        with self.served() as server:
            asyncio.run(closed_loop(server.port, self.requests(200), CLIENTS))
            before = memory_at_rest(server)
            answers, seconds = asyncio.run(closed_loop(server.port, requests, CLIENTS))
            after = memory_at_rest(server)
            [alive], _ = asyncio.run(closed_loop(server.port, self.requests(1), 1))
        statuses = [answer.status for answer in answers]
        return {
            "requests": len(requests),
            "seconds": seconds,
            "good ones, answered wrongly or not at all": wrong_answers(answers, expected),
            **{f"status {status}": statuses.count(status) for status in sorted(set(statuses))},
            "more memory, MB": after - before,
            "alive afterwards": alive.status == 200,
        }

    def quota(self) -> Figures:
        """Return the rate under a quota of one core on all cores, beside that on one core alone."""
        everywhere = sorted({*self.cores, *self.own})
        found: Figures = {}
        with quota_of_one_core() as group:
            if group is None:
                return {"left out": "this user cannot make a control group"}
            for name, cores, confined in (("one core", self.cores[:1], None), ("a quota of one", everywhere, group)):
                settings = (self.folder / "one", cores, self.options.encoder, self.options.seed)
                with served(SERVER, *settings, group=confined) as server:
                    asyncio.run(closed_loop(server.port, self.requests(CLIENTS * 2), CLIENTS))
                    count = self.options.requests
                    _, seconds = asyncio.run(closed_loop(server.port, self.requests(count), CLIENTS))
                found[f"{name}, rows/s"] = count / seconds
        alone, confined_rate = found.values()
        return found | {"ratio": confined_rate / alone}


def rates(bench: Bench, part: str, console: Console) -> Figures:
    """Measure rows a second of everybody, in turns; return the figures, and their ratios to the first.

    One task of a text is asked of all (``rates``), or three tasks at once (``tasks``).
    """
    formats = {"fp32"} | {fastest_precision(available_device())[0]}
    ours = [name for name, precision in OURS.items() if precision in formats]
    if part == "rates":
        predict = [name for name, precision in PREDICT.items() if precision in formats]
        names, model, what = [*predict, *ours, *ONE_TASK], "one", "one task"
    else:
        names, model, what = [*ours, "three pipelines"], "three", "three tasks"

    def rate(name: str) -> Figures:
        return bench.predict_rate(PREDICT[name]) if name in PREDICT else bench.rate(name, model)

    runs = interleaved(names, bench.options.repeats, rate, console)
    found = [{"name": name, **medians(repeats)} for name, repeats in runs.items()]
    for row in found:
        row["ratio"] = median_ratio(runs[str(row["name"])], runs[names[0]], "rows_per_second")
    columns = {
        "name": "who",
        "rows_per_second": "rows/s",
        "ratio": "of the first",
        "cpu_ms": "CPU ms a row",
        "p99_ms": "p99, ms",
    }
    show(console, f"{what}; {bench.options.requests} texts, a request each, {CLIENTS} clients", columns, found)
    return {f"{part}: {row.pop('name')}": row for row in found}


if __name__ == "__main__":
    sys.exit(main())
