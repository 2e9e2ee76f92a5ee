"""The hand-over: a delivery that is complete is copied on, proven, recorded, told, removed, in this order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from core.test_receipt import T, file, head
from faults.proxy import Proxy, reset
from late import late

from upload_client import Bucket
from upload_client.cli.app import main
from upload_client.control.lock import Lock
from upload_client.core import checksums
from upload_client.core.attestation import decode_envelope
from upload_client.core.custody import Happened, decode_record
from upload_client.core.files import TransferType
from upload_client.core.hand_over import HandOver, archived_line
from upload_client.core.layout import Layout, segment_key
from upload_client.core.receipt import ClientRun, IndexNamed, LogTail, ValidatorRun, encode_receipt
from upload_client.core.record_encoding import encode
from upload_client.core.records import Found, Init, Transferred, ValidatorInit, Verdict
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.uploads import Upload
from upload_client.errors import DeliveryError, Locked, NotComplete, UsageError
from upload_client.functions.hand_over.removal import Removal, remove_delivery
from upload_client.functions.hand_over.work import (
    HandOverRefused,
    Job,
    hand_over,
    notifier,
    read_receipt,
)
from upload_client.receipts import custody, signing
from upload_client.receipts.custody import Recorder, stored_chain
from upload_client.receipts.hand_overs import closing, last_hand_over
from upload_client.receipts.signing import make_key, open_key
from upload_client.s3.bucket import NotFound, PreconditionFailed
from upload_client.validator.countersigning import countersign_last, is_signed

moto = late("moto")

pytestmark = pytest.mark.parametrize("store", ["real"], indirect=True)

FILES = {"a.csv": b"one", "b/c d.csv": b"two", "b/ä.csv": b"three", "empty": b""}


@dataclass
class Place:
    """A delivery that is complete, and an archive."""

    control: Bucket
    landing: Bucket
    archive: Bucket
    layout: Layout
    url: str
    told: list[HandOver] = field(default_factory=list)
    invalid: set[str] = field(default_factory=set)
    unlogged: set[str] = field(default_factory=set)
    epochs: list[int] = field(default_factory=list)
    client: LogChain = field(default_factory=lambda: LogChain("client"))
    validator: LogChain = field(default_factory=lambda: LogChain("validator"))

    def land(self, files: dict[str, bytes], epoch: int = 3) -> None:
        """Put files into landing, and index, both logs and a receipt into control."""
        rows, client, validator = [], [], []
        self.epochs.append(epoch)
        for n, path in enumerate(sorted(files)):
            etag = self.landing.put(path, files[path]).etag
            size, crc32 = len(files[path]), checksums.encode(checksums.crc32(files[path]))
            upload = Upload(epoch, n, size, crc32, etag)
            client.append(Transferred(T, path, upload, 0))
            ok = Verdict(T, path, upload.id, 0, "ok", "", Found(size, crc32, etag), ("crc32",))
            if path not in self.invalid:
                validator.append(ok)
            rows.append(file(path, size, crc32=crc32, etag=etag, upload=upload.id, judged_by=f"v{epoch}"))
        index = "path,size\n" + "".join(f"{each.path},{each.size}\n" for each in rows)
        self.control.put(self.layout.index(epoch), index.encode())
        init = Init(T, epoch, self.layout.index(epoch), sha256(index.encode()), len(rows), 0, {})
        come = ValidatorInit(T, f"v{epoch}", epoch, 1, {}, None)
        said = {
            "epoch": epoch,
            "landing": f"s3://{self.landing.name}/{self.landing.prefix}",
            "control": f"s3://{self.control.name}/{self.control.prefix}",
            "index": IndexNamed(init.index, init.index_sha256),
            "client_log": self.append(self.client, self.layout.client_log(), epoch, [init, *client]),
            "validator_logs": (
                self.append(self.validator, self.layout.validator_log(), epoch, [come, *validator]),
            ),
            "clients": tuple(ClientRun(each, "c", {}) for each in self.epochs),
            "versions": {},
            "validators": (ValidatorRun(epoch, epoch, f"v{epoch}", 0, {}, None),),
        }
        self.control.put(self.layout.receipt(epoch), b"".join(encode_receipt(head(rows, **said), rows)))

    def append(self, chain: LogChain, log: str, epoch: int, records: list) -> LogTail:
        """Write a segment of a log."""
        of = {"agent_id": "c"} if chain is self.client else {"agent_id": f"v{epoch}", "client_epoch": epoch}
        header = chain.header(epoch=epoch, **of)
        kept = (each for each in records if getattr(each, "path", None) not in self.unlogged)
        data = encode_segment(header, map(encode, kept))
        self.control.put(segment_key(log, header.seq), data)
        chain.appended(header, data)
        return LogTail(header.seq, sha256(data))

    def job(self, **options) -> Job:
        to = f"s3://{self.archive.name}/{self.archive.prefix}"
        return Job(self.control, self.landing, self.layout, to, self.archive.client, **options)

    def hand_over(self, **options):
        return hand_over(self.job(**options), lambda _: None)

    def archived(self) -> dict[str, bytes]:
        return {info.key: self.archive.read(info.key) for info in self.archive.list()}

    def landed(self) -> dict[str, bytes]:
        return {info.key: self.landing.read(info.key) for info in self.landing.list()}

    def record(self) -> HandOver | None:
        return last_hand_over(self.control, self.layout)

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "control_bucket": self.control.name,
            "landing_bucket": self.landing.name,
            "landing_prefix": "{dataset}/{delivery_id}/",
            "worker_function": None,
            "endpoint_url": self.url,
        }
        return {"UPLOAD_CLIENT_VALIDATOR": json.dumps(settings)}


@pytest.fixture
def place(make_bucket: Callable[..., Bucket], store) -> Place:
    layout = Layout("D", "Y", "staging", landing_prefix="{dataset}/{delivery_id}/")
    made = Place(
        make_bucket(prefix=layout.root),
        make_bucket(prefix=layout.landing),
        make_bucket(prefix="survey/1/"),
        layout,
        store.endpoint_url,
    )
    made.land(FILES)
    return made


def test_a_delivery_is_copied_proven_and_recorded_and_twice_does_nothing(place: Place) -> None:
    done = place.hand_over()
    assert place.archived() == place.landed() == FILES
    record = place.record()
    assert record == done.record
    assert record is not None
    assert (record.n_files, record.n_bytes, record.epoch, record.removed_at) == (4, 11, 3, None)
    assert record.receipt_sha256 == sha256(place.control.read(place.layout.receipt(3)))
    lines = (archived_line(p, len(FILES[p]), crc32(FILES[p])) for p in sorted(FILES))
    assert record.files_sha256 == sha256(b"".join(lines))
    again = place.hand_over()
    assert again.did_nothing
    assert (again.copied, again.record) == (0, record)


def test_an_archive_that_is_landing_by_another_name_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an access point has one, or a bucket of a store that gives it several."""
    monkeypatch.setattr("upload_client.functions.hand_over.work.open_archive", lambda *_: place.landing)
    with pytest.raises(UsageError, match="may be one place under two names"):
        place.hand_over(remove=True)
    assert place.landed() == FILES
    assert place.record() is None


