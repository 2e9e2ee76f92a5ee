"""Clients of AWS for functions: who and where is what boto3 finds, as everywhere in AWS Lambda."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions

from upload_client.core.text import for_log
from upload_client.errors import DeliveryError
from upload_client.functions.errors import InvalidRequest
from upload_client.s3 import clients
from upload_client.s3.trouble import trouble_of

_FIELD = r"[\w.\[\]-]{1,200}"
_WITHOUT_VALUE = re.compile(
    rf'(?:Missing required|Unknown) parameter in {_FIELD}: "{_FIELD}"(?:, must be one of: [\w, ]{{1,400}})?'
)
_WITH_VALUE = re.compile(rf"Invalid (?:type|length|range) for parameter {_FIELD}")
_TYPES = re.compile(r", valid types: (?:<class '[\w.]+'>(?:, )?)+\Z")
_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")


class ServiceError(DeliveryError):
    """A service of AWS has refused something, or does not answer.

    Attributes:
        service_code: the code of the service, such as ``MessageRejected``.
    """

    hint = "See what the service says; the permissions of each function: `upload-client docs functions`."

    def __init__(self, message: str, service_code: str) -> None:
        super().__init__(message)
        self.service_code = service_code


def client(service: str, region: str | None = None) -> Any:  # noqa: ANN401 - each service has its own class
    """A client of a service, kept for the next invocation; see `upload_client.s3.clients.client`.

    Args:
        service: boto3's name of it.
        region: None: the one of the environment, where ``AWS_REGION`` goes first.
    """
    environment = frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))
    return _client(service, region or os.environ.get("AWS_REGION") or None, environment)


@functools.lru_cache(maxsize=32)
def _client(service: str, region: str | None, environment: frozenset[tuple[str, str]]) -> Any:  # noqa: ANN401
    return clients.client(_session(region, environment), service)


@functools.lru_cache(maxsize=8)
def _session(region: str | None, _: frozenset[tuple[str, str]]) -> boto3.Session:
    return boto3.Session(region_name=region)


@contextmanager
def service_errors(action: str) -> Iterator[None]:
    """Put what boto3 raises into words that repeat no secret.

    Raises:
        InvalidRequest: it was not asked: it takes no such thing.
        ServiceError: the service refused, or did not answer.
    """
    try:
        yield
    except DeliveryError:
        raise
    except Exception as error:
        if isinstance(error, botocore.exceptions.ParamValidationError):
            mistakes = "; ".join(_mistakes(str(error.kwargs.get("report", ""))))
            raise InvalidRequest(for_log(f"this is not as {action} takes it: {mistakes}", 1000)) from None
        if (trouble := trouble_of(error)) is None:
            raise
        code = f" ({trouble.code})" if trouble.code else ""
        raise ServiceError(f"{action}: {for_log(trouble.message, 500)}{code}", trouble.code) from None


def _mistakes(report: str) -> Iterator[str]:
    """The mistakes in a report of botocore: fields and what they may be, and never a value: a line each."""
    for line in report.splitlines():
        if found := _WITHOUT_VALUE.match(line):
            yield found[0]
        elif found := _WITH_VALUE.match(line):
            types = _TYPES.search(line)
            yield found[0] + (f", of {' or '.join(_CLASS.findall(types[0]))}" if types else "")
