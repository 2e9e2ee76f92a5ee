"""Several validators share one delivery: each judges its own files, and the client hears them all."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content
from delivery.test_python import client_of

from upload_client.cli.app import main
from upload_client.core.layout import shard_of
from upload_client.core.receipt_reading import ReceiptReader
from upload_client.index import scan
from upload_client.sandbox import Sandbox

SHARDS = 3
MEDDLING = Path(__file__).parents[1] / "validator" / "meddling.py"


@pytest.fixture(scope="module")
def sandbox(s3_endpoint: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_WAS_KILLED", str(tmp_path_factory.mktemp("shards") / "was killed"))
        with Sandbox(
            s3_endpoint=s3_endpoint,
            validator={"shards": SHARDS, "poll_longest_seconds": 2.0},
            work_handler=f"{MEDDLING}:killed_by_a_deadly_file",
        ) as made:
            yield made


def said_in(delivery: Delivery) -> dict[int, list[dict]]:
    """All records of the validators, by shard."""
    s3, bucket = delivery.receiver.sandbox.client("s3"), delivery.receiver.sandbox.control_bucket
    logs = f"{delivery.dataset}/{delivery.delivery_id}/staging/log/validator/"
    found: dict[int, list[dict]] = {}
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix=logs).get("Contents", ()):
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        records = found.setdefault(int(entry["Key"].removeprefix(logs)[:4]), [])
        records += map(json.loads, body.splitlines())
    return found


def judged(delivery: Delivery) -> dict[int, Counter[str]]:
    """How often each file was judged, by shard."""
    return {
        shard: Counter(record["path"] for record in records if record["kind"] == "verdict")
        for shard, records in said_in(delivery).items()
    }


def shares(paths, shards: int = SHARDS) -> dict[int, Counter[str]]:
    """Each file once, in the shard whose it is."""
    return {
        shard: Counter(path for path in paths if shard_of(path, shards) == shard) for shard in range(shards)
    }


def test_each_file_is_judged_once_by_the_validator_whose_it_is(
    delivery: Delivery, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = delivery.run("--source", data)
    assert said.exit_code == 0, said
    assert judged(delivery) == shares(content(data))

    reader = ReceiptReader(io.BytesIO(delivery.control("staging/receipt/00000001.json")).readline)
    files = list(reader)
    assert [tail.shard for tail in reader.head.validator_logs] == list(range(SHARDS))
    judges = {run.shard: run.validator_id for run in reader.head.validators}
    assert {each.path: each.judged_by for each in files} == {
        path: judges[shard_of(path, SHARDS)] for path in content(data)
    }
    profile = str(delivery.receiver.sandbox.profile)
    assert main(["verify", said.summary["receipt_file"], "--online", "--profile", profile]) == 0
    capsys.readouterr()
    names = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id, "--profile", profile]
    assert main(["status", *names, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["files"]["valid"] == len(content(data))
    assert status["validator"]["shards"] == SHARDS

    again = delivery.run("--source", data)
    assert again.exit_code == 0, again
    assert again.summary["files_sent"] == 0
    assert judged(delivery) == shares(content(data))


@pytest.mark.long  # a minute of silence; `test_handlers_fan_out` starts again the one that is missed, too
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on this system")
def test_a_validator_that_is_killed_is_started_again_alone(delivery: Delivery, data: Path) -> None:
    (data / "deadly.csv").write_text("a,b\n1,2\n")
    # Those that are well say so every ten seconds and are looked at as often; a busy machine adds to that.
    settings = delivery.settings.model_copy(update={"validator_silence": 45.0})
    with client_of(delivery, data, scan(data), settings=settings) as client:
        assert client.run().exit_code == 0
    assert judged(delivery) == shares(content(data))
    begun = {
        shard: [record["shards"] for record in records if record["kind"] == "init"]
        for shard, records in said_in(delivery).items()
    }
    deadly = shard_of("deadly.csv", SHARDS)
    assert begun == {shard: [SHARDS] * (2 if shard == deadly else 1) for shard in range(SHARDS)}
