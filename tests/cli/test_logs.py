"""The log of a run: kept for the last ten deliveries, where it was asked for, and on stderr with -vv."""

from __future__ import annotations

import logging
import os
import re
import stat
import sys

import pytest

from upload_client.cli import logs
from upload_client.cli.logs import KEPT, kept_logs, logging_run

log = logging.getLogger("upload_client.test")


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    """A folder for logs of this test alone."""
    monkeypatch.setattr(logs, "kept_logs", lambda: tmp_path / "state" / "log")
    monkeypatch.setenv("UPLOAD_CLIENT_USERNAME", "ada")
    return tmp_path / "state" / "log"


@pytest.fixture
def failing(run, data, monkeypatch):
    """A delivery that does not come far: nobody is logged in."""
    monkeypatch.setenv("UPLOAD_CLIENT_AUTH", "aws")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    return lambda *more: run("--dataset", "toy", "--delivery-id", "d1", "--source", data, *more)


def kept(state, *, log_file=None, on_stderr=False):
    return logging_run(("upload-client",), ("toy", "d1"), log_file=log_file, on_stderr=on_stderr)


def test_a_failed_delivery_names_the_log_that_it_has_kept(failing, state):
    said = failing()
    assert said.code == 10
    (path,) = state.iterdir()
    assert f"log: {path}\n" in said.err
    text = path.read_text()
    assert "upload_client: " in text.splitlines()[0]
    assert "--dataset toy --delivery-id d1" in text.splitlines()[0]
    assert "Traceback" in text, "a file for who looks into it"
    assert "Traceback" not in said.err


def test_each_line_has_its_time_level_and_logger_and_a_traceback_is_indented(failing, state):
    failing()
    (path,) = state.iterdir()
    for line in path.read_text().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ upload_client[\w.]*: |    ", line), (
            line
        )


def test_a_run_that_is_not_told_which_delivery_keeps_no_log(run, state):
    assert run("--dataset", "toy").code == 2
    assert not state.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no symlinks for everybody")
def test_a_log_that_another_run_deletes_in_the_same_moment_costs_this_run_no_log(state):
    for n in range(KEPT + 3):
        with kept(state):
            log.info("run %d", n)
    gone = max(state.iterdir())
    gone.unlink()
    gone.symlink_to(state / "deleted meanwhile")  # is listed, and cannot be looked at
    with kept(state):
        log.info("the last run")
    assert "the last run" in "".join(path.read_text() for path in state.iterdir() if path.exists())


def test_the_last_ten_are_kept_and_nothing_else_is_touched(state):
    state.mkdir(parents=True)
    (state / "mine.log").write_text("x")
    for n in range(KEPT + 3):
        with kept(state) as path:
            log.info("%d", n)
        os.utime(path, (n, n))
    found = sorted(path for path in state.iterdir() if path.name != "mine.log")
    assert len(found) == KEPT
    assert {path.read_text().splitlines()[-1].rpartition(" ")[2] for path in found} == {
        str(n) for n in range(3, KEPT + 3)
    }
    assert (state / "mine.log").exists()


@pytest.mark.parametrize("rotated", [False, True])
def test_the_log_of_a_run_that_goes_on_is_not_taken_from_it_however_many_come_and_go(
    state, monkeypatch, rotated
):
    monkeypatch.setattr(logs, "_MAX_BYTES", 10_000)
    with kept(state) as path:
        for n in range(200 if rotated else 1):
            log.info("before, %d", n)
        assert path.with_name(f"{path.name}.1").exists() is rotated
        os.utime(path, (1, 1))  # nothing was written for long
        for _ in range(KEPT + 3):
            with kept(state):
                pass
        log.info("after")
    assert "after" in path.read_text()
    os.utime(path, (1, 1))
    with kept(state):
        pass
    assert not path.exists()
    assert len(list(state.iterdir())) == KEPT


@pytest.mark.skipif(sys.platform == "win32", reason="has other rights")
def test_only_its_owner_reads_it(state):
    with kept(state) as path:
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_keeps_no_delivery_from_running(state, tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with kept(state) as path:
        log.info("goes nowhere")
    assert path is None


def test_names_that_are_no_file_names_make_one_all_the_same(state):
    with logging_run((), ("../../x", "a/b\n" + "c" * 300), log_file=None, on_stderr=False) as path:
        pass
    assert path.parent == state
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z_\.\._\.\._x_a_b_c{59}_\d+\.log", path.name)


def test_by_itself_steps_are_kept_and_on_demand_everything(state, tmp_path):
    for log_file, there in ((None, False), (tmp_path / "all.log", True)):
        with kept(state, log_file=log_file) as path:
            log.debug("a request")
            log.info("a step")
        text = path.read_text()
        assert "a step" in text
        assert ("a request" in text) is there


def test_a_log_that_grows_too_large_loses_its_beginning(state, monkeypatch):
    monkeypatch.setattr(logs, "_MAX_BYTES", 10_000)
    with kept(state) as path:
        for n in range(1000):
            log.info("line %d", n)
    assert sum(one.stat().st_size for one in state.iterdir()) <= 20_000
    assert "line 999" in path.read_text()


def test_afterwards_the_package_is_as_silent_as_before(state, capsys):
    with kept(state, on_stderr=True):
        pass
    capsys.readouterr()
    log.warning("nobody asked")
    assert capsys.readouterr().err == ""
    assert logging.getLogger("upload_client").level == logging.NOTSET


def test_with_vv_steps_go_to_stderr_without_a_traceback_and_nothing_is_said_twice(failing):
    said = failing("-vv")
    assert "INFO upload_client.settings: " in said.err
    assert "INFO upload_client.ui.logs: " not in said.err
    assert said.err.count("connecting to the receiver") == 1
    assert "Traceback" not in said.err


def test_a_log_file_that_cannot_be_written_is_said_before_anything_is_done(failing, tmp_path):
    said = failing("--log-file", tmp_path / "none" / "x.log")
    assert said.code == 2
    assert f"{tmp_path / 'none' / 'x.log'} cannot be written: there is no folder" in said.err


def test_other_commands_write_a_log_where_it_is_asked_for(run, tmp_path, state):
    said = run("status", "--dataset", "toy", "--delivery-id", "d1", "--log-file", tmp_path / "s.log")
    assert said.code == 2
    assert (
        "INFO upload_client.settings: settings from environment: username" in (tmp_path / "s.log").read_text()
    )
    assert not state.exists()
    assert logging.getLogger("upload_client").level == logging.NOTSET


def test_what_another_party_says_cannot_look_like_a_line_of_the_log(state):
    with kept(state) as path:
        log.info("it says: %s", "x\n2026-01-01T00:00:00.000Z INFO upload_client: all is well\x1b[2J")
    lines = path.read_text().splitlines()
    assert lines[-1].startswith("    2026-01-01")
    assert r"\x1b[2J" in lines[-1]


def test_the_command_to_type_next_has_vv_as_it_was_typed(failing, state):
    failing("-vv")
    (path,) = state.iterdir()
    assert "--verbose --verbose" in path.read_text().splitlines()[0]


def test_the_folder_is_the_platforms():
    assert kept_logs().parts[-2:] == ("upload-client", "log") or sys.platform in {"darwin", "win32"}
