"""``upload-client sandbox``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from types import SimpleNamespace

import pytest
import waiting

from upload_client.cli.sandbox import _how_to_deliver
from upload_client.sandbox import Sandbox
from upload_client.sandbox import sandbox as sandbox_module
from upload_client.settings import load_settings
from upload_client.validator.settings import ENVIRONMENT_VARIABLE, ValidatorSettings

pytest.importorskip("moto")


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals to send to a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_when_it_is_ready_and_runs_until_it_is_stopped(tmp_path, number):
    profile = tmp_path / "profile.toml"
    child = subprocess.Popen(
        [sys.executable, "-m", "upload_client", "sandbox", "--profile-out", str(profile), "--dataset", "toy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with waiting.killed_after(child):
        ready = json.loads(child.stdout.readline())
    assert (ready["kind"], ready["dataset"], ready["profile"]) == ("ready", "toy", str(profile))
    with urllib.request.urlopen(ready["endpoint_url"]) as answer:
        assert answer.status == 200
    assert load_settings(profile=profile, environ={}).endpoint_url == ready["endpoint_url"]
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("", "", 0)


@pytest.mark.parametrize("line", range(1, 21))
def test_wherever_ctrl_c_comes_while_it_waits_it_ends(line):
    """After an exception between taking a lock of `subprocess` and giving it back nobody could wait again."""
    sandbox = Sandbox()
    sandbox._server = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    n = 0

    # Only there: an exception in what the garbage collector calls reaches nobody.
    files = (subprocess.__file__, threading.__file__, sandbox_module.__file__)

    def trace(frame, event, _argument):
        nonlocal n
        if frame.f_code.co_filename not in files:
            return None
        n += event == "line"
        if n == line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    def waits() -> None:
        before = sys.gettrace()
        try:
            sys.settrace(trace)
            sandbox.wait()
        finally:
            sys.settrace(before)

    with pytest.raises(KeyboardInterrupt):
        waits()
    ends = threading.Thread(target=sandbox._stop_server, daemon=True)
    ends.start()
    ends.join(30)
    assert not ends.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_on_a_terminal_it_says_how_to_deliver_to_it(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "upload_client", "sandbox", "--profile-out", str(tmp_path / "p.toml")),
            *("--bucket", "archive"),
        ],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    said = b""
    while b"s3://archive/PREFIX/" not in said:
        said += os.read(ours, 1000)
    child.send_signal(signal.SIGINT)
    child.wait(timeout=60)
    os.close(ours)
    assert f"--profile {tmp_path / 'p.toml'} --dataset sample --delivery-id 1" in said.decode()
    (receiver,) = re.findall(r"UPLOAD_CLIENT_VALIDATOR='(.*)'", said.decode())
    settings = ValidatorSettings.from_environment({ENVIRONMENT_VARIABLE: receiver})
    assert settings.control_bucket.startswith("control-")


def test_a_terminal_that_has_pasted_what_it_says_can_still_deliver():
    """Its region goes before that of the profile, and the receiver's settings are in one region alone."""
    running = SimpleNamespace(
        profile="toy.toml",
        endpoint_url="http://127.0.0.1:1",
        s3_endpoint_url="http://127.0.0.1:1",
        control_bucket="c",
        landing_bucket="l",
    )
    assert f" AWS_REGION={sandbox_module.REGION}\n" in _how_to_deliver(running, "toy", "1", ("team",))
