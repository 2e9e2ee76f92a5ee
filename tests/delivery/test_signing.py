"""Receipts that the receiver signs: whole deliveries, and what an attacker does to a receipt afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import boto3
import pytest
import waiting
from authority import Authority
from delivery.conftest import Delivery, Receiver
from moto import mock_aws

from upload_client.cli.app import main
from upload_client.core.attestation import decode_envelope, decode_statement
from upload_client.core.layout import Layout, segment_seq
from upload_client.errors import UsageError
from upload_client.receipts import signing as keys
from upload_client.receipts.dating import date
from upload_client.receipts.signing import make_key, open_key, public_keys
from upload_client.s3.bucket import Bucket
from upload_client.sandbox import Sandbox
from upload_client.validator.countersigning import NotSigned, countersign, countersign_last

pytest.importorskip("cryptography")

FILES = {"a.csv": b"x\n1\n", "b/c.json": b"{}", "b/d.txt": b"text"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receiver's private key; its public half lies beside it."""
    path = tmp_path_factory.mktemp("keys") / "receiver.key"
    assert main(["receiver", "key", "make", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def public(key: Path) -> Path:
    return key.with_name("receiver.pub.pem")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("tsa") / "one")
    yield made
    made.close()


@pytest.fixture(scope="module")
def signing(key: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Sandbox(validator={"signing_key": str(key), "tsa_url": authority.url}) as sandbox:
        yield Receiver(sandbox, tmp_path_factory.mktemp("output"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for path, content in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def fetched(delivery: Delivery, into: Path) -> Path:
    """The receipt of a delivery, fetched as a person would, once it is signed."""
    path = into / f"{delivery.delivery_id}.receipt.json"
    place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
    profile = ["--profile", str(delivery.receiver.sandbox.profile)]

    def is_dated() -> bool:
        assert main(["receipt", *profile, *place, "-o", str(path), "--force"]) == 0
        return path.with_suffix(".tsr").exists()  # the last to be made

    # The validator signs when the client has gone.
    waiting.until(is_dated, why="nobody signs or dates it")
    return path


@pytest.fixture(scope="module")
def receipt(signing: Receiver, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    delivery = signing.new_delivery()
    assert delivery.run("--source", source).exit_code == 0
    return fetched(delivery, tmp_path_factory.mktemp("receipt"))


@pytest.fixture
def taken(receipt: Path, tmp_path: Path) -> Path:
    """A copy of receipt and signature, to do something to."""
    for path in receipt.parent.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / receipt.name


def verified(capsys: pytest.CaptureFixture[str], receipt: Path, *arguments: str | Path) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", str(receipt), *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out + said.err


def rewritten(receipt: Path, old: str, new: str) -> None:
    """Change a receipt, and whatever in it would tell."""
    text = receipt.read_text("ascii")
    assert old in text
    lines = text.replace(old, new, 1).splitlines(keepends=True)
    files = "".join(line.removesuffix(",\n").removesuffix("\n") + "\n" for line in lines[2:-2])
    lines[-1] = f'"files_sha256":"{hashlib.sha256(files.encode("ascii")).hexdigest()}"}}\n'
    receipt.write_text("".join(lines), "ascii")


def test_the_receiver_signs_a_complete_delivery_and_an_auditor_sees_it(receipt, public, source, capsys):
    code, said = verified(capsys, receipt, "--key", public, "--require-signature", "--source", source)
    assert code == 0, said
    assert re.search(r"signed +by the key [0-9a-f]{16} \(.*receiver.pub.pem\)", said)
    assert "by the signer's own clock" in said


def test_what_is_delivered_is_signed_and_dated_by_itself_and_proven_without_asking_anybody(
    receipt, public, source, authority, monkeypatch, capsys
):
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, lambda *_, **__: pytest.fail("the network was asked"))
    trusted = ["--key", public, "--tsa-cert", authority.root, "--require-signature", "--source", source]
    code, said = verified(capsys, receipt, *trusted)
    assert code == 0, said
    assert re.search(r"dated +[0-9TZ:.-]+, by a time-stamping authority that is trusted", said)
    told = json.loads(verified(capsys, receipt, *trusted, "--json")[1].splitlines()[-1])
    assert (told["signature"]["state"], told["dated"]["state"]) == ("signed", "dated")
    assert abs(seconds(told["dated"]["at"]) - seconds(told["signature"]["signed_at"])) < 60
    assert seconds(told["dated"]["at"]) >= seconds(told["finished_at"]) - 1  # an authority says whole seconds


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def test_a_time_stamp_of_another_receipt_or_by_another_authority_is_refused(
    taken, public, authority, tmp_path, capsys
):
    stamp, trusted = taken.with_suffix(".tsr"), ["--key", public, "--tsa-cert", authority.root]
    kept = stamp.read_bytes()
    (tmp_path / "another.json").write_text("another")
    stamp.write_bytes(date(tmp_path / "another.json", authority.url).read_bytes())
    code, said = verified(capsys, taken, *trusted)
    assert (code, "REFUSED: it is the time-stamp of something else" in said) == (3, True)
    for damaged in (kept[:-40], b"", kept[:60] + b"\0" * 40 + kept[100:], b"\x30\x84\xff\xff\xff\xff"):
        stamp.write_bytes(damaged)
        code, said = verified(capsys, taken, *trusted)
        assert (code, "dated     REFUSED" in said, "Traceback" in said) == (3, True, False)


@pytest.mark.skipif(
    shutil.which("jq") is None or shutil.which("openssl") is None, reason="needs jq and openssl"
)
@pytest.mark.parametrize("changed", [None, "x.receipt.json", "x.receipt.sig.json"])
def test_the_commands_of_the_docs_verify_it_without_this_program(
    receipt, public, authority, tmp_path, changed
):
    page = (Path(__file__).parents[2] / "docs" / "receipt.md").read_text()
    block = re.search(
        r"## Signed by the receiver.*?without this\s+program.*?```sh\n(.*?)```", page, re.DOTALL
    )[1]
    dating = re.search(r"`(openssl ts -verify [^`]*)`", page)[1]
    for suffix in (".json", ".sig.json", ".tsr"):
        shutil.copy(receipt.with_suffix(suffix), tmp_path / f"x.receipt{suffix}")
    shutil.copy(public, tmp_path / "receiver.pub.pem")
    shutil.copy(authority.root, tmp_path / "tsa.pem")
    if changed == "x.receipt.json":
        rewritten(tmp_path / changed, '"size":4', '"size":5')
    elif changed is not None:
        text = (tmp_path / changed).read_text()
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"]).replace(b'"n_files":3', b'"n_files":4')
        (tmp_path / changed).write_text(
            text.replace(envelope["payload"], base64.b64encode(payload).decode("ascii"))
        )
    of_ed25519 = "\n".join(line for line in block.splitlines() if "a key of KMS" not in line)
    done = subprocess.run(
        ["bash", "-c", f"{of_ed25519}\n{dating}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    signed, named = (line.split()[0] for line in done.stdout.splitlines() if re.match("[0-9a-f]{64}", line))
    assert ("Signature Verified Successfully" in said) is (changed != "x.receipt.sig.json"), said
    assert (signed == named) is (changed != "x.receipt.json")
    assert ("Verification: OK" in said) is (changed != "x.receipt.json"), said


def test_without_a_key_it_is_said_that_nothing_is_proven_by_the_signature(receipt, capsys):
    code, said = verified(capsys, receipt)
    assert code == 0
    assert "not trusted here" in said
    assert "--key" in said
    assert verified(capsys, receipt, "--require-signature")[0] == 3


def test_an_unsigned_receipt_is_called_so(taken, public, capsys):
    taken.with_name(taken.name.replace(".json", ".sig.json")).unlink()
    code, said = verified(capsys, taken, "--key", public)
    assert code == 0
    assert "by nobody: who could write it could change it" in said
    fields = ["finished_at", "versions", "delivered_by", "store", "clients", "validators"]
    claimed = f"claimed   by the client, and proven by nothing here: {', '.join(fields)}\n"
    assert claimed in said
    sha256 = hashlib.sha256(taken.read_bytes()).hexdigest()
    assert "claimed" not in verified(capsys, taken, "--expect", sha256)[1]
    told = [json.loads(verified(capsys, taken, *more, "--json")[1]) for more in ([], ["--expect", sha256])]
    assert [each["claimed"] for each in told] == [fields, []]
    assert verified(capsys, taken, "--key", public, "--require-signature")[0] == 3
    assert verified(capsys, taken, "--signature", taken.with_name("none"))[1].count("there is no") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"crc32":"', '"crc32":"AAAAAA==","x":"'),
        ("b/d.txt", "b/e.txt"),
        ("finished_at", "finished_at"),
    ],
)
def test_a_receipt_that_was_changed_after_it_was_signed_is_refused(taken, public, old, new, capsys):
    if old == new:  # a clock set back
        when = re.search(r'"finished_at":"(2...)', taken.read_text("ascii"))[1]
        old, new = f'"finished_at":"{when}', '"finished_at":"2001'
    elif "crc32" in old:
        crc = re.search(r'"crc32":"([^"]+)"', taken.read_text("ascii"))[1]
        old, new = crc, "AAAAAA=="
    rewritten(taken, old, new)
    assert verified(capsys, taken)[0] == 0  # it agrees with itself, and nobody is trusted
    code, said = verified(capsys, taken, "--key", public)
    assert code == 3
    assert "REFUSED" in said
    assert "changed after it was signed" in said


def test_another_key_and_a_key_that_counts_no_more_are_refused(receipt, tmp_path, public, capsys):
    other = tmp_path / "other.pem"
    other.write_text(make_key(tmp_path / "other.key").pem)
    code, said = verified(capsys, receipt, "--key", other)
    assert code == 3
    assert "no key that is trusted has signed it" in said
    both = tmp_path / "history.pem"
    both.write_text(other.read_text() + public.read_text())
    assert verified(capsys, receipt, "--key", both)[0] == 0


def test_the_signature_of_another_delivery_is_refused(signing, source, taken, public, tmp_path, capsys):
    delivery = signing.new_delivery()
    assert delivery.run("--source", source).exit_code == 0
    other = fetched(delivery, tmp_path)
    code, said = verified(
        capsys,
        taken,
        "--key",
        public,
        "--signature",
        other.with_name(other.name.replace(".json", ".sig.json")),
    )
    assert code == 3
    assert f"of toy/{delivery.delivery_id}" in said


@pytest.mark.parametrize("how", ["cut", "longer", "other payload", "unknown field", "empty"])
def test_a_signature_that_is_none_is_refused_in_words(taken, public, how, capsys):
    path = taken.with_name(taken.name.replace(".json", ".sig.json"))
    envelope = json.loads(path.read_bytes())
    if how == "other payload":
        statement = json.loads(base64.b64decode(envelope["payload"]))
        statement["predicate"]["n_files"] += 1
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    elif how == "unknown field":
        envelope["critical"] = ["expires"]
    data = json.dumps(envelope).encode()
    path.write_bytes({"cut": data[:-9], "longer": data + b" " * 70_000, "empty": b""}.get(how, data))
    code, said = verified(capsys, taken, "--key", public)
    assert code == 3, said
    assert "REFUSED" in said
    assert "Traceback" not in said


def test_a_signature_in_another_spelling_of_the_same_envelope_holds(taken, public, capsys):
    path = taken.with_name(taken.name.replace(".json", ".sig.json"))
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=7, sort_keys=True))
    assert verified(capsys, taken, "--key", public)[0] == 0


def test_a_receipt_of_one_endless_line_is_refused_at_once(tmp_path, capsys):
    path = tmp_path / "x.receipt.json"
    with path.open("wb") as file:
        file.write(b'{"kind":"receipt"')
        file.truncate(10_000_000_000)
    code, said = verified(capsys, path)
    assert code == 2
    assert "too long" in said


def test_a_hash_known_from_elsewhere_decides(receipt, capsys):
    sha256 = hashlib.sha256(receipt.read_bytes()).hexdigest()
    code, said = verified(capsys, receipt, "--expect", sha256.upper())
    assert (code, "yes: it has the SHA-256" in said) == (0, True)
    code, said = verified(capsys, receipt, "--expect", "0" * 64)
    assert (code, "NO: another SHA-256" in said) == (3, True)


def test_a_profile_names_the_keys_that_are_trusted(receipt, public, tmp_path, capsys):
    line = public_keys(public.read_text(), "it")[0].line
    profile = tmp_path / "p.toml"
    profile.write_text(f'receipt_keys = ["{line}"]\n')
    code, said = verified(capsys, receipt, "--profile", profile, "--json", "--require-signature")
    assert code == 0
    assert json.loads(said.splitlines()[-1])["signature"]["state"] == "signed"


def _as_operator(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, **more: object) -> None:
    """Be where the receiver's settings and credentials are."""
    sandbox = receiver.sandbox
    settings = {
        "control_bucket": sandbox.control_bucket,
        "landing_bucket": sandbox.landing_bucket,
        "landing_prefix": "{dataset}/{delivery_id}/{transfer_type}/",
        "worker_function": None,
        "endpoint_url": sandbox.endpoint_url,
        "endpoints": {"s3": sandbox.s3_endpoint_url},
        **more,
    }
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", json.dumps(settings))


@pytest.fixture(scope="module")
def complete(
    sandbox: Sandbox, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Delivery, bytes]:
    """A delivery that is complete, to a receiver that signs nothing; and its receipt."""
    delivery = Receiver(sandbox, tmp_path_factory.mktemp("output")).new_delivery()
    assert delivery.run("--source", source).exit_code == 0
    return delivery, delivery.control("staging/receipt/00000001.json")


@pytest.fixture
def unsigned(complete: tuple[Delivery, bytes]) -> Iterator[Delivery]:
    """The same, for a test to do something to, which is undone."""
    delivery, receipt = complete
    yield delivery
    sandbox, root = delivery.receiver.sandbox, f"{delivery.dataset}/{delivery.delivery_id}/"
    put(delivery, sandbox.control_bucket, f"{root}staging/receipt/00000001.json", receipt)
    put(delivery, sandbox.landing_bucket, f"{delivery.landing}a.csv", FILES["a.csv"])
    signature = f"{root}staging/signature/00000001.json"
    sandbox.client("s3").delete_object(Bucket=sandbox.control_bucket, Key=signature)


def signed_by_hand(delivery: Delivery, key: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
    code = main(["receiver", "sign", *place, "--key", str(key)])
    said = capsys.readouterr()
    return code, said.out + said.err


def put(delivery: Delivery, bucket: str, key: str, body: bytes) -> None:
    delivery.receiver.sandbox.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def test_an_operator_signs_what_was_complete_before_and_a_second_time_changes_nothing(
    unsigned, key, monkeypatch, capsys
):
    _as_operator(unsigned.receiver, monkeypatch)
    assert signed_by_hand(unsigned, key, capsys)[0] == 0
    before = unsigned.control("staging/signature/00000001.json")
    assert signed_by_hand(unsigned, key, capsys)[0] == 0
    assert unsigned.control("staging/signature/00000001.json") == before
    statement = decode_statement(decode_envelope(before).payload)
    assert (statement.n_files, statement.expectations_sha256) == (3, None)


def test_what_somebody_else_has_put_where_the_signature_goes_is_replaced(unsigned, key, monkeypatch, capsys):
    _as_operator(unsigned.receiver, monkeypatch)
    root = f"{unsigned.dataset}/{unsigned.delivery_id}/"
    put(unsigned, unsigned.receiver.sandbox.control_bucket, f"{root}staging/signature/00000001.json", b"mine")
    assert signed_by_hand(unsigned, key, capsys)[0] == 0
    assert decode_envelope(unsigned.control("staging/signature/00000001.json"))


MORE_CLAIMS = {
    "a SHA-256": ('"sha256":null', f'"sha256":"{"0" * 64}"'),
    "how it was judged": ('"opened":"csv"', '"opened":"csv as expected of \'tables\'"'),
    "by which rules": ('"expectations_sha256":null', f'"expectations_sha256":"{"0" * 64}"'),
}
OTHER_RUNS = {
    "a client less": (r'"clients":\[[^]]*\]', '"clients":[]'),
    "a validator less": (r'"validators":\[[^]]*\]', '"validators":[]'),
    "a client twice": (r'"clients":\[([^]]*)\]', r'"clients":[\1,\1]'),
    "a validator twice": (r'"validators":\[([^]]*)\]', r'"validators":[\1,\1]'),
}


@pytest.mark.parametrize(
    "forged",
    [
        "checksum",
        "another name",
        "one file less",
        "who judged",
        "an object",
        "nothing",
        *MORE_CLAIMS,
        *OTHER_RUNS,
    ],
)
def test_only_what_the_logs_prove_is_signed(unsigned, key, tmp_path, monkeypatch, capsys, forged):
    _as_operator(unsigned.receiver, monkeypatch)
    sandbox, root = unsigned.receiver.sandbox, f"{unsigned.dataset}/{unsigned.delivery_id}/"
    path = tmp_path / "receipt"
    path.write_bytes(unsigned.control("staging/receipt/00000001.json"))
    if forged == "checksum":
        crc = re.search(r'"crc32":"([^"]+)"', path.read_text("ascii"))[1]
        rewritten(path, crc, "AAAAAA==")
    elif forged == "another name":
        rewritten(path, "b/d.txt", "b/e.txt")
    elif forged == "who judged":
        rewritten(path, '"judged_by":"', '"judged_by":"x')
    elif forged in MORE_CLAIMS:
        rewritten(path, *MORE_CLAIMS[forged])
    elif forged in OTHER_RUNS:
        path.write_text(re.sub(*OTHER_RUNS[forged], path.read_text("ascii")), "ascii")
    elif forged == "one file less":
        lines = path.read_text("ascii").splitlines(keepends=True)
        assert '"n_files":3' in lines[0] and '"n_bytes":10' in lines[0]  # noqa: PT018 - both are changed
        lines[0] = lines[0].replace('"n_files":3', '"n_files":2').replace('"n_bytes":10', '"n_bytes":6')
        lines[-4] = lines[-4].replace("},\n", "}\n")
        del lines[-3]
        path.write_text("".join(lines), "ascii")
        rewritten(path, '"files":[', '"files":[')
    if forged == "an object":
        put(unsigned, sandbox.landing_bucket, f"{unsigned.landing}a.csv", b"x\n2\n")
    elif forged == "nothing":
        sandbox.client("s3").delete_object(
            Bucket=sandbox.control_bucket, Key=f"{root}staging/receipt/00000001.json"
        )
    else:
        put(unsigned, sandbox.control_bucket, f"{root}staging/receipt/00000001.json", path.read_bytes())
    code, said = signed_by_hand(unsigned, key, capsys)
    assert code == 3, said
    assert said.startswith("not signed: ")
    with pytest.raises(sandbox.client("s3").exceptions.NoSuchKey):
        unsigned.control("staging/signature/00000001.json")


def test_a_key_of_kms_never_leaves_it_and_signs_all_the_same():
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        kms = session.client("kms")
        arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        opened = open_key(arn, session)
        wrong = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        with pytest.raises(UsageError, match="RSA_2048"):
            open_key(wrong, session)
        signature = opened.sign(b"something")
    assert opened.public.verifies(signature, b"something")
    assert not opened.public.verifies(signature, b"something else")
    assert opened.public.pem.startswith("-----BEGIN PUBLIC KEY-----")


def test_a_key_is_read_from_a_secret(key):
    with mock_aws():
        session = boto3.Session(region_name="us-east-1")
        secrets = session.client("secretsmanager")
        arn = secrets.create_secret(Name="receipts", SecretString=key.read_text())["ARN"]
        opened = open_key(arn, session)
    assert opened.public.key_id == open_key(str(key)).public.key_id


def test_a_private_key_that_others_can_read_or_that_is_none_is_refused(key, tmp_path, capsys):
    open_to_all = tmp_path / "k"
    shutil.copy(key, open_to_all)
    open_to_all.chmod(0o644)
    with pytest.raises(UsageError, match="others on this machine can read"):
        open_key(str(open_to_all))
    none = tmp_path / "none"
    none.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    none.chmod(0o600)
    with pytest.raises(UsageError, match="no private key") as refused:
        open_key(str(none))
    assert "c2VjcmV0" not in str(refused.value)
    assert "secret" not in repr(open_key(str(key)))
    with pytest.raises(UsageError, match="cannot be read"):
        open_key(str(tmp_path / "nowhere"))
    assert main(["receiver", "key", "make", str(key)]) == 2  # nothing is replaced
    assert key.stat().st_mode & 0o077 == 0


def test_two_receipts_and_an_index_are_compared(receipt, source, tmp_path, capsys):
    assert f"against {receipt}: the same files\n" in verified(capsys, receipt, "--against", receipt)[1]
    index = tmp_path / "list.csv"
    index.write_text("path,checksum,size\na.csv,,9\nb/c.json,,\nnew.csv,,1\n")
    code, said = verified(capsys, receipt, "--against", index)
    assert code == 3
    assert "1 file of other content in the other" in said
    assert "1 file not in the other any more" in said
    assert "1 file in the other alone" in said


def test_without_the_library_it_is_said_what_is_missing(receipt, public):
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from upload_client.cli.app import main\n"
        f"sys.exit(main(['verify', {str(receipt)!r}, '--key', {str(public)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "upload-client[signing]" in done.stderr
    assert "Traceback" not in done.stderr


def places(receiver: Receiver, delivery_id: str) -> tuple[Bucket, Bucket, Layout]:
    """Control, landing and layout of a delivery, as its validator has them."""
    layout = Layout("toy", delivery_id, "staging", "", "{dataset}/{delivery_id}/{transfer_type}/")
    s3 = receiver.sandbox.client("s3")
    control = Bucket(receiver.sandbox.control_bucket, prefix=layout.root, client=s3)
    return control, Bucket(receiver.sandbox.landing_bucket, prefix=layout.landing, client=s3), layout


def test_a_delivery_that_is_not_complete_is_not_signed(receiver, key):
    with pytest.raises(NotSigned, match="not complete"):
        countersign_last(*places(receiver, "nothing-there"), open_key(str(key)))


def test_the_receipt_of_an_earlier_run_is_signed_and_a_later_one_names_all_runs(receiver, key, tmp_path):
    delivery, source, opened = receiver.new_delivery(), tmp_path / "source", open_key(str(key))
    source.mkdir()
    for epoch in (1, 2):
        (source / f"{epoch}.csv").write_text(f"x\n{epoch}\n")
        assert delivery.run("--source", source).exit_code == 0
    where = places(receiver, delivery.delivery_id)
    assert [countersign(*where, opened, epoch).n_files for epoch in (1, 2)] == [1, 2]
    kept = where[0].get("staging/receipt/00000002.json").body
    (head,) = re.findall(rb'"validators":\[(.*)\],"versions"', kept.split(b"\n", 1)[0])
    one, other = re.findall(rb'\{"epoch":.*?"expectations_sha256":null\}', head)
    where[0].put("staging/receipt/00000002.json", kept.replace(head, other))
    with pytest.raises(NotSigned, match=r"the client's log names \w+ as that of what it has written"):
        countersign(*where, opened, 2)
    log, (last,) = where[2].client_log(), re.findall(rb'"client_log":\{"seq":(\d+)', kept)
    for key_behind in where[0].ls(log):
        if (segment_seq(log, key_behind) or 0) > int(last):
            where[0].rm(key_behind)  # as if that run had been cut off before it could name the receipt
    with pytest.raises(NotSigned, match=r"does not name the validator .*, which has judged files of it"):
        countersign(*where, opened, 2)
    where[0].put("staging/receipt/00000002.json", kept.replace(head, other + b"," + one))
    with pytest.raises(NotSigned, match="have other runs"):
        countersign(*where, opened, 2)


def test_keys_of_before_are_known_by_their_form_where_none_can_be_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a function of Lambda whose setting `receipt_keys` names them."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = make_key(tmp_path / "key")
    p256 = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = p256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    lines = [public.line, base64.b64encode(der).decode()]
    checked = [keys.public_key_of_line(line, "settings") for line in lines]

    def missing() -> object:
        raise keys.LibraryNeeded("signatures need the library cryptography")

    monkeypatch.setattr(keys, "_serialization", missing)
    assert [keys.public_key_of_line(line, "settings") for line in lines] == checked
    for odd in ("no base64", public.line[:-8], base64.b64encode(der[:-1]).decode(), ""):
        with pytest.raises(UsageError):
            keys.public_key_of_line(odd, "settings")
