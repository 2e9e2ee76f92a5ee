"""`upload-client status`: where a delivery stands, from anywhere, reading only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import boto3
import pandas as pd
import pytest
from faults.proxy import Proxy
from waiting import until

from upload_client import UploadClient
from upload_client.cli import status as command
from upload_client.control.delivery_buckets import open_buckets
from upload_client.sandbox import Sandbox
from upload_client.ui.plain import PlainReporter

HOSTILE = "<img src=x onerror=alert(1)>\u202e.csv"
LOGIN = ("AWSCognito", "AmazonSSM.GetParameter")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def client_of(sandbox: Sandbox, folder: Path, delivery_id: str) -> UploadClient:
    return UploadClient(
        dataset="toy",
        delivery_id=delivery_id,
        file_index=pd.DataFrame({"path": sorted(path.name for path in folder.iterdir())}),
        transfer_type="staging",
        source=folder,
        settings=sandbox.settings,
        session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
        output_dir=folder.parent,
        reporter=PlainReporter(verbosity=-1),
    )


@pytest.fixture(scope="module")
def delivered(sandbox: Sandbox, tmp_path_factory) -> str:
    """A delivery that has ended, with one invalid file of a hostile name."""
    folder = tmp_path_factory.mktemp("delivered") / "data"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("x,y\n1,2\n")
    (folder / HOSTILE).write_text("x,y\n1\n2,3,4\n")
    with client_of(sandbox, folder, "ended") as client:
        assert client.run().exit_code == 3
    s3, where = sandbox.client("s3"), {"Bucket": sandbox.control_bucket, "Key": "toy/ended/staging/validator"}
    # The validator leaves a moment later.
    until(lambda: json.loads(s3.get_object(**where)["Body"].read())["state"] != "held")
    return "ended"


@pytest.fixture
def at_once(sandbox: Sandbox, monkeypatch):
    """Nobody logs in, which takes seconds."""

    def log_in(dataset, delivery_id, **_options):
        session = boto3.Session("sandbox", "sandbox", region_name="us-east-1")
        buckets = open_buckets(
            session,
            sandbox.settings.model_copy(update=elsewhere),
            dataset=dataset,
            delivery_id=delivery_id,
            transfer_type="staging",
        )
        return sandbox.settings, buckets

    elsewhere = {}
    monkeypatch.setattr(command, "log_in", log_in)
    return elsewhere


@pytest.fixture
def ask(sandbox: Sandbox, run):
    def ask(delivery_id: str, *more: str) -> SimpleNamespace:
        return run(
            "status", "--dataset", "toy", "--delivery-id", delivery_id, "--profile", sandbox.profile, *more
        )

    return ask


def everything(sandbox: Sandbox) -> set[tuple[str, str, str]]:
    s3, found = sandbox.client("s3"), set()
    for bucket in (sandbox.control_bucket, sandbox.landing_bucket):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            found.add((bucket, entry["Key"], f"{entry['ETag']} {entry['LastModified']}"))
    return found


def test_it_only_reads(sandbox, delivered, ask, monkeypatch):
    before = everything(sandbox)
    with Proxy(sandbox.s3_endpoint_url) as s3, Proxy(sandbox.endpoint_url) as rest:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", rest.url)
        assert ask(delivered).code == 8
        methods = {request.method for request in s3.requests}
        others = {request.headers.get("x-amz-target", "") for request in rest.requests}
    assert "GET" in methods <= {"GET", "HEAD"}
    assert others
    assert all(target.startswith(LOGIN) for target in others), others
    assert everything(sandbox) == before


def test_a_delivery_that_has_ended_is_told_in_plain_words(delivered, ask, at_once):
    said = ask(delivered)
    assert said.code == 8, said.err
    assert "Ended: 2 of 3 files valid; 1 invalid" in said.out
    assert "free; given back by" in said.out
    assert "Fix the file" in said.out
    assert "\u202e" not in said.out
    assert "onerror=alert(1)>\\u202e.csv" in said.out


def test_the_same_for_a_program(delivered, ask, at_once):
    said = ask(delivered, "--json")
    assert said.code == 8
    told = json.loads(said.out)
    assert (told["kind"], told["schema_version"], told["phase"]) == ("status", 1, "ended")
    assert told["files"] == {"ready": 0, "failed": 0, "done": 0, "valid": 2, "invalid": 1, "total": 3}
    assert [file["path"] for file in told["last"]] == [HOSTILE]
    assert said.out.isascii()
    assert documented() == leaves(told) | {
        *("receipt.key", "receipt.epoch", "receipt.written_at"),
        *(f"landing.{name}" for name in ("added", "replaced", "gone", "named")),
    } | {
        f"rate.{name}" for name in ("seconds", "bytes_per_second", "files_per_second", "verdicts_per_second")
    }


def leaves(told: object, name: str = "") -> set[str]:
    """Names of all fields that are no objects: ``lock.user``, ``problems[].todo``."""
    if isinstance(told, dict):
        return {leaf for key, value in told.items() for leaf in leaves(value, f"{name}.{key}".lstrip("."))}
    if isinstance(told, list) and told and isinstance(told[0], dict):
        return leaves(told[0], f"{name}[]")
    return set() if name in ("rate", "receipt", "landing") else {name}


def documented() -> set[str]:
    """The fields that the documentation lists, in the first column of its tables."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "status.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    return {name.strip("` ") for row in rows for name in row.split(",")}