def test_so_is_one_whose_first_file_is_written_anew_while_it_is_looked_at(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upload_client.functions.hand_over.work.open_archive", lambda *_: place.landing)
    looks = []
    head = Bucket.head

    def later_each_time(self: Bucket, key: str, **options):
        found = head(self, key, **options)
        if key == "a.csv" and found is not None and len(looks) < 3:
            looks.append(key)
            return replace(found, last_modified=1.0 if len(looks) == 1 else 2.0)
        return found

    monkeypatch.setattr(Bucket, "head", later_each_time)
    with pytest.raises(UsageError, match="may be one place under two names"):
        place.hand_over(remove=True)
    assert len(looks) == 3
    assert place.landed() == FILES


FORGED = {
    "a file that nobody called valid": "no validator has called 'a.csv' valid",
    "an index of another run": "as the index, which is that of another run",
    "an index that was exchanged": "is not the index that the receipt names by its SHA-256",
    "a file that was never announced": "no log knows 'c'",
    "a delivery that lacks a file": "it is not the delivery that was agreed on",
}


def test_what_a_provider_writes_for_a_receipt_moves_nothing_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upload_client.functions.hand_over.handler import HandOverHandler, HandOverRequest

    for name, value in {**place.environment, "AWS_ENDPOINT_URL": place.url}.items():
        monkeypatch.setenv(name, value)
    for epoch, (forged, said) in enumerate(FORGED.items(), 4):
        key = place.layout.receipt(epoch)
        place.invalid = {"a.csv"} if forged == "a file that nobody called valid" else set()
        place.unlogged = {"c"} if forged == "a file that was never announced" else set()
        place.land(FILES | dict.fromkeys(place.unlogged, b"c"), epoch=epoch)
        if forged == "an index of another run":
            named = f"index/{epoch:08d}".encode()
            place.control.put(key, place.control.read(key).replace(named, b"index/00000002"))
        elif forged == "an index that was exchanged":
            place.control.put(place.layout.index(epoch), b"path,size\na.csv,3\n")
        elif forged == "a delivery that lacks a file":
            place.control.put(
                place.layout.expectations, b"version: 1\ndelivery: {required: [manifest.json]}\n"
            )
        for step in ("all", "prepare"):
            request = HandOverRequest(dataset="D", delivery_id="Y", to=place.job().to, step=step)
            with pytest.raises(HandOverRefused, match=re.escape(said)):
                HandOverHandler().handle(request)
        # Nor is anything removed by it, or chained to it.
        _, files, digest, head = read_receipt(place.control, place.layout)
        removal = Removal(place.control, place.landing, place.layout, "withdrawn")
        before = place.landed()
        with pytest.raises(HandOverRefused, match=re.escape(said)):
            remove_delivery(removal, (head, digest, files), place.told.append)
        assert place.landed() == before
        assert closing(place.control, place.layout) is None
    assert place.archived() == {}
    assert place.record() is None


def test_what_is_gone_already_keeps_nobody_from_removing_the_rest(place: Place) -> None:
    """As after a removal that was ended, or a rule of the bucket; nothing but the logs has to prove it."""
    _, files, digest, head = read_receipt(place.control, place.layout)
    place.landing.rm("a.csv")
    removal = Removal(place.control, place.landing, place.layout, "expired")
    removed, _ = remove_delivery(removal, (head, digest, files), place.told.append)
    assert (removed.n, len(removed.gone)) == (len(FILES) - 1, len(FILES))
    assert place.landed() == {}


def test_only_what_the_receipt_names_is_copied_and_removed(place: Place) -> None:
    place.landing.put("beside", b"of nobody")
    done = place.hand_over(remove=True)
    assert place.archived() == FILES
    assert place.landed() == {"beside": b"of nobody"}
    assert (done.removed, done.record.removed_at is None) == (4, False)
    assert place.hand_over(remove=True).did_nothing


def test_removing_can_be_asked_for_later(place: Place) -> None:
    place.hand_over()
    assert place.hand_over(remove=True).removed == 4
    assert place.landed() == {}


def test_somebody_is_told_before_anything_is_removed_and_once(place: Place) -> None:
    def notify(record: HandOver) -> None:
        assert place.landed() == FILES
        place.told.append(record)

    done = place.hand_over(remove=True, notify=notify)
    assert place.told[0].receipt_sha256 == done.record.receipt_sha256
    assert done.record.notified_at is not None
    place.hand_over(remove=True, notify=notify)
    assert len(place.told) == 1


def test_where_nobody_can_be_told_nothing_is_removed(place: Place) -> None:
    def notify(_: HandOver) -> None:
        raise RuntimeError("no such topic")

    with pytest.raises(RuntimeError):
        place.hand_over(remove=True, notify=notify)
    assert place.landed() == FILES
    assert place.record() is not None


def test_a_topic_that_is_not_there_is_told_and_nothing_is_removed(place: Place, monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    notify = notifier(f"arn:aws:sns:eu-west-1:{'1' * 12}:nobody.fifo")
    with moto.mock_aws(config={"core": {"passthrough": {"urls": [f"{place.url}.*"]}}}):
        with pytest.raises(DeliveryError, match="it is recorded, but the SNS topic was not notified"):
            place.hand_over(remove=True, notify=notify)
        sns = boto3.client("sns", region_name="eu-west-1")
        topic = sns.create_topic(Name="told.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        assert place.landed() == FILES
        assert place.hand_over(remove=True, notify=notifier(topic)).record.notified_at is not None
    assert place.landed() == {}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda place: place.landing.rm("a.csv"), "is not in the landing bucket any more"),
        (lambda place: place.landing.put("a.csv", b"two"), "is another object than the receipt names"),
        (lambda place: place.landing.put("a.csv", b"longer"), "is another object than the receipt names"),
    ],
)
def test_landing_that_is_not_as_the_receipt_says_is_refused(place: Place, spoil, said: str) -> None:
    spoil(place)
    with pytest.raises(HandOverRefused, match=said):
        place.hand_over(remove=True)
    assert place.record() is None
    assert place.archived() == {}


