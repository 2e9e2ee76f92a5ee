"""Reading many files at once, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from upload_client.support.local_file import LocalFile

T = TypeVar("T")
U = TypeVar("U")

_BLOCK = 1024 * 1024
_BATCH = 64  # a thread takes as long to be told of one item as of so many

_buffers = threading.local()


def blocks(file: LocalFile) -> Iterator[memoryview]:
    """All of an open file, piece by piece, as large as it was when it was opened.

    Each piece is gone when the next one is asked for: each thread has one buffer.
    """
    try:
        buffer: memoryview = _buffers.view
    except AttributeError:
        buffer = _buffers.view = memoryview(bytearray(_BLOCK))
    size = file.fingerprint.size
    for start in range(0, size, _BLOCK):
        block = buffer[: min(_BLOCK, size - start)]
        file.read_into(block, start)
        yield block


def in_order(
    pool: ThreadPoolExecutor, do: Callable[[T], U], items: Iterable[T], *, ahead: int
) -> Iterator[tuple[T, U]]:
    """Each item and what comes of it, in their order.

    Args:
        pool: whose threads do it.
        do: what to do.
        items: any number; taken as they are needed.
        ahead: batches that may wait.
    """

    def each(batch: list[T]) -> list[tuple[T, U]]:
        return [(item, do(item)) for item in batch]

    there = iter(items)
    waiting: deque[Future[list[tuple[T, U]]]] = deque()
    while batch := list(islice(there, _BATCH)):
        waiting.append(pool.submit(each, batch))
        if len(waiting) >= ahead:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()
