"""Structured logs and metrics of a validator, for the receiver's operator while it runs.

Both are `aws-lambda-powertools`' (extra ``receiver``), written to standard output: logs as JSON, metrics in
CloudWatch's embedded format, which need no permission and no request. Without it nothing is written.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from upload_client.core.text import for_log

if TYPE_CHECKING:  # `start` counts too, and needs neither
    from upload_client.validator.checks import Judgement
    from upload_client.validator.pipeline import Validator

TICK_SECONDS = 60.0
"""Between two times that metrics are written."""
NAMESPACE = "upload-client"

_MAX_LOGGED = 1000
"""Lines about single files that one run writes."""
_MAX_TEXT = 500


class Telemetry:
    """Counts and logs what one validator does.

    Args:
        names: what each log line is to name: the delivery, the validator.
    """

    def __init__(self, **names: object) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._n_logged = 0
        # Loggers of one name are one, and so are all `Metrics`: many validators may be at work in a process.
        self._names = names
        self._logger: Any = None
        self._metrics: Any = None
        with contextlib.suppress(ImportError):
            from aws_lambda_powertools import Logger  # noqa: PLC0415 — an extra
            from aws_lambda_powertools.metrics import EphemeralMetrics  # noqa: PLC0415

            self._logger = Logger(location=None)  # it would always be here
            self._metrics = EphemeralMetrics(namespace=NAMESPACE)

    def info(self, message: str, **more: object) -> None:
        """Log something."""
        if self._logger is not None:
            self._logger.info(message, extra=self._names | more)

    def count(self, metric: str) -> None:
        """Count something that happened, for the next time metrics are written."""
        with self._lock:
            self._counts[metric] += 1

    @contextlib.contextmanager
    def watching(self, validator: Validator) -> Iterator[None]:
        """Write metrics once a minute while the block runs, at its start and at its end."""
        done = threading.Event()

        def watch() -> None:
            while True:
                self._write(validator)
                if done.wait(TICK_SECONDS):
                    return

        thread = threading.Thread(target=watch, name="telemetry", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._write(validator)

    def judged(self, path: str, came_out: Judgement) -> None:
        """One file was judged."""
        with self._lock:
            self._counts["FilesJudged"] += 1
            if came_out.status == "failure":
                self._counts["FilesInvalid"] += 1
                self._reasons[_reason(came_out)] += 1
            elif came_out.status == "error":
                self._counts["FilesNotJudged"] += 1
            log = came_out.status != "ok" and self._n_logged < _MAX_LOGGED
            self._n_logged += log
        if log and self._logger is not None:
            self._logger.warning(
                "a file is invalid" if came_out.status == "failure" else "a file could not be judged",
                extra=self._names
                | {
                    "path": for_log(path, _MAX_TEXT),
                    "why": for_log(came_out.message, _MAX_TEXT),
                    "checks": came_out.checks,
                },
            )

    def _write(self, validator: Validator) -> None:
        if self._metrics is None:
            return
        with self._lock:
            counts, reasons = self._counts, self._reasons
            self._counts, self._reasons = Counter(), Counter()
        for name, n in counts.items():
            self._metrics.add_metric(name, "Count", n)
        # Told from a thread of its own, so that it is told of one that hangs, too.
        if math.isfinite(validator.silence):  # before its first word it is not silent, it begins
            self._metrics.add_metric("SilenceSeconds", "Seconds", round(validator.silence, 3))
        self._metrics.add_metric("LagSeconds", "Seconds", round(validator.lag, 3))
        self._metrics.add_metric("Backlog", "Count", validator.backlog)
        self._metrics.flush_metrics()
        for reason, n in reasons.items():
            self._metrics.add_metric("FilesInvalidByReason", "Count", n)
            self._metrics.add_dimension("reason", reason)
            self._metrics.flush_metrics()


def count_failed_start(code: str, message: str) -> None:
    """A validator could not be started, by the receiver's own fault."""
    with contextlib.suppress(ImportError):
        from aws_lambda_powertools import Logger, Metrics  # noqa: PLC0415 — an extra

        Logger().error("a validator was not started", extra={"code": code, "why": message})
        metrics = Metrics(namespace=NAMESPACE)
        metrics.add_metric("FailedStarts", "Count", 1)
        metrics.flush_metrics()


def _reason(failure: Judgement) -> str:
    """Why a file is invalid, in one of a few words that can be counted by."""
    last = failure.checks[-1] if failure.checks else ""
    if last == "path":
        return "path"
    if failure.found is None:
        return "missing"
    return "not as announced" if last in ("size", "etag", "crc32") else "content"
