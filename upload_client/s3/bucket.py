"""`Bucket`: one S3 bucket, or all keys of it below a prefix; and what S3's errors mean to this program."""

# ruff: noqa: N818 - an error is named for what happened

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from upload_client.core import checksums
from upload_client.core.answers import Meaning
from upload_client.core.digests import checksums_stated
from upload_client.core.exits import ExitCode
from upload_client.core.forms import is_crc32, is_etag
from upload_client.core.parts import crc32_of_parts
from upload_client.core.preflight import advice
from upload_client.core.text import for_log
from upload_client.core.times import from_http
from upload_client.core.values import value
from upload_client.errors import DeliveryError, NotReachable
from upload_client.s3 import etag_form, listing
from upload_client.s3.errors import UploadClientError
from upload_client.s3.options import use
from upload_client.s3.request_log import with_request_id
from upload_client.s3.skew import clock_and_hint
from upload_client.s3.trouble import NotTheService, Trouble, trouble_of
from upload_client.support.clock import SYSTEM, Clock

if TYPE_CHECKING:
    import boto3
    import pandas as pd
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

# A lock's refresh must not hang for longer than a short lease can wait.
_READ_TIMEOUT = 20.0


class StoreError(UploadClientError):
    """S3 refused a request, or could not be asked. Botocore's own error is the cause.

    Attributes:
        s3_code: S3's error code, for example ``"NoSuchKey"``; ``""`` where no answer came.
        status: The HTTP status, 0 where no answer came.
        meaning: What the answer says, by the table in `upload_client.core.answers`.
    """

    s3_code: str = ""
    status: int = 0
    meaning: Meaning = Meaning.REFUSED


class PreconditionFailed(StoreError):
    """412: ``If-Match`` or ``If-None-Match`` did not hold; nothing was written *by this request*.

    An earlier request of the same content may have been carried out although its answer was lost: read back.
    """


class ConditionalConflict(StoreError):
    """409: another conditional write to the key was under way; read back, then try again."""


class NotFound(StoreError):
    """404: there is no such object (or bucket, or upload)."""


class NoBucket(NotFound):
    """404 with ``NoSuchBucket``: a setting names a bucket that is not there."""

    exit_code = ExitCode.USAGE


class AccessDenied(StoreError):
    """403, or no valid credentials: asking again will not help."""

    exit_code = ExitCode.LOGIN_REFUSED
    meaning = Meaning.DENIED


class AnswerLost(StoreError, NotReachable):
    """No answer to rely on, so it is unknown whether the request was carried out. Asking again may help.

    The connection failed, was cut or timed out, the store answered 429 or 5xx, or a body arrived damaged.
    """

    code = NotReachable.code
    exit_code = ExitCode.NOT_REACHABLE
    hint = NotReachable.hint
    meaning = Meaning.NO_ANSWER


class ObjectTooLarge(StoreError):
    """An object is larger than the caller is ready to read.

    Attributes:
        found: What is known of it all the same, with an empty body.
    """

    found: Fetched


class ConnectionBlocked(StoreError):
    """A proxy requires a login, or a certificate is not trusted: the service cannot be reached.

    Asking again will not help; a setting has to be changed.
    """

    exit_code = ExitCode.USAGE


_KINDS: Final[Mapping[Meaning, type[StoreError]]] = {
    Meaning.NO_ANSWER: AnswerLost,
    Meaning.BUSY: AnswerLost,
    Meaning.DAMAGED: AnswerLost,
    Meaning.OWN_LIMIT: AnswerLost,
    Meaning.CONFLICT: ConditionalConflict,
    Meaning.CONDITION: PreconditionFailed,
    Meaning.MISSING: NotFound,
    Meaning.NO_BUCKET: NoBucket,
    Meaning.DENIED: AccessDenied,
    Meaning.ENDED: AccessDenied,
    Meaning.UNKNOWN_KEYS: AccessDenied,
    Meaning.SIGNATURE: AccessDenied,
    Meaning.CLOCK: AccessDenied,
    Meaning.UNTRUSTED: ConnectionBlocked,
    Meaning.PROXY_LOGIN: ConnectionBlocked,
}
"""The exception for an answer, by its meaning; everything else is a plain `StoreError`."""


