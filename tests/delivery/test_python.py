"""Deliveries by programs."""

from __future__ import annotations

import copy
import inspect
import pickle
import secrets
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from delivery.conftest import Delivery, content
from waiting import until

from upload_client import Bucket, NothingToDoError, UploadClient
from upload_client.errors import DeliveryError, UsageError
from upload_client.index import scan
from upload_client.transfer import TransferEngine
from upload_client.ui.plain import PlainReporter


def client_of(delivery: Delivery, source, index: pd.DataFrame, **options) -> UploadClient:
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        file_index=index,
        transfer_type="staging",
        source=source,
        settings=options.pop("settings", delivery.settings),
        output_dir=delivery.receiver.output,
        **options,
    )


def test_step_by_step_a_program_sends_each_file_itself(delivery: Delivery, data: Path) -> None:
    client = client_of(delivery, data, pd.DataFrame({"path": sorted(content(data))}))
    client.connect()
    client.write_index()
    client.initiate_transfer()
    assert client.next_file is not None
    assert client.next_file.relpath == "part0/table_00000.csv"
    sent = []
    while not client.done:
        if client.next_file is not None:
            file = client.transfer_next_file()
            assert file is not None
            assert file.state == "pending"
            sent.append(file.relpath)
        client.update(0.1)
    client.quit()
    assert sent == sorted(content(data))
    assert client.n_complete == 12
    assert client.transfer_complete
    assert client.validation_complete
    assert {file.state for file in client.files} == {"valid"}
    assert len(list(delivery.receiver.output.glob("*.csv"))) == 1


@pytest.mark.parametrize(
    ("asked", "threads", "n", "small"),
    [(None, None, 8, 64), (None, 8, 8, 8), (3, None, 3, 3)],
    ids=["nothing", "a setting", "by the program"],
)
def test_more_small_files_are_under_way_only_where_no_number_was_asked_for(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch, asked, threads, n: int, small: int
) -> None:
    made: list[tuple[int, int]] = []

    def making(*args: Any, **options: Any) -> TransferEngine:
        made.append((options["n_threads"], options["small_for_one"]))
        return TransferEngine(*args, **options)

    monkeypatch.setattr("upload_client.delivery.startup.TransferEngine", making)
    settings = delivery.settings.model_copy(update={} if threads is None else {"threads": threads})
    with client_of(delivery, data, scan(data), n_threads=asked, settings=settings) as client:
        assert client.run().exit_code == 0
    assert [(each, each * some) for each, some in made] == [(n, small)]


def test_a_file_of_another_size_than_the_index_says_is_not_delivered(delivery: Delivery, data: Path) -> None:
    paths = sorted(content(data))
    index = pd.DataFrame({"path": paths, "size": [(data / path).stat().st_size for path in paths]})
    size = int(index["size"][3])
    index.loc[3, "size"] = size + 1
    with client_of(delivery, data, index, n_threads=4) as client:
        assert client.run().exit_code == 4
    (failed,) = [file for file in client.files if file.state == "failed"]
    assert failed.relpath == paths[3]
    assert failed.message == f"the file has {size} bytes, {size + 1} is its size in the index"
    assert failed.retries == 0
    assert sorted(delivery.landed()) == [path for path in paths if path != paths[3]]


def test_an_index_that_says_another_size_of_what_was_delivered_before_is_told_as_that(
    delivery: Delivery, data: Path
) -> None:
    index = scan(data)
    with client_of(delivery, data, index) as client:
        assert client.run().exit_code == 0
    path, size = index["path"][3], int(index["size"][3])
    index.loc[3, "size"] = size + 1
    with client_of(delivery, data, index) as client:
        outcome = client.run()
        (failed,) = [file for file in client.files if file.state == "failed"]
    assert (outcome.exit_code, outcome.files_sent) == (4, 0)
    assert failed.relpath == path
    assert failed.message == f"the file has {size} bytes, {size + 1} is its size in the index"
    index.loc[3, "size"] = size
    with client_of(delivery, data, index) as client:
        assert client.run().exit_code == 0


def test_without_an_index_a_file_that_has_grown_since_is_sent_as_it_is(
    delivery: Delivery, data: Path
) -> None:
    index = scan(data, checksums=False)
    (data / index["path"][3]).open("ab").write(b"\n")
    with client_of(delivery, data, index, n_threads=4) as client:
        client.run()
    assert delivery.landed() == content(data)


def test_all_valid_means_nothing_to_do(delivery: Delivery, data: Path) -> None:
    with client_of(delivery, data, scan(data), n_threads=4) as client:
        assert client.run().exit_code == 0
    again = client_of(delivery, data, scan(data))
    with pytest.raises(NothingToDoError), again:
        again.connect()
    assert again.done
    assert delivery.lock()["state"] == "released"


