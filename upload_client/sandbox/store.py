"""moto's S3, made as strict as a delivery needs it.

moto is a fake made for unit tests: it accepts any checksum, ignores the conditions of
CompleteMultipartUpload and CopyObject, works out ETags in a buffer that two requests may be reading
at once, and holds five copies of an object while it completes a multipart upload. Here

- the conditions of PutObject, CompleteMultipartUpload and CopyObject are kept, and
  ``x-amz-copy-source-if-match`` too
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html);
- a CRC32 that is announced is compared with the bytes that came
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html);
- whoever is logged in as a provider may reach the data sets it was told of, and no other (`Access`);
- requests run one at a time, parts of multipart uploads apart, as moto takes no care of threads.
"""

from __future__ import annotations

import hashlib
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, S3ClientError
from moto.s3.models import FakeBucket, FakeKey, FakeMultipart, s3_backends
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from upload_client.core import checksums

BODY = "upload_client.body"
"""The key under which a WSGI environment holds the request's body, as bytes."""

_PROVIDER = "Credential=TESTACCESSKEY12345/"
_CRC32 = "HTTP_X_AMZ_CHECKSUM_CRC32"
_SUBRESOURCES = frozenset({"acl", "tagging", "retention", "legal-hold", "partNumber"})


class _Refusal(NamedTuple):
    status: str
    code: str
    message: str


_PRECONDITION_FAILED = _Refusal(
    "412 Precondition Failed",
    "PreconditionFailed",
    "At least one of the pre-conditions you specified did not hold",
)
_NO_SUCH_KEY = _Refusal("404 Not Found", "NoSuchKey", "The specified key does not exist.")
_NO_SUCH_UPLOAD = _Refusal(
    "404 Not Found",
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been"
    " aborted or completed.",
)
_ACCESS_DENIED = _Refusal("403 Forbidden", "AccessDenied", "Access Denied")
_BAD_DIGEST = _Refusal(
    "400 Bad Request", "BadDigest", "The CRC32 you specified did not match the calculated checksum."
)


def moto_s3() -> WSGIApplication:
    """The S3 of moto, with the parts replaced that waste memory, for this whole process."""
    FakeMultipart.complete = _complete  # type: ignore[assignment, method-assign]
    FakeKey.value = FakeKey.value.setter(_keep)  # type: ignore[attr-defined, method-assign]
    app: WSGIApplication = create_backend_app("s3")
    return app


class Access:
    """A provider's permissions: as much of two buckets as the role has that an invitation makes at AWS.

    Told from the sandbox and its functions by the access key, which is moto's for every identity pool.
    """

    def __init__(self) -> None:
        self._buckets: frozenset[str] = frozenset()
        self._datasets: frozenset[str] = frozenset()

    def limit(self, buckets: Iterable[str], datasets: Iterable[str]) -> None:
        """In these buckets, let a provider reach what belongs to these data sets only."""
        self._buckets, self._datasets = frozenset(buckets), frozenset(datasets)

    def is_allowed(self, environ: WSGIEnvironment) -> bool:
        """May whoever signed this request make it?"""
        bucket, key, query = _place(environ)
        if bucket not in self._buckets or _PROVIDER not in environ.get("HTTP_AUTHORIZATION", ""):
            return True
        if key:
            return key.partition("/")[0] in self._datasets
        if "uploads" in query:
            return True  # IAM has no condition for it
        dataset, slash, _ = query.get("prefix", [""])[0].partition("/")
        return bool(slash) and dataset in self._datasets


class Store:
    """A WSGI application around that of moto.

    A request's body must be in memory: in ``environ[BODY]``, and as ``wsgi.input``.
    """

    def __init__(self, moto: WSGIApplication, access: Access | None = None) -> None:
        self._moto = moto
        self._access = access or Access()
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not self._access.is_allowed(environ):
            return _refuse(_ACCESS_DENIED, start_response)
        if environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            with self._lock:
                return self._moto(environ, start_response)
        if _CRC32 in environ:
            # moto looks for a checksum only where an SDK names it; S3 takes the header alone.
            environ.setdefault("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", "CRC32")
        write = _Write(environ)
        if write.is_damaged():
            return _refuse(_BAD_DIGEST, start_response)
        if write.is_part:
            return self._moto(environ, start_response)
        with self._lock:
            refusal = write.refusal()
            if refusal is not None:
                return _refuse(refusal, start_response)
            return self._moto(environ, start_response)


