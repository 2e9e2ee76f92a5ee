"""`Caller`: one thread at a time is in a client's methods, of the process that has connected."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from upload_client.errors import InvalidState

P = ParamSpec("P")
T = TypeVar("T")


class Caller:
    """The thread and the process that are a client's.

    A fork has neither the threads that refresh the lock and write the log, nor connections of its own.
    """

    def __init__(self) -> None:
        self._at_work = threading.RLock()  # held by the thread that is in one of its methods
        self._connected_in: int | None = None

    def connects(self) -> None:
        """This process is the one that connects."""
        self._connected_in = os.getpid()

    @property
    def is_in_a_fork(self) -> bool:
        """Whether this process is a fork of the one that has connected."""
        return self._connected_in not in (None, os.getpid())

    def begin(self) -> bool:
        """Be in a method, unless another thread is; whether that is so."""
        return self._at_work.acquire(blocking=False)

    def end(self) -> None:
        """Be in it no more."""
        self._at_work.release()


class _Called(Protocol):
    """A client."""

    _caller: Caller


C = TypeVar("C", bound=_Called)


def by_one(method: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
    """Have one thread at a time in a client's methods, of the process that has connected."""

    @functools.wraps(method)
    def alone(self: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        caller = self._caller
        if caller.is_in_a_fork:
            raise InvalidState(
                "this client has connected in another process, of which this one is a fork",
                hint="Make a client in the process that uses it.",
            )
        if not caller.begin():
            raise InvalidState(
                "this client is at work in another thread",
                hint="Call its methods from one thread; `stop` may be called from any.",
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            caller.end()

    return alone
