"""The validator as an ordinary process: for a client that is there, and for what one has left."""

from __future__ import annotations

import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from validator.by_hand import Client

from upload_client import UploadClient
from upload_client.cli.receiver import receiver
from upload_client.core.layout import Layout, shard_of
from upload_client.core.records import Verdict
from upload_client.core.segments import decode_segment
from upload_client.errors import PipelineRefused, UsageError
from upload_client.index import scan
from upload_client.receiver.process import Process
from upload_client.s3.bucket import Bucket
from upload_client.sandbox import sample
from upload_client.settings import load_settings
from upload_client.validator import ValidatorSettings

QUICK = {"poll_seconds": 0.1, "poll_longest_seconds": 0.3}


@pytest.fixture(scope="module")
def starters(deployed) -> ValidatorSettings:
    """Two starters that start nothing, one of which has little patience; their settings."""
    settings = ValidatorSettings(
        control_bucket="archive-control",
        landing_bucket="archive-landing",
        worker_function=None,
        outcome_topic=deployed.outputs["OutcomeTopic"],
        **QUICK,
    )
    functions = {
        "starts-nothing": settings,
        "soon-gives-up": settings.model_copy(update={"start_seconds": 0.5}),
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    for name, its in functions.items():
        starter = {
            "handler": "upload_client.validator.handlers:start",
            "seconds": 120,
            "environment": {
                **inherited,
                **deployed.aws.environment(),
                "UPLOAD_CLIENT_VALIDATOR": its.model_dump_json(),
            },
        }
        deployed.aws.order({"functions": {name: starter}})
    return settings


@pytest.fixture
def settings(starters, deployed, monkeypatch) -> ValidatorSettings:
    """Of a receiver whose validator is a process, which has the operator's credentials."""
    for name, value in deployed.aws.environment().items():
        monkeypatch.setenv(name, value)
    return starters


@pytest.fixture
def deliver(tmp_path):
    """Deliver a folder to a delivery, and give the outcome."""
    flags = {
        "auth": "aws",
        "control_bucket": "archive-control",
        "landing_bucket": "archive-landing",
    }

    def deliver(delivery_id: str, start: str = "starts-nothing"):
        with UploadClient(
            dataset="process",
            delivery_id=delivery_id,
            file_index=scan(tmp_path / "data"),
            transfer_type="staging",
            source=tmp_path / "data",
            settings=load_settings(flags=flags | {"start_function": start}),
        ) as client:
            return client.run()

    sample(tmp_path / "data", n_files=3)
    (tmp_path / "run").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "run")
        yield deliver


@pytest.mark.long
def test_a_process_that_watches_judges_for_whoever_comes_and_then_rests(
    settings, deliver, deployed, tmp_path
):
    outcomes = deployed.subscribe()
    delivery_id = f"w{secrets.token_hex(4)}"
    process = Process(settings, Layout("process", delivery_id, "staging", "", settings.landing_prefix))
    assert process.once() is None  # nobody has come
    watching = threading.Thread(target=process.watch)
    watching.start()
    try:
        assert deliver(delivery_id).exit_code == 0
        told = outcomes.next()
        assert (told["complete"], told["valid"], told["validator"]) == (True, 3, "stop")
        bad = tmp_path / "data" / "bad.json"
        bad.write_text("{", encoding="utf-8")
        assert deliver(delivery_id).exit_code == 3
        told = outcomes.next()
        assert (told["complete"], told["n_files"], told["invalid"]) == (False, 4, 1)
        # What is no longer in the index is no longer in the count.
        bad.rename(bad.with_name("good.json")).write_text("{}", encoding="utf-8")
        assert deliver(delivery_id).exit_code == 0
        told = outcomes.next()
        assert (told["complete"], told["n_files"], told["valid"], told["invalid"]) == (True, 4, 4, 0)
    finally:
        process.stop()
        watching.join()
    assert process.once() is None  # all is judged, and nobody is told twice


