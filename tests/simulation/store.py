"""An S3 in memory on virtual time, and a boto3 client of it whose network loses, delays and repeats.

What the store does is as S3 documents it: conditional writes, listings of one moment a page, multipart
uploads with CRC32 of the whole, dates of one second. What happens on the way is drawn from a seeded random.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from simulation.scheduling import Process, Scheduler, Task

from upload_client.core import checksums
from upload_client.s3 import write_guard

WRITES = frozenset(
    {
        "PutObject",
        "DeleteObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
    }
)
_URL = "http://store"


@dataclass(frozen=True)
class Object:
    """What lies at a key."""

    body: bytes
    etag: str
    written: float
    """By the store's clock."""
    crc32: str

    @classmethod
    def of(cls, body: bytes, written: float) -> Object:
        """One that was written in one request."""
        return cls(body, etag_of(body), written, _crc32(body))

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.written // 1, UTC)


@dataclass
class Upload:
    """A multipart upload that is not complete."""

    bucket: str
    key: str
    begun: float
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Faults:
    """How often something happens to a request, as shares of 1."""

    lost: float = 0.0
    """It never arrives."""
    mute: float = 0.0
    """It is carried out, and the answer is lost."""
    late: float = 0.0
    """The answer is lost, and it is carried out up to minutes later."""
    refused: float = 0.0
    """500 or 503."""
    conflict: float = 0.0
    """409, of conditional writes."""
    stall: float = 0.0
    """Its process stops, for long, after it has decided to send it and before it does."""
    damaged: float = 0.0
    """Bytes are changed on the way."""

    @property
    def any(self) -> bool:
        return any(vars(self).values())


