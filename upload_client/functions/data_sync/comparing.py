"""Compares the content of files of the same size: file with object, object with object, file with file."""

# ruff: noqa: PTH123 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from itertools import islice
from typing import Any, Final, NamedTuple, Self, TypeVar

from upload_client.core.data_sync import Facts, md5_of, same_content
from upload_client.functions.data_sync.local import crc32_of, local_path
from upload_client.functions.data_sync.paths import LocalPlace, Place
from upload_client.s3.bucket import (
    Bucket,
    ObjectInfo,
    StoreError,
    repeat_while_lost,
    whole_crc32,
)
from upload_client.transfer.etags import part_size_of, read_etag

T = TypeVar("T")
R = TypeVar("R")

_READERS: Final = 4
_ASKED: Final = 16
_LARGE: Final = 1024 * 1024
_CHUNK: Final = 1000
_CHUNKS: Final = 16


class Item(NamedTuple):
    """A file of the source: its path below it, and what is known of both sides."""

    path: str
    source: Facts
    there: Facts | None


class Comparing:
    """Compares the content of files of the same size."""

    def __init__(self, source: Place, target: Place, buckets: tuple[Bucket | None, Bucket | None]) -> None:
        self._source = source
        self._target = target
        self._buckets = buckets
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def differ(self, items: Sequence[Item]) -> Iterator[tuple[Item, bool]]:
        """Each of these, and whether its content is another at the destination."""
        later: list[Item] = []
        for item in items:
            # Reading small files is quicker than handing them to somebody.
            equal = self._by_md5(item) if item.source.size < _LARGE else None
            if equal is None:
                later.append(item)
            else:
                yield item, not equal
        if not later:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max(_READERS, os.cpu_count() or 1), "sync-compare")
        yield from zip(later, self._pool.map(self._differs, later), strict=True)

    def _sides(self, item: Item) -> tuple[str, Facts, Bucket] | None:
        """The local file, and the object that it is compared with; None: both are of one kind."""
        assert item.there is not None
        source, target = self._buckets
        if source is None and target is not None:
            assert isinstance(self._source, LocalPlace)
            return local_path(self._source.path, item.path), item.there, target
        if source is not None and target is None:
            assert isinstance(self._target, LocalPlace)
            return local_path(self._target.path, item.path), item.source, source
        return None

    def _by_md5(self, item: Item) -> bool | None:
        """Whether file and object are equal by the MD5 that the ETag is; None: that does not tell."""
        sides = self._sides(item)
        if sides is None or (md5 := md5_of(sides[1].etag)) is None:
            return None
        with open(sides[0], "rb", buffering=0) as file:
            if item.source.size < _LARGE:
                found = hashlib.md5(_at_most(file, _LARGE), usedforsecurity=False).hexdigest()
            else:
                found = hashlib.file_digest(file, _md5).hexdigest()
        return True if found == md5 else None  # an encrypted object's ETag is no MD5: CRC32 tells

    def _differs(self, item: Item) -> bool:
        source, target = self._buckets
        if source is not None and target is not None:
            return self._objects_differ(item, source, target)
        sides = self._sides(item)
        if sides is None:
            assert isinstance(self._source, LocalPlace)
            assert isinstance(self._target, LocalPlace)
            return crc32_of(local_path(self._source.path, item.path)) != crc32_of(
                local_path(self._target.path, item.path)
            )
        path, facts, bucket = sides
        if item.source.size >= _LARGE and self._by_md5(item):
            return False
        info = repeat_while_lost(lambda: bucket.head(item.path))
        if info is None or info.etag != facts.etag:
            return True
        if info.crc32 is not None:
            return info.crc32 != crc32_of(path)
        part_size = None
        if "-" in facts.etag:
            with contextlib.suppress(StoreError):
                part_size = part_size_of(bucket, item.path, facts.etag, facts.size)
        return read_etag(path, part_size, facts.etag) != facts.etag

    def _objects_differ(self, item: Item, source: Bucket, target: Bucket) -> bool:
        """Whether two objects differ, by what their stores say of them; where that is nothing, they may."""
        here, there = repeat_while_lost(lambda: [bucket.head(item.path) for bucket in (source, target)])
        if here is None or there is None:
            return True
        same = same_content(_stated_checksums(here, here.crc32), _stated_checksums(there, there.crc32))
        if same is None:
            # Most programs write what is large with checksums of parts; S3's copy of it has one of the whole.
            same = same_content(
                _stated_checksums(here, here.crc32 or whole_crc32(source, item.path, here.etag)),
                _stated_checksums(there, there.crc32 or whole_crc32(target, item.path, there.etag)),
            )
        return not same


def _stated_checksums(info: ObjectInfo, crc32: str | None) -> dict[str, bytes]:
    """All checksums of an object."""
    return dict(info.digests) | ({} if crc32 is None else {"crc32": crc32.encode()})


def _at_most(file: FileIO, n: int) -> bytes:
    """All of a small file; of one that has become large, so much that it is another."""
    content = file.read(n)
    while content and (more := file.read(n)):
        content += more
        if len(content) > n:
            break
    return content


def _md5() -> Any:  # noqa: ANN401 - hashlib's own type has no name
    return hashlib.md5(usedforsecurity=False)


def begun_early(found: Iterator[T]) -> Generator[T]:
    """Begin to take what an iterator gives, on a thread, some thousands before they are asked for."""
    chunks: queue.Queue[list[T] | BaseException | None] = queue.Queue(_CHUNKS)
    stopped = threading.Event()

    def put(chunk: list[T] | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                chunks.put(chunk, timeout=1.0)
                return

    def take() -> None:
        try:
            while not stopped.is_set() and (chunk := list(islice(found, _CHUNK))):
                put(chunk)
            put(None)
        except BaseException as error:  # noqa: BLE001 - for who asks for the next one
            put(error)

    threading.Thread(target=take, name="sync-list", daemon=True).start()

    def give() -> Generator[Any]:
        try:
            yield None  # from here on it notices that it is dropped, also where nobody asks even once
            while (chunk := chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield from chunk
        finally:
            stopped.set()

    early = give()
    next(early)
    return early


def in_parallel(act: Callable[[T], R], items: Sequence[T], n: int = _ASKED) -> Iterator[R]:
    """Do something with each, some at a time."""
    if len(items) <= 1:
        yield from map(act, items)
        return
    with ThreadPoolExecutor(min(n, len(items)), "sync") as pool:
        left = iter(items)
        while batch := list(islice(left, 4096)):
            yield from pool.map(act, batch)
