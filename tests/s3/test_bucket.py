"""A bucket gives back what was put into it, and says plainly what S3 refused."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError
from faults import proxy as net
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.s3.bucket import (
    AccessDenied,
    AnswerLost,
    Bucket,
    ConditionalConflict,
    NotFound,
    ObjectTooLarge,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
    store_errors,
    whole_crc32,
)
from upload_client.s3.clients import RETRIES, client, s3_client
from upload_client.s3.errors import UploadClientError


@dataclass(frozen=True)
class _At:
    """Settings that say where services are."""

    endpoint_url: str | None
    endpoints: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def moto_bucket(moto_server, session):
    """A bucket of moto alone, for what no store has a say in."""
    made = s3_client(session, _At(moto_server))
    made.create_bucket(Bucket="moto-only")
    yield Bucket("moto-only", client=made)
    for entry in made.list_objects_v2(Bucket="moto-only").get("Contents", ()):
        made.delete_object(Bucket="moto-only", Key=entry["Key"])
    made.delete_bucket(Bucket="moto-only")
    made.close()


@pytest.fixture
def moto_bucket_through(moto_bucket, moto_server, session):
    """That bucket through a proxy, and the proxy."""
    with net.Proxy(moto_server) as proxy:
        far = s3_client(session, _At(proxy.url), retries={"total_max_attempts": 1})
        yield Bucket(moto_bucket.name, client=far), proxy
        far.close()


WEIRD_KEYS = [
    "plain.txt",
    "with blank",
    "a+b%20c%2Fd",
    "dots/./and/../more",
    "quotes'\"&<>",
    "ünïcode/日本/🛰",
    "e\u0301 and \u00e9",
    "control\x01\x1b[31m\x7f",
    "tab\tnewline\nreturn\r",
    "bidi\u202etxt.exe",
    "back\\slash",
    "=cmd|'/c calc'!A0",
    "[/bold]",
    "ends with blank ",
    "?query=1&x#fragment",
    "x" * 800,
]


def test_what_is_put_can_be_got(bucket):
    before = time.time()
    stored = bucket.put("a/b.txt", b"hello", content_type="text/plain")
    fetched = bucket.get("a/b.txt")
    assert fetched.body == bucket.read("a/b.txt") == b"hello"
    assert fetched.etag == stored.etag
    assert '"' not in stored.etag
    assert stored.version_id is None
    assert abs(fetched.last_modified - before) < 60
    assert 0 <= fetched.date - fetched.last_modified < 60


def test_keys_are_relative_to_the_prefix(bucket, s3):
    bucket.put("a", b"")
    assert s3.head_object(Bucket=bucket.name, Key=f"{bucket.prefix}a")["ContentLength"] == 0
    whole = Bucket(bucket.name, client=s3)
    whole.put("control/toy/d2/b", b"")
    assert bucket.ls() == ("a",)
    assert whole.ls() == ("control/toy/d1/a", "control/toy/d2/b")


def test_a_second_create_is_refused(bucket):
    bucket.put("a", b"one", if_none_match=True)
    with pytest.raises(PreconditionFailed) as refused:
        bucket.put("a", b"two", if_none_match=True)
    assert refused.value.status == 412
    assert refused.value.s3_code == "PreconditionFailed"
    assert bucket.read("a") == b"one"


def test_a_write_passes_only_on_the_etag_that_is_there(bucket):
    first = bucket.put("a", b"one")
    second = bucket.put("a", b"two", if_match=first.etag)
    with pytest.raises(PreconditionFailed):
        bucket.put("a", b"three", if_match=first.etag)
    assert bucket.get("a", if_match=second.etag).body == b"two"
    with pytest.raises(PreconditionFailed):
        bucket.get("a", if_match=first.etag)


def test_a_write_on_an_etag_where_nothing_is_finds_nothing(bucket, store):
    with pytest.raises(PreconditionFailed if store.is_seaweedfs else NotFound):
        bucket.put("a", b"", if_match="0" * 32)
    assert bucket.head("a") is None


def test_what_is_not_there_is_not_found(bucket):
    with pytest.raises(NotFound) as missing:
        bucket.get("a")
    assert missing.value.s3_code == "NoSuchKey"
    assert bucket.head("a") is None
    bucket.rm("a")


def test_errors_are_also_botocores(bucket):
    with pytest.raises(ClientError):
        bucket.get("a")
    with pytest.raises(UploadClientError):
        bucket.get("a")


def test_what_is_removed_is_gone(bucket):
    bucket.put("a", b"")
    bucket.rm("a")
    assert bucket.head("a") is None


def test_no_more_is_read_than_the_caller_wants(bucket):
    stored = bucket.put("a", b"x" * 11)
    assert bucket.read("a", limit=11) == b"x" * 11
    with pytest.raises(ObjectTooLarge) as refused:
        bucket.read("a", limit=10)
    assert refused.value.found.etag == stored.etag
    assert refused.value.found.body == b""


def test_a_head_tells_size_etag_and_checksum(bucket):
    stored = bucket.put("a", b"123456789")
    info = bucket.head("a")
    assert (info.key, info.size, info.etag, info.crc32) == ("a", 9, stored.etag, "y/Q5Jg==")
    assert info.crc32 == checksums.encode(checksums.crc32(b"123456789"))


def test_a_checksum_of_parts_is_not_taken_for_one_of_the_whole(bucket, s3, store):
    if store.name == "moto":
        pytest.skip("moto gives no checksum of a multipart object")
    key = bucket.prefix + "parts"
    upload = s3.create_multipart_upload(
        Bucket=bucket.name, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE"
    )["UploadId"]
    where = {"Bucket": bucket.name, "Key": key, "UploadId": upload}
    part = s3.upload_part(**where, PartNumber=1, Body=b"abc", ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert "-" in s3.head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert bucket.head("parts").crc32 is None


def attributes(etag, sizes, **changed):
    """The store's answers about an object of zeros in parts of these sizes, two parts in each."""

    class Client:
        meta = SimpleNamespace(service_model=None)
        asked = 0

        def get_object_attributes(self, **asked):
            first = asked["PartNumberMarker"]
            self.asked += 1
            crcs = [checksums.encode(checksums.crc32(bytes(size))) for size in sizes]
            parts = [
                {"PartNumber": n + 1, "Size": sizes[n], "ChecksumCRC32": crcs[n]}
                for n in range(first, min(first + 2, len(sizes)))
            ]
            more = {"IsTruncated": first + 2 < len(sizes), "Parts": parts}
            return {"ETag": etag, "ObjectSize": sum(sizes), "ObjectParts": more} | changed

    return Client()