def test_what_the_archive_has_is_not_copied_again(place: Place) -> None:
    place.archive.put("a.csv", b"one")
    place.archive.put("beside", b"of nobody")
    assert place.hand_over().copied == 3
    assert place.archived() == {**FILES, "beside": b"of nobody"}


@pytest.mark.parametrize("content", [b"TWO", b"longer"])
def test_what_others_have_in_the_archive_is_not_replaced(place: Place, content: bytes) -> None:
    place.archive.put("b/c d.csv", content)
    with pytest.raises(HandOverRefused, match="1 other objects under names of this delivery"):
        place.hand_over(remove=True)
    assert place.archived() == {"b/c d.csv": content}
    assert place.landed() == FILES
    assert place.record() is None


def test_a_delivery_that_was_corrected_replaces_what_it_has_brought_before(place: Place) -> None:
    place.hand_over()
    place.land({**FILES, "a.csv": b"new"}, epoch=4)
    assert place.hand_over().copied == 1
    assert place.archived() == {**FILES, "a.csv": b"new"}
    record = place.record()
    assert record is not None
    assert record.epoch == 4


def test_nothing_is_removed_when_the_archive_has_lost_it_since(place: Place) -> None:
    place.hand_over()
    place.archive.rm("a.csv")
    with pytest.raises(HandOverRefused, match="is not in the archive"):
        place.hand_over(remove=True)
    assert place.landed() == FILES


