"""Reading the pages of a listing without botocore's 80 microseconds an object: a million take seconds.

Botocore still sends, retries, signs and judges each answer; before it parses one, the plain part of it, the
row of ``<Contents>``, is read here with a pattern and cut out. What is not exactly as S3 or SeaweedFS writes
it (another order, an entity in a key, text that is not ASCII, a nested element) stays, and botocore parses
all of that page. Both give the same (tested).

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError, PaginationError

from upload_client.core.redaction import xml_text
from upload_client.core.times import milliseconds

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """An object in a listing: key, bytes, ETag without quotes, and when it was written, Unix seconds."""

    key: str
    size: int
    etag: str
    last_modified: float


class Columns(NamedTuple):
    """Objects in a listing, as `Entry` has each: a million objects fewer, where there are a million."""

    keys: Sequence[str]
    sizes: Sequence[int]
    etags: Sequence[str]
    last_modified: Sequence[float]


_FIELD: Final = "upload_client.entries"
_wanted: ContextVar[bool] = ContextVar("wanted", default=False)  # nobody else's listings are touched

_OTHER = r"(?:<(ChecksumAlgorithm|ChecksumType|StorageClass)>[A-Z0-9_]*</\{}>\s*)*"
_QUOTE = r'(?:&quot;|&#34;|")'
_ENTRY = re.compile(
    r"<Contents>\s*<Key>([ -%'-;=?-~]+)</Key>\s*"  # printable ASCII without & < >
    r"<LastModified>([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z)</LastModified>\s*"
    rf"<ETag>{_QUOTE}([0-9A-Za-z-]+){_QUOTE}</ETag>\s*"
    + _OTHER.format(4)
    + r"<Size>([0-9]{1,18})</Size>\s*"
    + _OTHER.format(6)
    + r"</Contents>\s*"
).split
_OTHER_ENTRY = re.compile(  # as SeaweedFS and LocalStack write it
    r"<Contents>\s*<Key>([ -%'-;=?-~]+)</Key>\s*"
    rf"<ETag>{_QUOTE}([0-9A-Za-z-]+){_QUOTE}</ETag>\s*"
    r"<Size>([0-9]{1,18})</Size>\s*"
    r"(?:<StorageClass>[A-Z0-9_]*</StorageClass>\s*)?"
    r"<LastModified>([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{3})?)Z"
    r"</LastModified>\s*" + _OTHER.format(5) + r"</Contents>\s*"
).split


def watch(client: Any) -> None:  # noqa: ANN401 - any boto3 client, as in `upload_client.s3.clients`
    """Have the listings that `pages` asks this client for read here."""
    # A wildcard's handler is called first: before botocore parses the page to look for an error.
    client.meta.events.register("before-parse.*.ListObjectsV2", _read)


def pages(client: S3Client, **arguments: Any) -> Iterator[tuple[MutableMapping[str, Any], list[Entry]]]:  # noqa: ANN401 - botocore's to check
    """Ask for all pages of ListObjectsV2: `columns`, object by object."""
    for page, found in columns(client, **arguments):
        yield page, list(map(_entry, zip(*found, strict=True)))


def columns(client: S3Client, **arguments: Any) -> Iterator[tuple[MutableMapping[str, Any], Columns]]:  # noqa: ANN401 - as above
    """Ask for all pages of ListObjectsV2; see `all_pages`."""
    return all_pages(partial(page, client), arguments)


def all_pages(
    ask: Callable[[dict[str, Any]], Any], arguments: Mapping[str, Any]
) -> Iterator[tuple[MutableMapping[str, Any], Columns]]:
    """Ask for all pages of ListObjectsV2.

    A store that fails at a token of its own (LocalStack 4.14, where it stands for a key that is not ASCII),
    or says there is more and gives none, is asked for what comes after the last key instead, to the end.

    Args:
        ask: asks for one page, with arguments of botocore's.
        arguments: of all pages.

    Yields:
        Botocore's answer, in which ``Contents`` need not be, and the objects of the page.

    Raises:
        PaginationError: the same token was given twice, or the same page, whatever it was to come after; or
            there is more, and no way to it.
    """
    following: dict[str, Any] = {}
    last: str | None = None
    by_tokens = True
    while True:
        try:
            page = ask({**arguments, **following})
        except ClientError as error:
            if (
                "ContinuationToken" not in following
                or last is None
                or "Delimiter" in arguments
                or error.response.get("Error", {}).get("Code") != "InternalError"
            ):
                raise
            _log.warning("a token of this listing is not taken: asked for what comes after the last key")
            by_tokens = False  # each try of another would take seconds
            following = {"StartAfter": last}
            page = ask({**arguments, **following})
        found = page.get(_FIELD)
        if found is None:
            entries = page.get("Contents", ())
            found = Columns(
                [each["Key"] for each in entries],
                [each["Size"] for each in entries],
                [each["ETag"].strip('"') for each in entries],
                [each["LastModified"].timestamp() for each in entries],
            )
        last = found.keys[-1] if found.keys else None
        if last is not None and last == following.get("StartAfter"):
            raise PaginationError(message="a listing that was to go on after a key gave that key again")
        yield page, found
        if not page.get("IsTruncated"):
            return
        token = (page.get("NextContinuationToken") or None) if by_tokens else None
        if token is not None and token == following.get("ContinuationToken"):
            raise PaginationError(message="the same token of a listing was given twice")
        if token is not None:
            following = {"ContinuationToken": token}
        elif last is not None and "Delimiter" not in arguments:
            following = {"StartAfter": last}
        else:
            raise PaginationError(message="a listing has more, and the store does not say where")


def page(client: S3Client, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - with a field of ours
    """Ask botocore for one page; see `all_pages`."""
    before = _wanted.set(True)
    try:
        return client.list_objects_v2(**arguments)
    finally:
        _wanted.reset(before)


def _read(
    response_dict: MutableMapping[str, Any], customized_response_dict: MutableMapping[str, Any], **_: object
) -> None:
    """Botocore's event: an answer is about to be parsed."""
    if not _wanted.get() or response_dict["status_code"] != 200:
        return
    taken = _take(response_dict["body"])
    if taken is not None:
        response_dict["body"], customized_response_dict[_FIELD] = taken


