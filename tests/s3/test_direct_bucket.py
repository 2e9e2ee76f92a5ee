"""Buckets that are reached without botocore are reached as it would reach them, and told as it tells them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NoReturn
from unittest import mock

import pytest
from faults import proxy as net
from faults.proxy import Proxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.s3 import direct_bucket, listing, sigv4
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge
from upload_client.s3.clients import s3_client
from upload_client.s3.direct_bucket import DirectBucket, find_static_access, leads_to
from upload_client.s3.route import Route
from upload_client.s3.wire import (
    CopyObject,
    DeleteObject,
    GetObject,
    GetRange,
    HeadObject,
    ListObjectsV2,
    PutObject,
    UploadPart,
)

KEY = "a folder/ü + %41~"
REQUESTS = [
    PutObject(KEY, b"x", "yH2GHg==", None),
    PutObject(KEY, b"x", "yH2GHg==", "etag", md5="1B2M2Y8AsgTpgAmY7PhCfg=="),
    UploadPart(KEY, "u+/=", 3, b"x", "yH2GHg=="),
    GetObject(KEY, "etag", 1),
    GetRange(KEY, "etag", 5, 7),
    HeadObject(KEY),
    CopyObject("from ü", "etag", KEY, None),
    CopyObject("from ü", "etag", KEY, "other"),
    DeleteObject(KEY, "etag"),
]
SAID = {
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret/+",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
}
CHANGES = {
    "AWS_ACCESS_KEY_ID": [None, ""],
    "AWS_SECRET_ACCESS_KEY": [None, ""],
    "AWS_SESSION_TOKEN": ["token+/=", ""],
    "AWS_DEFAULT_REGION": ["us-east-1", "me-south-1", None, "", "cn-north-1", "us-gov-west-1"],
    "AWS_REGION": ["ap-south-1"],
    "AWS_ENDPOINT_URL": [
        "",
        "http://127.0.0.1:4566",
        "https://storage.example.com:9000/",
        "http://storage.example.com:80",
        "https://s3.eu-central-1.amazonaws.com",
        "http://[::1]:9",
        "http://store/below",
    ],
    "AWS_ENDPOINT_URL_S3": ["http://127.0.0.2:81", ""],
    "AWS_ENDPOINT_URL_STS": ["http://127.0.0.3:82"],
    "AWS_USE_DUALSTACK_ENDPOINT": ["true"],
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": ["regional"],
    "AWS_LAMBDA_FUNCTION_NAME": ["f"],
    "_X_AMZN_TRACE_ID": ["Root=1-2-3;Sampled=1 é"],
}
CONFIGS = [
    "",
    "[default]\nregion = eu-west-2\n",
    "[default]\noutput=json\ncli_pager=\n",
    "[default]\nendpoint_url = http://127.0.0.9:9\n",
    "[default]\ns3 =\n  addressing_style = virtual\n",
    "[profile a]\nregion = eu-west-1\n[default]\nregion = eu-west-3\n",
    "[profile default]\nregion = eu-north-1\n",
    "; mine\n[default]\naws_access_key_id = AKCONFIG\naws_secret_access_key = of-config\n",
]
CREDENTIALS = [
    "",
    "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = of-file\n",
    "[default]\naws_access_key_id=AKFILE\naws_secret_access_key=of-file\naws_session_token=of-file+/=\n",
    "[other]\naws_access_key_id = AKOTHER\naws_secret_access_key = of-other\n",
    "[default]\nregion = eu-west-2\n",
]
ENVIRONMENTS = st.lists(
    st.sampled_from([(name, value) for name, values in CHANGES.items() for value in values]), max_size=4
).map(lambda changes: SAID | dict(changes))
DAYS = count(1_790_000_000, 86_400)


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Have this process an environment, and files of the AWS tools."""
    with mock.patch.dict(os.environ):

        def make(env: dict[str, str | None], config: str = "", credentials: str = "") -> None:
            for name in list(os.environ):
                if name.startswith("AWS_") or name.endswith("_CA_BUNDLE") or name.lower().endswith("_proxy"):
                    del os.environ[name]
            os.environ.pop("_X_AMZN_TRACE_ID", None)
            os.environ.update({name: value for name, value in env.items() if value is not None})
            for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
                path = tmp_path / name
                path.write_text(text)
                os.environ[name] = str(path)
            os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

        yield make


def heads(bucket: Bucket, source: Bucket, now: float) -> list[list[bytes]]:
    """The lines of all kinds of requests, signed at that moment, but for the name of the program."""
    with mock.patch.object(sigv4.time, "time", return_value=now):
        route = Route(bucket, source=source, deletes=True)
        made = [route.head(request, sigv4.UNSIGNED_PAYLOAD) for request in REQUESTS]
    return [[line for line in head.split(b"\r\n") if not line.startswith(b"user-agent:")] for head in made]


def trusted(route: Route) -> object:
    tls = route.address.tls
    return tls and (tls.cert_store_stats(), tls.verify_mode, tls.check_hostname)


