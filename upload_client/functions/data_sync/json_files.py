"""JSON files, in S3 and on this machine: read, and written whole."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from upload_client.core import checksums
from upload_client.errors import UsageError
from upload_client.functions.base.handler import LambdaHandler
from upload_client.functions.base.payloads import json_of
from upload_client.functions.data_sync.models import (
    GetJSONFromFileRequest,
    GetJSONFromFileResponse,
    PutJSONToFileRequest,
    PutJSONToFileResponse,
)
from upload_client.functions.data_sync.paths import Place, S3Place, place_of
from upload_client.s3.bucket import NotFound, repeat_while_lost, store_errors
from upload_client.support.atomic import replacing

DEFAULT_BUCKET: Final = "DEFAULT_BUCKET_NAME"
SCRATCH: Final = "time-to-live=scratch"
"""The tag of what may be thrown away: a lifecycle rule of the bucket looks for it."""
MAX_BYTES: Final = 512 * 1024**2
"""Bytes of a JSON file that is read."""


def get_s3_scratch_key(
    filename: str | None = None, content: JsonValue = None, unique_id: str | None = None
) -> str:
    """The key of a scratch file: ``scratch/{unique id}/{file name}``.

    Args:
        filename: its name; None: the SHA-256 of the content, as JSON with sorted keys and no blanks, hex.
        content: of the file.
        unique_id: of whoever writes it; None: a new one.
    """
    if filename is None:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        filename = hashlib.sha256(text.encode()).hexdigest()
    return f"scratch/{unique_id or uuid.uuid4()}/{filename}"


def read_json(path: str) -> Any:  # noqa: ANN401 - any JSON
    """Read a JSON file.

    Args:
        path: an S3 or EFS URI, or a path of this machine.

    Raises:
        FileNotFoundError: there is none.
        UsageError: it is no JSON, or too long.
        StoreError: S3 refuses.
        OSError: it cannot be read.
    """
    place = _file(path)
    if isinstance(place, S3Place):
        try:
            whole = place._replace(key="").open()
            body = repeat_while_lost(lambda: whole.read(place.key, MAX_BYTES))
        except NotFound as error:
            missing = FileNotFoundError(f"{path}: {error}")
            missing.add_note("See that bucket and key are the right ones.")
            raise missing from None
    else:
        with Path(place.path).open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES:,} bytes")
    try:
        return json_of(body)
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no JSON", hint="Give the path of a JSON file.") from None


def write_json(path: str, content: Any, *, tags: str | None = None) -> None:  # noqa: ANN401 - any JSON
    """Write a JSON file, whole or not at all; folders that are not there are made.

    Args:
        path: an S3 or EFS URI, or a path of this machine.
        content: what is in it.
        tags: of the object, as a query (``key=value``).

    Raises:
        StoreError: S3 refuses.
        OSError: it cannot be written.
    """
    place = _file(path)
    if isinstance(place, S3Place):
        put_json(place, json.dumps(content, sort_keys=True).encode(), tags=tags)
        return
    target = Path(place.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        file.write(json.dumps(content, indent=4, sort_keys=True))


def _file(path: str) -> Place:
    place = place_of(path)
    if place.is_folder:
        raise UsageError(f"{path} is a folder", hint="Give the path of a file, without '/' at its end.")
    return place


def put_json(place: S3Place, body: bytes, *, tags: str | None = None) -> None:
    """Write an object that is JSON already."""
    client: Any = place.client()

    def put() -> None:
        with store_errors(f"PUT {place.key}"):
            client.put_object(
                Bucket=place.bucket,
                Key=place.key,
                Body=body,
                ContentType="application/json",
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=checksums.encode(checksums.crc32(body)),
                **({} if tags is None else {"Tagging": tags}),
            )

    repeat_while_lost(put)


class GetJSONFromFileHandler(LambdaHandler[GetJSONFromFileRequest, GetJSONFromFileResponse]):
    """Reads a JSON file."""

    def handle(self, request: GetJSONFromFileRequest) -> GetJSONFromFileResponse:
        """Read it; raises as `read_json`."""
        return GetJSONFromFileResponse(content=read_json(request.path))

    @classmethod
    def serialize_response(cls, response: GetJSONFromFileResponse) -> dict[str, JsonValue]:
        """The JSON of a response: content that is null stands there as well."""
        return {"content": response.content}


class PutJSONToFileHandler(LambdaHandler[PutJSONToFileRequest, PutJSONToFileResponse]):
    """Writes a JSON file; without a path, into the scratch folder of the bucket `DEFAULT_BUCKET_NAME`."""

    def handle(self, request: PutJSONToFileRequest) -> PutJSONToFileResponse:
        """Write it.

        Raises:
            UsageError: there is neither a path nor a default bucket. (It is a `ValueError`.)
        """
        path = request.path
        if path is not None:
            write_json(path, request.content)
            return PutJSONToFileResponse(path=path)
        bucket = os.environ.get(DEFAULT_BUCKET)
        if not bucket:
            raise UsageError(
                f"no path was given, and the variable {DEFAULT_BUCKET} names no bucket",
                hint=f"Give a path, or set {DEFAULT_BUCKET}.",
            )
        key = get_s3_scratch_key(content=request.content, unique_id=self.context.aws_request_id)
        path = f"s3://{bucket}/{key}"
        write_json(path, request.content, tags=SCRATCH)
        return PutJSONToFileResponse(path=path)