def test_the_checksum_of_a_whole_is_put_together_from_those_of_its_parts():
    client = attributes("e-5", [5, 5, 5, 5, 3])
    whole = checksums.encode(checksums.crc32(bytes(23)))
    assert whole_crc32(Bucket("b", client=client), "key", "e-5") == whole
    assert client.asked == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"ETag": "another-5"},
        {"ObjectSize": 24},
        {"ObjectParts": {}},
        {"ObjectParts": {"Parts": [{"PartNumber": 2, "Size": 23, "ChecksumCRC32": "AAAAAA=="}]}},
        {"ObjectParts": {"Parts": [{"PartNumber": 1, "Size": 23}]}},
        {"ObjectParts": {"Parts": [{"PartNumber": 1, "Size": 23, "ChecksumCRC32": "no"}]}},
    ],
)
def test_parts_of_which_not_everything_is_said_tell_nothing_of_the_whole(changed):
    client = attributes("e-5", [5, 5, 5, 5, 3], **changed)
    assert whole_crc32(Bucket("b", client=client), "key", "e-5") is None


def test_nothing_is_asked_about_the_parts_of_what_was_sent_whole():
    """A store that does not know the question answers with the object itself."""
    client = attributes("e", [5])
    assert whole_crc32(Bucket("b", client=client), "key", "e") is None
    assert client.asked == 0


def test_who_may_not_ask_for_parts_is_told_nothing(bucket):
    bucket.put("key", b"content")
    for key in ("key", "nothing"):
        assert whole_crc32(bucket, key, bucket.head("key").etag + "-1") is None


def test_a_body_damaged_on_its_way_is_not_taken(bucket, through, proxy, store):
    if store.name == "moto":
        pytest.skip("moto accepts wrong checksums")
    proxy.on(net.corrupt_request(3), method="PUT")
    with pytest.raises(AnswerLost):
        through(bucket).put("a", b"hello world")
    assert bucket.head("a") is None