def unasked() -> NoReturn:
    pytest.fail("boto3 was asked for")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    env=ENVIRONMENTS,
    config=st.just("") | st.sampled_from(CONFIGS),
    credentials=st.just("") | st.sampled_from(CREDENTIALS),
    name=st.sampled_from(["my-bucket", "my-bucket", "a.b.c", "bucket--x-s3", "my-bucket-s3alias"]),
)
def test_in_each_environment_requests_are_botocores_or_left_to_it(
    set_up, env: dict[str, str | None], config: str, credentials: str, name: str
) -> None:
    set_up(env, config, credentials)
    way = find_static_access()
    if way is None or way.place_of(name) is None:
        return
    client, now = s3_client(), next(DAYS)
    plain = (
        DirectBucket(name, way, unasked, prefix="pre fix/"),
        DirectBucket("from", way, unasked, prefix="x/"),
    )
    bucket = Bucket(name, prefix="pre fix/", client=client), Bucket("from", prefix="x/", client=client)
    assert heads(*plain, now) == heads(*bucket, now)
    ours, theirs = Route(plain[0]), Route(bucket[0])
    assert ours.address._replace(tls=None) == theirs.address._replace(tls=None)
    assert ours.sign_payload == theirs.sign_payload
    assert trusted(ours) == trusted(theirs)


@pytest.mark.parametrize(
    ("env", "credentials"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}, ""),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, CREDENTIALS[2]),
    ],
)
def test_what_most_people_have_is_plain(set_up, env: dict[str, str], credentials: str) -> None:
    set_up(env, CONFIGS[1], credentials)
    way = find_static_access()
    assert way is not None
    assert way.place_of("my-bucket") is not None


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_that_cannot_be_read_is_left_to_botocore(set_up, tmp_path: Path, name: str) -> None:
    set_up({"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"})
    assert find_static_access() is not None
    (tmp_path / name).write_bytes(b"\xff")
    assert find_static_access() is None
    (tmp_path / name).unlink()
    assert find_static_access() is not None
    (tmp_path / name).mkdir()
    assert find_static_access() is None


# ------------------------------------------------------------------------------------------------- in a store


