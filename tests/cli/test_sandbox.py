"""``upload-client sandbox``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from upload_client.settings import load_settings

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
    ready = json.loads(child.stdout.readline())
    assert (ready["kind"], ready["dataset"], ready["profile"]) == ("ready", "toy", str(profile))
    with urllib.request.urlopen(ready["endpoint_url"]) as answer:
        assert answer.status == 200
    assert load_settings(profile=profile, environ={}).endpoint_url == ready["endpoint_url"]
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("", "", 0)
