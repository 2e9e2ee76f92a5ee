"""Listings are read as botocore reads them, only faster."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote_plus, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, PaginationError
from hypothesis import given
from hypothesis import strategies as st

from upload_client.s3 import listing
from upload_client.s3.bucket import Bucket, pages_of
from upload_client.s3.listing import Entry

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
ENCODED = "<EncodingType>url</EncodingType>"
END = "<IsTruncated>false</IsTruncated></ListBucketResult>"
PLAIN = (
    "<Contents><Key>a/b</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>7</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)
SEAWEEDFS = (
    "<Contents><Key>a/b</Key><ETag>&#34;d41d8cd98f00b204e9800998ecf8427e&#34;</ETag><Size>7</Size>"
    "<StorageClass>STANDARD</StorageClass><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>"
)
LOCALSTACK = (
    '<Contents><Key>a/b</Key><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag><Size>7</Size>'
    "<LastModified>2026-01-02T03:04:05.000Z</LastModified><StorageClass>STANDARD</StorageClass>"
    "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></Contents>"
)
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


class Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


@pytest.fixture(scope="module")
def ask():
    """A listing, as it is read from an answer with this body: ``ask(body, quick=True)``."""
    answers: list[bytes] = []

    def answer(request, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Raw(answers[-1]))

    clients = {}
    for quick in (True, False):
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("before-send.s3", answer)
        if quick:
            listing.watch(client)
        clients[quick] = client

    def ask(body: str | bytes, *, quick: bool) -> list[Entry] | type[Exception]:
        answers.append(body.encode() if isinstance(body, str) else body)
        try:
            return [entry for _, entries in listing.pages(clients[quick], Bucket="b") for entry in entries]
        except Exception as error:  # noqa: BLE001 - what it raises is to be the same
            return type(error)

    ask.clients = clients
    ask.answers = answers
    return ask


@pytest.mark.parametrize("plain", [PLAIN, SEAWEEDFS, LOCALSTACK], ids=["S3", "SeaweedFS", "LocalStack"])
def test_a_plain_page_is_read_without_botocore(ask, monkeypatch: pytest.MonkeyPatch, plain: str) -> None:
    taken = []
    take = listing._take
    monkeypatch.setattr(listing, "_take", lambda body: taken.append(take(body)) or taken[-1])
    expected = [Entry("a/b", 7, "d41d8cd98f00b204e9800998ecf8427e", WHEN)]
    assert ask(HEAD + plain + END, quick=True) == expected
    assert taken[0] is not None
    assert b"Contents" not in taken[0][0]


def test_no_handler_of_botocore_sees_what_is_read_here(ask) -> None:
    # One of them parses each whole page, to see whether it is an error: three times the time of all the rest.
    seen = []
    ask.clients[True].meta.events.register_first(
        "before-parse.s3.*", lambda response_dict, **_: seen.append(response_dict["body"])
    )
    assert len(ask(HEAD + PLAIN + END, quick=True)) == 1
    assert seen
    assert b"Contents" not in seen[0]


def test_a_listing_that_nobody_asked_for_here_is_left_alone(ask) -> None:
    ask.answers.append((HEAD + PLAIN + END).encode())
    assert ask.clients[True].list_objects_v2(Bucket="b")["Contents"][0]["Key"] == "a/b"


@pytest.mark.parametrize(
    "contents",
    [
        PLAIN.replace("a/b", "a&amp;b"),
        PLAIN.replace("a/b", "&#x1b;"),
        PLAIN.replace("a/b", "ä"),
        PLAIN.replace("a/b", "<!-- -->a"),
        PLAIN.replace("a/b", "<![CDATA[<Contents>]]>"),
        PLAIN.replace("a/b", ""),
        PLAIN.replace("01-02", "02-30"),
        PLAIN.replace("05.000Z", "05Z"),
        PLAIN.replace("<Size>7</Size>", ""),
        PLAIN.replace("7", "-7"),
        PLAIN.replace("<StorageClass>STANDARD</StorageClass>", "<Owner><ID>x</ID><Size>9</Size></Owner>"),
        PLAIN.replace("<StorageClass>STANDARD</StorageClass>", "<StorageClass>STANDARD</ChecksumType>"),
        PLAIN + "<Prefix/>" + PLAIN,
        SEAWEEDFS.replace("05Z", "05.678Z"),
        SEAWEEDFS.replace("05Z", "05.6Z"),
        SEAWEEDFS.replace("&#34;", ""),
        SEAWEEDFS.replace("01-02", "02-30"),
        SEAWEEDFS.replace("a/b", "a%2Fb+c"),
        PLAIN + SEAWEEDFS,
        SEAWEEDFS + PLAIN,
        PLAIN + PLAIN.replace("</Contents>", ""),
        PLAIN.replace("<Contents>", "<Contents >"),
        "",
    ],
)
def test_whatever_is_not_plain_is_read_as_botocore_reads_it(ask, contents: str) -> None:
    for encoded in ("", ENCODED):
        body = HEAD + contents + encoded + END
        assert ask(body, quick=True) == ask(body, quick=False)


keys = st.text(st.characters(min_codepoint=0x20, codec="utf-8"), min_size=1, max_size=20)


@given(
    st.lists(st.tuples(keys, st.integers(0, 2**45), st.sampled_from(["", "\n  "])), max_size=5),
    st.booleans(),
    st.sampled_from(["&quot;", "&#34;", '"', ""]),
)
def test_any_page_is_read_as_botocore_reads_it(ask, objects, encoded: bool, mark: str) -> None:
    contents = "".join(
        f"<Contents>{space}<Key>{quote_plus(key, safe='/') if encoded else html.escape(key)}</Key>{space}"
        f"<LastModified>2026-01-02T03:04:05.678Z</LastModified>{space}<ETag>{mark}0{size}-2{mark}</ETag>{space}"
        f"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>{size}</Size>{space}"
        f"<StorageClass>STANDARD</StorageClass></Contents>{space}"
        for key, size, space in objects
    )
    body = HEAD + (ENCODED if encoded else "") + contents + END
    found = ask(body, quick=True)
    assert found == ask(body, quick=False)
    if encoded and mark:
        assert [(entry.key, entry.size) for entry in found] == [(key, size) for key, size, _ in objects]


@given(st.data())
def test_a_damaged_page_is_never_read_as_another(ask, data: st.DataObject) -> None:
    body = bytearray((HEAD + ENCODED + PLAIN * 2 + END).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    found, expected = ask(bytes(body), quick=True), ask(bytes(body), quick=False)
    assert found == expected


def test_odd_names_are_listed_as_they_were_put(bucket: Bucket) -> None:
    names = sorted({"a b", "a+b", "a%2Bb", "ä/ö", "a&b<c>", "'\"", "x" * 200}, key=str.encode)
    for name in names:
        bucket.put(name, name.encode())
    found = list(bucket.list())
    assert [entry.key for entry in found] == names
    assert [entry.size for entry in found] == [len(name.encode()) for name in names]
    assert bucket.ls("a") == tuple(name for name in names if name.startswith("a"))
    assert {entry.etag for entry in found} == {bucket.head(name).etag for name in names}


def _more(key: str, token: str | None) -> str:
    given = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f"{HEAD}{PLAIN.replace('a/b', key)}<IsTruncated>true</IsTruncated>{given}</ListBucketResult>"


_FAILED = "<Error><Code>{}</Code><Message>no</Message></Error>"


class _Pages:
    """A store that keeps `a` and `c`, one on a page, and whose tokens may lead nowhere."""

    def __init__(self, client, token: str | None, code: str = "InternalError") -> None:
        self.asked: list[dict[str, list[str]]] = []
        self._token, self._code = token, code
        client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request, **_: object) -> AWSResponse:
        query = {name: value[0] for name, value in parse_qs(urlsplit(request.url).query).items()}
        self.asked.append(
            {name: query[name] for name in ("continuation-token", "start-after") if name in query}
        )
        status, body = 200, _more("a", self._token)
        if "continuation-token" in query:
            status, body = 500 if self._code == "InternalError" else 400, _FAILED.format(self._code)
        elif query.get("start-after") == "a":
            body = HEAD + PLAIN.replace("a/b", "c") + END
        return AWSResponse(request.url, status, {}, Raw(body.encode()))


@pytest.fixture
def client():
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client(
        "s3", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}), **keys
    )


@pytest.mark.parametrize("token", ["dMO8", None], ids=["its token fails", "it gives no token"])
def test_a_listing_goes_on_after_its_last_key_where_it_cannot_by_a_token(client, token) -> None:
    store = _Pages(client, token)
    found = [entry.key for _, entries in listing.pages(client, Bucket="b") for entry in entries]
    assert found == ["a", "c"]
    assert store.asked == [{}, *([{"continuation-token": token}] if token else []), {"start-after": "a"}]


@pytest.mark.parametrize("token", ["dMO8", None], ids=["its token fails", "it gives no token"])
def test_a_store_that_gives_the_same_page_whatever_it_is_to_come_after_ends_a_listing(client, token) -> None:
    def answer(request, **_: object) -> AWSResponse:
        if "continuation-token" in request.url:
            return AWSResponse(request.url, 500, {}, Raw(_FAILED.format("InternalError").encode()))
        return AWSResponse(request.url, 200, {}, Raw(_more("a", token).encode()))

    client.meta.events.register("before-send.s3", answer)
    pages = listing.pages(client, Bucket="b")
    assert [entry.key for entry in next(pages)[1]] == ["a"]
    with pytest.raises(PaginationError):
        next(pages)


@pytest.mark.parametrize("contents", [PLAIN.replace("a/b", "p/a"), PLAIN + PLAIN.replace("a/b", "p/ä"), ""])
def test_a_listing_in_columns_is_the_same_and_has_no_key_outside_of_the_prefix(client, contents) -> None:
    def answer(request, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Raw((HEAD + contents + END).encode()))

    client.meta.events.register("before-send.s3", answer)
    bucket = Bucket("b", prefix="p/", client=client)
    columns = [zip(*page, strict=True) for page in pages_of(bucket)]
    found = [each for page in columns for each in page]
    assert found == [(each.key, each.size, each.etag) for each in bucket.list()]
    assert [key for key, _, _ in found] == [key for key in ("a", "ä") if f"p/{key}<" in contents]


def test_where_a_token_has_failed_no_other_is_tried(client) -> None:
    asked = []

    def answer(request, **_: object) -> AWSResponse:
        query = {name: value[0] for name, value in parse_qs(urlsplit(request.url).query).items()}
        asked.append("continuation-token" in query)
        if asked[-1]:
            return AWSResponse(request.url, 500, {}, Raw(_FAILED.format("InternalError").encode()))
        key = chr(ord(query.get("start-after", "`")) + 1)
        more = HEAD + PLAIN.replace("a/b", key) + END if key == "e" else _more(key, "t" + key)
        return AWSResponse(request.url, 200, {}, Raw(more.encode()))

    client.meta.events.register("before-send.s3", answer)
    found = [entry.key for _, entries in listing.pages(client, Bucket="b") for entry in entries]
    assert found == list("abcde")
    assert asked.count(True) == 1


@pytest.mark.parametrize("how", [{}, {"Delimiter": "/"}], ids=["all", "by folders"])
def test_a_listing_that_has_more_and_no_way_to_it_is_not_taken_for_whole(client, how) -> None:
    page = _more("a", None) if how else f"{HEAD}<IsTruncated>true</IsTruncated></ListBucketResult>"
    client.meta.events.register(
        "before-send.s3", lambda request, **_: AWSResponse(request.url, 200, {}, Raw(page.encode()))
    )
    with pytest.raises(PaginationError):
        list(listing.pages(client, Bucket="b", **how))


@pytest.mark.parametrize("token", ["", "t"])
def test_a_token_on_the_last_page_leads_nowhere(client, token) -> None:
    last = END.replace("</ListB", f"<NextContinuationToken>{token}</NextContinuationToken></ListB")
    assert last != END
    client.meta.events.register(
        "before-send.s3",
        lambda request, **_: AWSResponse(request.url, 200, {}, Raw((HEAD + PLAIN + last).encode())),
    )
    assert len(list(listing.pages(client, Bucket="b"))) == 1


def test_an_error_that_is_not_the_tokens_is_told(client) -> None:
    _Pages(client, "dMO8", "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        list(listing.pages(client, Bucket="b"))


def test_by_folders_no_listing_goes_on_after_a_key(client) -> None:
    _Pages(client, "dMO8")
    with pytest.raises(ClientError, match="InternalError"):
        list(listing.pages(client, Bucket="b", Delimiter="/"))


def test_a_token_that_comes_again_ends_a_listing(client) -> None:
    def answer(request, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Raw(_more("a", "t").encode()))

    client.meta.events.register("before-send.s3", answer)
    with pytest.raises(PaginationError):
        list(listing.pages(client, Bucket="b"))
