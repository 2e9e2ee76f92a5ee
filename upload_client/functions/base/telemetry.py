"""Logs and metrics of a function, by aws-lambda-powertools: JSON lines on standard output.

No secret that this process knows gets into a line, in whatever field it stands. An event's body is logged at
DEBUG alone, and what fields named like secrets hold is left out.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from upload_client.support.secrets import hidden

NAMESPACE = "upload-client"
_MAX_DEPTH = 40


class FunctionMetrics(EphemeralMetrics):
    """Metrics of one invocation, written in CloudWatch's embedded format when it ends.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
    """

    def add_count_metric(self, name: str, value: float = 1) -> None:
        """Count something."""
        self.add_metric(name=name, unit=MetricUnit.Count, value=value)

    def add_duration_metric(
        self, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        """Add ``{name}Duration``, in milliseconds.

        Args:
            start: when it began; None: when these metrics were made.
            end: when it ended; None: now.
            name: of what took so long; empty: the invocation.
        """
        start = start or self.made
        end = end or datetime.now(start.tzinfo)
        self.add_metric(
            name=f"{name}Duration",
            unit=MetricUnit.Milliseconds,
            value=(end - start).total_seconds() * 1000,
        )

    def add_success_metric(self, name: str = "") -> None:
        """Add ``{name}Success`` 1 and ``{name}Failure`` 0."""
        self.add_count_metric(f"{name}Success", 1)
        self.add_count_metric(f"{name}Failure", 0)

    def add_failure_metric(self, name: str = "") -> None:
        """Add ``{name}Success`` 0 and ``{name}Failure`` 1."""
        self.add_count_metric(f"{name}Success", 0)
        self.add_count_metric(f"{name}Failure", 1)

    @classmethod
    def of(cls, service: str, **dimensions: str) -> FunctionMetrics:
        """New metrics, with the function's name as their dimension.

        Args:
            service: the name of the function.
            **dimensions: more of them.
        """
        metrics = cls(service=service, namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE)
        metrics.made = datetime.now(UTC)
        for name, value in dimensions.items():
            metrics.add_dimension(name, value)
        return metrics

    made: datetime = datetime.fromtimestamp(0, UTC)

    def write(self) -> None:
        """Write what was added, if anything was, and begin anew."""
        if self.metric_set:
            self.flush_metrics()


class _CurrentStdout(logging.StreamHandler[TextIO]):
    """Writes to whatever standard output is now: the command line has the answer alone there."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Take no other."""


class _WithoutSecrets(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:  # noqa: ANN401 - as in the class above
        return super().serialize(_clean(log))


def _clean(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - whatever is logged
    if depth > _MAX_DEPTH:
        return "…"
    match value:
        case str():
            return hidden(value)
        case dict():
            return {_clean(key, depth + 1): _clean(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(one, depth + 1) for one in value]
        case int() | float() | None:
            return value
    return hidden(str(value))


@functools.cache
def function_logger(service: str) -> Logger:
    """The logger of a function; of the same name there is one a process.

    Its level is that of ``POWERTOOLS_LOG_LEVEL`` or of the function's own setting in AWS, else INFO.
    """
    return Logger(
        service=service,
        logger_handler=cast("logging.Handler", _CurrentStdout()),
        logger_formatter=_WithoutSecrets(service=service),
    )


@contextlib.contextmanager
def naming(logger: Logger, context: object) -> Iterator[None]:
    """Have each line of a logger name the invocation, while the block runs."""
    keys = {
        name: value
        for name in ("aws_request_id", "function_name")
        if isinstance(value := getattr(context, name, None), str)
    }
    logger.append_keys(**keys)
    try:
        yield
    finally:
        logger.remove_keys(list(keys))
