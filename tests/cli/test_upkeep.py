"""`unlock` and `check`: what is left of runs that died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import boto3
import forked
import pandas as pd
import pytest

from upload_client import UploadClient
from upload_client.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def run(sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upload_client", arguments[0], "--profile", str(sandbox.profile)]
    names = ["--dataset", "toy", "--delivery-id", "d1"]
    return forked.run([*command, *names, *arguments[1:]])


@pytest.fixture
def working(sandbox: Sandbox, tmp_path) -> Iterator[UploadClient]:
    """A client in the middle of its delivery."""
    (tmp_path / "a.csv").write_text("a\n1\n")
    client = UploadClient(
        dataset="toy",
        delivery_id="d1",
        file_index=pd.DataFrame({"path": ["a.csv"]}),
        transfer_type="staging",
        source=tmp_path,
        settings=sandbox.settings,
        session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
        output_dir=tmp_path,
    )
    client.connect()
    yield client
    client.quit()


def lock_of(sandbox: Sandbox) -> dict:
    got = sandbox.client("s3").get_object(Bucket=sandbox.control_bucket, Key="toy/d1/owned")
    return json.loads(got["Body"].read())


def test_a_lock_is_stolen_by_its_holders_name_only_and_given_back(
    sandbox: Sandbox, working: UploadClient
) -> None:
    somebody_else = run(sandbox, "unlock", "--steal", "nobody", "--yes")
    assert somebody_else.returncode == 11, somebody_else.stderr
    assert working.agent_id in somebody_else.stderr
    assert lock_of(sandbox)["agent_id"] == working.agent_id
    said = run(sandbox, "unlock", "--steal", working.agent_id, "--yes")
    assert said.returncode == 0, said.stderr
    assert working.agent_id in said.stderr
    assert lock_of(sandbox)["state"] == "released"
    assert lock_of(sandbox)["epoch"] > 1
    again = run(sandbox, "unlock", "--steal", working.agent_id)
    assert again.returncode == 2
    assert "the lock is free" in again.stderr


def test_of_a_holder_that_was_heard_of_a_moment_ago_nobody_takes_the_lock_unasked(
    sandbox: Sandbox, working: UploadClient
) -> None:
    refused = run(sandbox, "unlock", "--steal", working.agent_id)
    assert refused.returncode == 11, refused.stderr
    assert "its holder has written something a moment ago" in refused.stderr
    assert f"--steal {working.agent_id} --yes`" in refused.stderr
    assert lock_of(sandbox)["state"] == "held"


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
@pytest.mark.parametrize(("answer", "code", "state"), [("n", 11, "held"), ("y", 0, "released")])
def test_a_person_at_a_terminal_is_asked(
    sandbox: Sandbox, working: UploadClient, answer: str, code: int, state: str
) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "upload_client", "unlock", "--profile", str(sandbox.profile)]
    child = subprocess.Popen(
        [*command, "--dataset", "toy", "--delivery-id", "d1", "--steal", working.agent_id],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, f"{answer}\n".encode())
    assert child.wait(120) == code, seen
    os.close(ours)
    assert lock_of(sandbox)["state"] == state


def test_a_lock_whose_holder_is_dead_is_given_back_by_the_holders_name_only(
    sandbox: Sandbox, working: UploadClient
) -> None:
    working._run.lock.stop()
    working._run.lock._giving_back = True  # it writes nothing more
    body = lock_of(sandbox)
    dead = {**body, "agent_id": "deadagent", "nonce": "dead", "pid": 2**22 + 1, "boot_id": "another"}
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=sandbox.control_bucket, Key="toy/d1/owned", Body=json.dumps(dead).encode())
    refused = run(sandbox, "unlock", "--steal", "nobody", "--yes")
    assert refused.returncode == 11, refused.stderr
    assert "deadagent" in refused.stderr
    given_back = run(sandbox, "unlock", "--steal", "deadagent", "--yes")
    assert given_back.returncode == 0, given_back.stderr
    assert "agent deadagent" in given_back.stderr
    log = [key for key in _keys(sandbox) if key.startswith("toy/d1/staging/log/client/")]
    ended = s3.get_object(Bucket=sandbox.control_bucket, Key=log[-1])["Body"].read().decode()
    assert '"kind":"stop"' in ended
    assert "unlocked: the lock was taken from agent deadagent" in ended
    assert not any(key.startswith("toy/d1/sample/") for key in _keys(sandbox))


def _keys(sandbox: Sandbox) -> list[str]:
    found = sandbox.client("s3").list_objects_v2(Bucket=sandbox.control_bucket, Prefix="toy/d1/")
    return [entry["Key"] for entry in found["Contents"]]


def test_unfinished_uploads_are_told_and_thrown_away_but_not_under_a_run_that_works(
    sandbox: Sandbox, working: UploadClient, tmp_path
) -> None:
    s3, where = sandbox.client("s3"), {"Bucket": sandbox.landing_bucket}
    s3.create_multipart_upload(**where, Key="toy/d1/staging/large\u202e.bin")
    s3.create_multipart_upload(**where, Key="toy/d2/staging/of-another.bin")
    at = ("--source", str(tmp_path), "--max-rate", "1MB")
    told = run(sandbox, "check", *at)
    assert told.returncode == 2, told.stderr
    assert "large\\u202e.bin" in told.stdout
    assert "1 large file sent in part" in told.stdout
    assert f"held by agent {working.agent_id}" in told.stdout
    refused = run(sandbox, "check", "--clean")
    assert refused.returncode == 11, refused.stderr
    working.quit()
    cleaned = run(sandbox, "check", "--clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "large\\u202e.bin" in cleaned.stdout
    assert "1 unfinished upload, thrown away" in cleaned.stderr
    left = s3.list_multipart_uploads(**where).get("Uploads", [])
    assert [upload["Key"] for upload in left] == ["toy/d2/staging/of-another.bin"]
    assert lock_of(sandbox)["state"] == "released"
    assert "no unfinished upload" in run(sandbox, "check", "--clean").stderr
    again = run(sandbox, "check", *at, "--json")
    assert again.returncode == 0, again.stdout
    findings = {one.get("check"): one for one in map(json.loads, again.stdout.splitlines())}
    assert findings["lock"]["found"] == "free"
    assert findings["leftovers"]["found"] == "none"
    assert findings["delivery"]["found"] == "toy/d1 (staging) was begun before and is resumed"
