"""Two sides that are reached in two ways: other keys, another store, another address of the same one."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from faults.proxy import Proxy
from pydantic import ValidationError

from upload_client import Bucket
from upload_client.errors import DeliveryError, UsageError
from upload_client.functions.data_sync import overlap, to_s3
from upload_client.functions.data_sync.access import client as client_of
from upload_client.functions.data_sync.local import SyncFailed
from upload_client.functions.data_sync.models import BatchDataSyncRequest, DataSyncRequest, S3Access
from upload_client.functions.data_sync.operations import BatchDataSyncHandler, PrepareBatchDataSyncHandler
from upload_client.functions.data_sync.paths import S3Place
from upload_client.s3.bucket import AccessDenied
from upload_client.s3.clients import s3_client

from .conftest import World

pytestmark = pytest.mark.parametrize("store", ["real"], indirect=True)

VPC_ENDPOINT = "https://bucket.vpce-1a2b3c4d-5e6f.s3.eu-central-1.vpce.amazonaws.com"
FILES = {"a.txt": "one", "b/c.txt": "two" * 1000, "b/d é +%.txt": "three", "empty": ""}


@pytest.fixture
def elsewhere(world: World, moto_server: str) -> Iterator[tuple[dict[str, str], Bucket]]:
    """Another store: the way to it, and a bucket there."""
    client = s3_client(boto3.Session("other", "other", region_name="us-east-1"), _At(moto_server))
    name = f"elsewhere-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name)
    yield {"endpoint_url": moto_server, "region": "us-east-1"}, Bucket(name, client=client)
    listed = client.list_objects_v2(Bucket=name).get("Contents", ())
    for each in listed:
        client.delete_object(Bucket=name, Key=each["Key"])
    client.delete_bucket(Bucket=name)


class _At:
    def __init__(self, url: str) -> None:
        self.endpoint_url = url
        self.endpoints: dict[str, str] = {}


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes profiles of the AWS tools."""
    file = tmp_path / "aws"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def make(name: str) -> str:
        with file.open("a", encoding="utf-8") as out:
            out.write(f"[{name}]\naws_access_key_id = {name}\naws_secret_access_key = of-{name}\n")
        return name

    return make


