"""The sandbox's S3 keeps the promises of S3 that a delivery stands on, which moto alone does not."""

import base64
import contextlib
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from upload_client.sandbox.store import BODY, Store, _Write


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def refusal(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def s3(sandbox):
    return sandbox.client("s3")


@pytest.fixture
def place(sandbox, request):
    return {"Bucket": sandbox.landing_bucket, "Key": f"store/{request.node.name}"}


def start_upload(s3, place, parts, **how):
    upload = s3.create_multipart_upload(**place, **how)["UploadId"]
    listed = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(
                **place, UploadId=upload, PartNumber=n, Body=part, ChecksumCRC32=crc32(part)
            )["ETag"],
        }
        for n, part in enumerate(parts, 1)
    ]
    return {**place, "UploadId": upload, "MultipartUpload": {"Parts": listed}}


WHOLE = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}


def test_an_object_tells_the_checksum_it_was_sent_with(s3, place):
    s3.put_object(**place, Body=b"abc", ChecksumCRC32=crc32(b"abc"))
    assert s3.head_object(**place, ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(b"abc")
    assert s3.get_object(**place)["Body"].read() == b"abc"


def test_a_body_with_another_checksum_is_refused_and_nothing_is_stored(s3, place):
    assert refusal(s3.put_object, **place, Body=b"abd", ChecksumCRC32=crc32(b"abc")) == (400, "BadDigest")
    assert refusal(s3.head_object, **place)[0] == 404


def test_a_part_with_another_checksum_is_refused(s3, place):
    upload = s3.create_multipart_upload(**place, **WHOLE)["UploadId"]
    wrong = {"UploadId": upload, "PartNumber": 1, "Body": b"abd", "ChecksumCRC32": crc32(b"abc")}
    assert refusal(s3.upload_part, **place, **wrong) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**place, UploadId=upload)


def test_a_multipart_object_has_the_checksum_of_the_whole(s3, place):
    parts = [b"a" * 5_242_880, b"b" * 5_242_880, b"c"]
    s3.complete_multipart_upload(
        **start_upload(s3, place, parts, **WHOLE),
        ChecksumCRC32=crc32(b"".join(parts)),
        ChecksumType="FULL_OBJECT",
    )
    head = s3.head_object(**place, ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc32(b"".join(parts))
    assert head["ContentLength"] == 2 * 5_242_880 + 1
    assert head["ETag"].endswith('-3"')
    assert s3.get_object(**place)["Body"].read() == b"".join(parts)


def test_a_multipart_object_with_another_checksum_is_refused(s3, place):
    upload = start_upload(s3, place, [b"abc"], **WHOLE)
    assert refusal(s3.complete_multipart_upload, **upload, ChecksumCRC32=crc32(b"abd"))[1] == "BadDigest"
    assert refusal(s3.head_object, **place)[0] == 404


def test_small_parts_foreign_parts_and_unknown_uploads_are_refused(s3, place):
    small = start_upload(s3, place, [b"a", b"b"], **WHOLE)
    assert refusal(s3.complete_multipart_upload, **small)[1] == "EntityTooSmall"
    foreign = {**small, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]}}
    assert refusal(s3.complete_multipart_upload, **foreign)[1] == "InvalidPart"
    unknown = {**small, "UploadId": "unknown"}
    assert refusal(s3.complete_multipart_upload, **unknown) == (404, "NoSuchUpload")
    part = {"UploadId": "unknown", "PartNumber": 1, "Body": b"a"}
    assert refusal(s3.upload_part, **place, **part) == (404, "NoSuchUpload")


def test_completing_once_more_says_the_same(s3, place):
    upload = start_upload(s3, place, [b"abc"], **WHOLE)
    first = s3.complete_multipart_upload(**upload)["ETag"]
    assert s3.complete_multipart_upload(**upload)["ETag"] == first


@pytest.mark.parametrize("write", ["put", "complete", "copy"])
def test_every_way_to_write_keeps_its_conditions(s3, place, sandbox, write):
    source = {"Bucket": sandbox.landing_bucket, "Key": place["Key"] + "-source"}
    s3.put_object(**source, Body=b"new")

    def attempt(**conditions):
        if write == "put":
            return s3.put_object(**place, Body=b"new", **conditions)["ETag"]
        if write == "copy":
            return s3.copy_object(**place, CopySource=source, **conditions)["CopyObjectResult"]["ETag"]
        return s3.complete_multipart_upload(**start_upload(s3, place, [b"new"]), **conditions)["ETag"]

    assert refusal(attempt, IfMatch='"nothing"')[0] == 404
    first = attempt(IfNoneMatch="*")
    assert refusal(attempt, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refusal(attempt, IfMatch='"other"') == (412, "PreconditionFailed")
    attempt(IfMatch=first)


def test_a_copy_is_refused_when_its_source_is_another_by_now(s3, place, sandbox):
    source = {"Bucket": sandbox.landing_bucket, "Key": place["Key"] + "-source"}
    old = s3.put_object(**source, Body=b"old")["ETag"]
    new = s3.put_object(**source, Body=b"new")["ETag"]
    assert refusal(s3.copy_object, **place, CopySource=source, CopySourceIfMatch=old)[0] == 412
    s3.copy_object(**place, CopySource=source, CopySourceIfMatch=new)


def test_of_many_who_create_one_key_at_once_one_succeeds(s3, place):
    start = threading.Barrier(16)

    def create(n: int) -> bool:
        start.wait()
        try:
            s3.put_object(**place, Body=b"%d" % n, IfNoneMatch="*")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(create, range(16))) == 1


