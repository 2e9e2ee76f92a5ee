"""For schedulers: logs the events of a delivery with Python's `logging`."""

from __future__ import annotations

import logging
from typing import Any

from upload_client.events import Event
from upload_client.ui.plain import PROGRESS_SECONDS, Level, PlainReporter

_LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LoggingReporter(PlainReporter):
    """Logs the lines that `PlainReporter` writes.

    Levels: INFO for steps, progress and an end where all is valid; WARNING for files that failed or are
    invalid, for trouble that passes, and for an end that leaves something to do; ERROR for an end by an
    error. Each record has the event it tells of as ``record.event`` (unless an adapter drops it), with raw
    data: escape what is taken from it.

    Args:
        logger: A logger or an adapter of one, such as a scheduler's own for the task that runs; None: the
            logger ``upload_client.ui.logs``.
        verbosity: -1 for errors and the end alone, 0 as usual, 1 for every file.
        progress_seconds: Between two lines that say how far it is.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        *,
        verbosity: int = 0,
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        super().__init__(verbosity=verbosity)
        self.progress_seconds = progress_seconds
        self._logger = logger or logging.getLogger(__name__)
        self._event: Event | None = None

    def handle(self, event: Event) -> None:
        """Log this event, or ignore it."""
        self._event = event
        super().handle(event)

    def _write(self, text: str, level: Level) -> None:
        self._logger.log(_LEVELS[level], "%s", text.removeprefix(f"{level}: "), extra={"event": self._event})
