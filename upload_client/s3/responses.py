"""The answers of S3 as they come over a connection: status, headers and body as a value."""

from __future__ import annotations

import contextlib
import re

from upload_client.core import checksums
from upload_client.core.forms import is_crc32, is_etag, is_version_id
from upload_client.core.redaction import is_page, xml_text
from upload_client.core.text import for_log
from upload_client.core.times import from_http
from upload_client.s3.wire import (
    Answer,
    CopyObject,
    DeleteObject,
    GetObject,
    GetRange,
    HeadObject,
    ListObjectsV2,
    PutObject,
    UploadPart,
)
from upload_client.support.secrets import without_secrets

DirectRequest = (
    PutObject | UploadPart | GetObject | GetRange | HeadObject | CopyObject | DeleteObject | ListObjectsV2
)
MAX_BODY = 1024 * 1024
_SINGLE = frozenset({b"content-length", b"transfer-encoding", b"etag"})

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9][0-9](?: |\r|\Z)")
_CODE = re.compile(rb"<Code>([^<]{1,200})</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]{0,2000})</Message>")
_COPIED = re.compile(rb"<(ETag|ChecksumCRC32|ChecksumType)>\s*([^<]{1,200}?)\s*</\1>")


class Broken(Exception):  # noqa: N818 - the connection's, not the program's
    """The connection is of no further use."""

    code = "Broken"


def status_of(head: bytes) -> int:
    """The status of an answer, from its first line."""
    if not _STATUS_LINE.match(head):
        raise Broken("the answer is not HTTP/1.1")
    return int(head[9:12])


def headers_of(head: bytes) -> dict[bytes, bytes]:
    """The headers of an answer, names in lower case."""
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or (name in headers and name in _SINGLE):
            raise Broken("the answer's headers are garbled")
        headers[name] = value.strip()
    return headers


def answer_of(
    request: DirectRequest, status: int, headers: dict[bytes, bytes], body: bytes | bytearray, *, whole: bool
) -> Answer:
    """The answer to a request as a value; one that is not fully understood is no answer."""
    if 200 <= status < 300:
        if isinstance(request, GetObject | HeadObject):
            return _found(request, status, headers, body)
        if isinstance(request, GetRange):
            return _found_range(request, status, headers, body)
        if isinstance(request, CopyObject):
            return _copied(headers, body)
        if isinstance(request, ListObjectsV2):
            return Answer(status, body=body)
        if isinstance(request, DeleteObject):
            if body:  # S3 says nothing; a page of somebody else does
                return Answer(0, "MalformedAnswer", "S3 confirms something else than it was asked for")
            return Answer(status, request_id=headers.get(b"x-amz-request-id", b"").decode("latin-1"))
        etag = headers.get(b"etag", b"").strip(b'"').decode("latin-1")
        echoed = headers.get(b"x-amz-checksum-crc32")
        if not whole or (echoed is not None and echoed.decode("latin-1") != request.crc32):
            return Answer(0, "MalformedAnswer", "S3 confirms something else than it was asked for")
        if not is_etag(etag):
            if isinstance(request, UploadPart):
                return Answer(0, "MalformedAnswer", "the store named no ETag for a part")
            etag = ""  # `write` asks for it
        version = headers.get(b"x-amz-version-id", b"null").decode("latin-1")
        return Answer(
            status,
            etag=etag,
            crc32=request.crc32,
            size=len(request.body),
            version_id=None if version == "null" or not is_version_id(version) else version,
            request_id=headers.get(b"x-amz-request-id", b"").decode("latin-1"),
            host_id=headers.get(b"x-amz-id-2", b"").decode("latin-1"),
        )
    code, message = _CODE.search(body), _MESSAGE.search(body)
    if status < 500 and code is None and body and is_page(text := body.decode("utf-8", "replace")):
        return Answer(0, "NotTheService", f"what answered ({status}) is not S3 but {without_secrets(text)}")
    return Answer(
        status,
        code=xml_text(code[1].decode("utf-8", "replace")) if code else "",
        message=for_log(without_secrets(xml_text(message[1].decode("utf-8", "replace")))) if message else "",
        date=headers.get(b"date", b"").decode("latin-1"),
        request_id=headers.get(b"x-amz-request-id", b"").decode("latin-1"),
        host_id=headers.get(b"x-amz-id-2", b"").decode("latin-1"),
    )


