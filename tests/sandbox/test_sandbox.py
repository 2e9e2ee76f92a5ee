"""A sandbox is ready to use, says so, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from waiting import is_running, until

from upload_client.aws.auth import fetch_parameter, open_session
from upload_client.errors import DeliveryError, UsageError
from upload_client.sandbox import Sandbox
from upload_client.sandbox.sandbox import WORK_FUNCTION
from upload_client.settings import load_settings, with_parameter


@pytest.fixture(autouse=True, scope="module")
def started(as_people_start_it):
    """Here nothing is forked."""


def test_the_profile_logs_in_without_a_question_and_leads_to_the_receivers_settings(sandbox):
    settings = load_settings(profile=sandbox.profile, environ={})
    session = open_session(settings, prompt=None)
    assert session.get_credentials().get_frozen_credentials().access_key
    complete = with_parameter(settings, fetch_parameter(session, settings))
    assert complete == sandbox.settings
    assert complete.control_bucket == sandbox.control_bucket
    assert complete.landing_bucket == sandbox.landing_bucket
    assert "{dataset}/{delivery_id}" in complete.landing_prefix


def test_the_profile_is_private_and_holds_no_password_of_its_own(sandbox):
    if os.name == "posix":
        assert sandbox.profile.stat().st_mode & 0o077 == 0
        assert sandbox.profile.parent.stat().st_mode & 0o077 == 0
    assert "password" not in tomllib.loads(sandbox.profile.read_text())


def test_the_ready_line_is_one_json_object(sandbox):
    line = sandbox.ready_line()
    assert "\n" not in line
    said = json.loads(line)
    assert said["kind"] == "ready"
    assert said["endpoint_url"] == said["s3_endpoint_url"] == sandbox.endpoint_url
    assert said["endpoint_url"].startswith("http://127.0.0.1:")
    assert Path(said["profile"]) == sandbox.profile


def test_it_tells_what_was_asked_of_it(sandbox):
    before = len(sandbox.requests)
    sandbox.client("s3").put_object(Bucket=sandbox.control_bucket, Key="a/b", Body=b"abc")
    new = sandbox.requests[before:]
    assert new == [("PUT", f"/{sandbox.control_bucket}/a/b", 200, 3)]


def test_many_requests_on_one_connection_keep_it(sandbox):
    import http.client

    connection = http.client.HTTPConnection(sandbox.endpoint_url.removeprefix("http://"))
    for _ in range(3):
        connection.request(
            "POST", "/nowhere", body=b"x" * 10_000, headers={"Authorization": "s3/aws4_request"}
        )
        answer = connection.getresponse()
        answer.read()
        first = connection.sock
        assert first is not None
    assert connection.sock is first
    connection.close()


def test_it_leaves_nothing_behind(tmp_path):
    with Sandbox() as sandbox:
        folder, url = sandbox.profile.parent, sandbox.endpoint_url
        assert folder.exists()
    assert not folder.exists()
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)


def test_a_profile_is_written_where_asked_and_a_strangers_file_is_not_touched(tmp_path):
    profile = tmp_path / "deeper" / "sandbox.toml"
    with pytest.raises(UsageError, match="there is no folder"), Sandbox(profile_out=profile):
        pass
    profile.parent.mkdir()
    for _ in range(2):
        with Sandbox(profile_out=profile) as sandbox:
            assert sandbox.profile == profile
            assert load_settings(profile=profile, environ={}).endpoint_url == sandbox.endpoint_url
    profile.write_text("username = 'me'\n")
    with pytest.raises(UsageError, match="has not written it"), Sandbox(profile_out=profile):
        pass
    assert profile.read_text() == "username = 'me'\n"


def test_a_port_that_is_taken_is_told_in_one_sentence(sandbox):
    port = int(sandbox.endpoint_url.rpartition(":")[2])
    with pytest.raises(DeliveryError, match="does not start"), Sandbox(port=port):
        pass


def test_without_moto_it_says_what_to_install(monkeypatch):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "moto" else find_spec(name))
    with pytest.raises(DeliveryError, match=r"pip install 'upload-client\[sandbox\]'"), Sandbox():
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_nothing_outlives_a_sandbox_whose_owner_is_killed(tmp_path):
    lambdas = Path(__file__).with_name("lambdas.py")
    script = f"""
import json, sys
from upload_client.sandbox import Sandbox
from upload_client.sandbox.sandbox import WORK_FUNCTION
sandbox = Sandbox(work_handler={f"{lambdas}:sleep"!r}).__enter__()
event = json.dumps({{"started": {str(tmp_path / "pid")!r}}})
sandbox.client("lambda").invoke(FunctionName=WORK_FUNCTION, InvocationType="Event", Payload=event)
print(sandbox._server.pid, sandbox.profile.parent, flush=True)
sandbox.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server, folder = owner.stdout.readline().split()
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        owner.kill()
    invocation = int((tmp_path / "pid").read_text())
    until(lambda: not is_running(int(server)))
    until(lambda: not is_running(invocation))
    until(lambda: not Path(folder).exists())


def test_waiting_ends_when_the_server_does(sandbox):
    with Sandbox() as other:
        other._server.kill()
        with pytest.raises(DeliveryError, match="ended by itself"):
            other.wait()


def test_an_s3_that_is_running_already_takes_motos_place(real_s3):
    with Sandbox(s3_endpoint=real_s3) as sandbox:
        assert sandbox.s3_endpoint_url == real_s3
        assert sandbox.settings.endpoints == {"s3": real_s3}
        sandbox.client("s3").put_object(Bucket=sandbox.landing_bucket, Key="here", Body=b"abc")
        assert not any(sandbox.landing_bucket in request.path for request in sandbox.requests)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "<+14>-14", "<-12>12"])
def test_whoever_is_far_from_greenwich_logs_in_like_everybody(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    with Sandbox(work_handler=f"{Path(__file__).with_name('lambdas.py')}:echo") as sandbox:
        session = open_session(load_settings(profile=sandbox.profile, environ={}), prompt=None)
        ends = session.get_credentials()._expiry_time
        assert 0 < ends.timestamp() - time.time() < 3600
        answer = sandbox.client("lambda").invoke(FunctionName=WORK_FUNCTION, Payload="{}")
        assert json.load(answer["Payload"])["environment"]["TZ"] == "UTC0"  # as at AWS


def test_it_loads_motos_machines_when_somebody_asks_for_them_and_not_before():
    program = """
import sys
from upload_client.sandbox.server import load_machines_late
load_machines_late()
import moto.ssm.urls
from moto.backends import get_backend
print("moto.ec2.models" in sys.modules)
machines = get_backend("ec2")
print(machines["1" * 12]["us-east-1"].describe_regions(["us-east-1"])[0].name, "1" * 12 in get_backend("ec2"))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "us-east-1", "True"]
