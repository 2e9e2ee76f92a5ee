"""`DirectBucket`: a bucket reached without botocore, by static access (`upload_client.core.static_access`).

Content and listings go over connections of our own from the first request on. Boto3 is loaded, and asked,
when something else is wanted, or when S3 answers in a way that it knows more about. To load it and have it
make a client takes longer than most of what a short command does besides.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from upload_client.core.static_access import StaticAccess, static_access
from upload_client.s3 import listing
from upload_client.s3.bucket import Bucket, ObjectInfo
from upload_client.s3.connection import Connection, Names
from upload_client.s3.direct import carry, is_unusual
from upload_client.s3.route import Route
from upload_client.s3.wire import Answer, GetObject, HeadObject, ListObjectsV2

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MOST: Final = 64 * 1024  # characters of a file of the AWS tools
_ASKED: Final = {
    "ContinuationToken": "continuation-token",
    "StartAfter": "start-after",
    "MaxKeys": "max-keys",
}
_ALWAYS: Final = frozenset({"Bucket", "Prefix"})
_NOT_PLAIN: Final[set[tuple[StaticAccess, str]]] = set()
"""Buckets that have answered in an unusual way, as from another region: botocore finds out where they are."""


def find_static_access(endpoint: str | None = None, region: str | None = None) -> StaticAccess | None:
    """Static access to S3 by this process' environment; None: botocore has to be asked.

    Args:
        endpoint: URL of the store; None: as the environment says.
        region: likewise.
    """
    if sys.platform != "linux":
        return None  # there the system has proxies of its own
    files = [_content("AWS_CONFIG_FILE", "~/.aws/config")]
    files.append(_content("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    if None in files:
        return None
    config, credentials = (text or "" for text in files)
    return static_access(os.environ, config, credentials, endpoint=endpoint, region=region)


def leads_to(way: StaticAccess | None, name: str) -> bool:
    """Whether a bucket is reached by a way, as far as is known."""
    return way is not None and way.place_of(name) is not None and _known_as(way, name) not in _NOT_PLAIN


def _known_as(way: StaticAccess, name: str) -> tuple[StaticAccess, str]:
    """A bucket in `_NOT_PLAIN`: whichever invocation of a Lambda function has asked for it."""
    return way._replace(trace_id=None), name


def _content(variable: str, usual: str) -> str | None:
    """The content of a file; empty where there is none, None where it cannot be read."""
    path = os.path.expanduser(os.path.expandvars(os.environ.get(variable) or usual))  # noqa: PTH111 - as botocore
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 - likewise
            text = file.read(_MOST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError):
        return None
    return text if len(text) <= _MOST else None


class DirectBucket(Bucket):
    """A bucket that is reached by static access.

    Args:
        name: the bucket's name.
        way: how it is reached.
        make_client: gives a client of boto3 that reaches it likewise.
        prefix: of all keys, as `Bucket` has it.
    """

    def __init__(
        self, name: str, way: StaticAccess, make_client: Callable[[], S3Client], *, prefix: str = ""
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.options = {}
        self._way = way
        self._make_client = make_client

    @property
    def way(self) -> StaticAccess | None:
        """How it is reached; None: botocore has to be asked."""
        return self._way if leads_to(self._way, self.name) else None

    @functools.cached_property
    def client(self) -> S3Client:  # type: ignore[override] # made when it is asked for
        """Boto3's client, made when it is first asked for."""
        return self._make_client()

    def head(self, key: str, *, checksum: bool = True) -> ObjectInfo | None:
        """See `Bucket.head`; botocore asks for checksums, and what was not answered as nearly all are."""
        if not checksum and self.way is not None:
            answer = self._ask(HeadObject(key))
            if answer.ok and answer.last_modified:
                return ObjectInfo(
                    key, answer.size, answer.etag, answer.last_modified, version_id=answer.version_id
                )
            if answer.status == 404 and answer.code in ("", "NoSuchKey"):
                return None
        return super().head(key, checksum=checksum)

    def read(self, key: str, limit: int | None = None) -> bytes:
        """See `Bucket.read`; it is the object that was there a moment before."""
        info = None if self.way is None else self.head(key, checksum=False)
        if info is not None and (limit is None or info.size <= limit):
            answer = self._ask(GetObject(key, info.etag, info.size))
            if answer.ok and answer.etag == info.etag and len(answer.body) == info.size:
                return bytes(answer.body)
        return super().read(key, limit)

    def _ask(self, request: HeadObject | GetObject) -> Answer:
        """Ask over a connection of its own."""
        connection = Connection(Route(self), Names())
        try:
            answer = carry(connection, request)
        finally:
            connection.close()
        if is_unusual(answer):
            _NOT_PLAIN.add(_known_as(self._way, self.name))
        return answer

    def _columns(self, arguments: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], listing.Columns]]:
        if self.way is None or not arguments.keys() <= _ALWAYS | _ASKED.keys():
            yield from super()._columns(arguments)
            return
        connection = Connection(Route(self), Names())
        try:
            yield from listing.all_pages(functools.partial(self._page, connection), arguments)
        finally:
            connection.close()

    def _page(self, connection: Connection, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - botocore's
        """A page of a listing; boto3's where it was not answered as nearly all are."""
        if self.way is None:  # as the page before has told
            return listing.page(self.client, arguments)
        following = tuple((_ASKED[name], str(arguments[name])) for name in _ASKED if name in arguments)
        answer = carry(connection, ListObjectsV2(arguments["Prefix"], following))
        if is_unusual(answer):
            _NOT_PLAIN.add(_known_as(self._way, self.name))
        page = listing.read_page(bytes(answer.body)) if answer.ok else None
        return listing.page(self.client, arguments) if page is None else page