def test_objects_go_through_this_machine_to_a_store_that_no_credentials_of_the_source_reach(
    world: World, elsewhere: tuple[dict[str, str], Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    access, there = elsewhere
    monkeypatch.setattr(to_s3, "_WAVE_FILES", 2)
    for path, content in FILES.items():
        world.put(f"src/{path}", content)
    there.put("dst/too much", b"x")
    counts = world.sync(world.uri("src/"), f"s3://{there.name}/dst/", destination_access=access)
    assert world.objects(there, "dst/") == FILES
    assert (counts.files_transferred, counts.removed) == (4, 1)
    assert "objects go through this machine" in world.warnings[0]
    again = world.sync(world.uri("src/"), f"s3://{there.name}/dst/", destination_access=access)
    assert (again.files_transferred, again.kept, world.warnings) == (0, 4, [])
    back = world.sync(f"s3://{there.name}/dst/", world.path("back/"), source_access=access)
    assert (back.files_transferred, world.files("back")) == (4, FILES)


def test_a_large_object_goes_through_in_parts_with_the_crc32_it_came_with(
    world: World, elsewhere: tuple[dict[str, str], Bucket]
) -> None:
    access, there = elsewhere
    there.put("large", os.urandom(20 * 2**20))
    counts = world.sync(f"s3://{there.name}/large", world.uri("copy"), source_access=access)
    assert (counts.files_transferred, counts.bytes_transferred) == (1, 20 * 2**20)
    assert world.bucket.read("copy") == there.read("large")


def test_a_move_deletes_at_the_other_store_when_its_copies_are_confirmed(
    world: World, elsewhere: tuple[dict[str, str], Bucket]
) -> None:
    access, there = elsewhere
    there.put("src/a", b"1")
    counts = world.sync(
        f"s3://{there.name}/src/", world.uri("dst/"), source_access=access, retain_source_data=False
    )
    assert counts.moved == 1
    assert world.objects(world.bucket, "dst/") == {"a": "1"}
    assert world.objects(there, "src/") == {}


def test_what_is_sent_on_has_to_be_what_was_fetched(
    world: World, elsewhere: tuple[dict[str, str], Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    access, there = elsewhere
    there.put("src/a", b"content")
    real = to_s3.fetch_files

    def damaged(tasks, *args, **options):
        tasks = list(tasks)
        for outcome in real(tasks, *args, **options):
            Path(tasks[outcome.row].path).write_bytes(b"CONTENT")
            yield outcome

    monkeypatch.setattr(to_s3, "fetch_files", damaged)
    with pytest.raises(SyncFailed, match="does not match the checksum"):
        world.sync(
            f"s3://{there.name}/src/", world.uri("dst/"), source_access=access, retain_source_data=False
        )
    assert world.objects(world.bucket, "dst/") == {}
    assert world.objects(there, "src/") == {"a": "content"}


def test_the_store_copies_where_who_writes_may_read_the_source(
    world: World, profile: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "1")
    monkeypatch.setattr(to_s3, "fetch_files", None)
    counts = world.sync(
        world.uri("src/"),
        world.uri("dst/", world.other),
        source_access={"profile": profile("reader")},
        destination_access={"profile": profile("writer")},
    )
    assert counts.files_transferred == 1
    assert world.objects(world.other, "dst/") == {"a": "1"}
    assert world.warnings == []


def test_it_does_not_where_who_writes_may_not_read_the_source(
    world: World, profile: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "1")
    real = Bucket.head
    writer = profile("writer")

    def head(bucket: Bucket, key: str, **options):
        keys = bucket.client._request_signer._credentials
        if bucket.name == world.bucket.name and keys.access_key == writer:
            raise AccessDenied("HEAD: 403", 403)
        return real(bucket, key, **options)

    monkeypatch.setattr(Bucket, "head", head)
    counts = world.sync(
        world.uri("src/"), world.uri("dst/", world.other), destination_access={"profile": writer}
    )
    assert counts.files_transferred == 1
    assert world.objects(world.other, "dst/") == {"a": "1"}
    assert "objects go through this machine" in world.warnings[0]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("here", "there", "one"),
    [
        ({"region": "us-east-1"}, {"region": "eu-central-1"}, True),
        ({"region": "us-east-1"}, {"region": "eu-central-1", "endpoint_url": VPC_ENDPOINT}, True),
        ({"region": "cn-north-1"}, {"region": "cn-northwest-1"}, True),
        ({"region": "us-gov-west-1"}, {"region": "us-gov-east-1"}, True),
        ({"region": "us-east-1"}, {"region": "cn-north-1"}, False),
        ({"region": "us-east-1"}, {"region": "us-gov-west-1"}, False),
        ({"region": "us-east-1"}, {"endpoint_url": "https://rgw.example.org"}, False),
        ({"endpoint_url": "https://rgw.example.org"}, {"endpoint_url": "https://rgw.example.org"}, True),
        ({"endpoint_url": "https://rgw.example.org"}, {"endpoint_url": "https://other.example.org"}, False),
    ],
)
def test_the_regions_of_a_partition_are_one_store_and_partitions_are_several(
    monkeypatch: pytest.MonkeyPatch, here: dict[str, str], there: dict[str, str], one: bool
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    places = [S3Place("bucket", "", S3Access(**{"region": "us-east-1", **side})) for side in (here, there)]
    assert overlap.same_store(*places) is one
    assert overlap.same_store(*reversed(places)) is one


def test_buckets_of_one_name_in_two_stores_are_two_and_one_under_two_addresses_is_one(
    world: World, moto_server: str, proxy: Proxy
) -> None:
    world.put("src/a", "1")
    client = s3_client(boto3.Session("o", "o", region_name="us-east-1"), _At(moto_server))
    client.create_bucket(Bucket=world.bucket.name)
    there = Bucket(world.bucket.name, client=client)
    access = {"endpoint_url": moto_server, "region": "us-east-1"}
    try:
        assert (
            world.sync(world.uri("src/"), world.uri("src/"), destination_access=access).files_transferred == 1
        )
        assert world.objects(there, "src/") == {"a": "1"}
    finally:
        client.delete_object(Bucket=there.name, Key="src/a")
        client.delete_bucket(Bucket=there.name)
    with pytest.raises(UsageError, match="overlap"):
        world.sync(world.uri("src/"), world.uri("src/"), destination_access={"endpoint_url": proxy.url})
    assert world.objects(world.bucket) == {"src/a": "1"}


def test_batches_carry_the_ways_and_others_than_those_are_refused(
    world: World, elsewhere: tuple[dict[str, str], Bucket], context
) -> None:
    access, there = elsewhere
    for path, content in FILES.items():
        there.put(f"src/{path}", content.encode())
    request = {
        "source_path": f"s3://{there.name}/src/",
        "destination_path": world.uri("dst/"),
        "source_access": access,
        "batch_size_bytes_limit": 2000,
    }
    prepared = PrepareBatchDataSyncHandler.get_handler()(request, context)
    assert len(prepared["requests"]) > 1
    for batch in prepared["requests"]:
        assert BatchDataSyncRequest(**batch).requests[0].source_access == S3Access(**access)
        BatchDataSyncHandler.get_handler()(batch, context)
    assert world.objects(world.bucket, "dst/") == FILES
    for wrong in (
        {"endpoint_url": "ftp://x"},
        {"endpoint_url": "https://key:secret@x"},
        {"role_arn": "someone"},
        {"region": "a b"},
    ):
        with pytest.raises(ValidationError):
            DataSyncRequest(source_path="s3://a/", destination_path="/b/", source_access=wrong)


def test_a_profile_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(UsageError, match="no AWS profile 'nobody'"):
        world.sync(world.uri("src/"), world.path("dst/"), source_access={"profile": "nobody"})


def test_a_role_is_taken_with_the_credentials_that_are_there(
    world: World, moto_server: str, profile: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_server)
    role = "arn:aws:iam::123456789012:role/archive/reader"
    access = {"profile": profile("me"), "role_arn": role, "external_id": "known:1"}
    keys = client_of(S3Access(**access))._request_signer._credentials.get_frozen_credentials()
    assert keys.access_key.startswith("ASIA")
    assert keys.token
    assert world.sync(world.uri("src/"), world.path("dst/"), source_access=access).files_transferred == 1
    assert world.files("dst") == {"a": "1"}


def test_a_role_without_credentials_to_take_it_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") and "KEY" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    role = {"role_arn": "arn:aws:iam::123456789012:role/reader"}
    with pytest.raises(UsageError, match="no AWS credentials were found with which arn:aws:iam::"):
        world.sync(world.uri("src/"), world.path("dst/"), source_access=role)


class _Refusing(BaseHTTPRequestHandler):
    """An STS that gives no role to anybody."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            b"<Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>"
        )
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_role_that_is_refused_is_told_by_what_refused_it(
    world: World, profile: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        role = {"profile": profile("me"), "role_arn": "arn:aws:iam::123456789012:role/reader"}
        with pytest.raises(DeliveryError, match="not authorized to perform sts:AssumeRole"):
            world.sync(world.uri("src/"), world.path("dst/"), source_access=role)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("unsigned", [None, False, True])
def test_content_is_signed_unless_it_is_not_to_be_and_has_its_crc32_in_any_case(
    world: World, store, monkeypatch: pytest.MonkeyPatch, unsigned: bool | None
) -> None:
    world.write("src/small", "1")
    world.write("src/large", b"2" * (1024 * 1024))
    with Proxy(store.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        access = {"unsigned_payload": unsigned}
        world.sync(world.path("src/"), world.uri("dst/"), destination_access=access)
        sent = [request for request in proxy.requests if request.method == "PUT"]
    assert len(sent) == 2
    for request in sent:
        assert (request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD") is bool(unsigned)
        assert request.headers["x-amz-checksum-crc32"]
    assert world.objects(world.bucket, "dst/") == {"small": "1", "large": "2" * (1024 * 1024)}
