"""The receipt of a delivery: written once, of every file, as the schema says, and where it belongs."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from delivery.conftest import Delivery, content
from delivery.test_python import client_of
from faults.memory import VirtualClock
from hypothesis import given
from hypothesis import strategies as st

from upload_client import NothingToDoError
from upload_client.cli.app import main
from upload_client.control.log import LogWriter
from upload_client.core.checksums import encode
from upload_client.core.hand_over import HandOver
from upload_client.core.receipt import Delivered, DeliveredBy, encode_receipt, hashed_name
from upload_client.core.receipt_reading import ReceiptReader
from upload_client.index import scan
from upload_client.receipts import store, verify
from upload_client.receipts.store import open_receipt, put_receipt, sha256_of
from upload_client.receipts.verify import _by_key
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    NotFound,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
)
from upload_client.settings import load_settings

SCHEMA = Path(__file__).parents[2] / "docs" / "receipt.schema.json"
KEY = "staging/receipt/00000001.json"


def delivered(delivery: Delivery, data: Path, output: Path | None = None):
    with client_of(delivery, data, scan(data)) as client:
        client.output_dir = output or delivery.receiver.output
        outcome = client.run()
    assert outcome.exit_code == 0
    return outcome


def receipts(delivery: Delivery) -> list[str]:
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    prefix = f"{delivery.dataset}/{delivery.delivery_id}/"
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}staging/receipt/").get("Contents", ())
    return [entry["Key"].removeprefix(prefix) for entry in found]


def test_it_names_every_file_and_who_sent_and_judged_it_as_the_schema_says(
    delivery: Delivery, data: Path
) -> None:
    outcome = delivered(delivery, data)
    body = delivery.control(KEY)
    assert outcome.receipt == KEY
    assert outcome.receipt_file is not None
    assert outcome.receipt_file.read_bytes() == body
    assert outcome.receipt_sha256 == hashlib.sha256(body).hexdigest()

    reader = ReceiptReader(io.BytesIO(body).readline)
    files = list(reader)
    assert {each.path: each.size for each in files} == {
        path: len(data) for path, data in content(data).items()
    }
    head = reader.head
    (tail,) = head.validator_logs
    assert [(run.epoch, run.agent_id) for run in head.clients] == [(1, head.agent_id)]
    assert {each.judged_by for each in files} == {run.validator_id for run in head.validators}
    for key, sha256 in [
        (head.index.key, head.index.sha256),
        (f"staging/log/client/{head.client_log.seq:010d}.jsonl", head.client_log.sha256),
        (f"staging/log/validator/0000/{tail.seq:010d}.jsonl", tail.sha256),
    ]:
        assert hashlib.sha256(delivery.control(key)).hexdigest() == sha256
    as_the_schema_says(json.loads(body))


def as_the_schema_says(receipt: dict) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(receipt)
    for part in (
        receipt,
        receipt["files"][0],
        receipt["index"],
        receipt["client_log"],
        receipt["clients"][0],
    ):
        for name in list(part):
            said = part.pop(name)
            assert not validator.is_valid(receipt), f"{name} may be left out"
            part[name] = said
        part["x"] = 1
        assert not validator.is_valid(receipt), "anything may be added"
        del part["x"]


def test_sha256_goes_from_the_reading_through_log_and_verdict_into_the_receipt_and_is_held_against(
    delivery: Delivery, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of what an earlier run had announced without it, the receipt says that there is none."""
    profile, contents = str(delivery.receiver.sandbox.profile), content(data)
    early = next(path for path in contents if path.endswith(".csv"))
    with client_of(delivery, data, scan(data).query("path == @early")) as client:
        assert client.run().exit_code == 0
    settings = load_settings(profile=profile, flags={"digest": "sha256", "receipt_identity": "hashed"})
    with client_of(delivery, data, scan(data), settings=settings) as client:
        outcome = client.run()
    assert outcome.exit_code == 0
    body = delivery.control(outcome.receipt)
    as_the_schema_says(json.loads(body))
    reader = ReceiptReader(io.BytesIO(body).readline)
    files = {each.path: each for each in reader}
    assert {path: each.sha256 for path, each in files.items()} == {
        path: None if path == early else hashlib.sha256(data).hexdigest() for path, data in contents.items()
    }
    assert {each.opened for each in files.values()} >= {"csv"}
    by = reader.head.delivered_by
    assert by.hashed
    assert by.host == hashed_name(socket.gethostname(), delivery.dataset, delivery.delivery_id)
    assert [run.versions["upload-client"] for run in (*reader.head.clients, *reader.head.validators)]
    log = b"".join(
        delivery.control(f"staging/log/validator/0000/{n:010d}.jsonl")
        for n in range(reader.head.validator_logs[0].seq + 1)
    )
    assert b'"crc32","sha256","csv"' in log

    # A file of the same CRC32, which anybody can make.
    receipt = tmp_path / "x.receipt.json"
    receipt.write_bytes(body)
    other = next(path for path in files if path.endswith(".csv") and path != early)
    forged = of_the_same_crc32(contents[other])
    (data / other).write_bytes(forged)
    assert main(["verify", str(receipt), "--source", str(data)]) == 3
    said = capsys.readouterr().out
    assert f"{other}: has SHA-256 " in said
    assert f"by CRC32; {len(files) - 1} of {len(files)} by SHA-256, too" in said

    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.landing_bucket
    key = f"{delivery.dataset}/{delivery.delivery_id}/staging/{other}"
    s3.put_object(Bucket=bucket, Key=key, Body=forged, ChecksumAlgorithm="CRC32")
    assert main(["verify", str(receipt), "--online", "--profile", profile]) == 0  # it has the same CRC32
    assert main(["verify", str(receipt), "--online", "--download", "--profile", profile]) == 3
    assert f"{other}: has SHA-256 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gives", "kind"), [([b"abc"], None), ([b"ab"], "replaced"), ([], "replaced"), ([b"abcd"], "replaced")]
)
def test_what_a_store_lists_and_does_not_give_is_no_delivered_file(monkeypatch, gives, kind):
    # The listing has said nothing of it: size and ETag stand there as they should.
    each = Delivered("a", 3, encode(zlib.crc32(b"abc")), "e", None, "u", "t", "t", "v")
    monkeypatch.setattr(verify, "content", lambda *_: iter(gives))
    found = verify._compare_object(Bucket("landing", client=None), each)
    assert (None if found is None else found.kind) == kind


