"""`upload-client schedule` as people and programs use it, killed and stopped in the middle of a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import until

from upload_client.cli.app import main

from ..conftest import MAIL_PASSWORD, USER  # noqa: TID252 - the servers of this folder

JOBS = '''
import pathlib, time

def render():
    return "rendered"

def waits():
    """Goes on until there is a file of the name `go`."""
    yield b"begun "
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
        yield b"."
    yield b"ended"

def fails():
    raise RuntimeError("no customers today \\x1b[2J")
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module of callables, in which the commands are typed."""
    (tmp_path / "jobs_of_test.py").write_text(JOBS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Each test has a module of its own under the one name, and leaves nothing of it.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("jobs_of_test", None)
    return tmp_path


@pytest.fixture
def written(folder) -> Callable[..., Path]:
    """Write a schedule."""

    def written(jobs: str, more: str = "store: sqlite:///s.sqlite") -> Path:
        path = folder / "s.yaml"
        path.write_text(f"{more}\njobs:\n{jobs}\n", encoding="utf-8")
        return path

    return written


@pytest.fixture
def run(capsys):
    """Run a command line here."""

    def run(*arguments):
        code = main(["schedule", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


class Running:
    """A process that runs a schedule."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "upload_client", "schedule", "run", str(path), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=path.parent,
        )
        self.events: list[dict] = []
        self._heard = threading.Condition()
        self._err: list[str] = []
        self._threads = [
            threading.Thread(target=self._hear, daemon=True),
            threading.Thread(target=lambda: self._err.extend(self.process.stderr), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _hear(self) -> None:
        for line in self.process.stdout:
            with self._heard:
                self.events.append(json.loads(line))
                self._heard.notify_all()

    def wait_for(self, **fields) -> dict:
        """The first event that has these fields."""

        def found():
            return next((one for one in self.events if fields.items() <= one.items()), None)

        with self._heard:
            assert self._heard.wait_for(lambda: found() is not None, timeout=60), (self.events, self._err)
            return found()

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Its exit code and what it said on stderr, once it has ended."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        for thread in self._threads:
            thread.join(20)
        self.process.stdout.close()
        self.process.stderr.close()
        return code, "".join(self._err)


@pytest.fixture
def start() -> Iterator[Callable[[Path], Running]]:
    """Start processes; those that are left are killed."""
    made = []

    def start(path: Path) -> Running:
        made.append(Running(path))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def job(name: str, words: str, *, when: str = "every: 1s", call: str = "jobs_of_test.render") -> str:
    return f"  {name}: {{{when}, read: {{call: {call}}}, write: {{file: '{name}.txt'}}{words}}}"


# --- check, show, once ---


def test_check_names_what_would_fail_and_what_is_fine(written, run):
    path = written(
        job("fine", "")
        + "\n"
        + job("module", "", call="not_there.render")
        + "\n  folder: {every: 1h, deliver: {dataset: d, delivery_id: y, source: nowhere}}"
        + "\n  profile: {every: 1h, deliver: {dataset: d, delivery_id: y, source: ., profile: ./no.toml}}"
        + '\n  name: {every: 1h, deliver: {dataset: "a b", delivery_id: y, source: .}}'
        + '\n  night: {cron: "30 2 * * *", read: {file: no.csv}, write: {file: x}}',
        "timezone: Europe/Berlin",
    )
    code, out, err = run("check", path)
    assert (code, err) == (2, "")
    assert "fine: can run, next " in out
    assert "module: error: not_there.render: there is no module 'not_there'" in out
    assert "nowhere is no folder" in out
    assert "no.toml is not there" in out
    assert "name: error: dataset 'a b'" in out
    assert "no.csv is not there" in out
    assert out.count("02:30") >= 2
    assert "store: memory" in out
    assert "5 of 6 jobs cannot run" in out


NOWHERE = "password_command: [not-there, x]"
TO_MAIL = f"mail: {{host: h, starttls: true, user: u, {NOWHERE}, sender: a@b.org}}"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (TO_MAIL, "read: {text: x}, write: {file: x}, on_failure: {mail: [a@b.org]}"),
        ("", "read: {url: 'ftp://u@h/x', NOWHERE}, write: {file: x}"),
        ("", "read: {text: x}, write: {ftp: {host: h, user: u, tls: true, filename: x, NOWHERE}}"),
        ("", "read: {text: x}, write: {sftp: {host: h, user: u, filename: x, NOWHERE}}"),
        ("", "read: {url: 'ftp://u@h/x', password_command: ./not-there}, write: {file: x}"),
    ],
    ids=["mail", "read", "ftp", "sftp", "a path"],
)
def test_check_names_a_program_of_a_password_that_is_not_there(written, run, more, words):
    job = f"  a: {{every: 1h, {words.replace('NOWHERE', NOWHERE)}}}"
    code, out, _ = run("check", written(job, more))
    assert code == 2
    assert "not-there) cannot be run: there is no such program" in out


def test_check_looks_for_a_program_in_the_home_folder_as_a_run_does(written, run, folder, monkeypatch):
    (folder / "home").mkdir()
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("USERPROFILE", str(folder / "home"))
    program = folder / "home" / "prints"
    program.write_text("#!/bin/sh\necho x\n")
    jobs = "  a: {every: 1h, read: {url: 'ftp://u@h/x', password_command: [./prints]}, write: {file: x}}"
    assert run("check", written(jobs))[0] == 2  # it may not be run
    program.chmod(0o700)
    assert run("check", written(jobs))[0] == 0


def test_check_asks_for_no_program_of_mails_where_no_job_sends_one(written, run):
    assert run("check", written(job("a", ""), TO_MAIL))[0] == 0


def test_check_is_content_with_what_can_run_and_leaves_nothing(written, run, folder):
    code, out, _ = run("check", written(job("fine", "")))
    assert (code, "it can run" in out) == (0, True)
    assert sorted(path.name for path in folder.iterdir()) == ["jobs_of_test.py", "s.yaml"]


def test_what_is_no_schedule_is_named_with_its_place(written, run):
    code, out, err = run("check", written("  a: {evry: 1h}"))
    assert (code, out) == (2, "")
    assert "line 3, jobs.a.evry: there is no such key here; did you mean 'every'?" in err


def test_once_runs_a_job_and_show_tells_what_came_of_it(written, run, folder):
    path = written(
        job("good", "") + "\n" + job("bad", ", retry: {tries: 2, delay: 0}", call="jobs_of_test.fails")
    )
    assert run("once", path, "good")[0] == 0
    assert (folder / "good.txt").read_text(encoding="utf-8") == "rendered"
    code, out, err = run("once", path, "bad", "--json", "--run", "2026-07-20T00:00")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(one["kind"], one["state"]) for one in events] == [
        ("run", "began"),
        ("retry", "running"),
        ("run", "failed"),
    ]
    assert events[-1]["run"] == "2026-07-20T00:00:00+00:00"
    assert "try 1 of 2 failed" in err
    assert "\x1b" not in err
    code, out, _ = run("show", path)
    assert code == 0
    assert "succeeded, took 0:0" in out
    assert "for Mon 2026-07-20 00:00 UTC: failed with exit code 1" in out
    assert "RuntimeError: no customers today \\x1b[2J" in out
    code, out, _ = run("show", path, "--json")
    told = {one["job"]: one for one in json.loads(out)["jobs"]}
    assert (told["bad"]["last"]["exit_code"], len(told["good"]["next"])) == (1, 5)


@pytest.mark.parametrize("columns", ["80", "200"])
def test_what_show_says_fits_the_terminal(written, run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    path = written(
        job("night", ", retry: {tries: 1}", when='cron: "30 2 * * *"', call="jobs_of_test.fails"),
        "timezone: Europe/Berlin\nstore: sqlite:///s.sqlite",
    )
    run("once", path, "night")
    out = run("show", path)[1]
    assert max(map(len, out.splitlines())) <= int(columns)


def test_a_job_that_ends_the_program_has_failed_and_is_noted_down(written, run, folder):
    (folder / "jobs_of_test.py").write_text("def leaves():\n    raise SystemExit(3)\n", encoding="utf-8")
    path = written(job("gone", ", retry: {tries: 1}", call="jobs_of_test.leaves"))
    assert run("once", path, "gone")[0] == 1
    assert "failed with exit code 1" in run("show", path)[1]


def test_a_job_that_is_not_there_is_named(written, run):
    code, _, err = run("once", written(job("a", "")), "b")
    assert (code, "there is no job 'b'" in err) == (2, True)


# --- run ---


def test_a_job_that_runs_already_is_not_run_beside_itself(written, run, start, folder):
    path = written(job("slow", "", call="jobs_of_test.waits"))
    process = start(path)
    process.wait_for(kind="run", state="began")
    code, _, err = run("once", path, "slow")
    assert code == 11
    assert f"slow runs already on {os.uname().nodename} (process {process.process.pid})" in err
    assert f"by process {process.process.pid}" in " ".join(run("show", path)[1].split())
    (folder / "go").touch()
    process.wait_for(kind="run", state="succeeded")
    assert process.end(signal.SIGTERM)[0] == 0


def test_sigterm_brings_a_run_to_an_orderly_end_and_the_next_start_goes_on_with_it(
    written, run, start, folder
):
    path = written(job("slow", "", call="jobs_of_test.waits", when="every: 1h"))
    run("once", path, "slow", "--run", "2026-01-01") if (folder / "go").exists() else None
    path.write_text(path.read_text(encoding="utf-8").replace("every: 1h", "every: 1s"), encoding="utf-8")
    first = start(path)
    began = first.wait_for(kind="run", state="began")
    code, err = first.end(signal.SIGTERM)
    assert code == 0
    assert "slow: is being stopped" in err
    assert first.events[-1]["state"] == "stopped"
    assert not (folder / "slow.txt").exists()
    assert "it is resumed when the schedule runs" in " ".join(run("show", path)[1].split())
    (folder / "go").touch()
    second = start(path)
    assert second.wait_for(kind="run", state="began")["run"] == began["run"]
    second.wait_for(kind="run", state="succeeded", run=began["run"])
    code, err = second.end(signal.SIGTERM)
    assert (code, "cut off" in err) == (0, False)
    assert (folder / "slow.txt").read_text(encoding="utf-8").endswith("ended")


def test_after_a_kill_the_next_start_says_what_was_cut_off_and_runs_it_again(written, start, folder):
    path = written(job("slow", "", call="jobs_of_test.waits"))
    first = start(path)
    began = first.wait_for(kind="run", state="began")
    first.end(signal.SIGKILL)
    (folder / "go").touch()
    second = start(path)
    second.wait_for(kind="run", state="cut_off", run=began["run"])
    second.wait_for(kind="run", state="succeeded", run=began["run"])
    code, err = second.end(signal.SIGINT)
    assert code == 0
    assert "slow: the run for " in err
    assert "was cut off" in err


def test_a_second_signal_ends_it_at_once(written, start, folder):
    deaf = JOBS.replace('yield b"."', 'pathlib.Path("deaf").touch()')
    (folder / "jobs_of_test.py").write_text(deaf, encoding="utf-8")
    process = start(written(job("deaf", "", call="jobs_of_test.waits")))
    until((folder / "deaf").exists)  # before, it would hear the first signal, and end in order
    process.process.send_signal(signal.SIGTERM)
    while not any("is being stopped" in line for line in process._err):
        assert process.process.poll() is None
    assert process.end(signal.SIGTERM)[0] == 130


def test_two_processes_on_one_store_run_each_time_once(written, start, folder):
    path = written("  a: {every: 1s, read: {text: x}, write: {file: 'out/{run:%H%M%S}'}}")
    processes = [start(path), start(path)]
    ran = set()
    while len(ran) < 6:
        for process in processes:
            ran |= {one["run"] for one in process.events if one.get("state") == "succeeded"}
    for process in processes:
        assert process.end(signal.SIGTERM)[0] == 0
    done = [one["run"] for process in processes for one in process.events if one.get("state") == "succeeded"]
    assert len(done) == len(set(done)) == len(list((folder / "out").iterdir()))


def test_a_schedule_with_nothing_to_come_ends_by_itself(written, start):
    code, err = start(written(job("past", "", when="at: 2026-01-01T00:00"))).end()
    assert code == 0
    assert "past: at 2026-01-01T00:00:00 is in the past: it does not run" in err
    assert "nothing is to come any more" in err


# --- mail, and what is secret ---


def test_success_and_failure_are_mailed_once_and_no_secret_is_anywhere(
    written, run, folder, mail_server, authority, monkeypatch
):
    box = mail_server(tls="starttls")
    trust = folder / "trust.pem"
    authority.cert_pem.write_to_path(trust)
    monkeypatch.setenv("SSL_CERT_FILE", str(trust))
    (folder / "password").write_text(MAIL_PASSWORD, encoding="utf-8")
    server = f"host: localhost, port: {box.port}, starttls: true, user: {USER}"
    prints = f"password_command: [cat, '{folder / 'password'}']"
    mail = f"mail: {{{server}, {prints}, sender: robot@example.org}}"
    told = (
        ", on_success: {mail: [good@example.org]}, on_failure: {mail: [bad@example.org]}"
        ", retry: {tries: 3, delay: 0}"
    )
    path = written(
        job("good", told, when="every: 1h")
        + "\n"
        + job("bad", told, when="every: 1h", call="jobs_of_test.fails"),
        f"store: sqlite:///s.sqlite\n{mail}",
    )
    said = [run("once", path, name, "--json", "--log-file", folder / "log") for name in ("good", "bad")]
    assert [code for code, _, _ in said] == [0, 1]
    assert [recipients for recipients, _ in box.mails] == [["good@example.org"], ["bad@example.org"]]
    assert re.fullmatch(r"Failed: bad, \d{4}-\d\d-\d\d \d\d:\d\d", box.mails[1][1]["Subject"])
    assert "no customers today" in box.mails[1][1].get_content()
    everything = "".join(out + err for _, out, err in said) + (folder / "log").read_text(encoding="utf-8")
    everything += "".join(message.as_string() for _, message in box.mails)
    assert MAIL_PASSWORD not in everything
    assert MAIL_PASSWORD.encode() not in (folder / "s.sqlite").read_bytes()


def test_a_mail_that_cannot_be_sent_is_logged_and_the_job_has_succeeded(written, run):
    mail = "mail: {host: 127.0.0.1, port: 9, sender: robot@example.org}"
    path = written(job("good", ", on_success: {mail: [a@example.org]}"), mail)
    code, _, err = run("once", path, "good")
    assert code == 0
    assert (
        "error: good: the mail could not be sent: the mail cannot be sent by 127.0.0.1: Connection refused"
        in err
    )