def _found_range(
    request: GetRange, status: int, headers: dict[bytes, bytes], body: bytes | bytearray
) -> Answer:
    """A range of an object: exactly the one that was asked for, of the object that was asked for."""
    sink = request.sink
    size = len(body) if sink is None else sink.size
    last = request.offset + request.size - 1
    sent_range = headers.get(b"content-range", b"").replace(b"=", b" ")
    if (
        status != 206
        or size != request.size
        or not sent_range.startswith(b"bytes %d-%d/" % (request.offset, last))
    ):
        return Answer(0, "MalformedAnswer", "S3 confirms something else than it was asked for")
    if headers.get(b"etag", b"").strip(b'"') != request.etag.encode():
        return Answer(0, "MalformedAnswer", "the answer is of another object")
    return Answer(status, etag=request.etag, size=size, body=body)


def _copied(headers: dict[bytes, bytes], body: bytes | bytearray) -> Answer:
    """The answer to a copy. It may say yes at first, and no when it is done.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    request_id = headers.get(b"x-amz-request-id", b"").decode("latin-1")
    host_id = headers.get(b"x-amz-id-2", b"").decode("latin-1")
    if b"<CopyObjectResult" not in body:
        code, message = _CODE.search(body), _MESSAGE.search(body)
        if code is None:
            return Answer(0, "MalformedAnswer", "S3 confirms something else than it was asked for")
        message_text = message[1].decode("utf-8", "replace") if message else ""
        return Answer(
            500,
            xml_text(code[1].decode("utf-8", "replace")),
            for_log(without_secrets(xml_text(message_text))),
            date=headers.get(b"date", b"").decode("latin-1"),
            request_id=request_id,
            host_id=host_id,
        )
    fields = {name: value.decode("latin-1") for name, value in _COPIED.findall(body)}
    etag = xml_text(fields.get(b"ETag", "")).strip('"')
    crc32 = fields.get(b"ChecksumCRC32")
    if crc32 is not None and (not is_crc32(crc32) or fields.get(b"ChecksumType") == "COMPOSITE"):
        crc32 = None
    versions = [
        headers.get(name, b"null").decode("latin-1")
        for name in (b"x-amz-version-id", b"x-amz-copy-source-version-id")
    ]
    version, source_version = (v if v != "null" and is_version_id(v) else None for v in versions)
    return Answer(
        200,
        etag=etag if is_etag(etag) else "",
        crc32=crc32,
        version_id=version,
        source_version=source_version,
        request_id=request_id,
        host_id=host_id,
    )


def _found(
    request: GetObject | HeadObject, status: int, headers: dict[bytes, bytes], body: bytes | bytearray
) -> Answer:
    """The facts about an object in an answer."""
    quoted, length = headers.get(b"etag", b""), headers.get(b"content-length", b"")
    sink = request.sink if isinstance(request, GetObject) else None
    came = len(body) if sink is None else sink.size
    if isinstance(request, GetObject) and b"transfer-encoding" in headers:
        length = b"%d" % came
    if status != 200 or len(quoted) < 3 or not quoted[0] == quoted[-1] == ord('"') or not length.isdigit():
        return Answer(0, "MalformedAnswer", "the answer's headers are incomplete")
    etag = quoted[1:-1].decode("latin-1")
    if not is_etag(etag):
        return Answer(0, "MalformedAnswer", "the store names no ETag that can be used")
    stated: str | None = headers.get(b"x-amz-checksum-crc32", b"").decode("latin-1")
    if not stated or not is_crc32(stated) or headers.get(b"x-amz-checksum-type") == b"COMPOSITE":
        stated = None  # none of the whole object
    size = int(length)
    found = None
    if isinstance(request, GetObject) and size == came and stated is not None:
        found = checksums.encode(checksums.crc32(body) if sink is None else sink.crc32)
        if found != stated:
            return Answer(
                0, "DamagedAnswer", f"the content received has CRC32 {found}, and S3 states {stated}"
            )
    modified, version = 0.0, None
    if isinstance(request, HeadObject):
        with contextlib.suppress(ValueError):
            modified = from_http(headers.get(b"last-modified", b"").decode("latin-1"))
        version_id = headers.get(b"x-amz-version-id", b"null").decode("latin-1")
        version = version_id if version_id != "null" and is_version_id(version_id) else None
    return Answer(
        200,
        etag=etag,
        crc32=stated,
        size=size,
        last_modified=modified,
        version_id=version,
        body=body,
        body_crc32=found,
        request_id=headers.get(b"x-amz-request-id", b"").decode("latin-1"),
        host_id=headers.get(b"x-amz-id-2", b"").decode("latin-1"),
    )