class _Write:
    """A PUT or POST, and what S3 would say to it before it writes."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ
        self._method = environ["REQUEST_METHOD"]
        self._bucket, self._key, self._query = _place(environ)
        self._upload_id = self._query.get("uploadId", [None])[0]
        self.is_part = self._method == "PUT" and "partNumber" in self._query and self._known_upload()

    def is_damaged(self) -> bool:
        """Are the bytes that came not those whose CRC32 was announced?"""
        announced: str | None = self._environ.get(_CRC32)
        # The CRC32 of a POST is that of the whole object, not of the body. A body in aws-chunked
        # coding is its content with signatures in between.
        if announced is None or self._method != "PUT":
            return False
        if self._environ.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING-"):
            return False
        return announced != checksums.encode(checksums.crc32(self._environ[BODY]))

    def refusal(self) -> _Refusal | None:
        """Why S3 would not write this, as far as moto does not see to it."""
        if not self._key:
            return None
        if self._upload_id is not None:
            if self._known_upload():
                upload = self._stored_bucket().multiparts[self._upload_id]
                upload.announced_crc32 = self._environ.get(_CRC32)  # type: ignore[attr-defined]
            elif not self._was_completed():
                return _NO_SUCH_UPLOAD
        elif self._method == "POST" or self._query.keys() & _SUBRESOURCES:
            return None
        copied = self._environ.get("HTTP_X_AMZ_COPY_SOURCE", "").partition("?")[0].lstrip("/")
        if "HTTP_X_AMZ_COPY_SOURCE_IF_MATCH" in self._environ:
            bucket, _, key = urllib.parse.unquote(copied).partition("/")
            if _etag(bucket, key) not in (None, self._announced_etag("HTTP_X_AMZ_COPY_SOURCE_IF_MATCH")):
                return _PRECONDITION_FAILED
        present = _etag(self._bucket, self._key)
        if "HTTP_IF_MATCH" in self._environ:
            if present is None:
                return _NO_SUCH_KEY
            if present != self._announced_etag("HTTP_IF_MATCH"):
                return _PRECONDITION_FAILED
        if self._environ.get("HTTP_IF_NONE_MATCH") == "*" and present is not None:
            return _PRECONDITION_FAILED
        return None

    def _announced_etag(self, header: str) -> str:
        return cast("str", self._environ[header]).strip('"')

    def _stored_bucket(self) -> FakeBucket:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(self._bucket)

    def _known_upload(self) -> bool:
        try:
            return self._upload_id in self._stored_bucket().multiparts
        except S3ClientError:
            return False  # no such bucket

    def _was_completed(self) -> bool:
        """Is the object under this key the one this upload made, and this Complete a repeated one?"""
        found = _object(self._bucket, self._key)
        return found is not None and found.multipart is not None and found.multipart.id == self._upload_id


def _place(environ: WSGIEnvironment) -> tuple[str, str, dict[str, list[str]]]:
    """The bucket, the key and the query of a request."""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key, urllib.parse.parse_qs(environ["QUERY_STRING"], keep_blank_values=True)


def _refuse(refusal: _Refusal, start_response: StartResponse) -> list[bytes]:
    start_response(refusal.status, [("Content-Type", "application/xml")])
    return [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>".encode()
    ]


def _object(bucket: str, key: str) -> FakeKey | None:
    try:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    except S3ClientError:
        return None  # no such bucket, which moto's own answer will say


def _etag(bucket: str, key: str) -> str | None:
    found = _object(bucket, key)
    return None if found is None else found.etag.strip('"')


_moto_keeps = FakeKey.value.fset  # type: ignore[attr-defined]


def _keep(key: FakeKey, value: bytes) -> None:
    """Store an object's content: a large one on disk straight away, not in memory first."""
    if len(value) > key._max_buffer_size:  # noqa: SLF001 — moto has no name for it
        key._value_buffer.rollover()  # noqa: SLF001
    _moto_keeps(key, value)


def _complete(
    upload: FakeMultipart, body: Iterator[tuple[int, str]]
) -> tuple[bytearray, str, tuple[str, str, int] | None]:
    """Join an upload's parts, in one copy; a CRC32 announced for the whole object must be right."""
    listed = [(number, etag.strip('"')) for number, etag in body]
    if not listed:
        raise MalformedXML
    for position, (number, etag) in enumerate(listed):
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != etag:
            raise InvalidPart
        if part.contentsize < S3_UPLOAD_PART_MIN_SIZE and position < len(listed) - 1:
            raise EntityTooSmall
    whole = bytearray(sum(upload.parts[number].contentsize for number, _ in listed))
    offset = 0
    for number, _ in listed:
        part = upload.parts[number]
        whole[offset : offset + part.contentsize] = part.value
        offset += part.contentsize
    digests = bytes.fromhex("".join(etag for _, etag in listed))
    etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(listed)}"
    named = (upload.metadata.get("x-amz-checksum-algorithm"), upload.metadata.get("x-amz-checksum-type"))
    if named != ("CRC32", "FULL_OBJECT"):
        return whole, etag, None
    crc32 = checksums.encode(checksums.crc32(whole))
    if upload.announced_crc32 not in (None, crc32):  # type: ignore[attr-defined]
        raise S3ClientError(_BAD_DIGEST.code, _BAD_DIGEST.message)
    return whole, etag, ("FULL_OBJECT", crc32, 1)
