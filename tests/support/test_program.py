"""Programs of others: an end to their time, and to what is kept of their words."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from upload_client.errors import LoginRefused
from upload_client.support.deadline import within
from upload_client.support.password_command import password_from_command
from upload_client.support.program import MAX_OUTPUT, TooMuchOutput, run_program


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_a_program_gets_its_input_and_what_it_says_comes_back():
    ran = run_program(
        python("import sys; print(sys.stdin.read()); sys.stderr.write('why'); sys.exit(3)"),
        seconds=60, given=b"told", reads_output=True,
    )  # fmt: skip
    assert (ran.returncode, ran.output.strip(), ran.error_output) == (3, b"told", b"why")


def test_of_an_endless_error_its_end_is_kept_and_no_more():
    talks = "import sys; [sys.stderr.write('x' * 1000) for _ in range(3000)]; sys.stderr.write('the end')"
    ran = run_program(python(talks), seconds=60)
    assert ran.error_output.endswith(b"xthe end")
    assert len(ran.error_output) <= 4096


def test_a_program_that_prints_without_end_is_ended():
    prints = f"import sys\nwhile True: sys.stdout.write('x' * {MAX_OUTPUT})"
    with pytest.raises(TooMuchOutput):
        run_program(python(prints), seconds=600, reads_output=True)
    with pytest.raises(LoginRefused, match="more than a password"):
        password_from_command(python(prints))


def test_a_program_that_does_not_end_is_ended_and_nothing_it_printed_is_told():
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        run_program(python("import time; print('secret', flush=True); time.sleep(600)"), seconds=0.5)
    assert caught.value.output is None


def test_a_program_that_nobody_can_listen_to_is_ended(monkeypatch):
    def refused(_thread):
        raise RuntimeError("can't start new thread")

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **how: started.append(popen(*a, **how)) or started[0])
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="new thread"):
        run_program(python("import time; time.sleep(600)"), seconds=60)
    try:
        assert started[0].poll() is not None
    finally:
        started[0].kill()


def test_who_holds_the_pipes_of_a_program_that_has_ended_holds_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr("upload_client.support.program._DRAIN_SECONDS", 0.2)
    (stays := tmp_path / "stays").touch()
    waits = f"import os, time\nwhile os.path.exists({str(stays)!r}): time.sleep(0.05)"
    leaves = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {waits!r}])"
    try:
        assert run_program(python(leaves), seconds=60, reads_output=True).returncode == 0
    finally:
        stays.unlink()


def test_who_does_not_come_back_is_waited_for_no_longer_and_an_error_is_raised_as_it_is():
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.1, never.wait)
    never.set()
    assert within(60, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(60, lambda: {}["none"])