@contextlib.contextmanager
def store_errors(action: str) -> Iterator[None]:
    """Raise what botocore raises inside as a `StoreError` of the kind that says what to do about it.

    Args:
        action: What is being attempted, for the message: ``"PUT owned"``.
    """
    try:
        yield
    except DeliveryError as error:  # one of ours, from within: a refused login, for example
        if not isinstance(error, NotReachable) or isinstance(error, StoreError):
            raise
        raise AnswerLost(f"{action}: {error}", hint=error.hint) from error
    except UnicodeError as error:
        raise StoreError(f"{action!a}: no key may hold this") from error
    except Exception as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        raise refusal(action, trouble) from error


def refusal(action: str, trouble: Trouble) -> StoreError:
    """The error to raise where a request did not succeed.

    Args:
        action: What was attempted.
        trouble: Why it did not succeed.
    """
    means, text = trouble.meaning, trouble.message
    hint = advice(means)
    if means is Meaning.CLOCK:
        clock, hint = clock_and_hint(trouble.date)
        text = f"{clock}. {text}"
    code = trouble.code if trouble.status else ""
    text = with_request_id(for_log(f"{action}: {f'{code} {text}'.strip()}", 1000), trouble.request_id)
    error = _KINDS.get(means, StoreError)(text, hint=hint)
    error.s3_code, error.status, error.meaning = code, trouble.status, means
    return error


def pages_of(bucket: Bucket) -> Iterator[tuple[Sequence[str], Sequence[int], Sequence[str]]]:
    """List objects as `Bucket.list` does, a page at a time: their keys, bytes and ETags, in columns."""
    own = bucket.prefix
    for _, found in bucket._pages(""):  # noqa: SLF001 - a method would be public, and this is for millions
        keys, sizes, etags, _ = found
        if not all(map(str.startswith, keys, repeat(own))):
            ours = [key.startswith(own) for key in keys]
            keys, sizes = list(compress(keys, ours)), list(compress(sizes, ours))
            etags = list(compress(etags, ours))
        yield [key[len(own) :] for key in keys], sizes, etags


def repeat_while_lost(ask: Callable[[], T], clock: Clock = SYSTEM) -> T:
    """Call `ask`, and a few times more if its answer is lost or another write was in its way.

    Args:
        ask: What to try; it must be right to do it again.
        clock: Waits 0.2, 0.5 and 1 s between attempts.
    """
    for pause in (0.2, 0.5, 1.0):
        try:
            return ask()
        except (AnswerLost, ConditionalConflict):
            clock.sleep(pause)
    return ask()


