"""The same requests, answered by us and by the public package with these functions, before one AWS.

Where answers differ, the difference stands here: docs/functions.md tells why.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

pytest.importorskip("moto")
from moto.server import ThreadedMotoServer
from test_demand import EXECUTION, make

from upload_client.functions.batch import CreateDefinitionAndPrepareArgsHandler
from upload_client.functions.demand import PrepareDemandScaffoldingHandler
from upload_client.functions.notifications import NotificationRouter

pytestmark = pytest.mark.long

PACKAGE = "aibs-informatics-aws-lambda==1.1.0"
PROGRAM = Path(__file__).parent / "other_package.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """An interpreter that has that package."""
    if given := os.environ.get("UPLOAD_CLIENT_TEST_OTHER_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp("other")
    uv = shutil.which("uv")
    make_it = [uv, "venv", "-q", folder] if uv else [sys.executable, "-m", "venv", folder]
    subprocess.run(make_it, check=True)
    found = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())
    install = [uv, "pip", "install", "--python", found] if uv else [found, "-m", "pip", "install"]
    if subprocess.run([*install, "-q", PACKAGE], check=False).returncode:
        pytest.skip(f"{PACKAGE} cannot be installed here")
    return str(found)


@pytest.fixture(scope="module")
def aws():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("ENV_BASE", "dev")
        patch.setenv("SOURCE_EMAIL_ADDRESS", "from@example.org")
        yield
    server.stop()


@pytest.fixture
def theirs(python, aws):
    def ask(handler, event):
        done = subprocess.run(
            [python, PROGRAM],
            input=json.dumps({"handler": f"aibs_informatics_aws_lambda.handlers.{handler}", "event": event}),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])["answer"]

    return ask


def test_it_says_nothing_of_notifications_that_were_sent_and_we_say_it_of_each(theirs):
    boto3.client("ses").verify_email_identity(EmailAddress="from@example.org")
    topic = boto3.client("sns").create_topic(Name="t")["TopicArn"]
    event = {
        "content": {"subject": "s", "message": "m"},
        "targets": [{"recipients": ["a@example.org"]}, {"topic": topic}],
    }
    assert theirs("notifications.router.NotificationRouter", event) == {"results": []}
    results = NotificationRouter.get_handler()(event)["results"]
    assert [result["success"] for result in results] == [True, True]


def test_jobs_are_alike_but_for_the_command_and_variables_that_nobody_named(theirs):
    event = {
        "image": "ghcr.io/group/tool:1.2",
        "job_definition_name": "tool",
        "job_queue_name": "queue",
        "job_name": "n",
        "command": ["a"],
        "environment": {"X": "1"},
        "resource_requirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}],
    }
    other = theirs("batch.create.CreateDefinitionAndPrepareArgsHandler", event)
    mine = CreateDefinitionAndPrepareArgsHandler.get_handler()(event)
    for answer in (other, mine):
        answer["job_definition_arn"] = answer["job_definition_arn"].rpartition(":")[0]
    overrides = other["container_overrides"]
    overrides["Environment"] = [one for one in overrides["Environment"] if one["Name"] == "X"]
    assert mine["container_overrides"].pop("Command") == ["a"]
    assert mine == other


@pytest.mark.parametrize("isolate", [True, False])
def test_executions_on_demand_are_prepared_alike(theirs, isolate):
    efs = boto3.client("efs")
    for role in ("shared", "scratch", "tmp") if isolate else ():
        make(efs, role, env_base="dev")
    event = {
        "demand_execution": copy.deepcopy(EXECUTION),
        "context_manager_configuration": {
            "isolate_inputs": isolate,
            "output_data_sync_configuration": {"temporary_request_payload_path": "s3://control/tmp/"},
        },
    }
    other = theirs("demand.scaffolding.PrepareDemandScaffoldingHandler", event)
    mine = PrepareDemandScaffoldingHandler.get_handler()(event)
    mine = json.loads(json.dumps(mine).replace("efs://", ""))  # a URI, as our functions take it
    del other["demand_execution"]["execution_parameters"]["verbosity"]
    for answer in (other, mine):
        answer["demand_execution"]["resource_requirements"].pop("gpu", None)
        job = answer["setup_configs"]["batch_create_request"]
        for differs in ("job_name", "job_definition_name", "privileged", "retry_strategy"):
            job.pop(differs, None)
        for nobody_named in ("ENV_BASE", "AWS_REGION"):
            job["environment"].pop(nobody_named, None)
        for request in answer["cleanup_configs"]["remove_data_paths_requests"]:
            request.pop("allow_s3", None)
    assert mine == other


def test_of_several_candidates_both_choose_the_same(theirs):
    efs = boto3.client("efs")
    points = [make(efs, "scratch", f"s{n}", env_base="dev")[1] for n in range(5)]
    for n in range(4):
        event = {
            "demand_execution": {**EXECUTION, "execution_id": f"e-{n}"},
            "file_system_configurations": {"scratch": [{"access_point": point} for point in points]},
        }
        chosen = {
            json.dumps(answer["setup_configs"]["batch_create_request"]["volumes"], sort_keys=True)
            for answer in (
                theirs("demand.scaffolding.PrepareDemandScaffoldingHandler", event),
                PrepareDemandScaffoldingHandler.get_handler()(event),
            )
        }
        assert len(chosen) == 1
