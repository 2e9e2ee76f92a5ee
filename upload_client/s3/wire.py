"""Requests and answers that move a file, as values; and boto3 to carry them.

The rules of a transfer (`upload`, `copy`) are generators: they yield a request and are given its answer.
Who carries it out, on which thread and over which sockets, is none of their business; so one set of rules
serves every wire, and a test can play the store. An answer is never an exception: status 0 means that none
came, and then nobody knows whether the request was carried out.

S3 API reference: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode

from upload_client.core import digests
from upload_client.core.answers import Meaning, meaning
from upload_client.core.forms import is_crc32, is_etag, is_version_id
from upload_client.core.parts import ListedPart
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, NotReachable
from upload_client.s3 import etag_form
from upload_client.s3.trouble import trouble_of
from upload_client.support.local_file import FileRange

if TYPE_CHECKING:
    from upload_client.s3.bucket import Bucket

Body = bytes | bytearray | memoryview | FileRange
T = TypeVar("T")


class PutObject(NamedTuple):
    """Write an object in one request, if what is there now is what was expected.

    `expect` is the ETag that must be there (without quotes); None: nothing may be there. `unchanged` is
    called while a long body is on its way, before its end is sent; it raises to give up. `md5` (base64) and
    `sha256` (hexadecimal) are sent along for S3 to check, where they are known.
    """

    key: str
    body: Body
    crc32: str
    expect: str | None
    unchanged: Any = None
    md5: str | None = None
    sha256: str | None = None


class UploadPart(NamedTuple):
    """Send one part of a multipart upload."""

    key: str
    upload_id: str
    number: int
    body: Body
    crc32: str


class CreateUpload(NamedTuple):
    """Begin a multipart upload whose whole will have a CRC32.

    With `source_key` the object gets what CopyObject copies besides the content of that object of the source
    bucket: content type and the like, metadata, tags.
    """

    key: str
    source_key: str | None = None


class CompleteUpload(NamedTuple):
    """Make the object of a multipart upload, on the same condition as `PutObject`.

    `parts` holds an ETag (without quotes) and a CRC32 for each part, in order; `crc32` covers the whole.
    """

    key: str
    upload_id: str
    parts: tuple[tuple[str, str], ...]
    crc32: str
    size: int
    expect: str | None


class AbortUpload(NamedTuple):
    """Throw a multipart upload and its parts away."""

    key: str
    upload_id: str


class ListParts(NamedTuple):
    """Ask which parts of a multipart upload are there; the answer holds all of them."""

    key: str
    upload_id: str


class HeadObject(NamedTuple):
    """Ask what an object is."""

    key: str

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class Sink(Protocol):
    """Takes content as it comes, so that nobody holds all of it."""

    buffer: memoryview
    """Where the next bytes are put."""
    size: int
    """Bytes that have come since `begin`."""
    crc32: int
    """The CRC32 of these."""

    def begin(self) -> None:
        """The content comes from its beginning; once more, where an earlier answer was cut."""
        ...

    def came(self, n: int) -> None:
        """The next `n` bytes of it are in the buffer. What this raises ends the request."""
        ...


class GetObject(NamedTuple):
    """Fetch an object, if it has the ETag `etag` (without quotes); not the content of more than `most` bytes.

    It says as much of the object as `HeadObject` does. Connections of our own carry it (`direct`); who reads
    through boto3 asks the bucket. The content goes into `sink`, else it is the answer's body.
    """

    key: str
    etag: str
    most: int
    sink: Sink | None = None

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class GetRange(NamedTuple):
    """Fetch `size` bytes (at least one) of an object from an offset, if it has the ETag `etag`.

    Connections of our own carry it, as `GetObject`.
    """

    key: str
    etag: str
    offset: int
    size: int
    sink: Sink | None = None

    @property
    def most(self) -> int:
        """Bytes of the answer's body."""
        return self.size

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class ListObjectsV2(NamedTuple):
    """Ask for a page of a listing: all keys that start with `prefix`, the bucket's own in it.

    Direct connections carry it for a `DirectBucket`; for others botocore does.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """

    prefix: str
    following: tuple[tuple[str, str], ...] = ()
    most: int = 64 * 1024 * 1024

    @property
    def key(self) -> str:
        """None: it is of many."""
        return ""

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class DeleteObject(NamedTuple):
    """Delete an object, if it has the ETag `etag` (without quotes). Connections of our own carry it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    """

    key: str
    etag: str

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class SourceObject(NamedTuple):
    """Ask what an object of the source bucket is."""

    key: str