def test_versions_are_told_where_the_bucket_keeps_them(make_bucket):
    bucket = make_bucket(versioned=True)
    one, two = bucket.put("a", b"one"), bucket.put("a", b"two")
    assert one.version_id != two.version_id
    assert bucket.head("a").version_id == two.version_id


def test_a_copy_is_made_within_the_store(bucket, make_bucket):
    other = make_bucket(prefix="landing/")
    bucket.put("a + ü", b"hello")
    copied = bucket.cp("a + ü", other, "b")
    assert other.get("b").body == b"hello"
    assert other.head("b").etag == copied.etag


def test_any_key_round_trips(bucket, store):
    keys = [key for key in WEIRD_KEYS if store.may_hold(key)]
    for key in keys:
        bucket.put(key, key.encode())
    assert bucket.ls() == tuple(sorted(keys, key=str.encode))
    for key in keys:
        assert bucket.read(key) == key.encode()
        assert bucket.head(key).size == len(key.encode())


def test_a_listing_is_in_the_order_of_bytes_and_starts_where_asked(bucket):
    keys = ["b/1", "b/10", "b/2", "a", "é", "B"]
    for key in keys:
        bucket.put(key, key.encode())
    in_order = tuple(sorted(keys, key=str.encode))
    assert bucket.ls() == in_order
    assert [entry.key for entry in bucket.list("b/", start_after="b/1")] == ["b/10", "b/2"]
    assert [entry.size for entry in bucket.list()] == [len(key.encode()) for key in in_order]
    assert bucket.ls("nothing") == ()


def test_a_listing_of_one_level_shows_folders(bucket):
    for key in ("a", "b/1", "b/c/2", "d"):
        bucket.put(key, b"")
    assert bucket.ls(recursive=False) == ("a", "b/", "d")
    assert bucket.ls("b/", recursive=False) == ("b/1", "b/c/")


def test_a_listing_of_many_pages_is_whole(bucket):
    events, pages = bucket.client.meta.events, []
    events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": 10})
    events.register("after-call.s3.ListObjectsV2", lambda parsed, **_: pages.append(parsed["KeyCount"]))
    for n in range(25):
        bucket.put(f"{n:02d}", b"")
    assert [entry.key for entry in bucket.list()] == [f"{n:02d}" for n in range(25)]
    assert pages == [10, 10, 5]


def test_one_name_is_enough_to_know_that_something_is_there(bucket):
    found = []
    bucket.client.meta.events.register(
        "after-call.s3.ListObjectsV2", lambda parsed, **_: found.append(parsed["KeyCount"])
    )
    assert bucket.is_empty()
    for n in range(3):
        bucket.put(f"a/{n}", b"")
    assert not bucket.is_empty()
    assert not bucket.is_empty("a/")
    assert bucket.is_empty("b")
    assert found == [0, 1, 1, 0]


def test_the_table_has_its_types_even_when_empty(bucket):
    types = {"key": "str", "size": "int64", "etag": "str", "last_modified": "datetime64[ns, UTC]"}
    assert bucket.df().dtypes.astype(str).to_dict() == types
    stored = bucket.put("a", b"hello")
    table = bucket.df()
    assert table.dtypes.astype(str).to_dict() == types
    assert table.loc[0, ["key", "size", "etag"]].to_list() == ["a", 5, stored.etag]
    assert abs(table.loc[0, "last_modified"].timestamp() - bucket.head("a").last_modified) < 1


def test_a_lost_answer_is_told_as_one(bucket, through, proxy, lost_answer):
    proxy.on(lost_answer, method="PUT")
    try:
        told = through(bucket).put("a", b"hello").etag
    except AnswerLost:
        told = None  # as it must be, unless it was cut behind a whole ETag
    assert told in {None, bucket.get("a").etag}
    assert bucket.read("a") == b"hello"


