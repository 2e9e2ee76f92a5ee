"""One log line for each attempt of a request: method, operation, key, status, duration, the store's ids.

An attempt that succeeds is logged at DEBUG; one that is refused, or that finds no answer, at INFO. Of a
request nothing is logged but what names it: no header, no body, and of the query only what says which part or
which keys are meant, so that no signature and no token can be among it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from upload_client.core.text import for_log, for_terminal

log = logging.getLogger(__name__)

_MAX_ID = 200
_ATTEMPT = re.compile(r"attempt=(\d{1,4})")
_QUERY = ("prefix", "start-after", "delimiter", "partNumber", "uploadId", "versionId")
"""Query parameters that say what a request is about."""


def all_logged() -> bool:
    """Whether attempts that succeed are logged too."""
    return log.isEnabledFor(logging.DEBUG)


def write_attempt(
    method: str,
    operation: str,
    url: str,
    *,
    status: int,
    code: str = "",
    attempt: int,
    began: float,
    request_id: str = "",
    host_id: str = "",
) -> None:
    """Log one attempt.

    Args:
        method: of HTTP.
        operation: the API's name for it, for example ``PutObject``.
        url: the URL, or its path and query.
        status: of HTTP; 0 where no answer came.
        code: the store's code for an error, or the name of an exception; empty where all is well.
        attempt: which attempt of the same request it is, from 1.
        began: when, by `time.perf_counter`.
        request_id: ``x-amz-request-id``.
        host_id: ``x-amz-id-2``.
    """
    level = logging.DEBUG if 200 <= status < 400 else logging.INFO
    if not log.isEnabledFor(level):
        return
    ids = (f", request id {request_id}" if request_id else "") + (f", host id {host_id}" if host_id else "")
    log.log(
        level,
        "%s %s %s: %s, attempt %d, %.1f ms%s",
        method,
        operation,
        _named(url),
        for_terminal(f"{status or 'no answer'} {code}".rstrip()),
        attempt,
        (time.perf_counter() - began) * 1000,
        for_terminal(ids),
    )


def with_request_id(text: str, request_id: str | None) -> str:
    """An error's text, and the id under which the store's own logs have the request, where it gave one."""
    return f"{text} (request id {for_log(request_id, _MAX_ID)})" if request_id else text


def watch(client: Any) -> None:  # noqa: ANN401 - any boto3 client, as in `upload_client.s3.clients`
    """Have every attempt of this client's requests logged."""
    client.meta.events.register("before-send", _attempt.begins)
    client.meta.events.register("response-received", _attempt.ends)


@contextlib.contextmanager
def not_sent() -> Iterator[None]:
    """Log nothing of the requests that this thread makes inside: they are signed and never sent."""
    _attempt.silent = True
    try:
        yield
    finally:
        _attempt.silent = False


class _Attempt(threading.local):
    """The attempt under way: botocore makes one at a time in each thread."""

    def __init__(self) -> None:
        self.silent = False
        self.method = self.url = ""
        self.number = 1
        self.began = 0.0

    def begins(self, request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        """Botocore's event: an attempt is about to be sent."""
        if self.silent or not log.isEnabledFor(logging.INFO):
            return
        self.method, self.url, self.began = request.method, request.url, time.perf_counter()
        counted = str(request.headers.get("amz-sdk-request", ""))  # attempt=1; max=3
        found = _ATTEMPT.search(counted)
        self.number = int(found[1]) if found else 1

    def ends(
        self,
        event_name: str,
        response_dict: Mapping[str, Any] | None,
        parsed_response: Any,  # noqa: ANN401 - botocore's
        exception: BaseException | None,
        **_: object,
    ) -> None:
        """Botocore's event: an answer has come, or none will."""
        url, self.url = self.url, ""
        if not url:  # it was not sent
            return
        headers = {} if response_dict is None else response_dict.get("headers", {})
        error = parsed_response.get("Error", {}) if isinstance(parsed_response, dict) else {}
        write_attempt(
            self.method,
            event_name.rpartition(".")[2],
            url,
            status=0 if response_dict is None else response_dict.get("status_code", 0),
            code=type(exception).__name__ if exception is not None else str(error.get("Code", "")),
            attempt=self.number,
            began=self.began,
            request_id=headers.get("x-amz-request-id") or headers.get("x-amzn-requestid") or "",
            host_id=headers.get("x-amz-id-2") or "",
        )


_attempt = _Attempt()


def _named(url: str) -> str:
    """The subject of a request: host, path and the parameters that name something."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    about = "&".join(f"{name}={value}" for name, value in parse_qsl(parts.query) if name in _QUERY)
    return for_terminal(f"{host}{unquote(parts.path)}{'?' if about else ''}{about}")