def test_a_delivery_that_does_not_exist_is_said_not_to(ask, at_once):
    said = ask("nope")
    assert said.code == 2
    assert "There is no delivery toy/nope" in said.out
    told = ask("nope", "--json")
    assert (told.code, json.loads(told.out)["phase"]) == (2, "missing")


def test_bad_input_and_a_refused_login_have_their_exit_codes(sandbox, delivered, run, monkeypatch):
    names = ("status", "--dataset", "toy", "--delivery-id", delivered)
    assert run(*names, "--profile", "/no/such.toml").code == 2
    assert run(*names[:3]).code == 2
    monkeypatch.setenv("UPLOAD_CLIENT_USERNAME", "nobody")
    said = run(*names, "--profile", sandbox.profile)
    assert (said.code, said.out) == (10, ""), said.err


def test_a_name_that_is_none_is_refused(ask, at_once):
    assert ask("not/a name").code == 2


def test_a_log_with_a_hole_is_said_to_be_broken(sandbox, ask, at_once):
    s3, root = sandbox.client("s3"), "toy/holed/staging/log/client"
    s3.put_object(Bucket=sandbox.control_bucket, Key=f"{root}/0000000007.jsonl", Body=b"{}\n")
    said = ask("holed")
    assert said.code == 1
    assert "0000000000.jsonl" in said.out.replace("\n", "")
    assert "Only the receiver can repair this" in said.out


@pytest.fixture
def working(sandbox: Sandbox, tmp_path) -> Iterator[UploadClient]:
    """A client that has just connected."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.csv").write_text("x,y\n1,2\n")
    client = client_of(sandbox, folder, f"live{time.time_ns()}")
    client.connect()
    yield client
    client.quit()


def test_a_run_is_watched_through_its_phases_in_lines(working, sandbox, run, at_once, monkeypatch):
    """Between two looks, in place of waiting, the delivery goes on by a step, and all of it is in the log."""
    steps = iter(
        [
            working.write_index,
            lambda: None,
            working.initiate_transfer,
            working.transfer_next_file,
            lambda: finish(working),
        ]
    )
    writer = working._run.connected.writer
    monkeypatch.setattr(command, "_wait", lambda _began: (next(steps)(), writer.flush()))
    names = ("--dataset", "toy", "--delivery-id", working.delivery_id, "--profile", sandbox.profile)
    said = run("status", *names, "--watch")
    assert said.code == 0, said.err
    lines = [line.split(" ", 1)[1] for line in said.out.splitlines()]
    assert lines[0].startswith("preparing: a run is preparing")
    assert lines[1] == "transferring: files are being sent: 0 of 3 files valid; sent 0 of 3 files"
    assert lines[-1] == "complete: complete: 3 of 3 files valid, and the receipt is written"
    assert len(set(lines)) == len(lines)  # a line for each change, and none without


def finish(client: UploadClient) -> None:
    while not client.update():
        if client.next_file is not None:
            client.transfer_next_file()


def interrupt(_began: float) -> None:
    raise KeyboardInterrupt


def test_whoever_has_seen_enough_presses_ctrl_c(delivered, ask, at_once, monkeypatch):
    monkeypatch.setattr(command, "_wait", interrupt)
    assert ask(delivered, "--watch").code == 0
    said = ask(delivered, "--watch", "--json")
    assert (said.code, json.loads(said.out)["phase"]) == (0, "ended")


def test_on_a_terminal_the_screen_is_drawn_in_place(delivered, ask, at_once, monkeypatch):
    monkeypatch.setattr(command, "_wait", interrupt)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    said = ask(delivered, "--watch")
    assert said.code == 0
    assert "\x1b[?25l" in said.out  # the cursor is hidden while it is drawn,
    assert said.out.rindex("\x1b[?25h") > said.out.rindex("Ended: 2 of 3")  # and shown at the end


def test_an_outage_while_watching_is_told_and_passes(sandbox, delivered, ask, at_once, monkeypatch):
    with Proxy(sandbox.s3_endpoint_url) as s3:
        at_once["endpoints"] = {"s3": s3.url}
        steps = iter([s3.down, s3.up, lambda: interrupt(0)])
        monkeypatch.setattr(command, "_wait", lambda _began: next(steps)())
        said = ask(delivered, "--watch")
    assert said.code == 0
    kinds = [line.split(" ", 2)[1] for line in said.out.splitlines()]
    assert kinds == ["ended:", "not", "ended:"]
