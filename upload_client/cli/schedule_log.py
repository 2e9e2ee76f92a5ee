"""The log of a schedule, as lines on stderr: the time in UTC, the job, the message."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from upload_client.activities.schedule.service import JOB
from upload_client.cli.logs import log_into
from upload_client.core.text import for_terminal
from upload_client.ui.lines import Lines

T = TypeVar("T")


class _Stderr(logging.Handler):
    """Writes what people should know, for as long as somebody reads it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines = Lines("stderr")

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = record.getMessage()
            job = JOB.get()
            if job and not text.startswith(f"{job}: "):
                text = f"{job}: {text}"
            level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            self._lines.write(f"{when} {for_terminal(level + text, lines=True)}".replace("\n", "\n    "))


@contextlib.contextmanager
def logging_to_stderr(notify: T, log_file: Path | None) -> Iterator[T]:
    """Write what is logged to stderr inside.

    Args:
        notify: what is yielded.
        log_file: where each step and request goes as well; None: nowhere.

    Raises:
        UsageError: `log_file` cannot be written.
    """
    end = log_into(log_file) if log_file is not None else lambda: None
    handler = _Stderr()
    loggers = (logging.getLogger("upload_client.activities"), logging.getLogger("apscheduler"))
    before = [logger.level for logger in loggers]
    for logger, level in zip(loggers, (logging.INFO, logging.WARNING), strict=True):
        logger.addHandler(handler)
        if log_file is None:
            logger.setLevel(level)
    try:
        yield notify
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        end()