def test_what_is_removed_while_it_is_verified_is_gone(monkeypatch):
    def content(*_):
        raise NotFound("GET a: it is not there")

    each = Delivered("a", 3, encode(zlib.crc32(b"abc")), "e", None, "u", "t", "t", "v")
    monkeypatch.setattr(verify, "content", content)
    assert verify._compare_object(Bucket("landing", client=None), each).kind == "gone"


def of_the_same_crc32(data: bytes) -> bytes:
    """Other content of the same length and CRC32: its first byte changed, the last four chosen to fit."""
    begin = bytes([data[0] ^ 1]) + data[1:-4]
    # CRC32 is linear: each bit of the last four bytes flips the same bits of it, whatever the others are.
    now = zlib.crc32(begin + bytes(4)) ^ zlib.crc32(data)
    flips = [
        zlib.crc32(begin + (1 << bit).to_bytes(4, "little")) ^ zlib.crc32(begin + bytes(4))
        for bit in range(32)
    ]
    basis: dict[int, tuple[int, int]] = {}
    for bit, flip in enumerate(flips):
        chosen = 1 << bit
        while flip:
            top = flip.bit_length()
            if top not in basis:
                basis[top] = flip, chosen
                break
            flip, chosen = flip ^ basis[top][0], chosen ^ basis[top][1]  # noqa: PLW2901 - Gauss
    wanted = 0
    while now:
        flip, chosen = basis[now.bit_length()]
        now, wanted = now ^ flip, wanted ^ chosen
    forged = begin + wanted.to_bytes(4, "little")
    assert (zlib.crc32(forged), len(forged)) == (zlib.crc32(data), len(data))
    return forged


