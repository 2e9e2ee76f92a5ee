"""Binary file objects over what is no file: each holds little in memory, and never ends early.

A connection that ends before all has come raises `NotDelivered`; it is no end of the content.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import SplitResult, unquote, urlsplit

from upload_client.activities.errors import NotDelivered, missing_extra, without_secrets
from upload_client.core import checksums
from upload_client.errors import DeliveryError, NotReachable, UsageError
from upload_client.support.local_file import FileRefused, LocalFile, open_inside

if TYPE_CHECKING:
    from upload_client.activities.s3 import S3Client

Password = str | Callable[[], str] | None

BUFFER = 1024**2
"""Bytes that are read from the network or a disk at once."""
_TIMEOUT = (10.0, 60.0)  # seconds for a connection, and for the next bytes to come


class _Raw(io.RawIOBase):
    """A file object over a function that gives the next bytes, and one that closes.

    Args:
        more: gives at most so many bytes; none: that was all.
        close: gives back what is held, whether all was read or not.
    """

    def __init__(self, more: Callable[[int], bytes], close: Callable[[], object]) -> None:
        super().__init__()
        self._more = more
        self._give_back = close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        data = self._more(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            try:
                self._give_back()
            finally:
                super().close()


def _buffered(more: Callable[[int], bytes], close: Callable[[], object]) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Raw(more, close), BUFFER))


def _nothing() -> None:
    """A stand-in for what cannot be closed."""


def read_exactly(reader: BinaryIO, size: int) -> bytes:
    """Read so many bytes, fewer only at the end; a file object may give fewer at any time."""
    data = reader.read(size)
    if len(data) in {0, size}:
        return data
    blocks = [data]
    missing = size - len(data)
    while missing and (data := reader.read(missing)):
        blocks.append(data)
        missing -= len(data)
    return b"".join(blocks)


def read_file(path: Path) -> BinaryIO:
    """Read a local file, which may not change meanwhile."""
    try:
        file = open_inside(str(path.absolute()), "")
    except (FileRefused, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NotDelivered(
            f"{path} {reason}", hint="See whether the file is there and may be read."
        ) from None
    return _buffered(_Local(file, path).more, file.close)


class _Local:
    """A local file from its beginning to the size it had then."""

    def __init__(self, file: LocalFile, path: Path) -> None:
        self._file = file
        self._path = path
        self._at = 0
        self._crc = 0

    def more(self, size: int) -> bytes:
        size = min(size, self._file.fingerprint.size - self._at)
        try:
            data = self._file.read(size, self._at) if size else b""
            if not data:
                self._file.check_content(self._crc)
        except FileRefused as error:
            raise NotDelivered(f"{self._path} {error}", hint="Run it when nothing writes to it.") from None
        self._at += len(data)
        self._crc = checksums.crc32(data, self._crc)
        return data


def read_blocks(blocks: Iterator[Any], name: str, *, close: Callable[[], object] | None = None) -> BinaryIO:
    """Read what an iterator yields, bytes or text.

    Args:
        blocks: pieces of any length.
        name: what has made it, for messages.
        close: closes what is behind it; None: the iterator itself is closed where it can be.
    """
    rest = memoryview(b"")
    give_back: Callable[[], object] = close if close is not None else getattr(blocks, "close", _nothing)

    def more(size: int) -> bytes:
        nonlocal rest
        while not rest:
            try:
                block = next(blocks)
            except StopIteration:
                return b""
            if isinstance(block, str):
                block = block.encode()
            if not isinstance(block, bytes | bytearray | memoryview):
                raise UsageError(
                    f"{name} has yielded something of type {type(block).__name__}",
                    hint="It has to yield pieces of bytes.",
                )
            rest = memoryview(block).cast("B")
        data, rest = bytes(rest[:size]), rest[size:]
        return data

    return _buffered(more, give_back)


def read_object(file: Any, name: str) -> BinaryIO:  # noqa: ANN401 - whatever has a `read`
    """Read a file object of another kind."""

    def pieces() -> Iterator[Any]:
        while piece := file.read(BUFFER):
            yield piece

    return read_blocks(pieces(), name, close=getattr(file, "close", _nothing))


def read_http(url: str, name: str, password: Password = None) -> BinaryIO:
    """Read what a web server answers.

    Args:
        url: http or https, perhaps with name and password.
        name: how it may be told.
        password: of the user in the URL, or a function that gives it; None: the one in the URL.
    """
    try:
        import requests  # noqa: PLC0415 - slow to import
        import urllib3.exceptions  # noqa: PLC0415
    except ImportError:
        raise missing_extra("reading a URL", "activities") from None

    headers = {"Accept-Encoding": "identity"}  # else its length would tell nothing about what has come
    auth: Any = None
    if password is not None:
        user = unquote(urlsplit(url).username or "")
        auth = (user.encode(), (password if isinstance(password, str) else password()).encode())
    from upload_client.s3.network import proxies_for  # noqa: PLC0415 # imports botocore

    # Not read by requests, which takes a password with a # in it for the end of the proxy's name.
    proxies = proxies_for(url)
    try:
        answer = requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers, auth=auth, proxies=proxies)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        raise NotReachable(f"{name} cannot be reached: {_reason(error)}", hint=_LATER) from None
    if not answer.ok:
        answer.close()
        raise NotDelivered(f"{name} answers {answer.status_code} {without_secrets(answer.reason or '', ())}")
    raw = answer.raw
    total = 0

    def more(size: int) -> bytes:
        nonlocal total
        try:
            data: bytes = raw.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NotDelivered(
                f"{name} broke off after {total:,} bytes: {_reason(error)}", hint=_LATER
            ) from None
        total += len(data)
        return data

    return _buffered(more, answer.close)


_LATER = "Check the network and the server, then run it again."


def _reason(error: BaseException) -> str:
    """The reason at the bottom of requests' and urllib3's exceptions, whose own words repeat the URL."""
    seen = {id(error)}
    while (inner := _inner(error)) is not None and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
    text = str(error.strerror) if isinstance(error, OSError) and error.strerror else ""
    return without_secrets(text or type(error).__name__, ())


def _inner(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((one for one in candidates if isinstance(one, BaseException)), None)


def read_s3(bucket: str, key: str, client: S3Client | None) -> BinaryIO:
    """Read an object; before its last bytes its checksum is compared, where it has one of the whole."""
    from upload_client.activities.s3 import S3Client as Client  # noqa: PLC0415 - imports boto3
    from upload_client.s3.bucket import store_errors  # noqa: PLC0415

    action = f"GET s3://{bucket}/{key}"
    with store_errors(action):
        answer = (client or Client()).connect().get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    body, left = answer["Body"], answer.get("ContentLength")  # a store may leave that out

    def more(size: int) -> bytes:
        nonlocal left
        with store_errors(action):
            data: bytes = body.read(size)
            if left is not None and data:
                left -= len(data)
                if not left:
                    data += body.read(1)  # botocore compares the checksum when nothing more comes, not before
            return data

    return _buffered(more, body.close)


def read_ftp(parts: SplitResult, path: str, password: Password = None) -> BinaryIO:
    """Read a file from an FTP server.

    Args:
        parts: the URL.
        path: the file's, as the server has it.
        password: see `read_http`.
    """
    from upload_client.activities.ftp import FtpClient  # noqa: PLC0415 - not for everybody

    client = FtpClient(
        parts.hostname or "",
        unquote(parts.username or ""),
        unquote(parts.password or "") if password is None else password,
        tls=parts.scheme == "ftps",
        port=parts.port or 21,
    )
    try:
        read = client.reading(path)
    except DeliveryError:
        client.close()
        raise
    return _buffered(read, client.close)
