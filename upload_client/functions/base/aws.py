"""Clients of AWS for functions: who and where is what boto3 finds, as everywhere in AWS Lambda."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from upload_client.errors import DeliveryError
from upload_client.s3 import clients
from upload_client.s3.trouble import trouble_of

__all__ = ["ServiceError", "client", "service_errors"]


class ServiceError(DeliveryError):
    """A service of AWS has refused something, or does not answer.

    Attributes:
        service_code: the code of the service, such as ``MessageRejected``.
    """

    hint = "See what the service says; the page on functions names the permissions that each function needs."

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
def service_errors(doing: str) -> Iterator[None]:
    """Put what boto3 raises into words that repeat no secret.

    Raises:
        ServiceError: the service refused, or did not answer.
    """
    try:
        yield
    except DeliveryError:
        raise
    except Exception as error:
        if (trouble := trouble_of(error)) is None:
            raise
        code = f" ({trouble.code})" if trouble.code else ""
        raise ServiceError(f"{doing}: {trouble.message}{code}", trouble.code) from None
