"""A delivery: what is asked for on the command line reaches the client, and how it ends is told.

A stand-in takes the client's place where only arguments matter; whole deliveries are in ``tests/delivery``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest

import upload_client.client
from upload_client.cli.deliver import _program
from upload_client.core.resume import Reason
from upload_client.core.states import STATES
from upload_client.errors import Interrupted, Locked, UsageError
from upload_client.events import Message, Summary
from upload_client.index import LeftOut
from upload_client.s3.bucket import Bucket
from upload_client.ui.ending import Command


class StandIn:
    """Takes what a client is made with, and ends as it is told to."""

    made: list[StandIn] = []  # noqa: RUF012 # emptied by the fixture
    left_out = LeftOut()
    warnings: tuple[str, ...] = ()
    buckets = None
    _run = SimpleNamespace(settings=SimpleNamespace(standstill=3600.0), lock=None, buckets=None)

    def __init__(self, **arguments):
        self.given = SimpleNamespace(**arguments)
        self.made.append(self)

    def run(self):
        """Is replaced."""
        return self.end(0, "1 of 1 file valid")

    def end(self, exit_code, headline, error=None):
        counts = dict.fromkeys(STATES, 0)
        self.given.reporter.handle(
            Summary(
                exit_code=exit_code,
                counts=counts,
                bytes_sent=0,
                files_sent=0,
                seconds=0.0,
                state_csv=Path("state.csv"),
                headline=headline,
                hint=getattr(error, "hint", ""),
            )
        )
        return SimpleNamespace(exit_code=exit_code, error=error)

    def plan(self):
        return SimpleNamespace(
            reasons={Reason.NEW: 12, Reason.VALID: 3},
            rows=[
                *((f"{n}.csv", "ready", Reason.NEW) for n in range(12)),
                *((f"v{n}.csv", "valid", Reason.VALID) for n in range(3)),
            ],
        )


@pytest.fixture
def stand_in(monkeypatch):
    StandIn.made = []
    monkeypatch.setattr(upload_client.client, "UploadClient", StandIn)
    monkeypatch.setenv("UPLOAD_CLIENT_AUTH", "aws")
    return StandIn


NAMED = ("--dataset", "toy", "--delivery-id", "d1")


# --- what is asked for ---------------------------------------------------------------------------


def test_with_nothing_more_said_the_current_directory_is_delivered(run, stand_in, data, monkeypatch):
    monkeypatch.chdir(data)
    assert run(*NAMED).code == 0
    (client,) = stand_in.made
    given = client.given
    assert (given.dataset, given.delivery_id, given.transfer_type, given.source) == (
        "toy",
        "d1",
        "staging",
        Path(),
    )
    assert (given.settings.threads, given.settings.max_retries) == (8, 2)
    assert (given.resend_invalid, given.debug) == (False, False)
    assert given.file_index.paths == ["a.csv", "b/c.json", "b/d.txt"]
    assert given.file_index.checksums is None
    assert (given.output_dir, given.prompt, given.session) == (None, None, None)


def test_every_option_reaches_the_client(run, stand_in, data, tmp_path):
    index = tmp_path / "mine.csv"
    index.write_text("path\na.csv\n", encoding="utf-8")
    said = run(
        *NAMED,
        *("--source", data, "--index", index, "--sample", "--threads", 3, "--max-retries", 0),
        *("--resend-invalid", "--debug", "--output-dir", tmp_path),
    )
    assert said.code == 0
    given = stand_in.made[0].given
    assert (given.source, given.transfer_type) == (data, "sample")
    assert (given.settings.threads, given.settings.max_retries) == (3, 0)
    assert (given.resend_invalid, given.debug, given.output_dir) == (True, True, tmp_path)
    assert given.file_index.paths == ["a.csv"]


def test_the_sources_own_index_is_taken_when_it_has_one(run, stand_in, data):
    (data / "index.csv").write_text("path,checksum\na.csv,AAAAAA==\n", encoding="utf-8")
    run(*NAMED, "--source", data)
    assert stand_in.made[0].given.file_index.checksums == ["AAAAAA=="]


def test_a_flag_goes_before_the_environment_before_the_profile(run, stand_in, data, tmp_path, monkeypatch):
    profile = tmp_path / "p.toml"
    profile.write_text("threads = 2\nmax_retries = 2\nmax_invalid = 2\n", encoding="utf-8")
    monkeypatch.setenv("UPLOAD_CLIENT_THREADS", "3")
    monkeypatch.setenv("UPLOAD_CLIENT_MAX_RETRIES", "3")
    run(*NAMED, "--source", data, "--profile", profile, "--threads", 4)
    settings = stand_in.made[0].given.settings
    assert (settings.threads, settings.max_retries, settings.max_invalid) == (4, 3, 2)


@pytest.fixture
def source_bucket(moto_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="from-here")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="from-here"):
        for found in page.get("Contents", ()):
            s3.delete_object(Bucket="from-here", Key=found["Key"])
    for key in ("x/a.csv", "x/b/c.csv", "xy/d.csv"):
        s3.put_object(Bucket="from-here", Key=key, Body=b"123")
    return s3


@pytest.mark.parametrize("source", ["s3://from-here/x", "s3://from-here/x/"])
def test_a_bucket_is_delivered_with_the_session_that_reads_it(run, stand_in, source_bucket, source):
    assert run(*NAMED, "--source", source).code == 0
    given = stand_in.made[0].given
    assert isinstance(given.source, Bucket)
    assert str(given.source) == "s3://from-here/x/"
    assert given.session is not None
    assert given.file_index.paths == ["a.csv", "b/c.csv"]
    assert list(given.file_index.sizes) == [3, 3]


def test_a_buckets_own_index_is_taken_when_it_has_one(run, stand_in, source_bucket):
    source_bucket.put_object(Bucket="from-here", Key="x/index.csv", Body=b"path\nb/c.csv\n")
    run(*NAMED, "--source", "s3://from-here/x")
    assert stand_in.made[0].given.file_index.paths == ["b/c.csv"]


def test_what_is_wrong_in_a_buckets_index_is_told_with_where_it_is(run, stand_in, source_bucket):
    source_bucket.put_object(Bucket="from-here", Key="x/index.csv", Body=b"path,size\nb/c.csv,many\n")
    said = run(*NAMED, "--source", "s3://from-here/x")
    assert said.code == 2
    assert "s3://from-here/x/index.csv" in said.err
    assert stand_in.made == []


# --- how it ends ---------------------------------------------------------------------------------


def test_the_exit_code_is_the_outcomes(run, stand_in, data, monkeypatch):
    monkeypatch.setattr(StandIn, "run", lambda self: self.end(3, "1 of 2 files valid; 1 invalid"))
    said = run(*NAMED, "--source", data)
    assert said.code == 3
    assert "1 of 2 files valid" in said.err
    assert "error" not in said.err
    assert said.out == ""


def test_the_command_to_type_next_is_the_one_that_was_typed(run, stand_in, data, monkeypatch):
    monkeypatch.setattr(StandIn, "run", lambda self: self.end(3, "1 of 2 files valid; 1 invalid"))
    folder = data.rename(data.with_name("my data"))
    said = run("--threads", 3, "-v", "--source", folder, *NAMED)
    command = Command(
        ("upload-client", *NAMED, "--source", str(folder), "--threads", "3", "--verbose")
    ).line()
    *_, last, log = said.err.splitlines()
    assert last.endswith(f"command: {command}")
    assert log.startswith("log: ")


@pytest.mark.parametrize(
    ("called", "words"),
    [
        ("/somewhere/.venv/bin/upload-client", ("/somewhere/.venv/bin/upload-client",)),
        ("/x/upload_client/__main__.py", (sys.executable, "-m", "upload_client")),
        ("/x/bin/pytest", ("upload-client",)),
    ],
)
def test_the_program_is_called_as_it_was(monkeypatch, called, words):
    monkeypatch.setattr(sys, "argv", [called])
    assert _program() == tuple(str(Path(word)) if "/somewhere" in word else word for word in words)


def test_a_program_on_the_path_is_called_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "upload-client")])
    assert _program() == ("upload-client",)


@pytest.mark.parametrize("raised", [True, False])
def test_what_ended_a_delivery_is_told_once_with_its_hint(run, stand_in, data, monkeypatch, raised):
    error = Locked("toy/d1", agent_id="abcdefghijk", host="there", user="ada", since="now", until="then")

    def run_to_its_end(self):
        outcome = self.end(11, str(error), error)
        if raised:
            raise error
        return outcome

    monkeypatch.setattr(StandIn, "run", run_to_its_end)
    said = run(*NAMED, "--source", data, "--json")
    assert said.code == 11
    assert said.err.count("error: toy/d1 is locked by agent abcdefghijk (ada on there)") == 1
    assert said.err.count("next: Wait until that run has ended") == 1
    assert [json.loads(line)["kind"] for line in said.out.splitlines()] == ["summary"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("that is wrong"), 2),
        (Interrupted(), 130),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device"), 1),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_whatever_is_raised_before_there_is_a_summary_a_program_gets_one(
    run, stand_in, data, monkeypatch, error, code
):
    def fail(_):
        raise error

    monkeypatch.setattr(StandIn, "run", fail)
    said = run(*NAMED, "--source", data, "--json")
    assert said.code == code
    (summary,) = map(json.loads, said.out.splitlines())
    assert (summary["kind"], summary["exit_code"]) == ("summary", code)
    assert summary["code"] == getattr(error, "code", "interrupted" if code == 130 else "unexpected")
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_with_debug_the_traceback_is_shown(run, stand_in, data, monkeypatch):
    monkeypatch.setattr(StandIn, "run", lambda _: 1 / 0)
    said = run(*NAMED, "--source", data, "--debug")
    assert "Traceback (most recent call last)" in said.err
    assert "error: unexpected: ZeroDivisionError: division by zero\n" in said.err


@pytest.mark.parametrize(("flag", "told"), [("-q", False), ("-v", True)])
def test_quiet_and_verbose_reach_the_reporter(run, stand_in, data, monkeypatch, flag, told):
    def talk(self):
        self.given.reporter.handle(Message("by the way", "info"))
        return self.end(0, "1 of 1 file valid")

    monkeypatch.setattr(StandIn, "run", talk)
    said = run(*NAMED, "--source", data, flag)
    assert ("by the way" in said.err) is told
    assert ("1 of 1 file valid" in said.err) is told


# --- a dry run -----------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_sent_and_why(run, stand_in, data):
    said = run(*NAMED, "--source", data, "--dry-run")
    assert said.code == 0
    assert said.out.splitlines() == [
        "12 files, never sent: will be sent",
        *(f"  {n}.csv" for n in range(10)),
        "  and 2 files more (-v names all)",
        "3 files, valid: nothing to do",
        "This was a dry run: nothing was changed anywhere.",
    ]


def test_a_dry_run_names_all_files_with_v_and_none_with_q(run, stand_in, data):
    named = run(*NAMED, "--source", data, "--dry-run", "-v").out.splitlines()
    assert "  11.csv" in named
    assert "  v2.csv" in named
    assert len(named) == 18
    assert len(run(*NAMED, "--source", data, "--dry-run", "-q").out.splitlines()) == 3


def test_a_dry_run_in_json_has_a_line_for_each_file_and_a_summary(run, stand_in, data):
    said = run(*NAMED, "--source", data, "--dry-run", "--json")
    *rows, summary = map(json.loads, said.out.splitlines())
    assert len(rows) == 15
    assert rows[0] | {"t": ""} == {
        "schema_version": 1,
        "kind": "plan",
        "t": "",
        "relpath": "0.csv",
        "state": "ready",
        "code": "new",
        "reason": "never sent: will be sent",
    }
    assert (summary["kind"], summary["exit_code"], summary["state_csv"]) == ("summary", 0, None)
    assert (summary["counts"]["ready"], summary["counts"]["valid"]) == (12, 3)
    assert "12 files, never sent: will be sent" in said.err


# --- with a sandbox of its own -------------------------------------------------------------------


def test_with_sandbox_a_whole_delivery_needs_nothing_else(process, data, tmp_path):
    """Neither names nor AWS; and what the environment says about AWS, or a proxy, does not get in the way."""
    pytest.importorskip("moto")
    dead = "http://127.0.0.1:9"
    ours = ("AWS_", "UPLOAD_CLIENT_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        **dict.fromkeys(("AWS_ENDPOINT_URL", "HTTP_PROXY", "http_proxy"), dead),
        "AWS_PROFILE": "not-there",
        "UPLOAD_CLIENT_AUTH": "aws",
    }
    (data / "b" / "d.txt").unlink()
    said = process("--sandbox", "--source", data, "--json", env=environment)
    assert said.returncode == 0, said.stderr
    summary = json.loads(said.stdout.splitlines()[-1])
    assert (summary["kind"], summary["exit_code"], summary["counts"]["valid"]) == ("summary", 0, 2)
    assert summary["files_sent"] == 2
    assert "2 of 2 files valid" in said.stderr
    assert re.search(r"sample/1 \(staging\)", said.stderr)
    assert (tmp_path / summary["state_csv"]).is_file()
