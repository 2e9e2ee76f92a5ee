"""`upload-client report`, and `--report` on a delivery: one page, whatever becomes of the delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from pages.example import embedded, spoil

from upload_client.cli import deliver as delivering
from upload_client.cli import report as command
from upload_client.control.delivery_buckets import open_buckets
from upload_client.sandbox import Sandbox

NAMES = ("--dataset", "toy", "--delivery-id")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def at_once(sandbox: Sandbox, monkeypatch) -> None:
    """Nobody logs in, which takes seconds."""

    def log_in(dataset, delivery_id, **_options):
        session = boto3.Session("sandbox", "sandbox", region_name="us-east-1")
        names = {"dataset": dataset, "delivery_id": delivery_id, "transfer_type": "staging"}
        return sandbox.settings, open_buckets(session, sandbox.settings, **names)

    monkeypatch.setattr(command, "log_in", log_in)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """The working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_delivery_leaves_its_report_and_anybody_makes_the_same_later(
    sandbox, run, elsewhere, tmp_path, at_once
):
    spoil(tmp_path / "data", 12)
    target = tmp_path / "first.html"
    delivered = run(
        "--profile", sandbox.profile, *NAMES, "d1", "--source", tmp_path / "data", "--report", target
    )
    assert delivered.code == 3, delivered.err
    assert f"report: {target}" in delivered.err
    said = run("report", *NAMES, "d1")
    assert said.code == 0, said.err
    assert "upload-client_toy_d1_report.html: ended: " in said.err
    later = elsewhere / "upload-client_toy_d1_report.html"
    first, again = (embedded(path.read_text(encoding="utf-8")) for path in (target, later))
    assert first == again
    assert len(first["rows"]) == 13
    invalid = [row[0] for row in first["rows"] if first["states"][row[1]] == "invalid"]
    assert "moor/notes <draft>.csv" in invalid
    # A report among the files is no part of the next delivery.
    (tmp_path / "data" / later.name).write_bytes(later.read_bytes())
    planned = run(
        "--profile", sandbox.profile, *NAMES, "d1", "--source", tmp_path / "data", "--dry-run", "-v"
    )
    assert "left out: 1 of upload-client itself" in planned.out
    assert f"left out: {later.name} (a report)" in planned.out
    assert "never sent" not in planned.out


def test_of_a_delivery_that_is_not_there_no_report_is_made(run, elsewhere, at_once):
    said = run("report", *NAMES, "nope")
    assert (said.code, list(elsewhere.iterdir())) == (2, [])
    assert "there is no delivery toy/nope" in said.err


def test_a_broken_log_is_reported_as_such(sandbox, run, elsewhere, at_once):
    key = "toy/holed/staging/log/client/0000000007.jsonl"
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key=key, Body=b"{}\n")
    said = run("report", *NAMES, "holed", "-o", "page.html")
    assert said.code == 1
    assert "Only the receiver can repair this" in (elsewhere / "page.html").read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_said_to_be_so(sandbox, run, elsewhere, at_once):
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key="toy/begun/owned", Body=b"{}")
    (elsewhere / "page.html").mkdir()
    said = run("report", *NAMES, "begun", "-o", elsewhere / "nowhere" / "page.html")
    assert said.code == 2
    assert "cannot be written" in said.err


def test_a_place_where_it_cannot_lie_is_refused_before_anything_is_sent(run, elsewhere, monkeypatch):
    monkeypatch.setattr(delivering, "_client", lambda *_: pytest.fail("a client was made"))
    Path("page.html").write_text("<!doctype html>\n<p>mine")
    for words in ([*NAMES, "d1", "--report"], ["report", *NAMES, "d1", "-o"]):
        taken = run(*words, "page.html")
        assert taken.code == 2
        assert "page.html is there, and upload-client has not written it: it is not replaced" in taken.err
        assert Path("page.html").read_text() == "<!doctype html>\n<p>mine"
    nowhere = run(*NAMES, "d1", "--report", elsewhere / "nowhere" / "page.html")
    assert nowhere.code == 2
    assert "there is no folder" in nowhere.err


def test_that_a_report_fails_changes_nothing_about_the_delivery(
    sandbox, run, elsewhere, tmp_path, monkeypatch
):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n")
    monkeypatch.setattr(Path, "replace", _refuse)
    said = run(
        "--profile", sandbox.profile, *NAMES, "d2", "--source", tmp_path / "data", "--report", "x.html"
    )
    assert said.code == 0, said.err
    assert "warning: there is no report: the report cannot be written to x.html: full" in said.err


def _refuse(path: Path, target: Path) -> Path:
    if target.suffix == ".html":
        raise OSError(28, "full")
    return Path(path.rename(target))