_LISTING: Final = re.compile(
    r'\s*(?:<\?xml [^<>]*\?>\s*)?<ListBucketResult(?: xmlns="[^"<>]*")?>(.*)</ListBucketResult>\s*', re.DOTALL
)
_PLAIN_FIELD: Final = re.compile(r"<([A-Za-z]+)>([^<>]*)</\1>\s*|<[A-Za-z]+\s*/>\s*")


def read_page(body: bytes) -> dict[str, Any] | None:
    """Read an answer as botocore would, as far as `all_pages` asks; None where it is not plain enough."""
    taken = _take(body)
    if taken is None and (b"<Contents" in body or not body.isascii() or b"<!" in body):
        return None
    rest, found = taken or (body, Columns((), (), (), ()))
    whole = _LISTING.fullmatch(rest.decode("ascii"))
    if whole is None or _PLAIN_FIELD.sub("", whole[1]).strip():
        return None
    fields = {each[1]: xml_text(each[2]) for each in _PLAIN_FIELD.finditer(whole[1]) if each[1]}
    if (more := fields.get("IsTruncated")) not in ("true", "false"):
        return None
    return {
        "IsTruncated": more == "true",
        "NextContinuationToken": fields.get("NextContinuationToken"),
        _FIELD: found,
    }


def _take(body: bytes) -> tuple[bytes, Columns] | None:
    """The answer without its objects, and these; None where it is not plain enough."""
    if not body.isascii() or b"<!" in body:  # comments, CDATA, entities
        return None
    text = body.decode("ascii")
    # All in one go: what is before, between and behind the objects, and the groups of each.
    found: list[str] = _ENTRY(text)
    if (by := 7) < len(found):
        keys, moments, etags, sizes = found[1::by], found[2::by], found[3::by], found[5::by]
    else:
        found, by = _OTHER_ENTRY(text), 6
        keys, etags, sizes, moments = (found[group::by] for group in range(1, 5))
    if not keys or any(found[by:-1:by]):
        return None
    rest = found[0] + found[-1]
    if "<Contents" in rest:
        return None
    if "<EncodingType>url</EncodingType>" in rest:
        keys = [unquote_plus(key) if "%" in key or "+" in key else key for key in keys]
    try:
        seconds = {when: _seconds(when) for when in set(moments)}
    except ValueError:  # a 30th of February
        return None
    of_each = [seconds[when] for when in moments]
    return rest.encode("ascii"), Columns(keys, list(map(int, sizes)), etags, of_each)


_entry: Callable[[tuple[str, int, str, float]], Entry] = partial(tuple.__new__, Entry)  # in C alone


def _seconds(when: str) -> float:
    text = when.rstrip("Z")
    return milliseconds(f"{text}Z" if "." in text else f"{text}.000Z") / 1000