def test_a_copy_that_is_damaged_after_it_was_made_is_not_recorded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upload_client.functions.hand_over import work

    real = work.send_files

    def damaging(*args, **options):
        yield from real(*args, **options)
        place.archive.put("a.csv", b"bad")

    monkeypatch.setattr(work, "send_files", damaging)
    with pytest.raises(HandOverRefused, match=r"in the archive, and .* in the receipt"):
        place.hand_over(remove=True)
    assert place.record() is None
    assert place.landed() == FILES


def test_without_a_receipt_there_is_nothing_to_hand_over(place: Place) -> None:
    place.control.rm(place.layout.receipt(3))
    with pytest.raises(NotComplete):
        place.hand_over()
    place.control.put(place.layout.receipt(3), b'{"kind":"receipt"}')
    with pytest.raises(HandOverRefused, match="is no receipt"):
        place.hand_over()


def test_an_archive_is_a_place_of_its_own_and_always_the_same(place: Place) -> None:
    here = place.landing
    for to in (f"s3://{here.name}/", f"s3://{here.name}/{here.prefix}x/", "archive", "s3://x/../"):
        with pytest.raises(UsageError):
            hand_over(Job(place.control, here, place.layout, to, here.client))
    place.hand_over()
    with pytest.raises(UsageError, match="was handed over to"):
        hand_over(Job(place.control, here, place.layout, f"s3://{place.archive.name}/x/", here.client))


def test_a_record_of_somebody_else_is_refused(place: Place) -> None:
    place.hand_over()
    place.control.put(place.layout.hand_over(3), b"{}")
    with pytest.raises(HandOverRefused, match="is no record"):
        place.hand_over()
    assert place.record() is None


def test_of_two_at_once_one_works(place: Place) -> None:
    began, go_on = threading.Event(), threading.Event()

    def notify(_: HandOver) -> None:
        began.set()
        assert go_on.wait(30)

    first = threading.Thread(target=lambda: place.hand_over(notify=notify))
    first.start()
    assert began.wait(30)
    with pytest.raises(Locked) as held:
        place.hand_over()
    # `unlock` would take the lock of the provider's run, which is another one.
    assert "unlock" not in held.value.hint
    assert re.search(r"ended, or until 20\S+Z if it has died; then run this one again", held.value.hint)
    go_on.set()
    first.join()
    assert place.hand_over().did_nothing


