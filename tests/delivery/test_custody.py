"""What a receiver does with a delivery afterwards, as it is typed; and what an auditor sees of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver

from upload_client.cli.app import main
from upload_client.core.attestation import decode_envelope
from upload_client.core.custody import decode_record, encode_record
from upload_client.receipts.signing import open_key, sign_payload
from upload_client.s3.bucket import AccessDenied
from upload_client.sandbox import Sandbox

pytest.importorskip("cryptography")

FILES = {"a.csv": b"x\n1\n", "b/d.txt": b"text"}
PAGE = Path(__file__).parents[2] / "docs" / "receipt.md"


class Custody:
    """A delivery that was handed over, removed and closed, with all its records in a folder."""

    def __init__(self, sandbox: Sandbox, root: Path, key: Path) -> None:
        self.sandbox, self.root, self.key = sandbox, root, key
        self.public = key.with_name("receiver.pub.pem")
        for path, content in FILES.items():
            (root / "data" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "data" / path).write_bytes(content)
        self.s3 = sandbox.client("s3")
        self.archive = f"custody-{secrets.token_hex(8)}"
        self.s3.create_bucket(Bucket=self.archive)
        (root / "output").mkdir()
        self.receiver = Receiver(sandbox, root / "output")
        self.delivery, self.receipt = self.deliver()

    def deliver(self) -> tuple[Delivery, Path]:
        delivery = self.receiver.new_delivery()
        assert delivery.run("--source", self.root / "data").exit_code == 0
        self.receive(delivery, "sign")
        self.receive(delivery, "hand-over", "--to", self.to, "--remove")
        self.receive(delivery, "close", "--note", "thank you")
        return delivery, self.fetch(delivery, self.root / "first.receipt.json")

    @property
    def to(self) -> str:
        return f"s3://{self.archive}/{{dataset}}/{{delivery_id}}/"

    def receive(self, delivery: Delivery, command: str, *more: str, code: int = 0) -> None:
        sandbox = self.sandbox
        settings = {
            "control_bucket": sandbox.control_bucket,
            "landing_bucket": sandbox.landing_bucket,
            "landing_prefix": "{dataset}/{delivery_id}/{transfer_type}/",
            "worker_function": None,
            "endpoint_url": sandbox.endpoint_url,
            "endpoints": {"s3": sandbox.s3_endpoint_url},
            "signing_key": str(self.key),
        }
        before = os.environ.get("UPLOAD_CLIENT_VALIDATOR")
        os.environ["UPLOAD_CLIENT_VALIDATOR"] = json.dumps(settings)
        try:
            place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
            assert main(["receiver", command, *place, *more]) == code
        finally:
            if before is None:
                del os.environ["UPLOAD_CLIENT_VALIDATOR"]
            else:
                os.environ["UPLOAD_CLIENT_VALIDATOR"] = before

    def fetch(self, delivery: Delivery, path: Path) -> Path:
        place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
        profile = ["--profile", str(self.sandbox.profile)]
        assert main(["receipt", *profile, *place, "-o", str(path), "--force"]) == 0
        return path


@pytest.fixture(scope="module")
def custody(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Custody:
    root = tmp_path_factory.mktemp("custody")
    assert main(["receiver", "key", "make", str(root / "receiver.key")]) == 0
    return Custody(sandbox, root, root / "receiver.key")


@pytest.fixture
def taken(custody: Custody, tmp_path: Path) -> Path:
    """A copy of a receipt and all that lies beside it, to do something to."""
    for path in custody.receipt.parent.glob("first.receipt*"):
        shutil.copy(path, tmp_path)
    return tmp_path / custody.receipt.name


@pytest.fixture
def verified(custody: Custody, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def verify(receipt: Path, *arguments: str | Path, key: Path | None = custody.public) -> tuple[int, str]:
        capsys.readouterr()
        trusted = [] if key is None else ["--key", str(key)]
        code = main(["verify", str(receipt), "--chain", *trusted, *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return verify


def lines_of(receipt: Path) -> list[bytes]:
    return beside(receipt).read_bytes().splitlines(keepends=True)


def beside(receipt: Path) -> Path:
    return receipt.with_name(receipt.name.replace(".json", ".custody.jsonl"))


def test_an_auditor_sees_what_became_of_it_and_what_each_record_says(custody, verified):
    code, said = verified(custody.receipt, "--require-signature")
    assert code == 0, said
    assert "custody   3 records, none missing between them, each signed" in said
    assert re.search(r"  1  \S+Z  handed over to s3://custody-", said)
    assert "each file of the receipt was there, with the receipt's CRC32 and size (2 files, 8 B)" in said
    assert re.search(r"  2  \S+Z  removed from s3://", said)
    assert "  3  " in said
    assert "note: thank you" in said
    assert "whether more has followed only the bucket knows: --online" in said
    code, said = verified(custody.receipt, "--json")
    told = json.loads(said.splitlines()[-1])["custody"]
    assert [each["event"] for each in told["records"]] == ["handed over", "removed", "closed"]
    assert verified(custody.receipt, "--expect-last", told["last"])[0] == 0


def test_without_a_key_it_is_said_that_nobody_is_trusted_and_the_hashes_are_walked(custody, verified, taken):
    code, said = verified(custody.receipt, key=None)
    assert (code, "signed by keys that are not trusted here" in said) == (0, True)
    assert verified(custody.receipt, "--require-signature", key=None)[0] == 3
    beside(taken).write_bytes(b"".join(lines_of(taken)[1:]))
    assert verified(taken, key=None)[0] == 3


def test_doing_it_again_records_nothing_anew(custody):
    before = lines_of(custody.receipt)
    custody.receive(custody.delivery, "hand-over", "--to", custody.to, "--remove")
    custody.receive(custody.delivery, "close", "--note", "again")
    assert lines_of(custody.fetch(custody.delivery, custody.root / "again.receipt.json")) == before


def signed_anew(custody: Custody, line: bytes, **says: object) -> bytes:
    """A record that the receiver has signed, and that says something else."""
    from dataclasses import replace

    record = replace(decode_record(decode_envelope(line).payload), **says)
    return sign_payload(open_key(str(custody.key)), encode_record(record), one_line=True)


def with_more(line: bytes, custody: Custody) -> bytes:
    statement = json.loads(decode_envelope(line).payload)
    statement["predicate"]["critical"] = "x"
    return sign_payload(open_key(str(custody.key)), json.dumps(statement).encode(), one_line=True)


ATTACKS: dict[str, tuple[Callable[[list[bytes], Custody], list[bytes]], str]] = {
    "the first is dropped": (lambda lines, _: lines[1:], "record 1: record 2 stands here"),
    "one between is dropped": (lambda lines, _: lines[::2], "record 2: record 3 stands here"),
    "reordered": (lambda lines, _: [lines[0], lines[2], lines[1]], "record 2: record 3 stands here"),
    "repeated": (lambda lines, _: [lines[0], *lines], "record 2: record 1 stands here"),
    "cut off": (lambda lines, _: [*lines[:2], lines[2][:-30]], "record 3: its line is cut off"),
    "changed": (
        lambda lines, _: [lines[0].replace(b'"payload":"', b'"payload":"AAAA'), *lines[1:]],
        "record 1: no key",
    ),
    "of another delivery": (
        lambda lines, custody: of_another(custody, lines),
        "record 1: it is of another receipt",
    ),
    "one of another delivery": (
        lambda lines, custody: [lines[0], of_another(custody, lines)[1], lines[2]],
        "record 2: it is of another receipt",
    ),
    "exchanged by the receiver": (
        lambda lines, custody: [signed_anew(custody, lines[0], note="later"), *lines[1:]],
        "record 2: it does not hold the SHA-256 of record 1",
    ),
    "a clock set back": (
        lambda lines, custody: [
            *lines[:2],
            signed_anew(custody, lines[2], recorded_at="2020-01-01T00:00:00.000Z"),
        ],
        "record 3: it is dated 2020-01-01",
    ),
    "other files": (
        lambda lines, custody: [signed_anew(custody, lines[0], files_sha256="0" * 64)],
        "record 1: the files that were handed over are not those of the receipt",
    ),
    "more than is known": (
        lambda lines, custody: [with_more(lines[0], custody)],
        "record 1: its predicate says 'critical'",
    ),
    "the receipt's own signature": (
        lambda lines, custody: [
            json.dumps(json.loads(custody.receipt.with_name("first.receipt.sig.json").read_text())).encode()
            + b"\n"
        ],
        "record 1: it states 'urn:upload-client:receipt:1'",
    ),
    "no JSON": (lambda lines, _: [b"\x1b[2J\n"], "record 1: the file is no JSON"),
    "one endless line": (lambda lines, _: [lines[0], b" " * 2_000_000], "record 2: its line is longer than"),
    "without end": (lambda lines, _: [b"{}\n"] * 2000, "record 1: the envelope says no"),
}


def of_another(custody: Custody, lines: list[bytes]) -> list[bytes]:
    """The records of another receipt, by the same receiver."""
    return [signed_anew(custody, line, sha256="0" * 64, delivery_id="other") for line in lines]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_chain_that_was_tampered_with_is_refused_with_what_and_where(custody, verified, taken, attack):
    spoil, what = ATTACKS[attack]
    beside(taken).write_bytes(b"".join(spoil(lines_of(taken), custody)))
    code, said = verified(taken)
    assert (code, "Traceback" in said, "\x1b" in said) == (3, False, False)
    assert f"custody   REFUSED: {what}" in said


def test_records_by_another_key_and_a_tail_that_is_missing_are_refused(custody, verified, taken, tmp_path):
    last = re.search("[0-9a-f]{64}$", verified(taken)[1].strip().splitlines()[-2])[0]
    assert main(["receiver", "key", "make", str(tmp_path / "another.key")]) == 0
    code, said = verified(taken, key=tmp_path / "another.pub.pem")
    assert (code, "REFUSED: record 1: no key that is trusted" in said) == (3, True)
    beside(taken).write_bytes(b"".join(lines_of(taken)[:2]))
    assert verified(taken)[0] == 0  # nothing in it can tell
    code, said = verified(taken, "--expect-last", last)
    assert (code, "records are left out at its end" in said) == (3, True)
    code, said = verified(taken, "--online", "--profile", custody.sandbox.profile)
    assert "3 records" in said  # the bucket knows
    beside(taken).unlink()
    assert "no record beside the receipt: nothing is known" in verified(taken)[1]


def test_the_bucket_is_asked_and_what_it_has_lost_is_told(custody, verified, taken):
    root = f"{custody.delivery.dataset}/{custody.delivery.delivery_id}/staging/custody/00000001/"
    key = {"Bucket": custody.sandbox.control_bucket, "Key": f"{root}00000003.json"}
    kept = custody.s3.get_object(**key)["Body"].read()
    custody.s3.delete_object(**key)
    try:
        code, said = verified(taken, "--online", "--profile", custody.sandbox.profile)
    finally:
        custody.s3.put_object(**key, Body=kept)
    assert (code, "REFUSED: the bucket's chain does not begin with the records beside" in said) == (3, True)


def planted(custody: Custody, key: Path | None, line: bytes, **says: object) -> bytes:
    """A line by somebody else; by the key of the receiver where that is None."""
    statement = json.loads(decode_envelope(line).payload)
    statement["predicate"] |= says
    return sign_payload(open_key(str(key or custody.key)), json.dumps(statement).encode(), one_line=True)


def by_another(custody: Custody, key: Path, line: bytes) -> bytes:
    return planted(custody, key, line)


PLANTED: dict[str, tuple[str, Callable[[Custody, Path, bytes], bytes], str]] = {
    "too long": ("00000004.json", lambda *_: b"x" * 100_000, "is too long for a record"),
    "no record": ("00000004.json", lambda *_: b"\x1b[2J\n", "is no JSON of a signature"),
    "another name": ("x.json", lambda *_: b"", "no record has that name"),
    "two lines": ("00000004.json", lambda _custody, _key, line: line * 2, "no JSON of a signature"),
    "by another key": (
        "00000004.json",
        by_another,
        "names a key",
    ),
    "before the first": ("00000000.json", by_another, "names a key"),
    "a record once more": (
        "00000004.json",
        lambda _custody, _key, line: line,
        "is a copy of .*3.json",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_others_put_into_the_chain_is_told_and_passed_over(custody, verified, taken, tmp_path, what):
    root = f"{custody.delivery.dataset}/{custody.delivery.delivery_id}/staging/custody/00000001/"
    name, made, said_of_it = PLANTED[what]
    assert main(["receiver", "key", "make", str(tmp_path / "another.key")]) == 0
    key = {"Bucket": custody.sandbox.control_bucket, "Key": f"{root}{name}"}
    custody.s3.put_object(**key, Body=made(custody, tmp_path / "another.key", lines_of(taken)[2]))
    url = f"s3://{key['Bucket']}/{root.replace('custody/00000001/', 'receipt/00000001.json')}"
    try:
        told = [
            verified(taken, "--online", "--profile", custody.sandbox.profile),
            verified(url, "--profile", custody.sandbox.profile),
        ]
    finally:
        custody.s3.delete_object(**key)
    for code, said in told:
        assert (code, "REFUSED" in said, "3 records" in said, "\x1b" in said) == (0, False, True, False)
        assert re.search(f"foreign .*{said_of_it}.*passed over", said)


def test_what_others_put_there_keeps_the_receiver_from_recording_nothing(custody, verified, tmp_path):
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    another = tmp_path / "another.key"
    assert main(["receiver", "key", "make", str(another)]) == 0
    line = lines_of(custody.receipt)[0]
    root = f"{delivery.dataset}/{delivery.delivery_id}/staging/custody/00000001/"
    bodies = {
        "00000001.json": planted(custody, another, line),
        "00000002.json": b"x",
        "99999999.json": line.replace(b'"payload":"', b'"payload":"AAAA'),  # under the receiver's name
    }
    for name, body in bodies.items():
        custody.s3.put_object(Bucket=custody.sandbox.control_bucket, Key=root + name, Body=body)
    custody.receive(delivery, "close", "--note", "thank you")
    there = {"Bucket": custody.sandbox.control_bucket, "Key": f"{root}00000003.json"}
    copy = there | {"Key": f"{root}00000004.json"}
    custody.s3.put_object(**copy, Body=custody.s3.get_object(**there)["Body"].read())
    custody.receive(delivery, "close", "--reopen")
    custody.receive(delivery, "close", "--reopen")
    there = custody.s3.list_objects_v2(Bucket=custody.sandbox.control_bucket, Prefix=root)
    assert [each["Key"][len(root) :] for each in there["Contents"]] == [
        "00000001.json",
        "00000002.json",
        "00000003.json",
        "00000004.json",
        "00000005.json",
        "99999999.json",
    ]
    custody.s3.delete_object(Bucket=custody.sandbox.control_bucket, Key=f"{root}99999999.json")
    code, said = verified(custody.fetch(delivery, tmp_path / "receipt.json"))
    assert (code, "2 records" in said, said.count("passed over")) == (0, True, 1)


def test_what_the_receiver_has_removed_by_its_own_record_is_accounted_for(custody, verified, taken):
    online = ("--online", "--profile", custody.sandbox.profile)
    code, said = verified(taken, *online)
    assert (code, "the receiver has removed that, as the custody chain says" in said) == (0, True)
    assert verified(taken, *online, key=None)[0] == 3  # whoever wrote these records
    code, said = verified(taken, *online, "--json")
    assert (code, json.loads(said.splitlines()[-1])["accounted"]) == (0, len(FILES))


def test_of_files_that_are_gone_those_are_accounted_for_that_a_record_names(custody, verified, tmp_path):
    """And not as many others."""
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    custody.receive(delivery, "sign")
    bucket, a, d = custody.sandbox.landing_bucket, *(f"{delivery.landing}{path}" for path in FILES)
    custody.s3.put_object(Bucket=bucket, Key=a, Body=b"of somebody else")
    custody.receive(delivery, "remove", "--because", "withdrawn")
    assert set(delivery.landed()) == {"a.csv"}  # as it was replaced
    custody.s3.delete_object(Bucket=bucket, Key=a)
    custody.s3.put_object(Bucket=bucket, Key=d, Body=FILES["b/d.txt"])
    receipt = custody.fetch(delivery, tmp_path / "receipt.json")
    online = ("--online", "--profile", custody.sandbox.profile)
    code, said = verified(receipt, *online)  # one file is gone, and one was removed: another one
    assert (code, "no signed record of the receiver says that exactly these were removed" in said) == (
        3,
        True,
    )
    custody.s3.delete_object(Bucket=bucket, Key=d)
    custody.s3.put_object(Bucket=bucket, Key=a, Body=FILES["a.csv"])
    code, said = verified(receipt, *online, "--json")
    told = json.loads(said.splitlines()[-1])
    assert (code, told["accounted"], told["accounted_how"]) == (0, 1, "by name")


def test_a_record_from_before_records_told_which_files_accounts_for_as_many(custody, verified, taken):
    """Where it is of a part of them."""
    line = signed_anew(custody, lines_of(taken)[1], n_files=1, files_sha256=None)
    line = signed_anew(custody, line, n=1, previous=decode_record(decode_envelope(line).payload).sha256)
    root = f"{custody.delivery.dataset}/{custody.delivery.delivery_id}/staging/custody/00000001/"
    control, landing = custody.sandbox.control_bucket, custody.sandbox.landing_bucket
    keys = [f"{root}{n:08d}.json" for n in (1, 2, 3)]
    kept = [custody.s3.get_object(Bucket=control, Key=key)["Body"].read() for key in keys]
    for key in keys:
        custody.s3.delete_object(Bucket=control, Key=key)
    custody.s3.put_object(Bucket=control, Key=keys[0], Body=line)
    beside(taken).unlink()
    back = f"{custody.delivery.landing}a.csv"
    custody.s3.put_object(Bucket=landing, Key=back, Body=FILES["a.csv"])
    try:
        code, said = verified(taken, "--online", "--profile", custody.sandbox.profile)
    finally:
        custody.s3.delete_object(Bucket=landing, Key=back)
        for key, body in zip(keys, kept, strict=True):
            custody.s3.put_object(Bucket=control, Key=key, Body=body)
    assert (code, "its record does not say which" in said) == (0, True), said


def test_a_thousand_objects_of_others_keep_nobody_from_walking_or_going_on(custody, verified, tmp_path):
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    another = tmp_path / "another.key"
    assert main(["receiver", "key", "make", str(another)]) == 0
    line = planted(custody, another, lines_of(custody.receipt)[0])
    root = f"{delivery.dataset}/{delivery.delivery_id}/staging/custody/00000001/"
    for n in range(1, 1005):
        body = line if n == 1 else planted(custody, another, line, note=str(n)) if n < 1003 else b"x"
        custody.s3.put_object(Bucket=custody.sandbox.control_bucket, Key=f"{root}{n:08d}.json", Body=body)
    custody.receive(delivery, "sign")
    custody.receive(delivery, "close")
    code, said = verified(custody.fetch(delivery, tmp_path / "receipt.json"))
    assert (code, "1 record, none missing" in said) == (0, True)


def test_a_receiver_closes_what_a_provider_made_up_and_signs_nothing_about_it(custody, capsys):
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    key = f"{delivery.dataset}/{delivery.delivery_id}/staging/receipt/00000001.json"
    control = custody.sandbox.control_bucket
    receipt = custody.s3.get_object(Bucket=control, Key=key)["Body"].read()
    forged = receipt.replace(b'"judged_by":"', b'"judged_by":"x')
    digest = hashlib.sha256(re.sub(rb",?\n\],\n.*", b"\n", forged.split(b'"files":[\n')[1], flags=re.DOTALL)
                            .replace(b",\n", b"\n")).hexdigest()  # fmt: skip
    forged = re.sub(rb'"files_sha256":"[0-9a-f]{64}"', f'"files_sha256":"{digest}"'.encode(), forged)
    custody.s3.put_object(Bucket=control, Key=key, Body=forged)
    capsys.readouterr()
    custody.receive(delivery, "close", "--note", "enough")
    said = capsys.readouterr().out
    assert "closed: nothing more is sent" in said
    assert "not recorded in its custody chain: the receiver's own logs do not prove the receipt" in said
    assert "another validator" in said
    custody.receive(delivery, "remove", "--because", "withdrawn", code=1)
    assert set(delivery.landed()) == set(FILES)


@pytest.mark.parametrize("broken", ["log", "receipt"])
def test_a_receiver_closes_whatever_a_provider_has_broken(custody, capsys, broken):
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    control, root = custody.sandbox.control_bucket, f"{delivery.dataset}/{delivery.delivery_id}/staging/"
    listed = custody.s3.list_objects_v2(Bucket=control, Prefix=f"{root}log/client/")["Contents"]
    key = listed[0]["Key"] if broken == "log" else f"{root}receipt/00000001.json"
    custody.s3.put_object(Bucket=control, Key=key, Body=b"garbage")
    capsys.readouterr()
    custody.receive(delivery, "close")
    said = capsys.readouterr().out
    assert "closed: nothing more is sent" in said
    assert "not recorded in its custody chain: " in said


def test_a_receipt_in_a_bucket_brings_its_records(custody, verified):
    root = f"s3://{custody.sandbox.control_bucket}/{custody.delivery.dataset}/{custody.delivery.delivery_id}"
    url = f"{root}/staging/receipt/00000001.json"
    code, said = verified(url, "--profile", custody.sandbox.profile, "--require-signature")
    assert (code, "custody   3 records, none missing between them, each signed" in said) == (0, True)


def test_written_to_stdout_a_receipt_brings_nothing_beside_it_and_says_so(
    custody, tmp_path, monkeypatch, capfdbinary
):
    monkeypatch.chdir(tmp_path)
    place = ["--dataset", custody.delivery.dataset, "--delivery-id", custody.delivery.delivery_id]
    capfdbinary.readouterr()
    assert main(["receipt", "fetch", "--profile", str(custody.sandbox.profile), *place, "-o", "-"]) == 0
    said = capfdbinary.readouterr()
    assert said.out == custody.receipt.read_bytes()
    assert b"not fetched" in said.err
    assert list(tmp_path.iterdir()) == []


def test_who_does_not_ask_for_the_records_of_a_receipt_in_a_bucket_needs_none_of_them(custody, monkeypatch):
    def refused(*_: object) -> None:
        raise AccessDenied("this person may not list there")

    monkeypatch.setattr("upload_client.receipts.custody.chain_in", refused)
    root = f"s3://{custody.sandbox.control_bucket}/{custody.delivery.dataset}/{custody.delivery.delivery_id}"
    asked = ["verify", f"{root}/staging/receipt/00000001.json", "--profile", str(custody.sandbox.profile)]
    assert main([*asked, "--key", str(custody.public), "--require-signature"]) == 0
    assert main([*asked, "--chain"]) != 0


def test_a_delivery_that_is_withdrawn_is_closed_removed_and_recorded(custody, verified, tmp_path):
    delivery = custody.receiver.new_delivery()
    assert delivery.run("--source", custody.root / "data").exit_code == 0
    key = f"{delivery.landing}a.csv"
    custody.s3.put_object(Bucket=custody.sandbox.landing_bucket, Key=key, Body=b"of somebody else")
    custody.receive(delivery, "close", "--note", "taken over")
    for _ in range(2):  # the second time it does nothing
        custody.receive(delivery, "remove", "--because", "withdrawn", "--note", "consent is gone")
    assert set(delivery.landed()) == {"a.csv"}
    said = delivery.run("--source", custody.root / "data")
    assert said.exit_code == 0
    assert "removed this delivery (withdrawn) and closed it" in said.stdout
    assert "consent is gone" in said.stdout
    assert "taken over" not in said.stdout
    place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
    assert main(["status", "--profile", str(custody.sandbox.profile), *place]) == 0
    code, said = verified(custody.fetch(delivery, tmp_path / "gone.receipt.json"))
    assert (code, "2 records," in said) == (0, True)
    assert "withdrawn from s3://" in said
    assert "(1 file, 4 B)" in said
    custody.receive(delivery, "remove", "--because", "expired")  # what is gone does not go once more
    custody.receive(custody.receiver.new_delivery(), "remove", "--because", "expired", code=8)


def test_what_lies_beside_the_data_is_no_part_of_them_and_a_bag_holds_it(custody, tmp_path):
    from upload_client.index import scan

    shutil.copytree(custody.root / "data", tmp_path / "data")
    name = "upload-client_D_Y_staging_00000001.receipt.custody.jsonl"
    shutil.copy(beside(custody.receipt), tmp_path / "data" / name)
    assert set(scan(tmp_path / "data")["path"]) == set(FILES)
    bag, source = str(tmp_path / "bag"), str(custody.root / "data")
    assert (
        main(["receipt", "export", str(custody.receipt), "--as", "bagit", "--source", source, "-o", bag]) == 0
    )
    assert (tmp_path / "bag" / "receipt.custody.jsonl").read_bytes() == beside(custody.receipt).read_bytes()


@pytest.mark.skipif(
    shutil.which("jq") is None or shutil.which("openssl") is None, reason="needs jq and openssl"
)
@pytest.mark.parametrize("spoil", [False, True])
def test_the_commands_of_the_docs_walk_it_without_this_program(custody, tmp_path, spoil):
    block = re.search(r"## Custody.*?without this program.*?```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    for name in ("receipt.json", "receipt.custody.jsonl"):
        shutil.copy(custody.root / f"first.{name}", tmp_path / f"x.{name}")
    shutil.copy(custody.public, tmp_path)
    if spoil:
        lines = lines_of(custody.receipt)
        (tmp_path / "x.receipt.custody.jsonl").write_bytes(lines[0] + lines[2])
    done = subprocess.run(["bash", "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == spoil, done
    if not spoil:
        assert done.stdout.count("Signature Verified Successfully") == 3
        assert '"event": "closed"' in done.stdout
