"""What a server takes at most, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from minbert.multitask.inference import TOKENS_PER_BATCH


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server. They are the same for one text and for a list, and ``GET /v1/models`` tells them."""

    body_bytes: int = 2 * 2**20
    """Of one request."""
    all_bodies_bytes: int = 64 * 2**20
    """Of all requests that are read or tokenized at a time: whoever holds a thousand of them open gets no more."""
    body_seconds: float = 30.0
    """In which a body must have come."""
    texts: int = 2048
    """In one request; a pair is two. As many as OpenAI takes."""
    text_characters: int = 100_000
    """Of one text. Longer ones are not tokenized at all: of 100,000 characters that takes some 30 ms."""
    batch_tokens: int = TOKENS_PER_BATCH
    """In one pass through the encoder."""
    request_tokens: int = 16 * TOKENS_PER_BATCH
    """In one request."""
    waiting_tokens: int = TOKENS_PER_BATCH
    """From so many on no more work is taken: what waits is read with the next batch, or has a turn in it."""