@dataclass(frozen=True, slots=True)
class Stored:
    """The object a write made: its ETag (without quotes), and its version where there are versions."""

    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object's content.

    Attributes:
        body: All of it.
        etag: Without quotes.
        last_modified: When it was written, by the store's clock: Unix seconds, resolution 1 s.
        date: When this answer was made, by the same clock (``Date``, RFC 9110 section 6.6.1).
        server: What has answered, by its own word (``Server``, RFC 9110 section 10.2.4); may be empty.
    """

    body: bytes
    etag: str
    last_modified: float
    date: float
    server: str = ""


@value
class ObjectInfo:
    """The facts about an object, as S3 returns them.

    Attributes:
        key: Relative to the prefix of the `Bucket` that was asked.
        size: Bytes.
        etag: Without quotes.
        last_modified: Unix seconds, by the store's clock.
        crc32: CRC32 of the whole object as base64, where the store knows one (never in a listing).
        version_id: Where the bucket keeps versions (never in a listing).
        digests: Checksums of other kinds, algorithm and bytes of each, where the store knows one (never in a
            listing).
    """

    key: str
    size: int
    etag: str
    last_modified: float
    crc32: str | None = None
    version_id: str | None = None
    digests: tuple[tuple[str, bytes], ...] = ()


class Bucket:
    """A handle on one S3 bucket, or on all keys of it that start with a prefix.

    Making one does no network I/O. It may be shared between threads. Every method raises `StoreError`:
    `NotFound`, `AccessDenied`, `AnswerLost`, …

    Args:
        name: The bucket's name.
        session: Whose credentials and region to use; None: boto3's own chain.
        prefix: What every key starts with; keys given to and by the methods are relative to it.
        client: An S3 client to use in place of one made from `session`.
        options: For every request of that client to that bucket, by their names in PutObject:
            ``ServerSideEncryption``, ``RequestPayer``, …
    """

    def __init__(
        self,
        name: str,
        session: boto3.Session | None = None,
        *,
        prefix: str = "",
        client: S3Client | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.prefix = prefix
        if client is None:
            from upload_client.s3 import clients  # noqa: PLC0415 - loads boto3

            client = clients.s3_client(session, read_timeout=_READ_TIMEOUT)
        self.client: S3Client = client
        self.options = dict(options or {})
        use(self.client, name, self.options)

    def __repr__(self) -> str:
        return f"Bucket({self.name!r}, prefix={self.prefix!r})"

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}"

    def put(
        self,
        key: str,
        body: bytes,
        *,
        if_none_match: bool = False,
        if_match: str | None = None,
        content_type: str | None = None,
    ) -> Stored:
        """Write an object, with its CRC32 so that the store refuses a damaged body.

        Args:
            key: Relative to the prefix.
            body: All of it.
            if_none_match: Only if there is no such object yet.
            if_match: Only if the object has this ETag (given without quotes).
            content_type: A MIME type to store with it.

        Raises:
            PreconditionFailed: There is one already, or it has another ETag.
            ConditionalConflict: Another conditional write was faster.
            NotFound: `if_match` was given and there is no such object.
            AnswerLost: It may have been written, or not.

        See https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        options: dict[str, Any] = {}
        if if_none_match:
            options["IfNoneMatch"] = "*"
        if if_match is not None:
            options["IfMatch"] = etag_form.condition(self.client, if_match)
        if content_type is not None:
            options["ContentType"] = content_type
        with store_errors(f"PUT {self.prefix}{key}"):
            answer = self.client.put_object(
                Bucket=self.name,
                Key=self.prefix + key,
                Body=body,
                ChecksumAlgorithm="CRC32",  # implied by the next line, but some stores want it said
                ChecksumCRC32=checksums.encode(checksums.crc32(body)),
                **options,
            )
            return Stored(_etag(answer), _version(answer))

    def get(self, key: str, *, if_match: str | None = None, limit: int | None = None) -> Fetched:
        """Read an object and the two times from which a lock's age is computed.

        Args:
            key: Relative to the prefix.
            if_match: Only if it has this ETag (given without quotes).
            limit: The most bytes to read.

        Raises:
            ObjectTooLarge: It is longer than `limit`; it was not read.
            NotFound: There is none.
            PreconditionFailed: It has another ETag than `if_match`.
        """
        # Botocore compares what arrives with the checksum it was written with: a bit may flip on the way.
        condition: dict[str, Any] = {"ChecksumMode": "ENABLED"}
        if if_match is not None:
            condition["IfMatch"] = f'"{if_match}"'
        with store_errors(f"GET {self.prefix}{key}"):
            answer = self.client.get_object(Bucket=self.name, Key=self.prefix + key, **condition)
            with contextlib.closing(answer["Body"]) as body:
                # An answer cut within its headers looks complete to http.client, only shorter.
                size = answer.get("ContentLength")
                headers = answer["ResponseMetadata"]["HTTPHeaders"]
                if size is None or "LastModified" not in answer or "date" not in headers:
                    raise AnswerLost(f"GET {self.prefix}{key}: the answer's headers are incomplete")
                found = Fetched(
                    b"",
                    _etag(answer),
                    answer["LastModified"].timestamp(),
                    _http_date(headers["date"]),
                    str(headers.get("server", ""))[:200],
                )
                if limit is not None and size > limit:
                    error = ObjectTooLarge(f"{self.prefix}{key}: {size} bytes, more than {limit}")
                    error.found = found
                    raise error
                return replace(found, body=body.read())

    def read(self, key: str, limit: int | None = None) -> bytes:
        """Read an object's content; see `get`."""
        return self.get(key, limit=limit).body

    def head(self, key: str, *, checksum: bool = True) -> ObjectInfo | None:
        """Ask what S3 knows of an object, None if there is none.

        Args:
            key: Relative to the prefix.
            checksum: Ask for its CRC32 too. One that covers parts instead of the whole is not given.
        """
        mode: dict[str, Any] = {"ChecksumMode": "ENABLED"} if checksum else {}
        try:
            with store_errors(f"HEAD {self.prefix}{key}"):
                answer = self.client.head_object(Bucket=self.name, Key=self.prefix + key, **mode)
                if "ContentLength" not in answer or "LastModified" not in answer:
                    raise AnswerLost(f"HEAD {self.prefix}{key}: the answer's headers are incomplete")
                etag = _etag(answer)
        except NotFound:
            return None
        crc32: str | None = answer.get("ChecksumCRC32")
        if crc32 is not None and (answer.get("ChecksumType") == "COMPOSITE" or "-" in crc32):
            crc32 = None
        return ObjectInfo(
            key,
            answer["ContentLength"],
            etag,
            answer["LastModified"].timestamp(),
            crc32,
            _version(answer),
            tuple(checksums_stated(answer, bucket=self.name).items()),
        )

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """List objects, one request for each 1,000.

        S3 lists in the order of their keys' UTF-8 bytes, and `start_after` goes by that. Other stores go by
        folders (SeaweedFS) or by a locale: only keys that differ in one folder are in order everywhere.

        Args:
            prefix: What keys start with, relative to the bucket's own prefix.
            start_after: Only keys after this one, relative as well.

        Yields:
            Each object, without `crc32` and `version_id`.

        See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        own = self.prefix
        for _, found in self._pages(prefix, start_after=start_after):
            for key, size, etag, last_modified in zip(*found, strict=True):
                if key.startswith(own):
                    yield ObjectInfo(key[len(own) :], size, etag, last_modified)

    def is_empty(self, prefix: str = "") -> bool:
        """Find out whether no key starts with `prefix`, by a listing of one.

        Args:
            prefix: Relative to the bucket's own prefix.
        """
        own = self.prefix
        pages = self._pages(prefix, page_size=1)
        return not any(key.startswith(own) for _, found in pages for key in found.keys)

    def ls(self, prefix: str = "", *, recursive: bool = True) -> tuple[str, ...]:
        """List keys that start with `prefix`.

        Args:
            prefix: Relative to the bucket's own prefix.
            recursive: False: what lies behind a further ``/`` appears once, as its name with that ``/``.

        Returns:
            Keys relative to the bucket's own prefix, sorted.
        """
        if recursive:
            return tuple(sorted(entry.key for entry in self.list(prefix)))
        found: list[str] = []
        for page, entries in self._pages(prefix, delimiter="/"):
            found += entries.keys
            found += (entry["Prefix"] for entry in page.get("CommonPrefixes", ()))
        return tuple(sorted(key[len(self.prefix) :] for key in found if key.startswith(self.prefix)))

    def _pages(
        self,
        prefix: str,
        *,
        start_after: str | None = None,
        delimiter: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[tuple[Mapping[str, Any], listing.Columns]]:
        options: dict[str, Any] = {}
        if start_after is not None:
            options["StartAfter"] = self.prefix + start_after
        if delimiter is not None:
            options["Delimiter"] = delimiter
        if page_size is not None:
            options["MaxKeys"] = page_size
        with store_errors(f"LIST {self.prefix}{prefix}"):
            pages = self._columns({"Bucket": self.name, "Prefix": self.prefix + prefix, **options})
            for page, entries in pages:
                # Botocore takes an answer that was cut before its body for an empty listing.
                if "IsTruncated" not in page:
                    raise AnswerLost(f"LIST {self.prefix}{prefix}: the answer is incomplete")
                yield page, entries

    def _columns(self, arguments: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], listing.Columns]]:
        return listing.columns(self.client, **arguments)

    def cp(self, source_key: str, destination: Bucket, key: str) -> Stored:
        """Copy an object of at most 5 GiB within S3; its bytes do not come here.

        Args:
            source_key: In this bucket, relative to its prefix.
            destination: The bucket to write to, with credentials that may read this one.
            key: In `destination`, relative to its prefix.

        See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
        """
        with store_errors(f"COPY {self.prefix}{source_key} to {destination.prefix}{key}"):
            answer = destination.client.copy_object(
                Bucket=destination.name,
                Key=destination.prefix + key,
                CopySource={"Bucket": self.name, "Key": self.prefix + source_key},
            )
            copied = answer.get("CopyObjectResult", {}).get("ETag", "").strip('"')
            # That it arrived whole is shown by the XML around it; some stores leave out the quotes.
            return Stored(_etag({"ETag": f'"{copied}"'}), _version(answer))

    def rm(self, key: str, *, if_match: str | None = None) -> None:
        """Delete an object. That there is none is no error, unless it is named by its ETag.

        Args:
            key: Relative to the prefix.
            if_match: Only if it has this ETag (given without quotes). Not every store knows this condition:
                some answer 501, and some do not look at it.

        Raises:
            PreconditionFailed: It has another ETag, or (NotFound in some stores) is not there.

        See https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
        """
        condition: dict[str, Any] = {} if if_match is None else {"IfMatch": f'"{if_match}"'}
        with store_errors(f"DELETE {self.prefix}{key}"):
            self.client.delete_object(Bucket=self.name, Key=self.prefix + key, **condition)

    def df(self) -> pd.DataFrame:
        """List all objects as a table.

        Returns:
            One row for each object, with columns ``key`` (str, relative to the prefix), ``size`` (int64,
            bytes), ``etag`` (str, without quotes) and ``last_modified`` (datetime64[ns, UTC]).
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that most commands need not spend

        rows = list(self.list())
        return pd.DataFrame(
            {
                "key": pd.Series([row.key for row in rows], dtype="str"),
                "size": pd.Series([row.size for row in rows], dtype="int64"),
                "etag": pd.Series([row.etag for row in rows], dtype="str"),
                "last_modified": pd.to_datetime(
                    pd.Series([row.last_modified for row in rows], dtype="float64"), unit="s", utc=True
                ).astype("datetime64[ns, UTC]"),
            }
        )


