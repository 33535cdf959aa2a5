"""Structured logs: a JSON object a line. They hold no text, no token, and no error's own words, which may quote one."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_ROOT = "minbert.serving"


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: time, level, event, and what was told with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; of an error its type and the places it went through."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            line |= {"error": type(error).__name__, "at": [f"{frame.filename}:{frame.lineno}" for frame in frames]}
        return json.dumps(line, ensure_ascii=True)


def log_to_stdout() -> None:
    """Write the server's own events, and uvicorn's, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    for name in (_ROOT, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def told(log: logging.Logger, event: str, *, error: BaseException | None = None, **what: Any) -> None:
    """Log an event with what belongs to it; an error makes it one of level error."""
    level = logging.INFO if error is None else logging.ERROR
    log.log(level, event, extra={"told": _known(what)}, exc_info=error)


def _known(what: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in what.items() if value is not None}