@pytest.mark.long
def test_a_run_that_finds_all_delivered_keeps_it_or_writes_it_where_it_is_missing(
    delivery: Delivery, data: Path
) -> None:
    """And where it lies in the folder that is delivered, it is no part of that."""
    first = delivered(delivery, data, output=data)
    assert first.receipt_file.parent == data
    again = delivered(delivery, data)
    assert again.receipt == first.receipt
    assert again.receipt_file.read_bytes() == first.receipt_file.read_bytes()
    assert receipts(delivery) == [KEY]

    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    s3.delete_object(Bucket=bucket, Key=f"{delivery.dataset}/{delivery.delivery_id}/{KEY}")
    again = delivered(delivery, data)
    assert again.headline.startswith("nothing to do")
    assert receipts(delivery) == [again.receipt]
    with again.receipt_file.open("rb") as file:
        reader = ReceiptReader(file.readline)
        assert len(list(reader)) == 12
    assert [run.epoch for run in reader.head.clients] == [1, 2, 3]
    index = delivery.control(reader.head.index.key)
    assert hashlib.sha256(index).hexdigest() == reader.head.index.sha256

    # One of other files does not stand for these; and where no file can be written, there is none.
    client = client_of(delivery, data, scan(data)[:5])
    client.output_dir = data / "none"
    with pytest.raises(NothingToDoError), client:
        client.connect()
    assert client.outcome.receipt_file is None
    assert len(receipts(delivery)) == 2
    assert b'"n_files":5,' in delivery.control(receipts(delivery)[-1])


def test_one_that_was_damaged_since_is_no_proof_and_a_run_that_finds_all_delivered_writes_another(
    delivery: Delivery, data: Path
) -> None:
    """Also where its head and its end, which say what it names, are whole."""
    first = delivered(delivery, data)
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    damaged = delivery.control(KEY).replace(b'"crc32":"', b'"crc32":"A', 1)
    s3.put_object(Bucket=bucket, Key=f"{delivery.dataset}/{delivery.delivery_id}/{KEY}", Body=damaged)
    again = delivered(delivery, data)
    assert again.headline.startswith("nothing to do")
    assert receipts(delivery) == [KEY, again.receipt]
    assert again.receipt != first.receipt
    with open_receipt(again.receipt_file) as reader:
        assert len(list(reader)) == 12
    assert again.receipt_file.read_bytes() == delivery.control(again.receipt)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: replace(head, dataset="other"),
        lambda head: replace(head, epoch=7),
        lambda head: replace(head, landing=f"{head.landing}elsewhere/"),
        lambda head: replace(head, index=replace(head.index, key="staging/index/00000007.csv")),
        lambda head: replace(head, clients=()),
        lambda head: replace(head, validators=(replace(head.validators[0], validator_id="nobody"),)),
        lambda head: replace(head, client_log=replace(head.client_log, sha256="0" * 64)),
        lambda head: replace(head, versions={**head.versions, "boto3": "0.1"}),
        lambda head: replace(head, finished_at=f"2001{head.finished_at[4:]}"),
        lambda head: replace(head, finished_at=f"2101{head.finished_at[4:]}"),
        lambda head: replace(head, delivered_by=DeliveredBy("somebody else")),
        lambda head: replace(head, store="another store"),
    ],
    ids=[
        "dataset",
        "epoch",
        "landing",
        "index",
        "clients",
        "validators",
        "log",
        "versions",
        "before",
        "after",
        "by",
        "store",
    ],
)
def test_one_whose_head_says_something_else_in_valid_form_is_no_proof_and_takes_the_place_of_none(
    delivery: Delivery, data: Path, change
) -> None:
    first = delivered(delivery, data)
    before = first.receipt_file.read_bytes()
    reader = ReceiptReader(io.BytesIO(before).readline)
    files = list(reader)
    changed = b"".join(encode_receipt(change(reader.head), files))
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    s3.put_object(Bucket=bucket, Key=f"{delivery.dataset}/{delivery.delivery_id}/{KEY}", Body=changed)
    of_others = first.receipt_file.with_name(first.receipt_file.name.replace("_toy_", "_other_"))
    of_others.write_bytes(before)
    again = delivered(delivery, data)
    assert again.headline.startswith("nothing to do")
    assert receipts(delivery) == [KEY, again.receipt]
    assert again.receipt_file.read_bytes() == delivery.control(again.receipt) != changed
    assert first.receipt_file.read_bytes() == of_others.read_bytes() == before
    # And that one stands.
    assert delivered(delivery, data).receipt == again.receipt