@pytest.mark.parametrize("operation", ["get", "list"])
def test_a_read_cut_short_is_a_lost_answer_never_a_short_one(bucket, through, proxy, operation):
    bucket.put("a", b"hello world " * 100)
    far = through(bucket)
    ask = {"get": lambda: far.get("a").body, "list": far.ls}[operation]
    whole = ask()

    def cut(tenths: int) -> net.Fault:
        def fault(exchange: net.Exchange) -> None:
            raw = exchange.forward().raw
            exchange.send(raw[: len(raw) * tenths // 10])
            exchange.hang_up()

        return fault

    for tenths in range(10):
        proxy.on(cut(tenths))
        with pytest.raises(AnswerLost):
            ask()
    assert ask() == whole


@pytest.mark.filterwarnings("ignore:tzname")  # botocore's parser of times, of "GM"
@pytest.mark.parametrize("operation", ["get", "head", "put", "list"])
@pytest.mark.long
def test_an_answer_cut_in_any_header_raises_nothing_unforeseen(moto_bucket_through, operation):
    far, proxy = moto_bucket_through
    stored = far.put("a", b"hello world")
    ask = {
        "get": lambda: far.get("a").body == b"hello world",
        "head": lambda: far.head("a").etag == stored.etag,
        "put": lambda: far.put("a", b"hello world").etag == stored.etag,
        "list": lambda: far.ls() == ("a",),
    }[operation]
    length: list[int] = []

    def measure(exchange: net.Exchange) -> None:
        answered = exchange.forward()
        length.append(len(answered.head))
        exchange.send(answered.raw)

    proxy.on(measure)
    assert ask()
    for after in range(1, length[0]):
        proxy.on(net.cut_answer(after))
        with contextlib.suppress(AnswerLost):
            assert ask()  # what did arrive is not wrong


def test_a_key_that_cannot_be_spelled_is_refused(bucket):
    with pytest.raises(StoreError, match="udcff"):
        bucket.put("\udcff", b"")


def test_reads_survive_a_lost_answer_by_asking_again(bucket, through, proxy):
    bucket.put("a", b"hello")
    proxy.on(net.reset(), times=2)
    assert through(bucket, retries=RETRIES).read("a") == b"hello"
    assert proxy.count("GET") == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (412, "PreconditionFailed", PreconditionFailed),
        (409, "ConditionalRequestConflict", ConditionalConflict),
        (404, "NoSuchKey", NotFound),
        (403, "AccessDenied", AccessDenied),
        (403, "RequestTimeTooSkewed", AccessDenied),
        (400, "ExpiredToken", AccessDenied),
        (503, "SlowDown", AnswerLost),
        (500, "InternalError", AnswerLost),
        (429, "TooManyRequests", AnswerLost),
        (400, "RequestTimeout", AnswerLost),
        (400, "BadDigest", AnswerLost),
        (501, "NotImplemented", StoreError),
        (400, "InvalidArgument", StoreError),
    ],
)
def test_every_refusal_has_its_kind(moto_bucket_through, status, code, kind):
    far, proxy = moto_bucket_through
    proxy.on(net.answer(status, code))
    with pytest.raises(StoreError) as refused:
        far.put("a", b"")
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.s3_code) == (status, code)
    assert code in str(refused.value)
    assert isinstance(refused.value.__cause__, ClientError)


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("ask", ["head", "read"])
def test_a_store_that_says_that_a_bucket_is_elsewhere_is_no_portal_though_head_has_no_code(
    moto_bucket_through, status, ask
):
    """Asked with GET, botocore asks HEAD for the bucket's region, and would be told of the portal."""
    far, proxy = moto_bucket_through
    elsewhere = "Location: http://elsewhere.test/bucket/key\r\n"
    proxy.on(net.answer(status, "PermanentRedirect", headers=elsewhere), times=None)
    with pytest.raises(StoreError) as caught:
        getattr(far, ask)("key")
    assert (caught.value.status, caught.value.meaning.name) == (status, "OTHER_REGION")


@pytest.mark.parametrize("ask", ["head", "read"])
def test_a_redirect_that_no_store_makes_is_one_of_a_portal(moto_bucket_through, ask):
    far, proxy = moto_bucket_through
    proxy.on(lambda x: x.send(b"HTTP/1.1 302 x\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"), times=None)
    with pytest.raises(AnswerLost, match="a portal or proxy"):
        getattr(far, ask)("key")


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), CredentialRetrievalError(provider="p", error_msg="m")]
)
def test_missing_credentials_are_no_lost_answer(error):
    with pytest.raises(AccessDenied), store_errors("PUT a"):
        raise error


