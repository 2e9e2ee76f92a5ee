"""The write guard: before each attempt of a write, also a repeated one, the lease must still hold.

Between two attempts the process may sleep, or a time-out of a minute may pass, and another agent take the
lock. An attempt that is not allowed any more is not sent; whether an earlier one was carried out is then
unknown, as after any lost answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import botocore.exceptions

_may_write_var: ContextVar[Callable[[], bool] | None] = ContextVar("may_write", default=None)
_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


class WriteNotAllowed(botocore.exceptions.BotoCoreError):
    """It was not sent, or not again: the lock is not confirmed at this moment."""

    fmt = "not sent: the lock is not confirmed at this moment"


@contextlib.contextmanager
def guarded_by(may_write: Callable[[], bool]) -> Iterator[None]:
    """Ask `may_write` before each attempt of the requests this thread makes inside."""
    before = _may_write_var.set(may_write)
    try:
        yield
    finally:
        _may_write_var.reset(before)


@contextlib.contextmanager
def checking(call: Callable[[], None]) -> Iterator[None]:
    """Call this before each attempt of the requests this thread makes inside; what it raises ends them."""
    before = _check.set(call)
    try:
        yield
    finally:
        _check.reset(before)


def check() -> None:
    """Raise `WriteNotAllowed` unless an attempt may be made now."""
    if (call := _check.get()) is not None:
        call()
    may_write = _may_write_var.get()
    if may_write is not None and not may_write():
        raise WriteNotAllowed


def watch(client: Any) -> None:  # noqa: ANN401 - any boto3 client, as in `upload_client.s3.clients`
    """Check before every attempt of this client's requests."""
    client.meta.events.register("before-send.s3.*", _ask)


def _ask(**_: object) -> None:
    """Botocore's event: an attempt is about to be sent."""
    check()
