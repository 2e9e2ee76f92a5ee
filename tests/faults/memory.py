"""An S3 in memory that loses requests and answers as it is told: for properties with thousands of examples.

It stands in for `upload_client.s3.bucket.Bucket` where a real store cannot be made to misbehave fast enough.
Conditional writes, listings and times are as S3 documents them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from upload_client.s3.bucket import (
    AnswerLost,
    Fetched,
    NotFound,
    ObjectInfo,
    ObjectTooLarge,
    PreconditionFailed,
    Stored,
)
from upload_client.s3.listing import Columns
from upload_client.support.clock import Clock

PAGE = 3
"""Objects in a page of a listing."""


class VirtualClock(Clock):
    """Time that passes only when somebody sleeps, or when it is moved.

    Attributes:
        slept: Seconds somebody slept, one entry for each time.
    """

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1000.0
        self.slept: list[float] = []

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float, *, monotonic: bool = True) -> None:
        """Let time pass; with ``monotonic=False`` as on a laptop that sleeps."""
        self._wall += seconds
        if monotonic:
            self._monotonic += seconds


@dataclass(eq=False)
class MemoryStore:
    """The objects, and what happens to requests.

    Attributes:
        clock: The store's own.
        fate: Asked for each request with its operation and key: ``ok``, ``lost`` (the request never arrives)
            or ``mute`` (it is carried out, the answer is lost).
        log: Every request that was carried out.
    """

    clock: Clock
    fate: Callable[[str, str], str] = lambda _operation, _key: "ok"
    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    log: list[tuple[str, str, bool]] = field(default_factory=list)


class MemoryBucket:
    """As a `Bucket` of the store."""

    name = "memory"

    def __init__(self, store: MemoryStore, prefix: str = "") -> None:
        self.store = store
        self.prefix = prefix
        self.client = store  # by which the form of ETags is remembered

    def put(
        self,
        key: str,
        body: bytes,
        *,
        if_none_match: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,
    ) -> Stored:
        def do() -> Stored:
            there = self.store.objects.get(self.prefix + key)
            if if_match is not None and there is None:
                raise NotFound(f"PUT {key}")
            if (if_none_match and there) or (if_match is not None and etag_of(there[0]) != if_match):
                raise PreconditionFailed(f"PUT {key}")
            self.store.objects[self.prefix + key] = (bytes(body), self.store.clock.wall())
            return Stored(etag_of(body))

        return self._ask("PUT", key, do)

    def get(self, key: str, *, if_match: str | None = None, limit: int | None = None) -> Fetched:
        def do() -> Fetched:
            if self.prefix + key not in self.store.objects:
                raise NotFound(f"GET {key}")
            body, written = self.store.objects[self.prefix + key]
            if if_match is not None and etag_of(body) != if_match:
                raise PreconditionFailed(f"GET {key}")
            if limit is not None and len(body) > limit:
                error = ObjectTooLarge(key)
                error.found = Fetched(b"", etag_of(body), written // 1, self.store.clock.wall() // 1)
                raise error
            return Fetched(body, etag_of(body), written // 1, self.store.clock.wall() // 1)

        return self._ask("GET", key, do)

    def read(self, key: str, limit: int | None = None) -> bytes:
        return self.get(key, limit=limit).body

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        def do() -> list[ObjectInfo]:
            return [
                ObjectInfo(key[len(self.prefix) :], len(body), etag_of(body), written // 1)
                for key, (body, written) in sorted(self.store.objects.items())
                if key.startswith(self.prefix + prefix)
                and (start_after is None or key > self.prefix + start_after)
            ]

        yield from self._ask("LIST", prefix, do)

    def _pages(self, prefix: str) -> Iterator[tuple[dict, Columns]]:
        """For `upload_client.s3.bucket.pages_of`: some objects at a time."""
        entries = self.list(prefix)
        while some := list(islice(entries, PAGE)):
            fields = ((self.prefix + each.key, each.size, each.etag, each.last_modified) for each in some)
            yield {}, Columns(*zip(*fields, strict=True))

    def ls(self, prefix: str = "", *, recursive: bool = True) -> tuple[str, ...]:
        keys = [entry.key for entry in self.list(prefix)]
        if not recursive:
            n = len(prefix)
            keys = sorted({key[: n + key[n:].find("/") + 1] if "/" in key[n:] else key for key in keys})
        return tuple(keys)

    def rm(self, key: str) -> None:
        self._ask("DELETE", key, lambda: self.store.objects.pop(self.prefix + key, None))

    def _ask(self, operation: str, key: str, do: Callable):
        fate = self.store.fate(operation, key)
        if fate == "lost":
            raise AnswerLost(f"{operation} {key}: the request was lost")
        try:
            done = do()
        except Exception:
            if fate == "mute":
                raise AnswerLost(f"{operation} {key}: the refusal was lost") from None
            raise
        self.store.log.append((operation, key, fate == "ok"))
        if fate == "mute":
            raise AnswerLost(f"{operation} {key}: the answer was lost")
        return done


def etag_of(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()