def test_what_a_store_says_is_one_line():
    answer = {"Error": {"Code": "Slow\nDown", "Message": "wait\nFORGED\x1b[2J"}}
    with pytest.raises(StoreError) as caught, store_errors("PUT a"):
        raise botocore.exceptions.ClientError(answer, "PutObject")
    assert str(caught.value) == r"PUT a: wait FORGED\x1b[2J"
    with pytest.raises(StoreError) as caught, store_errors("PUT a"):
        raise botocore.exceptions.EndpointConnectionError(endpoint_url="http://x/\nFORGED", error="e")
    assert str(caught.value).isprintable()


def test_a_server_that_is_not_there_is_a_lost_answer(session):
    nowhere = s3_client(session, _At("http://127.0.0.1:9"), retries={"total_max_attempts": 1})
    with pytest.raises(AnswerLost):
        Bucket("bucket", client=nowhere).ls()


def test_insisting_ends(clock):
    asked = []

    def ask():
        asked.append(1)
        raise AnswerLost("again")

    with pytest.raises(AnswerLost):
        repeat_while_lost(ask, clock)
    assert len(asked) == 4
    assert clock.slept == [0.2, 0.5, 1.0]


def test_only_what_may_help_is_asked_again(clock):
    asked = []

    def ask():
        asked.append(1)
        raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        repeat_while_lost(ask, clock)
    assert len(asked) == 1


def test_a_file_as_a_body_is_sent_without_asking_first(moto_bucket_through):
    far, proxy = moto_bucket_through
    far.client.put_object(Bucket=far.name, Key="a", Body=io.BytesIO(b"hello"))
    assert "expect" not in proxy.requests[-1].headers


def test_a_custom_endpoint_is_addressed_by_path(moto_bucket_through):
    far, proxy = moto_bucket_through
    far.put("a", b"")
    assert proxy.requests[-1].path == f"/{far.name}/a"


def test_no_checksum_but_the_own_one_is_sent(moto_bucket_through):
    far, proxy = moto_bucket_through
    far.put("a", b"123456789")
    headers = proxy.requests[-1].headers
    assert {name: value for name, value in headers.items() if "checksum" in name} == {
        "x-amz-sdk-checksum-algorithm": "CRC32",
        "x-amz-checksum-crc32": "y/Q5Jg==",
    }
    assert "content-encoding" not in headers


def test_the_endpoint_of_a_service_goes_before_the_one_of_all(session):
    settings = _At("http://all:1", {"s3": "http://only-s3:2"})
    assert client(session, "s3", settings).meta.endpoint_url == "http://only-s3:2"
    assert client(session, "ssm", settings).meta.endpoint_url == "http://all:1"
    assert "amazonaws.com" in client(session, "ssm").meta.endpoint_url


def test_without_settings_the_environment_says_where_services_are(session, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somewhere:1")
    assert client(session, "s3").meta.endpoint_url == "http://somewhere:1"


def test_bodies_are_never_signed_through_awscrt():
    code = "import upload_client.s3.clients, os; print(os.environ['BOTO_DISABLE_CRT'])"
    environ = {name: value for name, value in os.environ.items() if name != "BOTO_DISABLE_CRT"}
    assert subprocess.check_output([sys.executable, "-c", code], env=environ, text=True) == "true\n"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), min_size=1, max_size=80)
)
def test_a_listing_gives_every_key_exactly(moto_bucket, key):
    if any(part in {"", ".", ".."} for part in key.split("/")):
        return  # refused long before it gets here
    moto_bucket.put(key, b"x")
    try:
        assert [entry.key for entry in moto_bucket.list()] == [key]
    finally:
        moto_bucket.rm(key)


def test_a_key_outside_of_the_prefix_is_never_given_out(bucket, session, store):
    stranger = {
        "Contents": [{"Key": "elsewhere", "Size": 1, "ETag": '"x"', "LastModified": datetime.now(UTC)}]
    }
    deceived = Bucket(bucket.name, prefix=bucket.prefix, client=s3_client(session, store))
    deceived.client.meta.events.register(
        "after-call.s3.ListObjectsV2", lambda parsed, **_: parsed.update(stranger)
    )
    assert deceived.ls() == ()
    assert deceived.ls(recursive=False) == ()