def test_the_index_in_the_control_bucket_says_what_is_sent(delivery: Delivery, data: Path) -> None:
    with client_of(delivery, data, scan(data)) as client:
        outcome = client.run()
    index = delivery.control("staging/index/00000001.csv").decode().splitlines()
    assert index[0] == "path,checksum,size,will_transfer"
    assert all(line.endswith(",true") for line in index[1:])
    assert outcome.receipt == "staging/receipt/00000001.json"
    assert b'"n_files":12' in delivery.control(outcome.receipt)


def test_a_file_replaced_at_the_receiving_end_before_its_verdict_is_invalid_and_named(
    delivery: Delivery, data: Path
) -> None:
    sandbox = delivery.receiver.sandbox
    with client_of(delivery, data, scan(data)) as client:
        client.connect()
        client.write_index()
        client.initiate_transfer()
        victim = client.transfer_next_file()
        assert victim is not None
        key = delivery.landing + victim.relpath
        # Nobody announces the upload until `update` is called: so the validator comes too late.
        s3 = sandbox.client("s3")
        until(lambda: s3.list_objects_v2(Bucket=sandbox.landing_bucket, Prefix=key).get("KeyCount"))
        body = bytearray(content(data)[victim.relpath])
        body[-2] ^= 1
        sandbox.client("s3").put_object(Bucket=sandbox.landing_bucket, Key=key, Body=bytes(body))
        outcome = finish(client)
    assert outcome.exit_code == 3
    wrong = [file for file in client.files if file.state == "invalid"]
    assert [file.relpath for file in wrong] == [victim.relpath]


def finish(client: UploadClient):
    while not client.update(0.1):
        if client.next_file is not None:
            client.transfer_next_file()
    return client.outcome


def test_a_file_overwritten_after_its_verdict_is_not_called_delivered(delivery: Delivery, data: Path) -> None:
    sandbox = delivery.receiver.sandbox
    with client_of(delivery, data, scan(data)) as client:
        client.connect()
        client.initiate_transfer()
        first = client.transfer_next_file()
        assert first is not None
        while next(iter(client.files)).state != "valid":
            assert not client.update(0.1)
        sandbox.client("s3").put_object(
            Bucket=sandbox.landing_bucket, Key=delivery.landing + first.relpath, Body=b"something else"
        )
        outcome = finish(client)
    assert outcome.exit_code == 3
    assert next(iter(client.files)).state == "invalid"


def test_objects_of_another_bucket_are_copied_by_s3(delivery: Delivery) -> None:
    sandbox = delivery.receiver.sandbox
    s3, name = sandbox.client("s3"), f"source-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    bodies = {f"f{i:03d}.csv": f"a,b\n{i},{i}\n".encode() for i in range(99)}
    bodies["large.bin"] = secrets.token_bytes(9 * 1024 * 1024)
    for key, body in bodies.items():
        s3.put_object(Bucket=name, Key=f"in/{key}", Body=body, ChecksumAlgorithm="CRC32")
    index = pd.DataFrame({"path": sorted(bodies)})
    settings = delivery.settings.model_copy(update={"multipart_threshold": 5 * 1024 * 1024})
    with client_of(delivery, f"s3://{name}/in/", index, n_threads=8, settings=settings) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert outcome.bytes_sent == 0
    assert delivery.landed() == bodies
    with client_of(delivery, Bucket(name, prefix="in/", client=s3), index) as again:
        assert again.run().files_sent == 0


def test_a_large_file_goes_up_in_parts_and_arrives_as_it_is(delivery: Delivery, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "large.bin").write_bytes(secrets.token_bytes(17 * 1024 * 1024 + 12345))
    small = 5 * 1024 * 1024
    settings = delivery.settings.model_copy(update={"multipart_threshold": small, "part_size": small})
    with client_of(delivery, folder, scan(folder), n_threads=4, settings=settings) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert delivery.landed() == content(folder)
    assert next(iter(client.files)).etag.endswith("-4")


def test_a_checkpoint_saves_the_next_run_the_reading_of_the_logs(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upload_client.delivery.finish._CHECKPOINT_AT_END", 1)
    sandbox = delivery.receiver.sandbox
    root = f"{delivery.dataset}/{delivery.delivery_id}/staging/"
    with client_of(delivery, data, scan(data), n_threads=4) as client:
        assert client.run().exit_code == 0

    def objects(folder: str) -> list[str]:
        listed = sandbox.client("s3").list_objects_v2(Bucket=sandbox.control_bucket, Prefix=root + folder)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    (checkpoint,) = objects("checkpoint/")
    again = client_of(delivery, data, scan(data))
    read = []
    get = Bucket.get
    monkeypatch.setattr(Bucket, "get", lambda self, key, **how: read.append(key) or get(self, key, **how))
    assert again.run().exit_code == 0
    n_segments = len(objects("log/"))
    assert sum("/log/" in key for key in read) < n_segments - 1
    # What is not what the log names is as if it were not there.
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key=checkpoint, Body=b"{}")
    with client_of(delivery, data, scan(data)) as once_more:
        assert once_more.run().files_sent == 0
    assert once_more.outcome.exit_code == 0