@pytest.mark.parametrize("other", [{"dataset": "other"}, {"delivery_id": "other"}, {"epoch": 7}], ids=str)
def test_the_command_fetches_none_that_is_of_another_delivery_or_run(
    delivery: Delivery, data: Path, tmp_path: Path, capsys, monkeypatch, other
) -> None:
    delivered(delivery, data)
    reader = ReceiptReader(io.BytesIO(delivery.control(KEY)).readline)
    files = list(reader)
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    s3.put_object(
        Bucket=bucket,
        Key=f"{delivery.dataset}/{delivery.delivery_id}/{KEY}",
        Body=b"".join(encode_receipt(replace(reader.head, **other), files)),
    )
    monkeypatch.chdir(tmp_path)
    where = ["--profile", str(delivery.receiver.sandbox.profile), "--dataset", delivery.dataset]
    assert main(["receipt", *where, "--delivery-id", delivery.delivery_id]) == 2
    said = capsys.readouterr().err
    assert "it is the receipt of another delivery or run" in said
    assert "writes another receipt" in said
    assert list(tmp_path.glob("*.receipt.json")) == []


def test_the_command_fetches_none_that_the_log_does_not_name(
    delivery: Delivery, data: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    delivered(delivery, data)
    reader = ReceiptReader(io.BytesIO(delivery.control(KEY)).readline)
    files = list(reader)
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    s3.put_object(
        Bucket=bucket,
        Key=f"{delivery.dataset}/{delivery.delivery_id}/{KEY}",
        Body=b"".join(encode_receipt(replace(reader.head, store="another"), files)),
    )
    monkeypatch.chdir(tmp_path)
    where = ["--profile", str(delivery.receiver.sandbox.profile), "--dataset", delivery.dataset]
    assert main(["receipt", *where, "--delivery-id", delivery.delivery_id]) == 2
    assert "the client's log names" in capsys.readouterr().err
    assert list(tmp_path.glob("*.receipt.json")) == []


def test_a_receipt_without_end_does_not_fill_the_disk(tmp_path, monkeypatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, n: int = -1) -> bytes:
            return b"x" * n

    monkeypatch.setattr(store, "MAX_BYTES", 5_000_000)
    client = SimpleNamespace(get_object=lambda **_: {"Body": Endless()})
    bucket = SimpleNamespace(name="b", prefix="p/", client=client)
    path = tmp_path / "receipt.json"
    with pytest.raises(StoreError, match="more than 5,000,000 bytes"):
        store.fetch_receipt(bucket, "k", path)
    assert not path.exists()


# ------------------------------------------------------------------------------------ verified online


def test_the_buckets_are_held_against_it(delivery: Delivery, data: Path, capsys, s3_endpoint) -> None:
    receipt = delivered(delivery, data).receipt_file
    sandbox = delivery.receiver.sandbox
    s3, landing, control = sandbox.client("s3"), sandbox.landing_bucket, sandbox.control_bucket
    root = f"{delivery.dataset}/{delivery.delivery_id}/"

    def verify(*arguments) -> tuple[int, list[dict]]:
        code = main(["verify", *map(str, arguments), "--online", "--profile", str(sandbox.profile), "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    code, (summary,) = verify(f"s3://{control}/{root}{KEY}", "--source", data)
    assert (code, summary["online"], summary["sha256"]) == (
        0,
        True,
        hashlib.sha256(receipt.read_bytes()).hexdigest(),
    )
    assert summary["claimed"] == []  # the log names it
    with open_receipt(receipt) as reader:
        changed = receipt.with_name("changed.json")
        head = replace(reader.head, delivered_by=DeliveredBy("somebody else"))
        changed.write_bytes(b"".join(encode_receipt(head, list(reader))))
    code, (*told, summary) = verify(changed)
    assert (code, summary["claimed"][0]) == (3, "finished_at")
    assert any("has not the SHA-256 that the client's log names" in each.get("message", "") for each in told)

    paths = sorted(content(data))
    s3.delete_object(Bucket=landing, Key=delivery.landing + paths[0])
    s3.put_object(Bucket=landing, Key=delivery.landing + paths[1], Body=b"longer or shorter")
    same_size = bytes(len(content(data)[paths[2]]))
    s3.put_object(Bucket=landing, Key=delivery.landing + paths[2], Body=same_size, ChecksumAlgorithm="CRC32")
    s3.put_object(Bucket=landing, Key=delivery.landing + "of nobody", Body=b"added after the verdicts")
    if s3_endpoint is not None:  # moto tells no checksum of what was written in parts
        written_anew(s3, landing, delivery.landing + paths[3], content(data)[paths[3]])
    s3.delete_object(Bucket=control, Key=f"{root}staging/index/00000001.csv")
    reader = ReceiptReader(io.BytesIO(receipt.read_bytes()).readline)
    s3.put_object(
        Bucket=control, Key=f"{root}staging/log/client/{reader.head.client_log.seq:010d}.jsonl", Body=b"{}"
    )
    s3.put_object(Bucket=control, Key=root + KEY, Body=receipt.read_bytes() + b" ")
    code, (*lines, summary) = verify(receipt)
    assert code == 3
    assert {(line["path"], line["difference"]) for line in lines} == {
        (paths[0], "gone"),
        (paths[1], "replaced"),
        (paths[2], "replaced"),
        ("of nobody", "added"),
        ("staging/index/00000001.csv", "record missing"),
        (f"staging/log/client/{reader.head.client_log.seq:010d}.jsonl", "record changed"),
        (KEY, "record changed"),
    }
    assert sum(summary["counts"].values()) == 7

    elsewhere = receipt.with_name("elsewhere.json")
    elsewhere.write_bytes(receipt.read_bytes().replace(f"s3://{landing}/".encode(), b"s3://x/", 1))
    assert verify(elsewhere)[0] == 2


def test_the_order_in_which_a_store_lists_and_where_it_was_handed_over(
    delivery: Delivery, tmp_path: Path, sandbox, capsys
) -> None:
    for name in ("x/1.csv", "x-1.csv", "x.csv", "x/a/2.csv", "x/a-2.csv", "ä.csv", "Z.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("a,b\n1,2\n")
    outcome = delivered(delivery, tmp_path / "data", tmp_path)
    command = ["verify", str(outcome.receipt_file), "--online", "--profile", str(sandbox.profile)]
    assert main(command) == 0
    assert "s3://archive/" not in capsys.readouterr().out
    handed = HandOver(
        *(delivery.dataset, delivery.delivery_id, "staging", 1, KEY, outcome.receipt_sha256),
        *("s3://landing/", "s3://archive/x/", 7, 56, "b" * 64, "2026-01-02T03:04:05.678Z", "agent"),
        removing_at="2026-01-02T03:04:06.678Z",
    )
    place = {
        "Bucket": sandbox.control_bucket,
        "Key": f"{delivery.dataset}/{delivery.delivery_id}/staging/handover/00000001.json",
    }
    sandbox.client("s3").put_object(**place, Body=handed.encode())
    assert main(command) == 0
    assert (
        "the receiver has brought all of it to s3://archive/x/, proven there on 2026-01-02T03:04:05.678Z,"
        " and is removing it from the landing bucket"
    ) in capsys.readouterr().out
    sandbox.client("s3").put_object(**place, Body=replace(handed, receipt_sha256="c" * 64).encode())
    assert main(command) == 0
    assert "s3://archive/" not in capsys.readouterr().out


@given(st.lists(st.text("ab/-é", min_size=1, max_size=5), unique=True).flatmap(st.permutations))
def test_a_listing_in_whatever_order_is_held_against_a_receipt_in_that_of_its_keys(keys) -> None:
    listed = [(key, 1, "e") for key in keys]
    assert list(_by_key(iter(listed))) == sorted(listed)


def test_status_tells_what_has_been_done_to_the_bucket_since_the_verdicts(
    delivery: Delivery, data: Path, capsys
) -> None:
    delivered(delivery, data)
    sandbox = delivery.receiver.sandbox
    s3, landing = sandbox.client("s3"), sandbox.landing_bucket

    def status(*more: str) -> tuple[int, str]:
        named = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
        code = main(["status", *named, "--profile", str(sandbox.profile), *more])
        return code, capsys.readouterr().out

    code, said = status()
    assert (code, "holds what was judged, and nothing else" in said) == (0, True)
    for n in range(12):
        s3.put_object(Bucket=landing, Key=f"{delivery.landing}zz/{n:02}\x1b[2J.csv", Body=b"x")
    code, said = status("--json")
    told = json.loads(said)
    assert (code, told["phase"], told["landing"]["added"]) == (
        0,
        "complete",
        12,
    )  # all of the delivery is there
    assert len(told["landing"]["named"]["added"]) == 10
    assert [each["code"] for each in told["problems"]] == ["objects_added"]

    paths = sorted(content(data))
    s3.delete_object(Bucket=landing, Key=delivery.landing + paths[0])
    s3.put_object(Bucket=landing, Key=delivery.landing + paths[1], Body=bytes(len(content(data)[paths[1]])))
    code, said = status()
    assert code == 8
    assert "12 added, 1 replaced, 1 gone since the verdicts" in said
    assert (paths[0] in said, paths[1] in said, "\x1b" in said) == (True, True, False)
    assert "and 2 more" in " ".join(said.split())


def written_anew(s3, bucket: str, key: str, body: bytes) -> None:
    """The same content under another ETag."""
    crc32 = encode(zlib.crc32(body))
    to = {"Bucket": bucket, "Key": key}
    upload = s3.create_multipart_upload(**to, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")[
        "UploadId"
    ]
    part = s3.upload_part(**to, UploadId=upload, PartNumber=1, Body=body, ChecksumCRC32=crc32)
    s3.complete_multipart_upload(
        **to,
        UploadId=upload,
        ChecksumCRC32=crc32,
        ChecksumType="FULL_OBJECT",
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": crc32}]},
    )


# ------------------------------------------------------------------------------- more than one piece


@pytest.fixture(scope="session")
def large() -> list[bytes]:
    """The lines of a receipt of 10 MB."""
    reader = ReceiptReader(io.BytesIO(_SMALL).readline)
    (one,) = reader
    files = [replace(one, path=f"{n:05d}/{'x' * 1000}") for n in range(9_000)]
    head = replace(reader.head, n_files=len(files), n_bytes=len(files))
    return list(encode_receipt(head, files))


_SMALL = (
    b'{"kind":"receipt","schema_version":1,"dataset":"D","delivery_id":"Y","transfer_type":"staging","epoch":1,'
    b'"agent_id":"a","finished_at":"2026-01-02T03:04:05.678Z","n_files":1,"n_bytes":1,"landing":"s3://l/D/Y/",'
    b'"control":"s3://c/D/Y/","index":{"key":"staging/index/00000001.csv","sha256":"' + b"0" * 64 + b'"},'
    b'"client_log":{"seq":4,"sha256":"'
    + b"1" * 64
    + b'"},"validator_log":{"seq":4,"sha256":"'
    + b"2" * 64
    + b'"},"clients":[],"validators":[],"versions":{},\n"files":[\n{"path":"a","size":1,"crc32":"yH2GHg==",'
    b'"etag":"abc","version_id":null,"upload":"1-0","sent_at":"2026-01-02T03:04:05.678Z",'
    b'"judged_at":"2026-01-02T03:04:05.678Z","judged_by":"v"}\n],\n"files_sha256":'
    b'"' + b"%s" + b'"}\n'
)
_SMALL = _SMALL % hashlib.sha256(_SMALL.split(b"[\n")[1].split(b"\n]")[0] + b"\n").hexdigest().encode()


def test_a_large_one_goes_in_parts(bucket: Bucket, large) -> None:
    sha256 = put_receipt(bucket, KEY, iter(large))
    body = bucket.read(KEY)
    assert len(body) > 8 * 1024 * 1024
    assert body == b"".join(large)
    assert sha256 == hashlib.sha256(body).hexdigest() == sha256_of(bucket, KEY)
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []) == []


def test_no_answer_may_come_to_any_request_of_a_large_one(bucket: Bucket, large) -> None:
    """Each request is done twice: once for nothing, as it seems."""

    def twice(ask):
        ask()
        return ask()

    assert put_receipt(bucket, KEY, iter(large), twice) == hashlib.sha256(b"".join(large)).hexdigest()
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []) == []


def test_a_store_may_put_its_parts_together_for_longer_than_anybody_waits_for_the_answer(
    bucket: Bucket, large, monkeypatch
) -> None:
    """Asked again meanwhile, it knows of no such upload any more, and of no object yet."""
    complete = bucket.client.complete_multipart_upload
    asked = []

    def slow(**request):
        asked.append(request)
        if len(asked) == 1:
            raise ReadTimeoutError(endpoint_url="http://store")
        if len(asked) == 4:
            complete(**asked[0])
        raise ClientError(
            {"Error": {"Code": "NoSuchUpload", "Message": "-"}, "ResponseMetadata": {"HTTPStatusCode": 404}},
            "CompleteMultipartUpload",
        )

    monkeypatch.setattr(bucket.client, "complete_multipart_upload", slow)
    clock = VirtualClock()
    sha256 = put_receipt(bucket, KEY, iter(large), partial(repeat_while_lost, clock=clock))
    assert sha256 == hashlib.sha256(bucket.read(KEY)).hexdigest()
    assert len(asked) == 4


def test_an_upload_that_somebody_has_thrown_away_is_no_answer_that_counts(
    bucket: Bucket, large, monkeypatch
) -> None:
    complete = bucket.client.complete_multipart_upload

    def gone(**request):
        bucket.client.abort_multipart_upload(**{k: request[k] for k in ("Bucket", "Key", "UploadId")})
        return complete(**request)

    monkeypatch.setattr(bucket.client, "complete_multipart_upload", gone)
    with pytest.raises(AnswerLost, match=f"{KEY}, which was to be made of it, is not there yet"):
        put_receipt(bucket, KEY, iter(large), lambda ask: ask())
    assert list(bucket.list()) == []


@pytest.mark.parametrize("n_lines", [9_004, 3])
def test_one_that_is_there_is_not_replaced(bucket: Bucket, large, store, n_lines) -> None:
    if n_lines > 3 and store.name == "moto":
        pytest.skip("moto does not honour If-None-Match on CompleteMultipartUpload")
    bucket.put(KEY, b"another one")
    with pytest.raises(PreconditionFailed):
        put_receipt(bucket, KEY, iter(large[:n_lines]))
    assert bucket.read(KEY) == b"another one"
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []) == []


def test_a_store_that_takes_long_to_append_is_no_lost_lock(
    delivery: Delivery, data: Path, monkeypatch
) -> None:
    delivered(delivery, data)
    sandbox = delivery.receiver.sandbox
    key = f"{delivery.dataset}/{delivery.delivery_id}/{KEY}"
    sandbox.client("s3").delete_object(Bucket=sandbox.control_bucket, Key=key)  # as if killed before it
    flush, waited = LogWriter.flush, []

    def late(writer: LogWriter, *, timeout: float = 30.0) -> bool:
        waited.append(timeout)
        return flush(writer, timeout=timeout if len(waited) > 1 else 0.0)

    monkeypatch.setattr(LogWriter, "flush", late)
    assert delivered(delivery, data).receipt == KEY.replace("1.json", "2.json")
    assert len(waited) > 1


def test_one_that_was_lost_is_fetched_by_a_later_run_and_by_a_command(
    delivery: Delivery, data: Path, tmp_path: Path, capsys
) -> None:
    first = delivered(delivery, data)
    (mine,) = delivery.receiver.output.glob("*.receipt.json")
    there = mine.read_bytes()
    assert there == delivery.control(KEY)
    mine.unlink()
    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    assert mine.read_bytes() == there
    assert again.summary["receipt_sha256"] == first.receipt_sha256
    where = ["--profile", str(delivery.receiver.sandbox.profile), "--dataset", delivery.dataset]
    command = ["receipt", *where, "--delivery-id", delivery.delivery_id, "-o"]
    mine.unlink()
    assert main([*command, str(tmp_path / "receipt.json")]) == 0
    assert (tmp_path / "receipt.json").read_bytes() == there
    assert str(first.receipt_sha256) in capsys.readouterr().err
    mine_too = tmp_path / "important.txt"
    mine_too.write_text("not a receipt")
    assert main([*command, str(mine_too)]) == 2
    assert mine_too.read_text() == "not a receipt"
    assert main([*command, str(mine_too), "--force"]) == 0
    assert mine_too.read_bytes() == there
    assert main([*command[:-2], "nothing-there"]) == 8
    assert "not complete" in capsys.readouterr().err