@pytest.fixture
def plainly(store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DirectBucket]:
    """The same bucket without botocore: ``plainly(bucket)``."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint_url)

    def make(bucket: Bucket, make_client=unasked, endpoint: str | None = None) -> DirectBucket:
        way = find_static_access(endpoint)
        assert way is not None
        return DirectBucket(bucket.name, way, make_client, prefix=bucket.prefix)

    return make


def test_a_listing_is_the_one_that_botocore_gives(bucket: Bucket, plainly) -> None:
    assert plainly(bucket).is_empty()
    assert list(plainly(bucket).list()) == []
    for key in ("a/b c", "a/b+c", "a/%41", "a/~!'()*", "a/b", "b"):
        bucket.put(key, key.encode())
    assert list(plainly(bucket).list()) == list(bucket.list())
    assert list(plainly(bucket).list("a/")) == list(bucket.list("a/"))
    assert not plainly(bucket).is_empty()
    assert [info.key for info in plainly(bucket).list(start_after="a/b")] == [
        info.key for info in bucket.list(start_after="a/b")
    ]


@pytest.mark.parametrize(
    "name", ["d/", "d/it's ", "d/a & b ", 'd/"q" ']
)  # a token may be the last key, in XML
def test_pages_follow_one_another(
    bucket: Bucket, plainly, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for number in range(7):
        bucket.put(f"{name}{number}", b"")
    asked: list[ListObjectsV2] = []
    carry = direct_bucket.carry

    def counted(connection, request):
        asked.append(request._replace(following=(*request.following, ("max-keys", "3"))))
        return carry(connection, asked[-1])

    monkeypatch.setattr(direct_bucket, "carry", counted)
    assert [info.key for info in plainly(bucket).list()] == [f"{name}{number}" for number in range(7)]
    assert len(asked) == 3


@pytest.mark.parametrize("key", ["ü/ß", "a&b", "<a>", "日本"])
def test_a_key_that_is_not_plain_is_read_right_all_the_same(bucket: Bucket, plainly, key: str) -> None:
    bucket.put(key, b"1")
    found = list(plainly(bucket, lambda: bucket.client).list())
    assert found == list(bucket.list())
    assert [info.key for info in found] == [key]


def test_a_bucket_that_is_not_there_is_told_as_botocore_tells_it(bucket: Bucket, plainly) -> None:
    other = Bucket("not-there-at-all", client=bucket.client)
    with pytest.raises(NotFound) as theirs:
        list(other.list())
    with pytest.raises(NotFound) as ours:
        list(plainly(other, lambda: bucket.client).list())
    assert (ours.value.s3_code, ours.value.status) == (theirs.value.s3_code, theirs.value.status)


def test_a_listing_whose_answer_is_lost_is_asked_for_again_by_botocore(
    bucket: Bucket, plainly, store, lost_answer
) -> None:
    bucket.put("a", b"1")
    with Proxy(store.endpoint_url) as proxy:
        proxy.on(lost_answer, path=f"{bucket.name}/?$", nth=1)
        client = s3_client(settings=At(proxy.url))
        assert [info.key for info in plainly(bucket, lambda: client, proxy.url).list()] == ["a"]
        assert proxy.count("GET") == 2


def test_a_bucket_that_is_elsewhere_is_found_by_botocore_once_and_for_all(
    bucket: Bucket, plainly, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_bucket, "_NOT_PLAIN", set())
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "sync")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")
    bucket.put("a", b"1")
    with Proxy(store.endpoint_url) as proxy:
        moved = net.answer(301, "PermanentRedirect", headers="x-amz-bucket-region: us-east-1\r\n")
        proxy.on(moved, path=f"{bucket.name}/?$", nth=1)
        client = s3_client(settings=At(proxy.url))
        there = plainly(bucket, lambda: client, proxy.url)
        assert leads_to(there.way, bucket.name)
        assert [info.key for info in there.list()] == ["a"]
        assert there.way is None
        # The next invocation of a Lambda function has another number, and knows it all the same.
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa")
        assert not leads_to(find_static_access(proxy.url), bucket.name)
        assert leads_to(find_static_access(proxy.url), "another")
        assert "boto3" in Route(there)._headers[0]["user-agent"].lower()
        before = proxy.count("GET")
        assert [info.key for info in there.list()] == ["a"]
        assert proxy.count("GET") == before + 1


def test_the_pages_behind_an_unusual_answer_are_botocores(
    bucket: Bucket, plainly, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_bucket, "_NOT_PLAIN", set())
    for number in range(5):
        bucket.put(f"{number}", b"1")
    with Proxy(store.endpoint_url) as proxy:
        moved = net.answer(301, "PermanentRedirect", headers="x-amz-bucket-region: us-east-1\r\n")
        proxy.on(moved, path=f"{bucket.name}/?$", nth=1)
        client = s3_client(settings=At(proxy.url))
        there = plainly(bucket, lambda: client, proxy.url)
        pages = there._columns({"Bucket": bucket.name, "Prefix": bucket.prefix, "MaxKeys": 2})
        assert sum(len(found.keys) for _, found in pages) == 5
        assert proxy.count("GET") == 1 + 3


def test_an_object_is_told_and_read_as_botocore_does_it(bucket: Bucket, plainly) -> None:
    contents = {"a/ü +": os.urandom(100_000), "empty": b""}
    for key, content in contents.items():
        bucket.put(key, content)
        ours, theirs = (each.head(key, checksum=False) for each in (plainly(bucket), bucket))
        for name in ("key", "size", "etag", "last_modified", "version_id"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert plainly(bucket).read(key) == plainly(bucket).read(key, len(content)) == content
    assert plainly(bucket).head("none", checksum=False) is None
    with pytest.raises(NotFound):
        plainly(bucket, lambda: bucket.client).read("none")
    with pytest.raises(ObjectTooLarge):
        plainly(bucket, lambda: bucket.client).read("a/ü +", 99_999)
    assert plainly(bucket, lambda: bucket.client).head("empty").crc32 == bucket.head("empty").crc32


def test_an_object_that_is_replaced_while_it_is_read_is_read_once_more(
    bucket: Bucket, plainly, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a", b"before")
    carry = direct_bucket.carry

    def replaced(connection, request):
        answer = carry(connection, request)
        if isinstance(request, HeadObject):
            bucket.put("a", b"afterwards")
        return answer

    monkeypatch.setattr(direct_bucket, "carry", replaced)
    assert plainly(bucket, lambda: bucket.client).read("a") == b"afterwards"


def test_a_head_whose_answer_is_lost_is_asked_for_again_by_botocore(
    bucket: Bucket, plainly, store, lost_answer
) -> None:
    bucket.put("a", b"1")
    with Proxy(store.endpoint_url) as proxy:
        proxy.on(lost_answer, method="HEAD", nth=1)
        client = s3_client(settings=At(proxy.url))
        assert plainly(bucket, lambda: client, proxy.url).head("a", checksum=False).size == 1
        assert proxy.count("HEAD") == 2


@dataclass
class At:
    """Settings that name one store."""

    endpoint_url: str
    endpoints: Mapping[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"<ListBucketResult></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Odd><Nested>x</Nested></Odd></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"<Error><Code>SlowDown</Code></Error>",
        "<ListBucketResult><Prefix>ü</Prefix><IsTruncated>false</IsTruncated></ListBucketResult>".encode(),
        b"<!DOCTYPE x><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    ],
)
def test_an_answer_that_is_not_plain_is_botocores_to_read(body: bytes) -> None:
    assert listing.read_page(body) is None


def test_a_token_is_read_as_it_was_meant() -> None:
    page = listing.read_page(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Name>b</Name><Prefix/><NextContinuationToken>1&amp;lt;/+=</NextContinuationToken>"
        b"<IsTruncated>true</IsTruncated></ListBucketResult>"
    )
    assert page is not None
    assert (page["IsTruncated"], page["NextContinuationToken"]) == (True, "1&lt;/+=")
