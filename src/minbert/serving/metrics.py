"""What a server counts, for Prometheus. Labels are routes, the model's tasks, status codes and reasons: never more."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from minbert.serving.notes import Notes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_TOKENS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"minbert_{name}", what, labels, buckets=buckets, registry=self._registry)

        labels = ("route", "task", "code")
        self._request = histogram("request_seconds", "From a request's headers to its answer.", _SECONDS, *labels)
        self._queue = histogram("queue_seconds", "From the queue to the first batch.", _SECONDS, *labels[1:])
        self._inference = histogram("inference_seconds", "From the first batch to the answer.", _SECONDS, *labels[1:])
        self._batch = histogram("batch_tokens", "Tokens a batch.", _TOKENS)
        self._cut = Counter("minbert_cut_texts", "Texts or pairs read with their end cut off.", registry=self._registry)
        self._refused = Counter("minbert_refusals", "Requests refused, by reason.", ["reason"], registry=self._registry)
        self._waiting = Gauge("minbert_waiting_tokens", "Tokens in the queue.", registry=self._registry)
        self._ready = Gauge("minbert_ready", "1 while the server takes work.", registry=self._registry)

    def batch(self, tokens: int) -> None:
        """Count a batch."""
        self._batch.observe(tokens)

    def request(self, route: str, notes: Notes, status: int, seconds: float) -> None:
        """Count a request that has been answered."""
        self._request.labels(route, notes.task, status).observe(seconds)
        if notes.queue_seconds is not None and notes.inference_seconds is not None:
            self._queue.labels(notes.task, status).observe(notes.queue_seconds)
            self._inference.labels(notes.task, status).observe(notes.inference_seconds)
        if notes.cut:
            self._cut.inc(notes.cut)
        if notes.code:
            self._refused.labels(notes.code).inc()

    def page(self, waiting_tokens: int, ready: bool) -> bytes:
        """Return all counters in Prometheus' text format."""
        self._waiting.set(waiting_tokens)
        self._ready.set(ready)
        return generate_latest(self._registry)