def test_a_lost_answer_to_the_record_is_no_second_record(
    place: Place, store, through: Callable[[Bucket], Bucket], proxy: Proxy
) -> None:
    proxy.on(reset(), method="PUT", path="/handover/", nth=1)
    control = through(place.control)
    done = hand_over(
        Job(control, place.landing, place.layout, place.job().to, place.archive.client), lambda _: None
    )
    assert done.record == place.record()


def take(place: Place, transfer_type: TransferType | None = None) -> Lock:
    """Take the lock of the delivery, as a run of the provider does; None: as one of an older version."""
    lock = Lock(
        *(place.control, place.layout.owned),
        agent_id="provider",
        lease_seconds=300,
        transfer_type=transfer_type,
    )
    lock.acquire(3)
    return lock


@pytest.mark.parametrize(
    ("transfer_type", "said"),
    [("staging", "for the whole delivery by agent provider"), (None, "by agent provider")],
)
def test_while_a_run_of_the_provider_is_at_work_nothing_is_removed(
    place: Place, transfer_type: TransferType | None, said: str
) -> None:
    lock = take(place, transfer_type)
    with pytest.raises(Locked, match=f"D/Y is locked {said}"):
        place.hand_over(remove=True)
    record = place.record()
    assert record is not None  # what is proven is proven
    assert not record.leaves_landing
    assert place.landed() == FILES
    lock.release()
    assert place.hand_over(remove=True).removed == 4


def apart(place: Place) -> None:
    """Have the sample a landing prefix of its own."""
    place.layout = replace(place.layout, landing_prefix="{dataset}/{delivery_id}/{transfer_type}/")
    place.landing = Bucket(place.landing.name, prefix=place.layout.landing, client=place.landing.client)
    place.land({"a.csv": b"one"}, epoch=4)


@pytest.mark.parametrize("how", ["handed over", "withdrawn"])
def test_a_run_that_sends_the_sample_keeps_no_file_of_the_whole_where_it_lands_elsewhere(
    place: Place, how: str
) -> None:
    apart(place)
    take(place, "sample")
    if how == "handed over":
        assert place.hand_over(remove=True).removed == 1
    else:
        _, files, digest, about = read_receipt(place.control, place.layout)
        job = Removal(place.control, place.landing, place.layout, "withdrawn")
        assert remove_delivery(job, (about, digest, files), print)[0].n == 1
    assert place.landed() == {}


def test_a_run_that_sends_the_sample_to_the_same_place_keeps_the_files(place: Place) -> None:
    take(place, "sample")
    with pytest.raises(Locked, match="for the sample by agent provider"):
        place.hand_over(remove=True)
    assert place.landed() == FILES


