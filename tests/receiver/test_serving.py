"""`receiver serve`: whoever comes is judged, and told of, with nothing but an S3."""

from __future__ import annotations

import contextlib
import email
import email.policy
import errno
import hashlib
import hmac
import itertools
import json
import logging
import os
import queue
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import waiting
from waiting import until

from upload_client import UploadClient
from upload_client.control.identity import new_agent_id
from upload_client.control.log import LogWriter
from upload_client.core.layout import Layout, segment_key
from upload_client.core.lease import LockBody
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.validator_watch import ValidatorWatch
from upload_client.delivery import loop, startup
from upload_client.errors import Interrupted, Locked, NotReachable, UsageError
from upload_client.receipts.signing import make_key
from upload_client.receiver.serving.configuration import Configuration, Serving, read_configuration
from upload_client.receiver.serving.metrics import Metrics
from upload_client.receiver.serving.outcomes import Outcomes
from upload_client.receiver.serving.pages import serve_pages
from upload_client.receiver.serving.pending_runs import PendingRuns
from upload_client.receiver.serving.server import Server
from upload_client.s3.bucket import Bucket, NotFound
from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings
from upload_client.validator import ValidatorSettings

TOLD = dict.fromkeys(("valid", "invalid", "not_judged", "not_delivered", "n_bytes_valid"), 1) | {
    "complete": True
}

AGENT = new_agent_id()
HELD = {
    "agent_id": AGENT, "nonce": "n", "epoch": 1, "state": "held", "host": "h", "machine_id": None,
    "boot_id": None, "pid_ns": None, "pid": 1, "started": None, "user": "u", "version": 1,
    "acquired_at": "2026-01-01T00:00:00.000Z", "refreshed_at": "2026-01-01T00:00:00.000Z",
    "lease_seconds": 60,
}  # fmt: skip


def waiting_in(folder):
    """Messages that are still to be told, and those that were given up."""
    return [path for path in folder.iterdir() if path.suffix != ".taken"]


@pytest.fixture(scope="module")
def store(request):
    """An S3, and two buckets there; whoever asks is taken for whom they say they are."""
    with Sandbox() as made:
        yield made


@pytest.fixture
def credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sandbox")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def configuration(store, credentials, tmp_path) -> Configuration:
    settings = ValidatorSettings(
        control_bucket=store.control_bucket,
        landing_bucket=store.landing_bucket,
        worker_function=None,
        endpoint_url=store.endpoint_url,
        poll_seconds=0.1,
        poll_longest_seconds=0.3,
        lease_seconds=30,
    )
    return Configuration(validator=settings, serve=Serving(look_seconds=0.1, listen="", state_dir=tmp_path))


