"""From a run to a service that is ready: the model loaded, threads set, one full batch read."""

from __future__ import annotations

import os
import time
from typing import Literal

from minbert.display.progress import Display
from minbert.files.paths import to_path
from minbert.machine.allocator import keep_memory, share_memory
from minbert.machine.container import follow_quota
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision, round_once
from minbert.multitask.model import MultitaskModel
from minbert.run_folder.unfinished import undecided, unfinished
from minbert.serving.jobs import ENCODER, new_job
from minbert.serving.reading import Piece
from minbert.serving.service import Service
from minbert.together.ensemble_file import check_has_model


def load_service(
    run: str, revision: str | None, precision: Literal["auto", "fp32", "bf16"], display: Display
) -> Service:
    """Return the service of a run's folder or a model's id on the hub; what to know of it is printed.

    Raises:
        UserError: there is no such model or revision.
    """
    keep_memory()
    share_memory()
    # One text at a time uses one thread anyhow; a list's threads would take the cores from the batch that runs.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    follow_quota()
    folder = to_path(run)
    check_has_model(folder, run)
    model = MultitaskModel.from_pretrained(run, revision).to(available_device())
    for note in (unfinished(folder), undecided(folder, model.tasks)):
        if note:
            display.note(note)
    number_format = chosen_precision(precision)
    round_once(model.encoder, number_format)
    return Service(model, folder.resolve().name if folder.is_dir() else run, number_format)


def warm_up(service: Service) -> tuple[int, float]:
    """Read one full batch of texts as long as they may be; return its tokens and seconds.

    So the first request finds the memory and the compiled products that it needs.
    """
    longest = service.model.max_length
    texts = [f"{number} " + "a " * longest for number in range(max(1, service.limits.batch_tokens // longest))]
    job = new_job(service.model, [ENCODER], texts)
    started = time.perf_counter()
    service.reader.read([Piece(job, job.take(service.limits.batch_tokens))])
    return job.tokens, time.perf_counter() - started