def test_a_client_that_delivers_the_sample_is_not_served_as_if_it_delivered_all(settings, deployed):
    root = f"process/s{secrets.token_hex(4)}/"
    control = Bucket("archive-control", prefix=root, client=deployed.aws.client("s3"))
    Client(control, control).own()  # the lock is the same for both
    process = Process(settings, Layout("process", root.split("/")[1], "staging", "", settings.landing_prefix))
    assert process.once() is None


def test_where_no_process_comes_the_client_is_told_so(settings, deliver):
    with pytest.raises(PipelineRefused, match="no process has begun to validate this delivery"):
        deliver(f"n{secrets.token_hex(4)}", start="soon-gives-up")


def test_a_process_may_serve_the_one_client_that_is_there(settings, deliver, deployed, monkeypatch):
    delivery_id = f"o{secrets.token_hex(4)}"
    # That nobody can be told of the outcome is no reason to judge less.
    mute = settings.model_copy(update={"outcome_topic": f"{settings.outcome_topic}-that-is-gone"})
    process = Process(mute, Layout("process", delivery_id, "staging", "", settings.landing_prefix))

    def serve() -> str:
        while (outcome := process.once()) is None:
            pass
        return outcome

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(serve)
        assert deliver(delivery_id).exit_code == 0
        assert serving.result() == "stop"
    # From the command line, with the settings in the environment, as a container has them.
    monkeypatch.setattr("signal.signal", lambda *_: None)  # nothing of this process is to be changed
    said = deployed.cli(
        *("validate", "--dataset", "process", "--delivery-id", delivery_id),
        env={"UPLOAD_CLIENT_VALIDATOR": settings.model_dump_json()},
    )
    assert said.startswith("a reader worker here: it ")
    assert said.endswith("\nthere is nothing to judge\n")
    said = deployed.cli("validate", "--dataset", "process", "--delivery-id", delivery_id)  # with the stack's
    assert said.endswith("\nthere is nothing to judge\n")


def test_processes_that_share_a_delivery_judge_each_file_once_between_them(settings, deployed):
    delivery_id = f"h{secrets.token_hex(4)}"
    layout = Layout("process", delivery_id, "staging", "", settings.landing_prefix)
    s3 = deployed.aws.client("s3")
    control = Bucket("archive-control", prefix=layout.root, client=s3)
    client = Client(control, Bucket("archive-landing", prefix=layout.landing, client=s3))
    client.begin()
    paths = [f"{n:02}.csv" for n in range(4, 10)]
    for path in paths:
        client.deliver(path)
    client.stop()
    shared = settings.model_copy(update={"shards": 2, "reader_workers": 1, "outcome_topic": None})
    for shard in (1, 0):  # the first one waits for the others
        process = Process(shared, layout, shard=shard)
        assert process.once() == "stop"
        assert process.once() is None
        log = (
            decode_segment(control.read(key), writer="validator")
            for key in control.ls(layout.validator_log(shard))
        )
        judged = [record.path for segment in log for record in segment.records if isinstance(record, Verdict)]
        assert sorted(judged) == [path for path in paths if shard_of(path, 2) == shard]
        assert judged


@pytest.mark.parametrize("shard", ["2/2", "0/0", "-1/2", "0/65", "1", "a/b", "0/2/3", "00001/2"])
def test_what_is_no_shard_is_refused_by_the_command(shard):
    ran = CliRunner().invoke(receiver, ["validate", "--dataset", "d", "--delivery-id", "y", "--shard", shard])
    assert ran.exit_code == 2
    assert "0/3, 1/3, 2/3" in " ".join(ran.output.split())


@pytest.mark.parametrize(("shard", "shards"), [("0/2", 1), ("0/1", 3), ("1/4", 3)])
def test_a_process_that_counts_otherwise_than_its_receiver_refuses_to_judge(
    settings, deployed, shard, shards
):
    told = settings.model_copy(update={"shards": shards}).model_dump_json()
    with pytest.raises(UsageError, match=f"this receiver has {shards} for each delivery"):
        deployed.cli(
            *("validate", "--dataset", "process", "--delivery-id", "y", "--shard", shard),
            env={"UPLOAD_CLIENT_VALIDATOR": told},
        )
