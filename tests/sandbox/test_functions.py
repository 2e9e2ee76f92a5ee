"""Lambda's Invoke: synchronous, asynchronous, in time and out of time."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from waiting import is_running, until

from upload_client.sandbox import Sandbox
from upload_client.sandbox.sandbox import AROUND_FUNCTION, START_FUNCTION, WORK_FUNCTION

LAMBDAS = Path(__file__).with_name("lambdas.py")


def sandbox_with(function: str, **options) -> Sandbox:
    return Sandbox(start_handler=f"{LAMBDAS}:echo", work_handler=f"{LAMBDAS}:{function}", **options)


def invoke(sandbox: Sandbox, name: str, event: object, kind: str = "RequestResponse") -> dict:
    answer = sandbox.client("lambda").invoke(
        FunctionName=name, InvocationType=kind, Payload=json.dumps(event).encode()
    )
    return {**answer, "Payload": answer["Payload"].read()}


@pytest.fixture(scope="module")
def failing():
    with sandbox_with("fail") as sandbox:
        yield sandbox


def test_a_function_runs_in_a_process_of_its_own_with_its_context(failing):
    said = json.loads(invoke(failing, START_FUNCTION, {"x": [1, "ä"]})["Payload"])
    assert said["event"] == {"x": [1, "ä"]}
    assert said["function"] == START_FUNCTION
    assert 0 < said["remaining"] <= 120_000
    assert said["pid"] != os.getpid()
    again = json.loads(invoke(failing, START_FUNCTION, {})["Payload"])
    assert said["pid"] == again["pid"]  # which waits for the next invocation
    assert said["request"] != again["request"]


def test_what_runs_at_the_same_time_runs_in_processes_of_its_own(failing):
    with socket.create_server(("127.0.0.1", 0)) as meeting, ThreadPoolExecutor(3) as pool:
        event = {"meet": meeting.getsockname()}
        answers = [pool.submit(invoke, failing, START_FUNCTION, event) for _ in range(3)]
        for here in [meeting.accept()[0] for _ in range(3)]:
            here.close()
        answers = [answer.result() for answer in answers]
    assert len({json.loads(answer["Payload"])["pid"] for answer in answers}) == 3


def test_one_that_raised_is_followed_by_another(failing):
    for _ in range(2):
        answer = json.loads(invoke(failing, WORK_FUNCTION, {"why": "because"})["Payload"])
        assert answer["errorMessage"] == "no: because"


def test_a_function_sees_nothing_of_the_persons_own_aws_settings(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "of-the-person")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid")
    monkeypatch.setenv("UPLOAD_CLIENT_PASSWORD", "secret of the person")
    with sandbox_with("echo") as sandbox:
        environment = json.loads(invoke(sandbox, START_FUNCTION, {})["Payload"])["environment"]
    assert "AWS_PROFILE" not in environment
    assert "AWS_ENDPOINT_URL" not in environment
    assert "secret of the person" not in environment.values()
    settings = json.loads(environment["UPLOAD_CLIENT_VALIDATOR"])
    assert settings["control_bucket"] == sandbox.control_bucket
    assert settings["worker_function"] == WORK_FUNCTION


def test_an_exception_is_a_function_error(failing):
    answer = invoke(failing, WORK_FUNCTION, {"why": "because"})
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    said = json.loads(answer["Payload"])
    assert (said["errorType"], said["errorMessage"]) == ("RuntimeError", "no: because")


def test_an_unknown_function_is_not_found(failing):
    with pytest.raises(ClientError) as caught:
        invoke(failing, "nobody", {})
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_process_that_dies_is_a_function_error():
    with sandbox_with("die") as sandbox:
        answer = invoke(sandbox, WORK_FUNCTION, {})
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"])["errorType"] == "Runtime.ExitError"


def test_a_function_that_runs_out_of_time_is_killed(tmp_path):
    with sandbox_with("sleep", lambda_seconds=1.5) as sandbox:
        answer = invoke(sandbox, WORK_FUNCTION, {"started": str(tmp_path / "pid")})
        assert "timed out after 1.50 seconds" in json.loads(answer["Payload"])["errorMessage"]
        assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_dry_run_runs_nothing(tmp_path):
    with sandbox_with("write") as sandbox:
        answer = invoke(sandbox, WORK_FUNCTION, {"to": str(tmp_path / "done")}, "DryRun")
        assert (answer["StatusCode"], answer["Payload"]) == (204, b"")
    assert not (tmp_path / "done").exists()


def test_an_event_is_taken_at_once_and_carried_out_later(tmp_path):
    with sandbox_with("write") as sandbox:
        answer = invoke(sandbox, WORK_FUNCTION, {"to": str(tmp_path / "done")}, "Event")
        assert (answer["StatusCode"], answer["Payload"]) == (202, b"")
        until((tmp_path / "done").exists)


def test_what_runs_ends_with_the_sandbox(tmp_path):
    with sandbox_with("sleep") as sandbox:
        invoke(sandbox, WORK_FUNCTION, {"started": str(tmp_path / "pid")}, "Event")
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        assert is_running(pid)
    until(lambda: not is_running(pid))


def test_what_runs_ends_when_the_server_is_killed(tmp_path):
    with sandbox_with("sleep") as sandbox:
        invoke(sandbox, WORK_FUNCTION, {"started": str(tmp_path / "pid")}, "Event")
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        assert is_running(pid)
        sandbox._server.kill()
        until(lambda: not is_running(pid))


def test_the_functions_around_a_delivery_run_in_the_sandbox_and_nothing_else_does(sandbox):
    pytest.importorskip("aws_lambda_powertools")
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=sandbox.landing_bucket, Key="around/a.txt", Body=b"a")
    path = f"s3://{sandbox.landing_bucket}/around/"

    def ask(name, event):
        answer = invoke(sandbox, AROUND_FUNCTION, {"handler": name, "event": event})
        return json.loads(answer["Payload"]), "FunctionError" in answer

    listed, failed = ask("upload_client.functions.data_sync.ListDataPathsHandler", {"path": path})
    assert (listed["paths"], failed) == ([path, f"{path}a.txt"], False)
    topic = sandbox.client("sns").create_topic(Name="around")["TopicArn"]
    content = {"subject": "s", "message": "m"}
    told, _ = ask(
        "upload_client.functions.notifications.NotificationRouter",
        {"content": content, "targets": [{"topic": topic}]},
    )
    assert told["results"][0]["success"], told
    refused, failed = ask("os.system", "true")
    assert (refused["errorType"], failed) == ("HandlerNotAllowed", True)