REPORTER = "it is a reporter, or a function that is called with each event"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"n_threads": 0}, "n_threads is 0: it is 1 or more"),
        ({"n_threads": 2.5}, "n_threads is 2.5: it is a whole number, 1 or more"),
        ({"n_threads": "many"}, "n_threads is of the type str: it is a whole number, 1 or more"),
        ({"max_retries": -1}, "max_retries is -1: it is 0 or more"),
        ({"max_retries": "2"}, "max_retries is of the type str: it is a whole number, 0 or more"),
        ({"n_batches": 0}, "n_batches is 0: it is 1 or more"),
        ({"n_threads": True}, "n_threads is True: it is a whole number, 1 or more"),
        ({"settings": {"threads": 3}}, "the settings are of the type dict"),
        ({"session": "x"}, "session is of the type str: it is a boto3 session"),
        ({"reporter": 5}, f"reporter is 5: {REPORTER}"),
        ({"reporter": PlainReporter}, f"reporter is the class PlainReporter: {REPORTER}"),
        ({"executor": 5}, "executor is 5: it is an executor, as of concurrent.futures"),
        ({"prompt": 5}, "prompt is 5: it is a function that asks a person, and gives back the answer"),
        ({"clock": 5}, "clock is 5: it is an upload_client.support.clock.Clock"),
        ({"steal": True}, "steal is True: it is the name of the agent that holds the lock"),
        ({"resend_invalid": "no"}, "resend_invalid is of the type str: it is True or False"),
        ({"debug": 1}, "debug is 1: it is True or False"),
        ({"source": 5}, "a source is a directory, a Bucket or s3://bucket/prefix, not int"),
        ({"output_dir": 5}, "output_dir is 5: it is the path of a folder"),
        ({"output_dir": b"x"}, "output_dir is of the type bytes: it is the path of a folder"),
        ({"include": 5}, "include is 5: it is text, or a sequence of texts"),
        ({"exclude": b"*.tmp"}, "exclude is of the type bytes: it is text, or a sequence of texts"),
        ({"exclude": ["a", 5]}, "one of exclude is 5: it is text"),
        ({"file_index": {"path": 1}}, "the column 'path' of the file index is of the type int"),
        ({"lambda_client_config": 5}, "lambda_client_config is not a dict of botocore's Config arguments"),
        (
            {"lambda_client_config": {"proxy": 1}},
            "lambda_client_config is nothing for botocore's Config: Got unexpected keyword argument 'proxy'",
        ),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused_where_it_is_given(tmp_path, argument, said):
    right = {"dataset": "toy", "delivery_id": "d1", "transfer_type": "staging", "source": tmp_path}
    with pytest.raises(UsageError) as refused:
        UploadClient(**{**right, **argument})
    assert str(refused.value) == said
    assert refused.value.hint


def test_each_argument_that_is_an_object_is_refused_in_our_words_whatever_is_given(tmp_path):
    """New ones, too: none may fail in Python's words, or be taken and fail once a run is under way."""
    (tmp_path / "a").write_text("x")
    right = {"dataset": "toy", "delivery_id": "d1", "transfer_type": "staging", "source": tmp_path}
    for name in inspect.signature(UploadClient).parameters:
        for wrong in (object(), 2.5, b"x", [b"x"], {"x": 1}, Path):
            with pytest.raises(DeliveryError) as refused:
                UploadClient(**{**right, name: wrong})
            assert refused.value.hint, name


def test_a_client_is_neither_pickled_nor_copied_and_says_what_to_do(tmp_path):
    (tmp_path / "a").write_text("x")
    client = UploadClient(dataset="toy", delivery_id="d1", transfer_type="staging", source=tmp_path)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="cannot be pickled or copied") as refused:
            attempt(client)
        assert "make a client of its own" in refused.value.hint


def test_a_reporter_may_be_a_function_and_is_looked_at_where_it_is_given(tmp_path):
    (tmp_path / "a").write_text("x")
    events = []
    right = {"dataset": "toy", "delivery_id": "d1", "transfer_type": "staging", "source": tmp_path}
    client = UploadClient(**right, reporter=events.append)
    client.cmessage("a sentence", "info")
    assert [event.text for event in events] == ["a sentence"]
    with pytest.raises(UsageError, match="reporter is 5"):
        client.run(reporter=5)


@pytest.mark.parametrize("given", ["auto", None, pd.Series([4])[0]])
def test_threads_may_be_of_any_kind_of_whole_number(tmp_path, given):
    (tmp_path / "a").write_text("x")
    UploadClient(dataset="toy", delivery_id="d1", transfer_type="staging", source=tmp_path, n_threads=given)