def side_by_side(*requests: tuple[str, str, str], waits: float) -> int:
    """How many of these requests (method, path, query) a store lets moto do at the same time, at most.

    Each waits so many seconds for all the others to come in.
    """
    inside, most = 0, 0
    counting = threading.Lock()
    all_there = threading.Barrier(len(requests))

    def moto(_environ, _start_response):
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
        # Where they may all come in, nobody goes before all are there.
        with contextlib.suppress(threading.BrokenBarrierError):
            all_there.wait(timeout=waits)
        with counting:
            inside -= 1
        return []

    store = Store(moto)
    store_parts = patch.object(_Write, "_known_upload", lambda self: self._upload_id is not None)
    environs = [
        {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, BODY: b""}
        for method, path, query in requests
    ]
    with store_parts, ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(lambda environ: store(environ, None), environs))
    return most


def test_requests_run_one_at_a_time_because_moto_looks_first_and_writes_later():
    assert side_by_side(*[("PUT", "/bucket-x/key", "")] * 3, waits=0.2) == 1
    assert side_by_side(("GET", "/bucket-x/key", ""), ("PUT", "/bucket-x/key", ""), waits=0.2) == 1


def test_parts_of_uploads_run_side_by_side():
    parts = [("PUT", "/bucket-x/key", f"uploadId=a&partNumber={n}") for n in (1, 2, 3)]
    assert side_by_side(*parts, waits=60.0) == 3


def test_a_listing_taken_while_objects_are_written_has_their_etags(s3, sandbox):
    keys = [f"listed/{n}" for n in range(60)]

    def listed() -> dict[str, str]:
        page = s3.list_objects_v2(Bucket=sandbox.landing_bucket, Prefix="listed/")
        return {entry["Key"]: entry["ETag"] for entry in page.get("Contents", ())}

    with ThreadPoolExecutor(8) as threads:
        lists = [threads.submit(listed) for _ in range(30)]
        puts = {
            k: threads.submit(s3.put_object, Bucket=sandbox.landing_bucket, Key=k, Body=k.encode())
            for k in keys
        }
    etags = {key: put.result()["ETag"] for key, put in puts.items()}
    assert listed() == etags
    for page in lists:
        assert page.result().items() <= etags.items()


def test_a_request_that_is_cut_short_stores_nothing(s3, place, sandbox):
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(sandbox.s3_endpoint_url).netloc)
    connection.putrequest("PUT", f"/{place['Bucket']}/{place['Key']}")
    connection.putheader("Content-Length", "1000")
    connection.putheader(
        "Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, x=y"
    )
    connection.endheaders(b"only this")
    connection.close()
    assert refusal(s3.head_object, **place)[0] == 404


def test_names_of_all_kinds_come_back_as_they_went(s3, sandbox):
    names = [
        "a b+c%20.csv",
        "ä/ö/ü.csv",
        "日本/file.json",
        "quote'\"&<>.txt",
        "semi;colon=1?.csv",
        "[x]#.csv",
    ]
    for name in names:
        s3.put_object(Bucket=sandbox.landing_bucket, Key="names/" + name, Body=name.encode())
    page = s3.list_objects_v2(Bucket=sandbox.landing_bucket, Prefix="names/")
    assert sorted(entry["Key"] for entry in page["Contents"]) == sorted("names/" + name for name in names)
    for name in names:
        assert (
            s3.get_object(Bucket=sandbox.landing_bucket, Key="names/" + name)["Body"].read() == name.encode()
        )


def test_a_delete_on_an_etag_deletes_that_object_and_no_other(s3, place):
    etag = s3.put_object(**place, Body=b"abc")["ETag"]
    newer = s3.put_object(**place, Body=b"abcd")["ETag"]
    assert refusal(s3.delete_object, **place, IfMatch=etag) == (412, "PreconditionFailed")
    assert s3.get_object(**place)["Body"].read() == b"abcd"
    s3.delete_object(**place, IfMatch=newer)
    assert refusal(s3.delete_object, **place, IfMatch=newer) == (404, "NoSuchKey")
