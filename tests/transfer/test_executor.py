"""Transfers in other processes, some of which die."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import boto3
import pytest

from upload_client.core.lease import LockBody
from upload_client.s3.bucket import Bucket
from upload_client.transfer import (
    BucketAddress,
    CoordinatorLock,
    DataRoot,
    ExecutorEngine,
    TransferOutcome,
    TransferTask,
    send_files,
)
from upload_client.transfer.executor import Batch, send_batch


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Long-term keys are not handed out: the workers find their own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def files(tmp_path):
    tasks = []
    for row in range(120):
        path = tmp_path / f"{row:03d}"
        path.write_bytes(b"%d" % row * (1 + row * 37 % 5000))
        tasks.append(TransferTask(row, path.name, str(path), path.name, size=path.stat().st_size))
    return tmp_path, tasks


def check(bucket, root, tasks, outcomes):
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    assert sorted(outcome.row for outcome in outcomes) == [task.row for task in tasks]
    assert {entry.key: entry.size for entry in bucket.list()} == {task.key: task.size for task in tasks}
    for task in tasks[::17]:
        assert bucket.read(task.key) == (root / task.relpath).read_bytes()


def test_batches_go_through_any_executor(bucket, files):
    root, tasks = files
    with ThreadPoolExecutor(3) as executor:
        outcomes = list(send_files(tasks, DataRoot(root), bucket, executor=executor, n_threads=2))
    check(bucket, root, tasks, outcomes)


def test_batches_go_to_other_processes(moto_bucket, files):
    root, tasks = files
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        outcomes = list(send_files(tasks, DataRoot(root), moto_bucket, executor=executor, n_threads=2))
    check(moto_bucket, root, tasks, outcomes)


def test_copies_go_through_an_executor_too(moto_bucket):
    from upload_client.s3.bucket import Bucket

    source = Bucket(moto_bucket.name, prefix="source/", client=moto_bucket.client)
    source.put("a", b"content")
    listed = next(source.list())
    task = TransferTask(0, "a", "a", "a", size=listed.size, source_etag=listed.etag)
    with ThreadPoolExecutor(1) as executor:
        (outcome,) = send_files([task], DataRoot(source), moto_bucket, executor=executor, n_threads=1)
    assert outcome.ok, outcome.error
    assert moto_bucket.read("a") == b"content"


def drain(engine):
    started, outcomes = [], []
    while engine.in_flight:
        begun, done = engine.poll(1)
        started += begun
        outcomes += done
    return started, outcomes


class Forgetful:
    """An executor whose workers are lost with the first batches they are given."""

    def __init__(self, executor, losses):
        self.executor = executor
        self.losses = losses
        self.batches = []

    def submit(self, function, batch):
        self.batches.append(batch)
        if self.losses:
            self.losses -= 1
            future = Future()
            future.set_exception(RuntimeError("the worker is gone"))
            return future
        return self.executor.submit(function, batch)


def test_a_lost_batch_is_sent_again(moto_bucket, files):
    root, tasks = files
    with ThreadPoolExecutor(2) as executor:
        engine = ExecutorEngine(Forgetful(executor, 2), DataRoot(root), moto_bucket, n_threads=2)
        for task in tasks:
            engine.submit(task)
        started, outcomes = drain(engine)
        engine.close()
    check(moto_bucket, root, tasks, outcomes)
    assert sorted(started) == [task.row for task in tasks]


def test_files_of_a_batch_that_is_lost_again_and_again_may_be_tried_later(moto_bucket, files):
    root, tasks = files
    forgetful = Forgetful(None, 1000)
    engine = ExecutorEngine(forgetful, DataRoot(root), moto_bucket)
    for task in tasks:
        engine.submit(task)
    _, outcomes = drain(engine)
    engine.close()
    assert sorted(outcome.row for outcome in outcomes) == [task.row for task in tasks]
    assert all(outcome.again and "worker was lost" in outcome.error for outcome in outcomes)


def test_what_a_lost_worker_had_sent_is_found_not_sent_twice(checking_bucket, files):
    root, tasks = files
    checking_bucket.client.put_bucket_versioning(
        Bucket=checking_bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )

    class DiesAfterwards(Forgetful):
        def submit(self, function, batch):
            if self.losses:
                self.losses -= 1
                function(batch)
                future = Future()
                future.set_exception(RuntimeError("the worker is gone"))
                return future
            return super().submit(function, batch)

    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(DiesAfterwards(executor, 1), DataRoot(root), checking_bucket, n_threads=2)
        for task in tasks:
            engine.submit(task)
        _, outcomes = drain(engine)
        engine.close()
    check(checking_bucket, root, tasks, outcomes)
    versions = checking_bucket.client.list_object_versions(Bucket=checking_bucket.name)["Versions"]
    assert len(versions) == len(tasks)


def test_batches_are_packed_by_size(moto_bucket):
    batches = []

    class Noting:
        def submit(self, function, batch):
            batches.append(batch)
            future = Future()
            future.set_result([TransferOutcome(task.row, task.relpath, ok=True) for task in batch.tasks])
            return future

    mib = 1024**2
    sizes = [300 * mib, 200 * mib, *[mib] * 100, *[100] * 2000]
    engine = ExecutorEngine(Noting(), DataRoot(moto_bucket), moto_bucket, n_batches=4)
    for row, size in enumerate(sizes):
        engine.submit(TransferTask(row, str(row), str(row), str(row), size=size, source_etag="e"))
    _, outcomes = drain(engine)
    assert len(outcomes) == len(sizes)
    assert [len(batch.tasks) for batch in batches[:2]] == [1, 1]
    for batch in batches:
        assert len(batch.tasks) <= 500
        assert len(batch.tasks) == 1 or sum(task.size for task in batch.tasks) <= 256 * mib
    assert len(batches) < 60


class Slow:
    """An executor whose only worker begins nothing until it is told."""

    def __init__(self):
        self.executor = ThreadPoolExecutor(1)
        self.go = threading.Event()
        self.executor.submit(self.go.wait)

    def submit(self, function, batch):
        return self.executor.submit(function, batch)


def test_stopping_takes_back_what_nobody_has_begun(moto_bucket, files):
    root, tasks = files
    slow = Slow()
    engine = ExecutorEngine(slow, DataRoot(root), moto_bucket)
    for task in tasks:
        engine.submit(task)
    engine.poll()
    assert sorted(engine.stop()) == [task.row for task in tasks]
    slow.go.set()
    slow.executor.shutdown()
    assert list(moto_bucket.list()) == []


def test_only_temporary_credentials_are_handed_out(moto_bucket, tmp_path):
    batches = []

    class Noting:
        def submit(self, function, batch):
            batches.append(batch)
            future = Future()
            future.set_result([])
            return future

    for session in (
        boto3.Session("AKIA", "long-term", region_name="us-east-1"),
        boto3.Session("ASIA", "for an hour", "token", region_name="us-east-1"),
    ):
        engine = ExecutorEngine(Noting(), DataRoot(tmp_path), moto_bucket, session=session)
        engine.submit(TransferTask(0, "a", "a", "a"))
        engine.poll()
    assert batches[0].keys is None
    assert batches[1].keys == ("ASIA", "for an hour", "token")
    assert "for an hour" not in repr(batches[1])


# The lock, seen from elsewhere


def lock(agent_id="me", epoch=3, state="held", lease_seconds=300):
    return LockBody(
        agent_id=agent_id,
        nonce="n",
        epoch=epoch,
        state=state,
        host="h",
        machine_id=None,
        boot_id=None,
        pid_ns=None,
        pid=1,
        started=None,
        user="u",
        acquired_at="",
        refreshed_at="",
        lease_seconds=lease_seconds,
    )


@pytest.mark.parametrize(
    ("body", "held"),
    [
        (lock(), True),
        (lock(agent_id="somebody"), False),
        (lock(epoch=4), False),
        (lock(state="released"), False),
        (None, False),
    ],
)
def test_a_worker_writes_only_while_its_coordinator_holds_the_lock(moto_bucket, body, held):
    if body is None:
        moto_bucket.put("owned", b"garbled")
    else:
        moto_bucket.put("owned", body.encode())
    assert CoordinatorLock(BucketAddress.of(moto_bucket), "owned", "me", 3).held(moto_bucket) is held


def test_a_deleted_lock_is_nobodys(moto_bucket):
    assert not CoordinatorLock(BucketAddress.of(moto_bucket), "owned", "me", 3).held(moto_bucket)


def test_an_old_lock_is_not_counted_on(moto_bucket, monkeypatch):
    moto_bucket.put("owned", lock(lease_seconds=30).encode())
    fetched = moto_bucket.get("owned")
    import dataclasses

    monkeypatch.setattr(
        moto_bucket, "get", lambda *_, **__: dataclasses.replace(fetched, date=fetched.last_modified + 16)
    )
    assert not CoordinatorLock(BucketAddress.of(moto_bucket), "owned", "me", 3).held(moto_bucket)


def test_a_batch_without_leave_writes_nothing(moto_bucket, files, monkeypatch):
    from upload_client.transfer import executor

    monkeypatch.setattr(executor, "_WAITS_TO_WRITE", 0.1)
    root, tasks = files
    place = BucketAddress.of(moto_bucket)
    seen = CoordinatorLock(place, "owned", "me", 3)
    outcomes = send_batch(Batch(str(root), place, tuple(tasks), None, seen, (("n_threads", 2),)))
    assert sorted(outcome.row for outcome in outcomes) == [task.row for task in tasks]
    assert all(outcome.again and not outcome.ok for outcome in outcomes)
    assert list(moto_bucket.list()) == []


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1"])
def test_workers_are_given_no_endpoint_of_aws_in_whatever_partition(region):
    client = boto3.client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
    assert BucketAddress.of(Bucket("bucket", client=client)).endpoint_url is None


def test_a_worker_counts_on_a_lock_only_for_what_is_left_of_half_its_lease(moto_bucket, monkeypatch):
    from upload_client.s3.bucket import AnswerLost
    from upload_client.transfer import executor

    seen = CoordinatorLock(BucketAddress.of(moto_bucket), "owned", "me", 3)
    answers = iter([2.0, AnswerLost("no answer"), 0.0])

    def look(_bucket):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    now = [100.0]
    monkeypatch.setattr(executor.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(CoordinatorLock, "held_for", lambda self, bucket: look(bucket))
    leave = executor._WritePermission(seen, None)
    assert leave()
    now[0] += 1.5  # it asks, and is not answered: what it knows still holds
    assert leave()
    now[0] += 0.6  # past what it knew
    assert not leave()
    now[0] += 1.0
    assert not leave()


def test_a_large_file_begun_elsewhere_goes_on_with_its_parts(moto_bucket, tmp_path):
    batches = []

    class Loses:
        def submit(self, function, batch):
            batches.append(batch)
            future = Future()
            if len(batches) == 1:
                moto_bucket.client.create_multipart_upload(
                    Bucket=moto_bucket.name, Key=moto_bucket.prefix + "large"
                )
                future.set_exception(RuntimeError("the worker is gone"))
            else:
                future.set_result([TransferOutcome(0, "large", ok=True)])
            return future

    engine = ExecutorEngine(Loses(), DataRoot(tmp_path), moto_bucket)
    engine.submit(TransferTask(0, "large", "large", "large", size=100 * 1024**2))
    drain(engine)
    assert batches[0].tasks[0].unfinished == ()
    assert len(batches[1].tasks[0].unfinished) == 1