class ReadObject(NamedTuple):
    """Compute the CRC32 of an object by reading it, where the store knows none."""

    key: str
    etag: str


class CopyObject(NamedTuple):
    """Have S3 copy an object of the source bucket, if it has the ETag `source_etag`."""

    source_key: str
    source_etag: str | None
    key: str
    expect: str | None

    @property
    def body(self) -> bytes:
        """Nothing is sent."""
        return b""


class CopyPart(NamedTuple):
    """Have S3 copy a range of an object of the source bucket into a part."""

    source_key: str
    source_etag: str
    key: str
    upload_id: str
    number: int
    offset: int
    size: int


class Pause(NamedTuple):
    """Not a request: come back after so many seconds."""

    seconds: float


Request = (
    PutObject
    | UploadPart
    | CreateUpload
    | CompleteUpload
    | AbortUpload
    | ListParts
    | HeadObject
    | SourceObject
    | ReadObject
    | CopyObject
    | CopyPart
    | Pause
)

_DESCRIBED = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"),
    *("Expires", "Metadata"),
)
"""Everything that CopyObject copies of an object beside content and tags, by its name in requests.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

READS = (HeadObject, SourceObject, ReadObject, ListParts, Pause)
"""Requests that change nothing, and so need no lock."""


@dataclass(slots=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status; 0: no answer came, so it is unknown whether the request was carried out.
        code: S3's error code, or the name of the exception; empty on success.
        message: What S3 said about the error.
        etag: Without quotes; empty where the store says none, or one that could not be told to anybody.
        crc32: Of the whole object or the part, base64, where the store says it.
        size: Of the object, bytes.
        last_modified: When a `HeadObject`'s object was written, Unix seconds; 0: it is not said.
        date: The store's clock, as it stands in the answer (RFC 9110, section 5.6.7).
        digests: Other checksums of a source object, by algorithm, as far as the store says them.
        request_id: Under which the store's own logs have the request; `host_id` likewise.
        body: Content that was asked for, unless a sink took it. Where the store says its CRC32, it has it.
        body_crc32: Of the body, base64, where it was computed on the way.
    """

    status: int
    code: str = ""
    message: str = ""
    etag: str = ""
    crc32: str | None = None
    size: int = 0
    last_modified: float = 0.0
    version_id: str | None = None
    source_version: str | None = None
    upload_id: str = ""
    parts: tuple[ListedPart, ...] = ()
    full_object: bool = False
    date: str = ""
    digests: Mapping[str, bytes] = field(default_factory=dict)
    request_id: str = ""
    host_id: str = ""
    body: bytes | bytearray = b""
    body_crc32: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it was carried out."""
        return 200 <= self.status < 300

    @property
    def meaning(self) -> Meaning:
        """The meaning, by the table of all answers."""
        return meaning(self.status, self.code, self.message)

    @property
    def lost(self) -> bool:
        """Whether no answer came."""
        return self.status == 0 and not self.meaning.credentials

    @property
    def conflict(self) -> bool:
        """Whether something else was there than expected, or may have been (412, 409, or 404 to If-Match).

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        means = self.meaning
        return means in (Meaning.CONFLICT, Meaning.CONDITION) or (
            means is Meaning.MISSING and self.code == "NoSuchKey"
        )

    @property
    def throttled(self) -> bool:
        """Whether S3, or this machine, asks for fewer requests at once."""
        return self.meaning in (Meaning.BUSY, Meaning.OWN_LIMIT)

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.lost or self.meaning.passing

    @property
    def credentials_refused(self) -> bool:
        """Whether the credentials are at fault, and so every request will fail."""
        return self.meaning.credentials