_KNOW_NO_PARTS: Final[WeakSet[Any]] = WeakSet()
"""The clients of stores that have answered a question about parts with an object."""


def read_range(bucket: Bucket, key: str, start: int, stop: int, *, if_match: str | None = None) -> bytes:
    """The bytes of an object from one to before another; fewer where it ends before.

    Raises:
        PreconditionFailed: It has another ETag than `if_match` (given without quotes).
    """
    condition: dict[str, Any] = {} if if_match is None else {"IfMatch": f'"{if_match}"'}
    with store_errors(f"GET {bucket.prefix}{key}"):
        answer = bucket.client.get_object(
            Bucket=bucket.name, Key=bucket.prefix + key, Range=f"bytes={start}-{stop - 1}", **condition
        )
        with contextlib.closing(answer["Body"]) as body:
            return body.read()


def whole_crc32(bucket: Bucket, key: str, etag: str) -> str | None:
    """The CRC32 of a whole object, put together from those of its parts, as far as the store says these.

    Args:
        bucket: Where it is.
        key: Relative to its prefix.
        etag: Of the object; another one's parts say nothing.

    Returns:
        Base64; None where the store does not say them, or nobody here may ask.

    Nothing is asked about an object that was sent whole: it has no parts. A store that does not know the
    question (Ceph RGW 16.2) takes it for a GetObject, and sends the object in answer: of that no more than a
    MiB is read, once, and the store is asked no more.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
    """
    client: Any = bucket.client
    if "-" not in etag or client in _KNOW_NO_PARTS:
        return None
    parts: list[tuple[int, int]] = []
    size, marker = 0, 0
    while True:
        try:
            with store_errors(f"GET the parts of {bucket.prefix}{key}"):
                attributes = client.get_object_attributes(
                    Bucket=bucket.name,
                    Key=bucket.prefix + key,
                    ObjectAttributes=["ETag", "ObjectSize", "ObjectParts"],
                    PartNumberMarker=marker,
                    MaxParts=1000,
                )
        except StoreError as error:
            if isinstance(error.__cause__, NotTheService):
                _KNOW_NO_PARTS.add(client)
            return None
        found = attributes.get("ObjectParts", {})
        listed = found.get("Parts", ())
        size = attributes.get("ObjectSize", -1)
        if attributes.get("ETag", "").strip('"') != etag or not listed:
            return None
        for part in listed:
            if part.get("PartNumber") != len(parts) + 1 or not is_crc32(part.get("ChecksumCRC32", "")):
                return None
            parts.append((part["Size"], checksums.decode(part["ChecksumCRC32"])))
        if not found.get("IsTruncated"):
            break
        marker = len(parts)
    if sum(n for n, _ in parts) != size:
        return None
    return checksums.encode(crc32_of_parts(parts))


def _etag(answer: Mapping[str, Any]) -> str:
    """Take the ETag off an answer, without its quotes, which show that it arrived whole."""
    etag = answer.get("ETag", "")
    if len(etag) < 3 or etag[0] != '"' or etag[-1] != '"' or not is_etag(etag[1:-1]):
        raise AnswerLost(f"the answer has no ETag: {etag[:100]!r}")
    return str(etag[1:-1])


def _version(answer: Mapping[str, Any]) -> str | None:
    """Take the version off an answer; ``null`` is what S3 calls an object of a bucket without versions."""
    version = answer.get("VersionId")
    return None if version in {None, "", "null"} else str(version)


def _http_date(text: str) -> float:
    """Read an HTTP date (RFC 9110 section 5.6.7) as Unix seconds."""
    try:
        return from_http(text)
    except ValueError as error:
        raise AnswerLost(f"not a date: {text[:100]!r}") from error