def at_the_removal(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen once the record says that the removal begins."""
    from upload_client.functions.hand_over import work

    def reach(name: str) -> None:
        if name == "between:handover:removing":
            act()

    monkeypatch.setattr(work, "failpoints", SimpleNamespace(reach=reach))


def test_a_run_that_begins_at_the_moment_of_the_removal_is_seen(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_removal(monkeypatch, lambda: take(place))
    with pytest.raises(Locked, match="provider"):
        place.hand_over(remove=True)
    assert place.landed() == FILES
    record = place.record()
    assert record is not None
    assert not record.leaves_landing


def test_a_receipt_that_is_written_at_the_moment_of_the_removal_is_seen(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = {**FILES, "a.csv": b"new"}
    at_the_removal(monkeypatch, lambda: place.land(corrected, epoch=4))
    with pytest.raises(HandOverRefused, match="another receipt"):
        place.hand_over(remove=True)
    assert place.landed() == corrected
    monkeypatch.undo()
    assert place.hand_over(remove=True).record.epoch == 4
    assert place.archived() == corrected


def test_a_receipt_that_is_written_before_a_delivery_is_closed_keeps_it_from_being_withdrawn(
    place: Place,
) -> None:
    removal = Removal(place.control, place.landing, place.layout, "withdrawn")
    _, files, sha256, head = read_receipt(place.control, place.layout)
    place.land({**FILES, "more": b"of a later run"}, 4)
    with pytest.raises(DeliveryError, match="another receipt meanwhile; nothing was removed"):
        remove_delivery(removal, (head, sha256, files), place.told.append)
    assert place.landed() == {**FILES, "more": b"of a later run"}


def test_a_record_whose_answer_was_lost_is_kept_as_every_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    kept = []
    monkeypatch.setattr(custody, "retain", lambda _, key, **how: kept.append((key, how["days"])))
    real = place.control.put

    def lost(key: str, *args, **options):
        real(key, *args, **options)
        raise PreconditionFailed("by the attempt before")

    monkeypatch.setattr(place.control, "put", lost)
    recorder = Recorder(open_key(str(tmp_path / "key")), retain_days=30)
    _, _, sha256, head = read_receipt(place.control, place.layout)
    made = custody.record(place.control, place.layout, head, sha256, Happened("closed"), recorder)
    assert kept == [(place.layout.custody(3, made.n), 30)]
    assert len(stored_chain(place.control, place.layout, 3).lines) == 1


def test_where_signatures_are_made_by_others_and_none_can_be_checked_it_is_recorded_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a function of Lambda whose key is at KMS, where the library that would check it is not."""
    make_key(tmp_path / "key")
    recorder = Recorder(open_key(str(tmp_path / "key")))

    def missing(*_: object) -> bool:
        raise signing.LibraryNeeded("signatures need the library cryptography")

    monkeypatch.setattr(signing.PublicKey, "verifies", missing)
    place.control.put(place.layout.signature(3), signing.sign_payload(recorder.key, b"{}"))
    place.hand_over(remove=True, recorder=recorder)
    place.hand_over(remove=True, recorder=recorder)
    assert place.landed() == {}
    lines = stored_chain(place.control, place.layout, 3).lines.values()
    assert [decode_record(decode_envelope(line).payload).event for line in lines] == [
        "handed over",
        "removed",
    ]


def test_what_is_signed_is_known_without_the_logs_by_which_it_was_proven(
    place: Place, tmp_path: Path
) -> None:
    key, other = (make_key(tmp_path / name) and open_key(str(tmp_path / name)) for name in ("key", "other"))
    assert not is_signed(place.control, place.layout, key.public, 3)
    countersign_last(place.control, place.landing, place.layout, key)
    for log in (place.layout.client_log(), place.layout.validator_log()):
        for info in list(place.control.list(log)):
            place.control.rm(info.key)
    assert is_signed(place.control, place.layout, key.public, 3)
    assert not is_signed(place.control, place.layout, other.public, 3)
    receipt = place.layout.receipt(3)
    place.control.put(receipt, place.control.read(receipt).replace(b'"dataset":"D"', b'"dataset":"E"'))
    assert not is_signed(place.control, place.layout, key.public, 3)
    place.control.rm(receipt)
    assert not is_signed(place.control, place.layout, key.public, 3)


def test_nothing_is_called_withdrawn_where_the_receipt_names_another_landing_place(place: Place) -> None:
    _, files, sha256, head = read_receipt(place.control, place.layout)
    elsewhere = Bucket(place.landing.name, prefix="elsewhere/", client=place.landing.client)
    removal = Removal(place.control, elsewhere, place.layout, "withdrawn")
    with pytest.raises(DeliveryError, match="nothing was removed"):
        remove_delivery(removal, (head, sha256, files), place.told.append)
    assert place.landed() == FILES


def test_a_removal_that_was_ended_is_told_of_where_nothing_is_to_be_removed(place: Place) -> None:
    done = place.hand_over()
    begun = replace(done.record, removing_at=done.record.proven_at)
    place.control.put(place.layout.hand_over(3), begun.encode())
    said: list[str] = []
    assert hand_over(place.job(), said.append).did_nothing
    assert any("--remove resumes it" in line for line in said)


STEPS = [
    "landing",
    "copied",
    "proven",
    "recorded",
    "notified",
    "removing",
    "some-removed",
    "removed",
    "chained",
]
ALWAYS = ("recorded", "removing")


@pytest.mark.parametrize(
    "step", [each if each in ALWAYS else pytest.param(each, marks=pytest.mark.long) for each in STEPS]
)
def test_killed_at_any_step_it_goes_on_and_each_thing_is_recorded_once(
    place: Place, step: str, tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    code = (
        "import sys, boto3; from upload_client import Bucket;"
        "from upload_client.core.layout import Layout;"
        "from upload_client.functions.hand_over.work import Job, hand_over;"
        "from upload_client.receipts.custody import Recorder;"
        "from upload_client.receipts.signing import open_key;"
        "from upload_client.s3.clients import s3_client;"
        "c = s3_client(); l = Layout('D', 'Y', 'staging', landing_prefix='{dataset}/{delivery_id}/');"
        "hand_over(Job(Bucket(sys.argv[1], prefix=l.root, client=c), Bucket(sys.argv[2], prefix=l.landing,"
        " client=c), l, sys.argv[3], c, remove=True, notify=lambda _: None,"
        " recorder=Recorder(open_key(sys.argv[4]))))"
    )
    names = [place.control.name, place.landing.name, place.job().to, str(tmp_path / "key")]
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": place.url,
            "UPLOAD_CLIENT_FAILPOINT": f"between:handover:{step}",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()
    recorded = STEPS.index(step) >= STEPS.index("recorded")
    record = place.record()
    assert (record is not None) == recorded
    # The provider is told before the first file is gone.
    assert (record is not None and record.leaves_landing) == (STEPS.index(step) >= STEPS.index("removing"))
    assert recorded or place.landed() == FILES
    # The lock of one that died on this machine is taken at once.
    recorder = Recorder(open_key(str(tmp_path / "key")))
    ended = place.hand_over(remove=True, notify=place.told.append, recorder=recorder)
    assert place.archived() == FILES
    assert place.landed() == {}
    chain = stored_chain(place.control, place.layout, 3).lines.values()
    said = [decode_record(decode_envelope(line).payload) for line in chain]
    assert [(each.event, each.n_files, each.n_bytes) for each in said] == [
        ("handed over", 4, 11),
        ("removed", 4, 11),
    ]
    assert ended.record.removed_at is not None
    assert len(place.told) == (STEPS.index(step) <= STEPS.index("notified"))


# ------------------------------------------------------------------------------- as it is typed, and called


def test_it_is_typed(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    command = ["receiver", "hand-over", "--dataset", "D", "--delivery-id", "Y", "--to", place.job().to]
    assert main([*command, "--remove"]) == 0
    said = capsys.readouterr().out
    assert "proven: 4 files in the archive" in said
    assert f"is handed over: 4 files, 11 bytes, {place.job().to}" in said
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["did_nothing"], told["record"]["epoch"]) == (True, 3)
    assert main([*command, "--notify", "topic"]) == 2
    assert "is no ARN of SNS" in capsys.readouterr().err
    place.control.rm(place.layout.receipt(3))
    assert main(command) == 8
    assert "is not complete" in capsys.readouterr().err


def test_it_is_a_function(place: Place, monkeypatch: pytest.MonkeyPatch, context) -> None:
    from upload_client.functions.data_sync import BatchDataSyncHandler
    from upload_client.functions.hand_over import HandOverHandler

    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", place.environment["UPLOAD_CLIENT_VALIDATOR"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", place.url)
    place.landing.put("beside.csv", b"of nobody")
    event = {"dataset": "D", "delivery_id": "Y", "to": place.job().to}
    function = HandOverHandler.get_handler()
    scratch = f"s3://{place.control.name}/scratch/"
    with monkeypatch.context() as few:
        few.setattr("upload_client.functions.hand_over.handler._MOST_FILES", 3)
        for step in ("all", "prepare"):
            with pytest.raises(HandOverRefused, match="names 4 files, and a function"):
                function({**event, "step": step}, context)
    assert place.archived() == {}
    prepared = function(
        {**event, "step": "prepare", "temporary_request_payload_path": scratch, "batch_size_bytes_limit": 5},
        context,
    )
    assert len(prepared["requests"]) == 3
    for batch in prepared["requests"]:
        BatchDataSyncHandler.get_handler()(batch, context)
    assert place.archived() == FILES
    done = function(event, context)
    assert (done["copied"], done["record"]["n_files"]) == (0, 4)
    assert function({**event, "step": "prepare"}, context)["did_nothing"] is True
    for step in ("all", "prepare"):
        with pytest.raises(UsageError, match=f"it was handed over to {place.job().to} already"):
            function({**event, "to": f"s3://{place.archive.name}/another/", "step": step}, context)
    inside = f"s3://{place.landing.name}/{place.landing.prefix}archive/"
    for to in (inside, "s3://x/../", "s3://archive/{other}/"):
        with pytest.raises(UsageError):
            function({**event, "to": to, "step": "prepare"}, context)
    place.control.rm(place.layout.hand_over(3))
    place.archive.put("a.csv", b"of somebody else")
    with pytest.raises(HandOverRefused, match="they are not replaced"):
        function({**event, "step": "prepare"}, context)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_settings_that_are_none_are_told(text: str, monkeypatch: pytest.MonkeyPatch, store) -> None:
    from upload_client.functions.hand_over.handler import request_of_outcome

    monkeypatch.setenv("UPLOAD_CLIENT_HAND_OVER", text)
    with pytest.raises(UsageError, match="is no JSON object"):
        request_of_outcome("{}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"to": "archive"}, "to: 'archive' is no s3://BUCKET/PREFIX/"),
        ({"to": "s3://archive/{who}/"}, "to: .* no placeholder is called '{who}'"),
        ({"to": "s3://" + "a" * 5000}, "to: .* is no s3://BUCKET/PREFIX/"),
        ({"notify_topic": "told"}, "notify_topic: 'told'"),
        (
            {"step": "prepare", "temporary_request_payload_path": "batches/"},
            "temporary_request_payload_path: 'batches/' is no s3://",
        ),
    ],
)
def test_a_place_or_a_topic_that_is_none_is_the_callers_mistake_and_told_before_anything_is_done(
    place: Place, monkeypatch: pytest.MonkeyPatch, context, more: dict[str, str], said: str
) -> None:
    from upload_client.functions.errors import InvalidRequest
    from upload_client.functions.hand_over import HandOverHandler

    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", place.environment["UPLOAD_CLIENT_VALIDATOR"])
    event = {"dataset": "D", "delivery_id": "Y", "to": f"s3://{place.archive.name}/"} | more
    with pytest.raises(InvalidRequest, match=said) as told:
        HandOverHandler.get_handler()(event, context)
    assert len(str(told.value)) < 600
    assert place.record() is None
    assert place.archived() == {}