Steps = Generator[Request, Answer, T]
"""Rules of a transfer: yields requests, is given their answers, returns a T."""


class Wire(Protocol):
    """Carries requests to S3. Safe to share between threads."""

    def perform(self, request: Request) -> Answer:
        """Carry out a request and wait for its answer. Raises nothing S3 or the network causes."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class BotoWire:
    """Every request, through one boto3 client shared by all threads.

    Args:
        destination: Where objects are written; its client is used for everything.
        source: Where copies come from.
        options: Arguments of boto3 for every request that knows them: ``ServerSideEncryption``,
            ``SSEKMSKeyId``, ``StorageClass``, ``Tagging``, ``RequestPayer``, ``ExpectedBucketOwner``, …
    """

    def __init__(
        self, destination: Bucket, source: Bucket | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        # Any: which options an operation takes is looked up, not known to the type checker.
        self._client: Any = destination.client
        self._bucket = destination.name
        self._prefix = destination.prefix
        self._source = source
        model = self._client.meta.service_model
        self._options: dict[str, dict[str, str]] = {}
        for operation in (
            "PutObject",
            "UploadPart",
            "CreateMultipartUpload",
            "CompleteMultipartUpload",
            "AbortMultipartUpload",
            "ListParts",
            "HeadObject",
            "GetObject",
            "CopyObject",
            "UploadPartCopy",
        ):
            shape = model.operation_model(operation).input_shape
            known = shape.members if shape is not None else {}
            # A tag or a class of storage is the new object's; who pays and who owns concern every request.
            self._options[operation] = {k: v for k, v in (options or {}).items() if k in known}

    def close(self) -> None:
        """Nothing: the client belongs to the bucket."""

    def perform(self, request: Request) -> Answer:
        """Carry out a request; see `Wire`."""
        try:
            return _PERFORM[type(request)](self, request)
        except Exception as error:
            ours = isinstance(error, DeliveryError) and not isinstance(error, NotReachable)
            trouble = None if ours else trouble_of(error)
            if trouble is None:
                raise
            return Answer(
                trouble.status,
                trouble.code,
                for_log(trouble.message),
                date=trouble.date,
                request_id=trouble.request_id,
                host_id=trouble.host_id,
            )

    def _to(self, operation: str, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + key, **self._options[operation]}

    def _put(self, request: PutObject) -> Answer:
        answer = self._client.put_object(
            **self._to("PutObject", request.key),
            **_fence(self._client, request.expect),
            Body=_bytes(request.body),
            ChecksumCRC32=request.crc32,
            **({} if request.md5 is None else {"ContentMD5": request.md5}),
        )
        return _written(answer, crc32=request.crc32, size=len(request.body))

    def _upload_part(self, request: UploadPart) -> Answer:
        answer = self._client.upload_part(
            **self._to("UploadPart", request.key),
            UploadId=request.upload_id,
            PartNumber=request.number,
            Body=_bytes(request.body),
            ChecksumCRC32=request.crc32,
        )
        return _part(_written(answer, crc32=request.crc32, size=len(request.body)))

    def _create(self, request: CreateUpload) -> Answer:
        like = {} if request.source_key is None else self._described(request.source_key)
        answer = self._client.create_multipart_upload(
            **{**like, **self._to("CreateMultipartUpload", request.key)},
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
        )
        if not answer["UploadId"]:
            return Answer(0, "MalformedAnswer", "the store names no upload")
        return Answer(200, upload_id=answer["UploadId"])

    def _complete(self, request: CompleteUpload) -> Answer:
        answer = self._client.complete_multipart_upload(
            **self._to("CompleteMultipartUpload", request.key),
            **_fence(self._client, request.expect),
            UploadId=request.upload_id,
            ChecksumCRC32=request.crc32,
            ChecksumType="FULL_OBJECT",
            MpuObjectSize=request.size,
            MultipartUpload={
                "Parts": [
                    {"PartNumber": number, "ETag": f'"{etag}"', "ChecksumCRC32": crc32}
                    for number, (etag, crc32) in enumerate(request.parts, 1)
                ]
            },
        )
        return _written(answer, crc32=request.crc32, size=request.size)

    def _abort(self, request: AbortUpload) -> Answer:
        self._client.abort_multipart_upload(
            **self._to("AbortMultipartUpload", request.key), UploadId=request.upload_id
        )
        return Answer(204)

    def _list_parts(self, request: ListParts) -> Answer:
        parts: list[ListedPart] = []
        full = False
        pages = self._client.get_paginator("list_parts").paginate(
            **self._to("ListParts", request.key), UploadId=request.upload_id
        )
        for page in pages:
            # A store that says nothing of it gets the benefit of the doubt; it can still refuse to complete.
            algorithm, kind = page.get("ChecksumAlgorithm"), page.get("ChecksumType")
            full = algorithm in (None, "CRC32") and kind in (None, "FULL_OBJECT")
            parts += (
                ListedPart(
                    part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("ChecksumCRC32")
                )
                for part in page.get("Parts", ())
            )
        return Answer(200, upload_id=request.upload_id, parts=tuple(parts), full_object=full)

    def _head(self, request: HeadObject) -> Answer:
        return seen(self._client.head_object(**self._to("HeadObject", request.key), ChecksumMode="ENABLED"))

    def _read(self, request: ReadObject) -> Answer:
        from upload_client.core import checksums  # noqa: PLC0415 - only where a store knows no checksums

        answer = self._client.get_object(
            **self._to("GetObject", request.key), IfMatch=f'"{request.etag}"', ChecksumMode="DISABLED"
        )
        crc = size = 0
        for block in answer["Body"].iter_chunks(1 << 20):
            crc = checksums.crc32(block, crc)
            size += len(block)
        return Answer(200, etag=request.etag, crc32=checksums.encode(crc), size=size)

    def _head_source(self, request: SourceObject) -> Answer:
        source = self._from()
        client: Any = source.client
        response = client.head_object(
            Bucket=source.name,
            Key=source.prefix + request.key,
            ChecksumMode="ENABLED",
            **{k: v for k, v in self._options["HeadObject"].items() if k == "RequestPayer"},
        )
        answer = seen(response)
        answer.digests = digests.checksums_stated(response, bucket=source.name)
        return answer

    def _described(self, key: str) -> dict[str, Any]:
        """Everything that an object of the source has besides content; who may not read tags is refused."""
        source = self._from()
        client: Any = source.client
        place = {"Bucket": source.name, "Key": source.prefix + key}
        payer = {k: v for k, v in self._options["HeadObject"].items() if k == "RequestPayer"}
        response = client.head_object(**place, **payer)
        found = {name: response[name] for name in _DESCRIBED if response.get(name)}
        if response.get("TagCount"):
            tags = client.get_object_tagging(**place, **payer)["TagSet"]
            of_all = [(tag["Key"], tag["Value"]) for tag in tags]
            found["Tagging"] = urlencode(of_all, quote_via=quote)  # a space as + is one only to some
        return found

    def _copy(self, request: CopyObject) -> Answer:
        source = self._from()
        condition = {} if request.source_etag is None else {"CopySourceIfMatch": f'"{request.source_etag}"'}
        answer = self._client.copy_object(
            **self._to("CopyObject", request.key),
            **_fence(self._client, request.expect),
            **condition,
            CopySource={"Bucket": source.name, "Key": source.prefix + request.source_key},
            ChecksumAlgorithm="CRC32",
        )
        result = answer.get("CopyObjectResult", {})
        return Answer(
            200,
            etag=_etag(result),
            crc32=_whole(result),
            version_id=_version(answer),
            source_version=_null(answer.get("CopySourceVersionId")),
        )

    def _copy_part(self, request: CopyPart) -> Answer:
        source = self._from()
        answer = self._client.upload_part_copy(
            **self._to("UploadPartCopy", request.key),
            UploadId=request.upload_id,
            PartNumber=request.number,
            CopySource={"Bucket": source.name, "Key": source.prefix + request.source_key},
            CopySourceIfMatch=f'"{request.source_etag}"',
            CopySourceRange=f"bytes={request.offset}-{request.offset + request.size - 1}",
        )
        result = answer.get("CopyPartResult", {})
        return _part(
            Answer(
                200,
                etag=_etag(result),
                crc32=_whole(result),
                source_version=_null(answer.get("CopySourceVersionId")),
            )
        )

    def _from(self) -> Bucket:
        assert self._source is not None, "a copy needs a source bucket"
        return self._source


_PERFORM: dict[type, Callable[[BotoWire, Any], Answer]] = {
    PutObject: BotoWire._put,  # noqa: SLF001 - this module's own
    UploadPart: BotoWire._upload_part,  # noqa: SLF001
    CreateUpload: BotoWire._create,  # noqa: SLF001
    CompleteUpload: BotoWire._complete,  # noqa: SLF001
    AbortUpload: BotoWire._abort,  # noqa: SLF001
    ListParts: BotoWire._list_parts,  # noqa: SLF001
    HeadObject: BotoWire._head,  # noqa: SLF001
    ReadObject: BotoWire._read,  # noqa: SLF001
    SourceObject: BotoWire._head_source,  # noqa: SLF001
    CopyObject: BotoWire._copy,  # noqa: SLF001
    CopyPart: BotoWire._copy_part,  # noqa: SLF001
}


def _fence(client: Any, expect: str | None) -> dict[str, str]:  # noqa: ANN401 - as `BotoWire` has it
    return {"IfNoneMatch": "*"} if expect is None else {"IfMatch": etag_form.condition(client, expect)}


def _bytes(body: Body) -> bytes | bytearray:
    """The body in a form that botocore takes. A view of a whole bytes object is that object."""
    if isinstance(body, FileRange):
        return body.read()
    if isinstance(body, memoryview):
        whole = body.obj
        return whole if isinstance(whole, bytes) and len(whole) == len(body) else bytes(body)
    return body


def _written(answer: Mapping[str, Any], *, crc32: str, size: int) -> Answer:
    """The answer to a write. A checksum S3 acknowledges is the one it was sent, or it would have refused."""
    return Answer(
        answer["ResponseMetadata"]["HTTPStatusCode"],
        etag=_etag(answer),
        crc32=crc32,
        size=size,
        version_id=_version(answer),
    )


def seen(answer: Mapping[str, Any]) -> Answer:
    """Read boto3's answer about an object. Raises `KeyError` where it is not all there."""
    return Answer(
        200,
        etag=_etag(answer),
        crc32=_whole(answer),
        size=answer["ContentLength"],
        version_id=_version(answer),
    )


def _etag(answer: Mapping[str, Any]) -> str:
    """The ETag that an answer names; empty where it names none that could be told in a log or a condition."""
    etag = str(answer.get("ETag") or "").strip('"')
    return etag if is_etag(etag) else ""


def _part(answer: Answer) -> Answer:
    """The answer to a part. Nothing else says its ETag: without one it counts as lost."""
    return answer if answer.etag else Answer(0, "MalformedAnswer", "the store named no ETag for a part")


def _whole(answer: Mapping[str, Any]) -> str | None:
    """The CRC32 of the whole object; one that covers parts (``…-3``) tells nothing here."""
    crc32: str | None = answer.get("ChecksumCRC32")
    if crc32 is None or not is_crc32(crc32) or answer.get("ChecksumType") == "COMPOSITE":
        return None
    return crc32


def _version(answer: Mapping[str, Any]) -> str | None:
    return _null(answer.get("VersionId"))


def _null(version: str | None) -> str | None:
    """A bucket that keeps no versions calls them all "null"."""
    return None if version in (None, "null") or not is_version_id(version) else version
