"""Events as they come, and answers as they are written: JSON, the path of a file, an S3 URI."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

from upload_client.core.text import for_log
from upload_client.functions.errors import InvalidRequest
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge
from upload_client.support.atomic import replacing
from upload_client.support.inputs import STDIN, opened

MAX_EVENT = 256 * 1024**2
"""Bytes of an event that is read from a file or an object."""

_URI = re.compile(r"s3://([^/\s]{3,255})/(.+)", re.DOTALL)


def split_uri(uri: str) -> tuple[str, str] | None:
    """Bucket and key of ``s3://bucket/key``, None where it is no such URI."""
    found = _URI.fullmatch(uri)
    return (found[1], found[2]) if found else None


def json_of(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The JSON that bytes are, without what Python reads as such beside it (NaN, Infinity).

    Raises:
        ValueError: they are none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def read_event(event: Any) -> Any:  # noqa: ANN401 - any JSON
    """An event as JSON: as it is, or what a text means.

    Args:
        event: any JSON. A text is itself JSON, or an ``s3://`` URI or the path of a file that holds it.

    Raises:
        InvalidRequest: a text is none of these.
        StoreError: the object cannot be read.
    """
    if isinstance(event, bytes | bytearray):
        event = bytes(event).decode("utf-8", "surrogateescape")
    if not isinstance(event, str):
        return event
    if event.startswith("s3://"):
        return read_location(event)
    try:
        found = json_of(event.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        if event.lstrip()[:1] in ("{", "["):
            raise InvalidRequest("the event is no JSON, though it begins like it") from None
        return read_location(event)
    # A text within the text may be a location again: what was JSON-encoded once too often is still meant.
    return read_location(found) if isinstance(found, str) and found.startswith("s3://") else found


def read_location(location: str, *, may_be_pipe: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """The JSON in a file or an object.

    Args:
        location: path or ``s3://`` URI.
        may_be_pipe: a person has named it: ``-`` is standard input, and what is no regular file is read, too.

    Raises:
        InvalidRequest: there is none, it is too large, or it holds no JSON.
        StoreError: the object cannot be read.
    """
    shown = for_log(location, 200)
    try:
        if location.startswith("s3://"):
            if (place := split_uri(location)) is None:
                raise InvalidRequest(f"{shown} is no s3://bucket/key")
            content = Bucket(place[0]).read(place[1], MAX_EVENT)
        elif may_be_pipe and (location == STDIN or Path(location).exists()):
            with opened(location, "the event") as file:
                content = file.read(MAX_EVENT + 1)
        else:
            path = Path(location)
            if "\0" in location or not path.is_file():
                raise InvalidRequest(f"{shown} is neither JSON nor a file nor an s3:// URI")
            with path.open("rb") as file:
                content = file.read(MAX_EVENT + 1)
    except (NotFound, ObjectTooLarge) as error:
        raise InvalidRequest(f"{shown} cannot be taken: {error}") from None
    except OSError as error:
        raise InvalidRequest(f"{shown} cannot be read: {error.strerror}") from None
    if len(content) > MAX_EVENT:
        raise InvalidRequest(f"{shown} is larger than {MAX_EVENT:,} bytes")
    try:
        return json_of(content)
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{shown} holds no JSON") from None


_A_PLACE = "Name a file in a folder that is there, or s3://BUCKET/KEY."


def check_location(location: str) -> None:
    """Make sure that an answer can be written there, before there is one.

    Raises:
        InvalidRequest: it is no place to write to.
    """
    shown = for_log(location, 200)
    if location.startswith("s3://"):
        if split_uri(location) is None:
            raise InvalidRequest(f"{shown} is no s3://bucket/key", hint=_A_PLACE)
        return
    path = Path(location)
    if "\0" in location or path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidRequest(f"{shown} is no file that can be written", hint=_A_PLACE)


def write_location(location: str, answer: Any) -> None:  # noqa: ANN401 - any JSON
    """Write an answer into a file, whole or not at all, or into an object.

    Raises:
        InvalidRequest: it is no place to write to.
        OSError: the file cannot be written.
        StoreError: the object cannot be written.
    """
    check_location(location)
    body = json.dumps(answer, sort_keys=True).encode()
    if (place := split_uri(location)) is not None:
        Bucket(place[0]).put(place[1], body, content_type="application/json")
        return
    with replacing(Path(location)) as stream:
        stream.write(body.decode())