def test_the_outcome_message_starts_it(place: Place, monkeypatch: pytest.MonkeyPatch, context) -> None:
    from upload_client.functions.hand_over import HandOverHandler

    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", place.environment["UPLOAD_CLIENT_VALIDATOR"])
    to = f"s3://{place.archive.name}/{{dataset}}/{{delivery_id}}/"
    monkeypatch.setenv("UPLOAD_CLIENT_HAND_OVER", json.dumps({"to": to, "remove": True}))

    def message(number: int, complete: bool) -> dict:
        outcome = {"dataset": "D", "delivery_id": "Y", "transfer_type": "staging", "complete": complete}
        body = json.dumps({"Type": "Notification", "Message": json.dumps(outcome)})
        return {"messageId": str(number), "body": body, "eventSource": "aws:sqs"}

    function = HandOverHandler.get_sqs_batch_handler()
    assert function({"Records": [message(1, False)]}, context) == {"batchItemFailures": []}
    assert place.record() is None
    assert function({"Records": [message(2, True)]}, context) == {"batchItemFailures": []}
    record = place.record()
    assert record is not None
    assert record.archive == f"s3://{place.archive.name}/D/Y/"
    assert place.landed() == {}


def sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def crc32(data: bytes) -> str:
    return checksums.encode(checksums.crc32(data))


def test_a_bucket_that_is_not_there_is_told_by_its_name(place: Place) -> None:
    control = Bucket("nowhere-at-all", prefix=place.control.prefix, client=place.control.client)
    with pytest.raises(NotFound, match="NoSuchBucket"):
        hand_over(replace(place.job(), control=control))


@pytest.mark.usefixtures("store")
def test_a_hand_over_loads_nothing_that_judges_before_it_holds_a_receipt_against_the_logs() -> None:
    program = (
        "import sys\n"
        "import upload_client.functions.hand_over.handler\n"
        "judging = {f'upload_client.validator.{name}' for name in ('checks', 'pipeline', 'serving')}\n"
        "judging |= {'upload_client.validator.countersigning', 'upload_client.expectations.model', 'yaml'}\n"
        "print(sorted(judging & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