class Store:
    """Objects by bucket and key, and what goes on.

    Args:
        skew: how far its clock is ahead of the true time, in seconds.

    Attributes:
        faults: what happens to requests from now on.
        observers: told of each write that changes an object: ``(bucket, key, old, new, by)``.
        blind: told of each write that expects nothing: ``(bucket, key)``.
        begun: told of each request as a process begins it: ``(process, operation, key)``.
        longest_delay: seconds after which a late request is carried out at the latest.
        latency: seconds that a request, or an answer, takes at most.
        counts: how often something happened.
    """

    def __init__(self, scheduler: Scheduler, rng: random.Random, *, skew: float = 0.0) -> None:
        self.scheduler = scheduler
        self.rng = rng
        self.skew = skew
        self.objects: dict[tuple[str, str], Object] = {}
        self.uploads: dict[str, Upload] = {}
        self.faults = Faults()
        self.longest_delay = 150.0
        self.latency = 0.03
        self.observers: list[Callable[[str, str, Object | None, Object | None, Process], None]] = []
        self.begun: list[Callable[[Process, str, str], None]] = []
        self.blind: Callable[[str, str], None] = lambda *_: None
        self.told: Callable[..., None] = lambda *_: None
        self.counts: dict[str, int] = {}
        self._numbers = itertools.count(1)

    @property
    def now(self) -> float:
        return self.scheduler.now + self.skew

    def client(self) -> Client:
        return Client(self)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return sorted(key for where, key in self.objects if where == bucket and key.startswith(prefix))

    def change(self, bucket: str, key: str, new: Object | None, by: Process) -> None:
        old = self.objects.get((bucket, key))
        if new is None:
            self.objects.pop((bucket, key), None)
        else:
            self.objects[bucket, key] = new
        for observe in self.observers:
            observe(bucket, key, old, new, by)

    def ask(
        self,
        operation: str,
        key: str,
        carry_out: Callable[[], dict[str, Any]],
        *,
        fenced: bool = False,
        attempts: int = 3,
    ) -> Any:
        """Carry a request to the store and its answer back, or lose one or the other; as botocore, try again.

        A request is on its own once it is sent: what becomes of its process does not matter to it.
        """
        process = self.process
        for attempt in range(1, attempts + 1):
            if operation in WRITES:
                write_guard.check()
            for told in self.begun:
                told(process, operation, key)
            try:
                return self._try(process, operation, key, carry_out, fenced=fenced)
            except (ConnectTimeoutError, ReadTimeoutError):
                if attempt == attempts:
                    raise
            except ClientError as error:
                if attempt == attempts or error.response["Error"]["Code"] not in _REPEATED:
                    raise
            self.scheduler.wait(self.rng.random() * 2 ** (attempt - 1))
        return None

    @property
    def process(self) -> Process:
        """The one that asks now."""
        task = self.scheduler.task
        assert task is not None
        assert task.process is not None
        return task.process

    def _try(
        self,
        process: Process,
        operation: str,
        key: str,
        carry_out: Callable[[], dict[str, Any]],
        *,
        fenced: bool,
    ) -> Any:
        here = self.scheduler
        fate, rng = self._fate(operation, fenced=fenced), self.rng
        if fate != "ok":
            self.count(fate)
        self.told(process, operation, key, fate)
        if fate == "stall":
            # It has decided to send it, and does so when it, or its machine, wakes.
            process.pause(rng.uniform(5, 90), asleep=rng.random() < 0.5)
            here.wait(0.0)
        if fate == "lost":
            here.wait(self._latency() if rng.random() < 0.5 else 10.0)
            raise ConnectTimeoutError(endpoint_url=_URL)
        if fate in ("refused", "damaged", "conflict"):
            here.wait(self._latency())
            raise rng.choice(_REFUSALS[fate])
        outcome: list[Any] = []
        waiters: list[Task] = []

        def arrive() -> None:
            try:
                answer = carry_out()
                answer.setdefault("ResponseMetadata", {"HTTPStatusCode": 200, "HTTPHeaders": {}})
                outcome.append((True, answer))
            except ClientError as error:
                outcome.append((False, error))
            done, answer = outcome[0]
            self.told(process, operation, key, "carried out" if done else answer.response["Error"]["Code"])
            here.call_at(here.now + self._latency(), lambda: [here.wake(task) for task in waiters])

        if fate == "late":
            here.call_at(here.now + rng.choice([1.0, 10.0, self.longest_delay]) * rng.random(), arrive)
            here.wait(self._latency() if rng.random() < 0.5 else 20.0)
            raise ReadTimeoutError(endpoint_url=_URL)
        here.call_at(here.now + self._latency(), arrive)
        here.block(waiters)
        done, answer = outcome[0]
        if fate == "mute":
            if rng.random() < 0.3:
                raise _error(500, "InternalError")
            raise ReadTimeoutError(endpoint_url=_URL)
        if not done:
            raise answer
        return answer

    def _latency(self) -> float:
        return self.rng.random() * self.latency

    def _fate(self, operation: str, *, fenced: bool) -> str:
        faults = self.faults
        drawn = self.rng.random()
        writes = operation in WRITES
        for name in ("lost", "mute", "late", "refused", "conflict", "stall", "damaged"):
            share = getattr(faults, name)
            if name == "conflict" and not fenced:
                share = 0.0
            if name in ("late", "damaged") and not writes:
                share = 0.0
            if drawn < share:
                return name
            drawn -= share
        return "ok"


def _grouped(key: str, start: int, delimiter: str) -> str:
    """The key, or what all keys begin with that a listing with a delimiter shows as one."""
    end = key.find(delimiter, start) + 1 if delimiter else 0
    return key[:end] if end else key