@pytest.fixture
def running(configuration, tmp_path):
    """Begin to serve; what it gives ends with the test."""
    servers = []

    def begin(signing_key=None, **more) -> Server:
        changed = {
            "serve": configuration.serve.model_copy(update=more),
            "validator": configuration.validator.model_copy(update={"signing_key": signing_key}),
        }
        server = Server(configuration.model_copy(update=changed), tmp_path / "outcomes")
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        return server

    yield begin
    for server, thread in servers:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def deliver(store, tmp_path):
    """Deliver two files by a client that asks nobody to start a validator."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (folder / "b.json").write_text("{}", encoding="utf-8")
    flags = {
        "auth": "aws",
        "start": "watched",
        "control_bucket": store.control_bucket,
        "landing_bucket": store.landing_bucket,
        "endpoint_url": store.endpoint_url,
        "patience": 20,
    }

    def deliver(delivery_id: str, **more):
        with UploadClient(
            dataset="served",
            delivery_id=delivery_id,
            source=folder,
            transfer_type=more.pop("transfer_type", "staging"),
            settings=load_settings(flags=flags | more, environ={}),
            output_dir=tmp_path,
        ) as client:
            return client.run()

    return deliver


@pytest.fixture
def webhook():
    """Somebody who is told; gives the messages, and answers what stands in `answers`, then 204."""
    messages, answers = queue.Queue(), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            messages.put((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.messages, server.answers = messages, answers
    server.url = f"http://127.0.0.1:{server.server_port}/told"
    yield server
    server.shutdown()
    server.server_close()


def name() -> str:
    return f"s{secrets.token_hex(4)}"


# ------------------------------------------------------------------------------------------ whole deliveries


def test_whoever_comes_is_judged_and_again_and_the_outcome_is_told(running, deliver, tmp_path, webhook):
    secret = tmp_path / "secret"
    secret.write_text("a secret of some length\n")
    server = running(webhook=webhook.url, webhook_secret_file=secret)
    first, second = name(), name()
    assert deliver(first).exit_code == 0
    assert deliver(second, transfer_type="sample").exit_code == 0
    told = {}
    for _ in range(2):
        headers, body = webhook.messages.get(timeout=120)
        signed = headers["X-Upload-Client-Timestamp"].encode() + b"." + body
        expected = hmac.digest(b"a secret of some length", signed, hashlib.sha256)
        assert headers["X-Upload-Client-Signature"] == f"sha256={expected.hex()}"
        outcome = json.loads(body)
        told[outcome["delivery_id"]] = outcome["transfer_type"], outcome["complete"], outcome["valid"]
    assert told == {first: ("staging", True, 2), second: ("sample", True, 2)}
    (tmp_path / "data" / "c.json").write_text("{", encoding="utf-8")
    assert deliver(first).exit_code == 3
    outcome = json.loads(webhook.messages.get(timeout=120)[1])
    assert (outcome["complete"], outcome["valid"], outcome["invalid"]) == (False, 2, 1)
    figures = server.metrics.text().decode()
    assert 'upload_client_files_total{verdict="invalid"} 1.0' in figures
    assert 'upload_client_runs_total{complete="yes"} 2.0' in figures
    until(lambda: waiting_in(tmp_path / "outcomes") == [])


def test_what_lacks_a_file_that_was_agreed_on_is_not_told_of_as_complete_and_no_receipt_of_it_is_signed(
    running, deliver, store, tmp_path, monkeypatch
):
    # A client from before validators had a word for it, which goes on as if nothing had been said.
    monkeypatch.setattr(ValidatorWatch, "receive", heard_as_before(ValidatorWatch.receive))
    make_key(tmp_path / "key")
    control = Bucket(store.control_bucket, client=store.client("s3"))
    lacking = name()
    control.put(
        f"served/{lacking}/expectations.yaml", b"version: 1\ndelivery: {required: [m.json], others: allow}\n"
    )
    server = running(signing_key=str(tmp_path / "key"))
    assert deliver(lacking).exit_code == 0  # every file is valid, and nobody was asked to start
    until(lambda: outcome_of(server, lacking) is not None)
    told = outcome_of(server, lacking)
    assert (told["complete"], told["valid"], told["signed"]) == (False, 2, None)
    assert ["m.json" in each for each in told["not_agreed"]] == [True]
    with pytest.raises(NotFound):
        control.get(f"served/{lacking}/staging/signature/00000001.json")


def test_of_a_run_with_nothing_left_to_do_what_its_receipt_says_is_told(
    running, deliver, monkeypatch, tmp_path, webhook
):
    (tmp_path / "secret").write_text("a secret of some length\n")
    make_key(tmp_path / "key")
    server = running(
        signing_key=str(tmp_path / "key"), webhook=webhook.url, webhook_secret_file=tmp_path / "secret"
    )
    again = name()
    assert deliver(again).exit_code == 0
    first = json.loads(webhook.messages.get(timeout=120)[1])
    real = startup._see_to_the_receipt

    def slowly(connected):
        until(lambda: server._running)
        real(connected)

    monkeypatch.setattr(startup, "_see_to_the_receipt", slowly)
    assert "nothing to do" in deliver(again).headline
    second = json.loads(webhook.messages.get(timeout=120)[1])
    assert (first["complete"], first["signed"], first["n_files"]) == (True, "yes", 2)
    assert second == first | {key: second[key] for key in ("id", "client")}
    assert second["client"].startswith("nothing to do")


def heard_as_before(hear):
    def heard(watch, segment):
        hear(watch, segment)
        watch.judges_index, watch.index = False, None

    return heard


def test_a_provider_learns_that_a_file_lacks_that_was_agreed_on_and_can_bring_it(
    running, deliver, store, tmp_path
):
    control = Bucket(store.control_bucket, client=store.client("s3"))
    lacking = name()
    control.put(
        f"served/{lacking}/expectations.yaml", b"version: 1\ndelivery: {required: [m.json], others: allow}\n"
    )
    server = running()
    for _ in range(2):  # also where all that there is was sent and is valid
        outcome = deliver(lacking)
        assert (outcome.exit_code, outcome.receipt) == (13, None)
        assert "the receiver does not take this delivery" in outcome.headline
        assert "m.json" in outcome.headline
        assert "Deliver what is missing" in outcome.error.hint
    with pytest.raises(NotFound):
        control.get(f"served/{lacking}/staging/receipt/00000002.json")
    (tmp_path / "data" / "m.json").write_text("{}", encoding="utf-8")
    outcome = deliver(lacking)
    assert (outcome.exit_code, outcome.counts["valid"]) == (0, 3)
    until(lambda: outcome_of(server, lacking) is not None and outcome_of(server, lacking)["complete"])


def test_what_was_valid_and_refused_is_asked_about_again_and_taken_once_it_is_what_was_agreed_on(
    running, deliver, store, monkeypatch
):
    control = Bucket(store.control_bucket, client=store.client("s3"))
    lacking, document = name(), b"version: 1\ndelivery: {required: [m.json], others: allow}\n"
    control.put(f"served/{lacking}/expectations.yaml", document)
    running()
    # All of it is judged before the word is heard, as of small files it can be.
    with monkeypatch.context() as patch:
        patch.setattr("upload_client.delivery.loop._check_verdict_on_index", lambda connected: None)
        stopped = threading.Event()

        def update(connected, real=loop.update):
            real(connected)
            if connected.ledger.all_valid and connected.validation.index_refused:
                stopped.set()
                raise Interrupted
            return False

        patch.setattr("upload_client.delivery.loop.update", update)
        assert deliver(lacking).exit_code == 130
    assert stopped.is_set()
    assert deliver(lacking).exit_code == 13  # and not "nothing to do"
    control.put(f"served/{lacking}/expectations.yaml", document.replace(b"m.json", b"b.json"))
    outcome = deliver(lacking)
    assert (outcome.exit_code, outcome.files_sent) == (0, 0)
    assert outcome.receipt is not None


def test_what_names_less_than_was_agreed_on_is_refused_although_each_file_of_it_is_valid(
    running, deliver, store, tmp_path
):
    control = Bucket(store.control_bucket, client=store.client("s3"))
    document, less = b"version: 1\ndelivery: {required: [m.json], others: allow}\n", name()
    control.put(f"served/{less}/expectations.yaml", document)
    (tmp_path / "data" / "m.json").write_text("{}", encoding="utf-8")
    running()
    assert deliver(less).exit_code == 0
    again = deliver(less)  # its receipt names just these: nobody is asked
    assert (again.exit_code, again.counts["valid"], again.files_sent) == (0, 3, 0)
    (tmp_path / "data" / "m.json").unlink()
    outcome = deliver(less)
    assert (outcome.exit_code, outcome.receipt) == (13, None)
    assert "m.json" in outcome.headline
    control.put(f"served/{less}/expectations.yaml", document.replace(b"m.json", b"b.json"))
    outcome = deliver(less)
    assert (outcome.exit_code, outcome.counts["valid"], outcome.files_sent) == (0, 2, 0)
    assert outcome.receipt is not None


def test_a_document_that_cannot_be_used_is_told_to_the_provider_at_once(running, deliver, store):
    control = Bucket(store.control_bucket, client=store.client("s3"))
    odd = name()
    control.put(f"served/{odd}/expectations.yaml", b"version: 1\nsurprise: 1\n")
    running()
    outcome = deliver(odd)
    assert outcome.exit_code == 13
    assert "surprise" in outcome.headline
    assert "(misconfigured)" in outcome.headline


def outcome_of(server, delivery):
    """The last outcome of one of the deliveries that the tests here have made."""
    return next(one.outcome for one in server.deliveries() if one.delivery_id == delivery)


@pytest.mark.long
def test_the_workers_of_a_dask_cluster_judge_and_what_they_say_is_told_here(running, deliver, monkeypatch):
    distributed = pytest.importorskip("distributed")
    delivery, told = name(), []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=8, processes=False, dashboard_address=None, host="127.0.0.1",
        protocol="tcp",
    ) as cluster:  # fmt: skip
        server = running(dask=cluster.scheduler_address)
        server.outcomes.add = lambda one, epoch: told.append((one["delivery_id"], one["complete"], epoch))
        there = []
        submit = server._cluster.submit
        server._cluster.submit = lambda *what: (there.append(what[1].delivery_id), submit(*what))[1]
        server._cluster._client.close()  # as where the scheduler is away for longer than Dask waits
        assert deliver(delivery).exit_code == 0
        until(lambda: (delivery, True, 1) in told)
        assert delivery in there
        server._cluster._client.close()
        ended, end = threading.Event(), server.outcomes.stop
        server.outcomes.stop = lambda: (end(), ended.set())
        server.stop()
        until(ended.is_set)  # though nobody on the cluster can be told to leave


def test_two_processes_share_the_work_and_each_delivery_has_one_validator(running, deliver, tmp_path):
    running(), running()
    assert deliver(name()).exit_code == 0


def test_without_anybody_who_watches_the_client_says_so_and_that_it_may_be_tried_again(deliver, monkeypatch):
    monkeypatch.setattr("upload_client.delivery.startup._UNASKED", 0.1)
    with pytest.raises(NotReachable, match="no validator has come to this delivery yet") as caught:
        deliver(name(), patience=0)
    assert "receiver serve" in caught.value.hint


def test_more_deliveries_than_may_be_served_at_once_wait_for_their_turn(running, deliver):
    running(at_once=1)
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(deliver(name(), patience=100).exit_code))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert codes == [0, 0]


def test_what_is_settled_is_asked_for_once_a_look_and_read_no_more(running, deliver, configuration, tmp_path):
    delivery = name()
    first = running()
    assert deliver(delivery).exit_code == 0
    until(lambda: not first._running)
    server = Server(configuration, tmp_path / "others")
    server.look()  # learns it, and serves what other tests have left
    until(lambda: not server._running)
    asked = []
    server._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    server._watched = {key: watched for key, watched in server._watched.items() if key[1] == delivery}
    server._find = lambda now: None
    for watched in server._watched.values():
        watched.look_at = 0.0
    server.look()
    assert asked == ["GetObject"]


def test_what_a_process_judged_and_died_before_it_told_the_next_one_tells(
    running, deliver, configuration, tmp_path
):
    delivery = name()
    first = running()
    first.outcomes.add = lambda *_: 1 / 0  # it does not come to this: nothing is told, and the note stays
    assert deliver(delivery).exit_code == 0
    until(lambda: 'validators_left_total{outcome="failed"}' in first.metrics.text().decode())
    first.stop()
    second = running()
    told = []
    # What an earlier test has left is told of as well.
    second.outcomes.add = lambda one, epoch: (
        told.append((one, epoch)) if one["delivery_id"] == delivery else None
    )
    until(lambda: told)
    until(lambda: list((tmp_path / "begun").iterdir()) == [])
    assert [(one["delivery_id"], one["complete"], one["valid"], epoch) for one, epoch in told] == [
        (delivery, True, 2, 1)
    ]


def test_of_quiet_data_sets_only_some_are_listed_at_each_look(configuration, store, tmp_path):
    control = Bucket(store.control_bucket, prefix="many/", client=store.client("s3"))
    for i in range(12):
        control.put(f"set{i}/y/owned", b"{}")
    settings = configuration.validator.model_copy(update={"control_prefix": "many/"})
    server = Server(configuration.model_copy(update={"validator": settings}), tmp_path / "others")
    server.look()
    assert len(server.deliveries()) == 12
    asked = []
    server._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    for dataset in server._datasets.values():
        dataset.new_at = -1e9
    listed = min(dataset.listed_at for dataset in server._datasets.values())
    server._find(listed)
    assert asked == ["ListObjectsV2"]
    asked.clear()
    last = max(dataset.listed_at for dataset in server._datasets.values())
    server._find(last + 3 * configuration.serve.look_seconds)
    assert len(asked) == 13


def test_a_client_that_fell_silent_is_told_of_once_until_it_is_heard_again(
    running, deliver, configuration, monkeypatch, store
):
    delivery = name()
    began = []

    def silent(settings, layout, **_):
        began.append(layout.delivery_id)
        return "error"

    monkeypatch.setattr("upload_client.receiver.serving.server.serve", silent)
    monkeypatch.setattr("upload_client.receiver.serving.server._AFTER_TROUBLE", 0.1)
    lock = LockBody.decode(json.dumps(HELD).encode())
    monkeypatch.setattr("upload_client.receiver.process.Process.lock", lambda self: lock)
    monkeypatch.setattr(
        "upload_client.receiver.process.Process.waiting",
        lambda self, _: 1 if self.layout.delivery_id == delivery else None,
    )
    Bucket(store.control_bucket, client=store.client("s3")).put(f"served/{delivery}/owned", b"{}")
    server = running()
    until(lambda: len(began) == 2)  # of each transfer type
    looked = server.looked_at
    until(lambda: server.looked_at > looked + 0.5)
    assert len(began) == 2
    lock = LockBody.decode(json.dumps(HELD | {"refreshed_at": "2026-01-01T00:00:01.000Z"}).encode())
    until(lambda: len(began) == 4)


def test_a_client_after_whom_another_one_has_written_is_served_once_however_often_its_lock_changes(
    running, configuration, store, caplog
):
    caplog.set_level(logging.INFO, "upload_client.receiver.serving.server")
    layout = Layout("served", name(), "staging")
    control = Bucket(store.control_bucket, prefix=layout.root, client=store.client("s3"))
    LogWriter(
        control, layout.client_log(), agent_id=AGENT, epoch=3, chain=(chain := LogChain("client"))
    ).fence()
    late = encode_segment(chain.header(agent_id=AGENT, epoch=1), ())  # no honest client writes this
    control.put(segment_key(layout.client_log(), 1), late)
    control.put(layout.owned, json.dumps(HELD).encode())
    server = running()
    left = 'upload_client_validators_left_total{outcome="superseded"} 1.0'
    until(lambda: left in server.metrics.text().decode())
    until(lambda: server.looked_at is not None)  # the first look has ended, too
    for n in range(3):
        moment = f"2026-01-01T00:00:0{n}.000Z"
        control.put(layout.owned, json.dumps(HELD | {"refreshed_at": moment}).encode())
        looked = server.looked_at
        until(lambda looked=looked: server.looked_at > looked + 0.5)
    control.rm(layout.owned)  # no other test's server is to serve it
    assert caplog.text.count(f"{layout.delivery_id} (staging): a validator begins") == 1


def test_where_more_come_again_and_again_than_may_be_served_at_once_each_has_its_turn(
    running, store, monkeypatch
):
    deliveries = sorted(name() for _ in range(4))
    began, moments = [], itertools.count()
    goes_on = threading.Event()

    def fails(settings, layout, **_):
        began.append(layout.delivery_id)
        if len(began) == 1:
            goes_on.wait(60)
        return "error"

    def lock(process):  # another one each time: its client is there
        if process.layout.delivery_id in deliveries:
            return LockBody.decode(json.dumps(HELD | {"nonce": f"n{next(moments)}"}).encode())
        return None

    monkeypatch.setattr("upload_client.receiver.serving.server.serve", fails)
    monkeypatch.setattr("upload_client.receiver.serving.server._AFTER_TROUBLE", 0.01)
    monkeypatch.setattr("upload_client.receiver.process.Process.lock", lock)
    monkeypatch.setattr(
        "upload_client.receiver.process.Process.waiting",
        lambda self, _: 1 if self.layout.transfer_type == "staging" else None,
    )
    for delivery in deliveries:
        Bucket(store.control_bucket, client=store.client("s3")).put(f"served/{delivery}/owned", b"{}")
    server = running(at_once=1)
    until(lambda: sum(one.waits for one in server.deliveries()) == 3)
    until(lambda: "upload_client_deliveries_waiting 3.0" in server.metrics.text().decode())
    goes_on.set()
    until(lambda: len(began) >= 12)
    assert {began[:12].count(delivery) for delivery in deliveries} == {3}


def test_a_lock_that_nobody_can_have_written_disturbs_no_other_delivery(running, deliver, store):
    control = Bucket(store.control_bucket, client=store.client("s3"))
    broken = name()
    control.put(f"served/{broken}/owned", b"\xff" * 10)
    control.put("served/.hidden/owned", b"{}")
    control.put("not a dataset/x/owned", b"{}")
    running()
    assert deliver(name()).exit_code == 0


def test_a_delivery_that_cannot_be_looked_at_disturbs_no_other_and_is_shown(
    running, deliver, store, monkeypatch, caplog
):
    odd, sound = name(), name()
    Bucket(store.control_bucket, client=store.client("s3")).put(f"served/{odd}/owned", b"{}")
    look_at = Server._look_at

    def stumbles(server, watched, now):
        if watched.state.delivery_id == odd:
            raise RuntimeError("something nobody has \x1b[2Jthought of")
        look_at(server, watched, now)

    monkeypatch.setattr(Server, "_look_at", stumbles)
    server = running()
    assert deliver(sound).exit_code == 0
    (problem,) = [one.problem for one in server.deliveries() if one.delivery_id == odd]
    assert problem.startswith("something nobody has ")
    assert "Traceback" in caplog.text
    assert "\x1b" not in problem + caplog.text  # a stranger may have written it


def test_an_outcome_that_cannot_be_written_down_is_no_trouble_of_the_delivery_and_is_told_once_it_can_be(
    running, deliver, caplog, webhook, tmp_path
):
    (tmp_path / "secret").write_text("a secret of some length\n", encoding="utf-8")
    server = running(webhook=webhook.url, webhook_secret_file=tmp_path / "secret")
    add = server.outcomes.add
    is_full = True

    def full(*outcome):
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(*outcome)

    server.outcomes.add = full
    delivery = name()
    assert deliver(delivery).exit_code == 0
    until(lambda: 'upload_client_validators_left_total{outcome="stop"} 1.0' in server.metrics.text().decode())
    assert "its outcome is not sent until it can be written" in caplog.text
    assert 'outcome="failed"' not in server.metrics.text().decode()
    looked = server.looked_at
    until(lambda: server.looked_at > looked)
    run = "served", delivery, "staging"
    notes = PendingRuns(tmp_path / "begun")
    assert webhook.messages.empty()
    assert notes.has(run)  # the next process would tell of it, too
    is_full = False
    told = []
    while delivery not in told:  # there may be others, of other tests
        told.append(json.loads(webhook.messages.get(timeout=60)[1])["delivery_id"])
    until(lambda: not notes.has(run))
    looked = server.looked_at
    until(lambda: server.looked_at > looked)
    while not webhook.messages.empty():
        assert json.loads(webhook.messages.get()[1])["delivery_id"] != delivery


def test_of_a_receipt_that_could_not_be_signed_that_is_told_and_when_it_was_signed_that_too(
    running, deliver, tmp_path, webhook, monkeypatch, store
):
    secret, key = tmp_path / "secret", tmp_path / "receiver.key"
    secret.write_text("a secret of some length")
    make_key(key)
    monkeypatch.setattr("upload_client.receiver.serving.server.receipt_again_after", lambda n: 0.0)
    server = running(str(key), webhook=webhook.url, webhook_secret_file=secret)
    delivery, ended = name(), []
    server.metrics.ended = lambda told: ended.append(told["delivery_id"])
    key.rename(tmp_path / "mislaid")

    def next_told():
        while (told := json.loads(webhook.messages.get(timeout=120)[1]))["delivery_id"] != delivery:
            pass  # what another test has left
        return told

    assert deliver(delivery).exit_code == 0
    first = next_told()
    assert (first["complete"], first["signed"]) == (True, "failed")
    assert "receiver.key" in first["receipt_problems"][0]
    # Again, but nothing is read anew for it: no validator begins.
    monkeypatch.setattr("upload_client.receiver.serving.server.serve", None)
    until(lambda: server._lacking(("served", delivery, "staging"), 1).n_tries > 2)
    (tmp_path / "mislaid").rename(key)
    second = next_told()  # and not the first once more
    assert (second["complete"], second["signed"], second["receipt_problems"]) == (True, "yes", [])
    control = Bucket(store.control_bucket, prefix=f"served/{delivery}/", client=store.client("s3"))
    layout = Layout("served", delivery, "staging", "", "")
    assert control.head(layout.signature(1), checksum=False) is not None
    until(lambda: list((tmp_path / "begun").iterdir()) == [])
    assert ended.count(delivery) == 1


def test_a_key_that_is_not_there_is_told_before_anybody_has_come(configuration, tmp_path):
    settings = configuration.validator.model_copy(update={"signing_key": str(tmp_path / "none.key")})
    with pytest.raises(UsageError, match="cannot be read"):
        Server(configuration.model_copy(update={"validator": settings}), tmp_path / "outcomes")


# ------------------------------------------------------------------------------------------ outcomes


def test_of_two_processes_with_one_folder_one_tells_and_the_other_when_that_has_ended(
    serving, webhook, tmp_path, monkeypatch
):
    monkeypatch.setattr("upload_client.receiver.serving.outcomes._OTHERS", 0.05)
    begun = """if True:
        import sys
        from pathlib import Path
        from upload_client.receiver.serving.configuration import Serving
        from upload_client.receiver.serving.outcomes import Outcomes
        outcomes = Outcomes(Serving.model_validate_json(sys.argv[1]), Path(sys.argv[2]), print)
        assert outcomes._ways[0]._has_lock()
        print("has it", flush=True)
        sys.stdin.read()
    """
    folder = tmp_path / "waiting"
    command = [sys.executable, "-c", begun, serving.model_dump_json(), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "has it\n"
            outcomes = Outcomes(serving, folder, lambda *_: None)
            outcomes.add(TOLD)
            outcomes._ways[0]._pass()
            assert webhook.messages.empty()  # the other has its turn
            outcomes.start()
        finally:
            other.kill()
    webhook.messages.get(timeout=120)
    outcomes.stop()
    assert webhook.messages.empty()


@pytest.fixture
def serving(webhook, tmp_path) -> Serving:
    secret = tmp_path / "secret"
    secret.write_text("a secret of some length")
    return Serving(webhook=webhook.url, webhook_secret_file=secret)


def test_an_outcome_that_is_not_taken_is_told_again_with_the_same_id(serving, webhook, tmp_path):
    webhook.answers += [500, 302]
    counted = []
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *what: counted.append(what))
    outcomes.start()
    outcomes.add(TOLD)
    ids = {json.loads(webhook.messages.get(timeout=120)[1])["id"] for _ in range(3)}
    assert len(ids) == 1
    until(lambda: counted == [("webhook", "refused")] * 2 + [("webhook", "taken")])
    outcomes.stop()


def test_what_a_process_that_died_had_to_tell_the_next_one_tells(serving, webhook, tmp_path):
    Outcomes(serving, tmp_path / "waiting", lambda *_: None).add(TOLD)  # it never begins to tell
    assert webhook.messages.empty()
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *_: None)
    outcomes.start()
    assert json.loads(webhook.messages.get(timeout=120)[1])["complete"] is True
    outcomes.stop()


def test_a_program_that_hangs_keeps_no_webhook_waiting(serving, webhook, tmp_path):
    sleeping = serving.model_copy(update={"command": ["sleep", "600"]})
    outcomes = Outcomes(sleeping, tmp_path / "waiting", lambda *_: None)
    outcomes._ways.sort(key=lambda way: way.name)
    outcomes.start()
    outcomes.add(TOLD, 1)
    outcomes.add(TOLD, 2)
    ids = {json.loads(webhook.messages.get(timeout=120)[1])["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_webhook_that_answers_a_byte_at_a_time_is_given_up_like_one_that_is_silent(
    serving, tmp_path, monkeypatch
):
    from upload_client.receiver.serving import outcomes as module

    monkeypatch.setattr(module, "_WHOLE_SECONDS", 0.3)
    done = threading.Event()

    def trickle(listening):
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=[listening])
        thread.start()
        there = serving.model_copy(update={"webhook": f"http://127.0.0.1:{listening.getsockname()[1]}/"})
        counted = []
        outcomes = Outcomes(there, tmp_path / "waiting", lambda *what: counted.append(what))
        outcomes.add(TOLD)
        outcomes._ways[0]._pass()
        done.set()
        thread.join()
    assert counted == [("webhook", "refused")]


def test_where_nobody_answers_not_each_message_is_tried(webhook, serving, tmp_path):
    webhook.answers += [500] * 100
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *_: None)
    for epoch in range(20):
        outcomes.add(TOLD, epoch)
    (way,) = outcomes._ways
    assert 0 < way._pass() <= 1
    for _ in range(3):
        webhook.messages.get(timeout=120)
    assert webhook.messages.empty()


def test_messages_that_are_never_taken_stand_in_no_other_ones_way(tmp_path, monkeypatch):
    """Such as those about files whose names a firewall before the webhook takes for an attack."""
    from upload_client.receiver.serving import outcomes

    now, taken = [0.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, time_ns=time.time_ns)
    monkeypatch.setattr(outcomes, "time", clock)
    (tmp_path / "waiting").mkdir()

    def tell(body: bytes) -> str:
        taken.append(body)
        return "it answered 403" if body.startswith(b"odd") else ""

    way = outcomes._Channel("webhook", tell, tmp_path / "waiting", lambda *_: None)
    for n in range(5):
        way.add(f"{n}", f"odd {n}")
    way.add("sound", "sound")
    way._pass()
    assert b"sound" not in taken  # several in a row were refused: perhaps nobody is there
    while b"sound" not in taken:
        assert len(taken) < 10
        now[0] += way._pass()


def test_a_folder_that_was_cleared_away_meanwhile_costs_no_outcome_and_no_note(serving, webhook, tmp_path):
    outcomes = Outcomes(serving, tmp_path / "state" / "waiting", lambda *_: None)
    notes = PendingRuns(tmp_path / "state" / "begun")
    outcomes.start()
    shutil.rmtree(tmp_path / "state")
    assert notes.note(run := ("served", "d", "staging"), 1)
    assert notes.has(run)
    outcomes.add(TOLD)
    assert json.loads(webhook.messages.get(timeout=120)[1])["complete"] is True
    outcomes.stop()


def test_the_same_outcome_waits_once(serving, tmp_path):
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *_: None)
    outcomes.add(TOLD, 1)
    outcomes.add(TOLD, 1)
    assert len(list((tmp_path / "waiting").iterdir())) == 1


def test_an_outcome_that_was_taken_is_not_told_again_by_the_next_process(serving, webhook, tmp_path):
    folder = tmp_path / "waiting"
    for _ in range(2):
        outcomes = Outcomes(serving, folder, lambda *_: None)
        outcomes.add(TOLD, 1)
        outcomes._ways[0]._pass()
    assert webhook.messages.qsize() == 1
    assert [(path.suffix, path.stat().st_size) for path in folder.iterdir()] == [(".taken", 0)]
    outcomes.add(TOLD, 2)
    assert len(waiting_in(folder)) == 1


def test_a_note_of_another_process_of_this_machine_is_not_taken_away(
    running, configuration, store, monkeypatch, tmp_path
):
    def locked(*_, **__):
        raise Locked("at work elsewhere")

    monkeypatch.setattr("upload_client.receiver.serving.server.serve", locked)
    lock = LockBody.decode(json.dumps(HELD).encode())
    monkeypatch.setattr("upload_client.receiver.process.Process.lock", lambda self: lock)
    delivery = name()
    staging = Layout("served", delivery, "staging")
    monkeypatch.setattr(
        "upload_client.receiver.process.Process.waiting",
        lambda self, _: (
            1 if self.layout.root == staging.root and self.layout.transfer_type == "staging" else None
        ),
    )
    theirs = PendingRuns(tmp_path / "begun")
    assert theirs.note(("served", delivery, "staging"), 1)
    Bucket(store.control_bucket, client=store.client("s3")).put(f"served/{delivery}/owned", b"{}")
    monkeypatch.setattr(PendingRuns, "found", lambda self: {})  # it began later than this process
    server = running()
    until(lambda: 'validators_left_total{outcome="locked"}' in server.metrics.text().decode())
    assert theirs.has(("served", delivery, "staging"))


def test_of_too_many_outcomes_the_oldest_are_given_up_and_those_are_bounded_too(
    serving, tmp_path, monkeypatch
):
    monkeypatch.setattr("upload_client.receiver.serving.outcomes.MOST_OUTCOMES", 2)
    counted = []
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *what: counted.append(what))
    for epoch in range(7):
        outcomes.add(TOLD | {"n_files": epoch}, epoch)
    (way,) = outcomes._ways
    told = [json.loads(path.read_text())["n_files"] for path in way._waiting()]
    assert told == [5, 6]
    assert counted == [("webhook", "given_up")] * 5
    assert len(list((tmp_path / "waiting").glob("*.given-up"))) == 2


@pytest.mark.parametrize("moment", [0, 4e9])
def test_what_clocks_say_was_written_long_ago_is_told_again_all_the_same(serving, webhook, tmp_path, moment):
    """A machine may have begun in 1970, or its clock have been set meanwhile."""
    webhook.answers += [500, 200]
    counted = []
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *what: counted.append(what))
    outcomes.add(TOLD)
    (path,) = (tmp_path / "waiting").iterdir()
    os.utime(path, (moment, moment))
    outcomes.start()
    until(lambda: counted == [("webhook", "refused"), ("webhook", "taken")])
    outcomes.stop()


def test_what_nobody_took_for_a_day_is_kept_and_told_no_more(serving, webhook, tmp_path, monkeypatch):
    monkeypatch.setattr("upload_client.receiver.serving.outcomes.OLDEST_OUTCOME", 0.0)
    webhook.answers += [500] * 10
    counted = []
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *what: counted.append(what))
    outcomes.add(TOLD)
    outcomes.start()
    until(lambda: counted == [("webhook", "given_up")])
    outcomes.stop()
    assert [path.suffix for path in (tmp_path / "waiting").iterdir()] == [".given-up"]


def test_a_program_gets_the_outcome_on_its_standard_input(tmp_path):
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    serving = Serving(command=[sys.executable, "-c", program, str(tmp_path / "got")])
    outcomes = Outcomes(serving, tmp_path / "waiting", lambda *_: None)
    outcomes.start()
    outcomes.add(TOLD)
    until(lambda: not waiting_in(tmp_path / "waiting"))
    outcomes.stop()
    assert json.loads((tmp_path / "got").read_text())["valid"] == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sh", "-c", "echo no >&2; exit 3"], "ended with 3: no"),
        (["/is/not/there"], "cannot be run"),
        (["no\0name"], "null byte"),
    ],
)
def test_a_program_that_fails_is_run_again_and_the_log_says_why(tmp_path, command, said, caplog):
    counted = []
    outcomes = Outcomes(Serving(command=command), tmp_path / "waiting", lambda *what: counted.append(what))
    outcomes.start()
    outcomes.add(TOLD)
    until(lambda: counted)
    outcomes.stop()
    assert counted[0] == ("command", "refused")
    assert said in caplog.text
    assert len(list((tmp_path / "waiting").iterdir())) == 1


def test_the_secret_is_in_no_repr_and_a_short_one_is_refused(serving, tmp_path):
    assert "some length" not in repr(serving)
    (tmp_path / "secret").write_text("short")
    with pytest.raises(UsageError, match="fewer than 16"):
        Outcomes(serving, tmp_path / "waiting", lambda *_: None)


# ------------------------------------------------------------------------------------------ pages


class StandIn:
    """A server with one delivery, of whose names strangers have thought."""

    def __init__(self, looked_at):
        self.metrics, self.looked_at, self.trouble = Metrics(), looked_at, "<b>no</b>"

    def deliveries(self):
        from upload_client.receiver.serving.server import DeliveryState

        lock = LockBody.decode(json.dumps(HELD | {"acquired_at": "<script>alert(1)</script>"}).encode())
        outcome = TOLD | {"complete": False, "client": "<i>gone\x1b[2J</i>"}
        return [DeliveryState("d", "y", lock, 1, outcome, "<u>odd</u>")]


def get(url: str):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.fixture
def site():
    made = []

    def site(looked_at=None) -> str:
        server = serve_pages(StandIn(looked_at), "127.0.0.1:0")
        made.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield site
    for server in made:
        server.shutdown()
        server.server_close()


def test_no_word_of_strangers_is_markup_and_no_page_runs_scripts(site):
    status, headers, page = get(site() + "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for markup in ("<script", "<b>no", "<i>gone", "<u>odd", "\x1b"):
        assert markup not in page
    assert "&lt;script&gt;" in page or "&lt;script" in page


def test_a_supervisor_sees_whether_the_store_was_reached_lately(site):
    assert get(site() + "/health")[0] == 503
    assert get(site(time.monotonic() - 100) + "/health")[0] == 503
    status, _, body = get(site(time.monotonic()) + "/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_figures_and_deliveries_are_there_for_programs_and_nothing_else(site):
    url = site()
    assert "upload_client_validators 0.0" in get(url + "/metrics")[2]
    (told,) = json.loads(get(url + "/deliveries.json")[2])
    assert (told["dataset"], told["validators"], told["client"]["epoch"]) == ("d", 1, 1)
    assert get(url + "/../etc/passwd")[0] == 404


def test_who_holds_connections_takes_no_threads_without_end_and_keeps_no_supervisor_out(site, capfd):
    url = site(looked_at=time.monotonic())
    port = url.rpartition(":")[2]
    before = threading.active_count()
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(socket.create_connection(("127.0.0.1", int(port)))).sendall(
                b"GET / HTTP/1.1\r\nX: "
            )
        assert get(f"{url}/health")[0] == 200
        until(lambda: threading.active_count() - before <= 65)
    until(lambda: threading.active_count() <= before)
    assert capfd.readouterr().err == ""  # nor are they told of, one by one, in the operator's log


def test_an_address_of_ipv6_is_one():
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = serve_pages(StandIn(time.monotonic()), "[::1]:0")
    try:
        assert get(f"http://[::1]:{server.server_port}/health")[0] == 200
    finally:
        server.shutdown()
        server.server_close()


def test_an_address_that_is_taken_is_an_error_in_words(site):
    port = site().rpartition(":")[2]
    with pytest.raises(UsageError, match="nobody can listen at"):
        serve_pages(StandIn(None), f"127.0.0.1:{port}")


# ------------------------------------------------------------------------------------------ configuration

PLACES = 'control_bucket = "c"\nlanding_bucket = "l"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "control_bucket: 'control_bucket' is missing"),
        (PLACES + "nonsense = 1\n", "nonsense: there is no such key here"),
        (PLACES + "[serve]\nat_once = 0\n", "at_once: should be greater"),
        (PLACES + '[serve]\nlisten = "nowhere"\n', "listen: is no HOST:PORT, such as"),
        (PLACES + '[serve]\nwebhook = "http://x/"\n', "webhook_secret_file is missing"),
        (PLACES + "[serve", "is no TOML"),
        ('control_bucket = "c-{dataset}"\nlanding_bucket = "l"\n', "all deliveries must lie in one place"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_told_with_its_name(tmp_path, text, said):
    path = tmp_path / "receiver.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"receiver\.toml") as caught:
        read_configuration(path)
    assert said in str(caught.value)


def test_what_one_receiver_has_to_tell_no_other_of_the_same_user_tells(tmp_path):
    path, places = tmp_path / "receiver.toml", set()
    for text in (
        PLACES,
        'control_prefix = "x/"\n' + PLACES,
        'endpoint_url = "http://127.0.0.1:1"\n' + PLACES,
    ):
        path.write_text(text, encoding="utf-8")
        places.add(read_configuration(path).place)
        path.write_text(text + '[serve]\nlisten = ""\n', encoding="utf-8")
        places.add(read_configuration(path).place)  # the same: what waits there is told after a change, too
    assert len(places) == 3


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_configuration(tmp_path / "none.toml")


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals to send to a process")
def test_as_it_is_typed_it_waits_for_clients_until_it_is_stopped(store, tmp_path, credentials):
    path = tmp_path / "receiver.toml"
    path.write_text(
        f'control_bucket = "{store.control_bucket}"\nlanding_bucket = "{store.landing_bucket}"\n'
        f'endpoint_url = "{store.endpoint_url}"\n[serve]\nlisten = ""\nstate_dir = "{tmp_path}"\n',
        encoding="utf-8",
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "upload_client", "receiver", "serve", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with waiting.killed_after(child):
        assert "a reader worker here" in child.stdout.readline()
        assert "waiting for clients" in child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate()
    assert (child.returncode, "Traceback" in said) == (0, False), said


def test_each_delivery_lies_where_its_client_looks(configuration):
    settings = configuration.validator
    layout = Layout("d", "y", "staging", settings.control_prefix, settings.landing_prefix)
    assert layout.root == "d/y/"


# ------------------------------------------------------------------------------------------ mail


@pytest.fixture
def postbox():
    """A mail server; gives envelopes and messages, and answers what stands in `answers`, then 250."""
    from aiosmtpd.controller import Controller

    class AnyPort(Controller):
        def _trigger_server(self):
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    class Handler:
        mails, answers = queue.Queue(), []

        async def handle_DATA(self, server, session, envelope):
            if self.answers:
                return self.answers.pop(0)
            self.mails.put(
                (envelope, email.message_from_bytes(envelope.content, policy=email.policy.default))
            )
            return "250 OK"

    controller = AnyPort(Handler(), hostname="127.0.0.1", port=0, server_hostname="mail.test")
    controller.start()
    controller.handler.port = controller.port
    yield controller.handler
    controller.stop()


FORGED = "x\nBcc: all@example.org\r\n\r\nvalid          9 of 9\x1b[2J.csv"
HOSTILE = TOLD | {
    "dataset": "d", "delivery_id": "y", "transfer_type": "staging", "n_files": 4, "complete": False,
    "client": FORGED, "invalid_first": [{"path": FORGED, "why": FORGED}],
}  # fmt: skip


def by_mail(postbox, **more) -> Serving:
    return Serving.model_validate(
        {
            "mail": {
                "recipients": ["archive@example.org", "Maria <maria@example.org>"],
                "sender": "Receiver <receiver@example.org>", "host": "127.0.0.1", "port": postbox.port,
            } | more
        }
    )  # fmt: skip


def test_an_outcome_is_mailed_and_what_a_provider_wrote_makes_no_line_and_no_header(postbox, tmp_path):
    postbox.answers += ["451 4.3.0 later, please"]
    outcomes = Outcomes(by_mail(postbox), tmp_path / "waiting", lambda *_: None)
    outcomes.start()
    outcomes.add(HOSTILE)
    envelope, mail = postbox.mails.get(timeout=120)
    outcomes.stop()
    assert envelope.rcpt_tos == ["archive@example.org", "maria@example.org"]
    assert mail["Subject"] == "not complete: d/y"
    assert mail["Bcc"] is None
    assert mail["Message-ID"].endswith("@example.org>")
    lines = mail.get_content().splitlines()
    assert len(lines) == 8
    assert [line for line in lines if line.startswith("valid ")] == ["valid          1 of 4 (1 bytes)"]
    assert "\x1b" not in mail.get_content()


def test_a_mail_that_the_server_does_not_take_waits_and_the_log_says_why(postbox, tmp_path, caplog):
    postbox.answers += ["550 5.7.1 not \x1b[2Jfrom you"] * 9
    outcomes = Outcomes(by_mail(postbox), tmp_path / "waiting", lambda *_: None)
    outcomes.add(HOSTILE)
    (way,) = outcomes._ways
    way._pass()
    assert "550" in caplog.text
    assert "\x1b" not in caplog.text
    assert len(list((tmp_path / "waiting").iterdir())) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"recipients": ["maria@example.org\nBcc: all@example.org"]}, "character that no address has"),
        ({"recipients": []}, "at least 1"),
        ({"sender": "nobody"}, "is no address"),
        ({"user": "u", "password_command": ["p"]}, "encrypted"),
        ({"starttls": True, "tls": True}, "two ways"),
    ],
)
def test_mail_that_can_never_be_sent_is_refused_when_the_configuration_is_read(postbox, tmp_path, more, said):
    table = by_mail(postbox).model_dump(exclude_none=True)["mail"] | more
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (tmp_path / "r.toml").write_text(
        'control_bucket = "c"\nlanding_bucket = "l"\n[serve.mail]\n' + "\n".join(lines)
    )
    with pytest.raises(UsageError, match=said):
        read_configuration(tmp_path / "r.toml")