def etag_of(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


@functools.lru_cache(10_000)
def _date(second: float) -> str:
    return formatdate(second, usegmt=True)


def _crc32(body: bytes) -> str:
    return checksums.encode(checksums.crc32(body))


class NoSuchUpload(ClientError):  # noqa: N818 - boto3's name
    """As boto3's."""


def _error(status: int, code: str) -> ClientError:
    said = {
        "Error": {"Code": code, "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }
    return (NoSuchUpload if code == "NoSuchUpload" else ClientError)(said, "simulated")


_REFUSALS = {
    "refused": [_error(503, "SlowDown"), _error(500, "InternalError"), _error(400, "RequestTimeout")],
    "damaged": [_error(400, "BadDigest")],
    "conflict": [_error(409, "ConditionalRequestConflict")],
}
_REPEATED = frozenset({"SlowDown", "InternalError", "RequestTimeout"})
"""What botocore's standard mode tries again."""


class Content:
    """The content of an answer, as botocore gives it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, n: int | None = None) -> bytes:
        end = len(self._data) if n is None else self._at + n
        data, self._at = self._data[self._at : end], min(end, len(self._data))
        return data

    def close(self) -> None:
        pass


class Client:
    """What the product uses of a boto3 S3 client."""

    exceptions = SimpleNamespace(NoSuchUpload=NoSuchUpload)

    def __init__(self, store: Store) -> None:
        self._store = store
        nothing = SimpleNamespace(input_shape=None)
        self._watching: list[tuple[str, Callable[..., object]]] = []
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(operation_model=lambda _: nothing),
            events=SimpleNamespace(register=lambda event, told: self._watching.append((event, told))),
        )

    def _ask(self, *request: Any, **how: Any) -> Any:
        """Ask the store; whoever watches the client is told when the store has answered, by its clock."""
        answer = self._store.ask(*request, **how)
        date = {"headers": {"date": _date(self._store.now)}}
        for name in ("before-send", "response-received"):
            for event, told in self._watching:
                if event == name:
                    told(response_dict=date)
        return answer

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - boto3's names, here and below
        Key: str,  # noqa: N803
        Body: Any,  # noqa: N803
        ChecksumCRC32: str,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        store, body, by = self._store, bytes(Body), self._store.process

        def do() -> dict[str, Any]:
            if _crc32(body) != ChecksumCRC32:
                raise _error(400, "BadDigest")
            self._check(Bucket, Key, IfMatch, IfNoneMatch)
            made = Object.of(body, store.now)
            store.change(Bucket, Key, made, by)
            return {"ETag": f'"{made.etag}"'}

        return store.ask("PutObject", Key, do, fenced=bool(IfMatch or IfNoneMatch))

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        Range: str | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        def do() -> dict[str, Any]:
            found = self._find(Bucket, Key)
            if IfMatch is not None and IfMatch != f'"{found.etag}"':
                raise _error(412, "PreconditionFailed")
            data = found.body
            if Range is not None:
                first, last = map(int, Range.removeprefix("bytes=").split("-"))
                data = data[first : last + 1]
            return self._describe(found) | {"Body": Content(data), "ContentLength": len(data)}

        return self._ask("GetObject", Key, do)

    def head_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        def do() -> dict[str, Any]:
            found = self._find(Bucket, Key)
            return self._describe(found) | {"ChecksumCRC32": found.crc32, "ChecksumType": "FULL_OBJECT"}

        return self._ask("HeadObject", Key, do)

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        by = self._store.process

        def do() -> dict[str, Any]:
            self._store.change(Bucket, Key, None, by)
            return {}

        return self._ask("DeleteObject", Key, do)

    def create_multipart_upload(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        def do() -> dict[str, Any]:
            upload_id = f"upload-{next(self._store._numbers)}"
            self._store.uploads[upload_id] = Upload(Bucket, Key, self._store.now)
            return {"UploadId": upload_id}

        return self._ask("CreateMultipartUpload", Key, do)

    def upload_part(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        PartNumber: int,  # noqa: N803
        Body: Any,  # noqa: N803
        ChecksumCRC32: str,  # noqa: N803
    ) -> dict[str, Any]:
        body = bytes(Body)

        def do() -> dict[str, Any]:
            if _crc32(body) != ChecksumCRC32:
                raise _error(400, "BadDigest")
            etag = etag_of(body)
            self._find_upload(Key, UploadId).parts[PartNumber] = (body, etag)
            return {"ETag": f'"{etag}"'}

        return self._ask("UploadPart", Key, do)

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        MultipartUpload: dict[str, Any],  # noqa: N803
        ChecksumCRC32: str,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        store, by = self._store, self._store.process

        def do() -> dict[str, Any]:
            parts = self._find_upload(Key, UploadId).parts
            self._check(Bucket, Key, IfMatch, IfNoneMatch)
            bodies, digests = [], b""
            for part in MultipartUpload["Parts"]:
                body, etag = parts.get(part["PartNumber"], (b"", ""))
                if part["ETag"] != f'"{etag}"' or part["ChecksumCRC32"] != _crc32(body):
                    raise _error(400, "InvalidPart")
                bodies.append(body)
                digests += bytes.fromhex(etag)
            whole = b"".join(bodies)
            if _crc32(whole) != ChecksumCRC32:
                raise _error(400, "BadDigest")
            del store.uploads[UploadId]
            etag = f"{etag_of(digests)}-{len(bodies)}"
            store.change(Bucket, Key, Object(whole, etag, store.now, ChecksumCRC32), by)
            return {"ETag": f'"{etag}"'}

        return store.ask("CompleteMultipartUpload", Key, do, fenced=True)

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:  # noqa: N803
        def do() -> dict[str, Any]:
            self._find_upload(Key, UploadId)
            del self._store.uploads[UploadId]
            return {}

        return self._ask("AbortMultipartUpload", Key, do)

    def get_paginator(self, operation: str) -> SimpleNamespace:
        return SimpleNamespace(paginate=getattr(self, f"_{operation}"))

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        store, after = self._store, ContinuationToken or StartAfter  # a token is the last key that was told
        size = 2 if Bucket == "control" and store.rng.random() < 0.2 else 1000

        def do() -> dict[str, Any]:
            named = dict.fromkeys(_grouped(key, len(Prefix), Delimiter) for key in store.keys(Bucket, Prefix))
            keys = [key for key in named if key > after]
            groups = [key for key in keys[:size] if (Bucket, key) not in store.objects]
            page = [(key, store.objects[Bucket, key]) for key in keys[:size] if key not in groups]
            more = len(keys) > size
            return {
                "IsTruncated": more,
                **({"NextContinuationToken": keys[size - 1]} if more else {}),
                "CommonPrefixes": [{"Prefix": key} for key in groups],
                "Contents": [
                    {
                        "Key": key,
                        "Size": len(found.body),
                        "ETag": f'"{found.etag}"',
                        "LastModified": found.when,
                    }
                    for key, found in page
                ],
            }

        return store.ask("ListObjectsV2", Prefix, do)

    def _list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        def do() -> dict[str, Any]:
            return {
                "Uploads": [
                    {
                        "Key": upload.key,
                        "UploadId": upload_id,
                        "Initiated": datetime.fromtimestamp(upload.begun // 1, UTC),
                    }
                    for upload_id, upload in self._store.uploads.items()
                    if upload.bucket == Bucket and upload.key.startswith(Prefix)
                ]
            }

        yield self._ask("ListMultipartUploads", Prefix, do)

    def _list_parts(self, *, Bucket: str, Key: str, UploadId: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        def do() -> dict[str, Any]:
            parts = self._find_upload(Key, UploadId).parts
            return {
                "ChecksumAlgorithm": "CRC32",
                "ChecksumType": "FULL_OBJECT",
                "Parts": [
                    {"PartNumber": n, "Size": len(body), "ETag": f'"{etag}"', "ChecksumCRC32": _crc32(body)}
                    for n, (body, etag) in sorted(parts.items())
                ],
            }

        yield self._ask("ListParts", Key, do)

    def _find(self, bucket: str, key: str) -> Object:
        try:
            return self._store.objects[bucket, key]
        except KeyError:
            raise _error(404, "NoSuchKey") from None

    def _find_upload(self, key: str, upload_id: str) -> Upload:
        upload = self._store.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise _error(404, "NoSuchUpload")
        return upload

    def _check(self, bucket: str, key: str, if_match: str | None, if_none_match: str | None) -> None:
        if if_match is None and if_none_match is None:
            self._store.blind(bucket, key)
        there = self._store.objects.get((bucket, key))
        if if_none_match is not None and there is not None:
            raise _error(412, "PreconditionFailed")
        if if_match is not None and there is None:
            raise _error(404, "NoSuchKey")
        if if_match is not None and there is not None and if_match != f'"{there.etag}"':
            raise _error(412, "PreconditionFailed")

    def _describe(self, found: Object) -> dict[str, Any]:
        return {
            "ETag": f'"{found.etag}"',
            "ContentLength": len(found.body),
            "LastModified": found.when,
            "ResponseMetadata": {"HTTPHeaders": {"date": _date(self._store.now // 1)}},
        }
