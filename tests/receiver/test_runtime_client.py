"""Deliveries judged and handed over by the packed handlers under AWS' runtime client, with the oldest boto3.

The functions have an environment of their own: awslambdaric, and exactly the lower bounds that pyproject.toml
has of what Lambda and the layer bring. Handlers, time and settings are the templates'. It asks PyPI for these
packages.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import forked
import pytest
import yaml
from click.testing import CliRunner
from functions.registries import FakeRegistry
from receiver.conftest import REGION
from receiver.lambda_service import Function, Invoked, LambdaService
from waiting import until

from upload_client.sandbox import Sandbox, sample

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric is for Linux"),
]

RUNTIME_CLIENT = "awslambdaric==4.2.2"
BROUGHT = ("boto3", "pydantic", "aws-lambda-powertools")
"""What Lambda has, and the layer that the template names."""


def oldest() -> dict[str, str]:
    """The lower bounds of what is there besides the zip; botocore's is boto3's."""
    path = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    bounds = dict(
        line.split(">=")
        for line in (*project["dependencies"], *project["optional-dependencies"]["receiver"])
        if re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", line)
    )
    return {name: bounds[name] for name in BROUGHT} | {"botocore": bounds["boto3"]}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions' Python, with what they have at AWS, and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("runtime")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    pins = [f"{name}=={number}" for name, number in oldest().items()]
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", RUNTIME_CLIENT, *pins]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = subprocess.run(
        [python, "-c", "import boto3, botocore; print(boto3.__version__, botocore.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(f"{number}.".startswith(f"{oldest()['boto3']}.0.") for number in found), found
    return python


class _Template(yaml.SafeLoader):
    """The template's YAML, its functions (``!Sub``) left out."""


def _plain(loader: _Template, _tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value


_Template.add_multi_constructor("!", _plain)


@dataclass(frozen=True)
class Receiver:
    """A receiving end whose functions run as at AWS."""

    sandbox: Sandbox
    lambdas: LambdaService
    queue: str
    log: Path

    def deliver(self, folder: Path, delivery_id: str, *more: str) -> tuple[int, dict[str, str], dict]:
        """Exit code, state of each file, and what the topic is told."""
        output = folder.with_name(f"output of {delivery_id}")
        output.mkdir()
        done = forked.run(
            [
                *(sys.executable, "-m", "upload_client", "--profile", self.sandbox.profile, "--json"),
                *("--dataset", "toy", "--delivery-id", delivery_id, "--source", folder),
                *("--output-dir", output, *more),
            ],
            env={"AWS_ENDPOINT_URL_LAMBDA": self.lambdas.url},
        )
        assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}\n{self.said()}"
        assert done.stdout, f"{done.stderr}\n{self.said()}"
        summary = json.loads(done.stdout.splitlines()[-1])
        assert summary.get("state_csv"), f"{done.stdout}\n{done.stderr}\n{self.said()}"
        with Path(summary["state_csv"]).open(encoding="utf-8", newline="") as lines:
            states = {row["relpath"]: row["state"] for row in csv.DictReader(lines)}
        return done.returncode, states, until(self._told)

    def _told(self) -> dict | None:
        sqs = self.sandbox.client("sqs")
        for message in sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1).get("Messages", ()):
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(json.loads(message["Body"])["Message"])
        return None

    def control(self, key: str) -> bytes:
        s3, bucket = self.sandbox.client("s3"), self.sandbox.control_bucket
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def receiver(python: Path, real_s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    from upload_client.cli.receiver import receiver as command

    folder = tmp_path_factory.mktemp("receiver")
    template, hand_over = folder / "receiver.yaml", folder / "hand-over.yaml"
    validator, functions = folder / "validator", folder / "functions"
    for words in (
        ["template", "-o", str(template)],
        ["template", "--hand-over", "s3://archive/{dataset}/{delivery_id}/", "-o", str(hand_over)],
        ["package", "-o", f"{validator}.zip"],
        ["package", "--functions", "-o", f"{functions}.zip"],
    ):
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 0, done.output
    for task in (validator, functions):
        with zipfile.ZipFile(f"{task}.zip") as archive:
            archive.extractall(task)
    resources: dict[str, dict] = {}
    for path in (template, hand_over):
        resources |= yaml.load(path.read_text(encoding="utf-8"), _Template)["Resources"]
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(s3_endpoint=real_s3))
        lambdas = LambdaService(folder / "log")
        stack.callback(lambdas.close)
        topic = sandbox.client("sns").create_topic(Name="outcomes")["TopicArn"]
        queue = sandbox.client("sqs").create_queue(QueueName="outcomes")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:outcomes"
        sandbox.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        key = sandbox.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        values = {
            "ControlBucket": sandbox.control_bucket,
            "LandingBucket": sandbox.landing_bucket,
            "OutcomeTopic": topic,
            "Worker": '"upload-client-work"',
            "AWS::StackName": "upload-client",
            "Signing": json.dumps(key["KeyMetadata"]["Arn"]),
            "Retain": "null",
            "RetainMode": "GOVERNANCE",
        }
        made = {
            name: resources[f"{name}Function"]["Properties"] for name in ("Start", "Work", "HandOver", "Copy")
        }
        # Any of them, for who packs them without the template.
        made["Functions"] = {**made["Copy"], "Environment": {"Variables": {}}}
        for name, given in made.items():
            task = validator if name in ("Start", "Work") else functions
            variables = dict(given["Environment"]["Variables"])
            if "UPLOAD_CLIENT_VALIDATOR" in variables:
                text, _ = variables["UPLOAD_CLIENT_VALIDATOR"]
                text = re.sub(r"\$\{([A-Za-z:]+)\}", lambda one: values[one[1]], text)
                variables["UPLOAD_CLIENT_VALIDATOR"] = json.dumps(json.loads(text))
            environment = {
                "POWERTOOLS_SERVICE_NAME": "upload-client",
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(task),
                "PYTHONDONTWRITEBYTECODE": "1",  # at AWS, the code is read-only
                "LAMBDA_TASK_ROOT": str(task),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "sandbox",
                "AWS_SECRET_ACCESS_KEY": "sandbox",
                "AWS_ENDPOINT_URL": sandbox.endpoint_url,
                "AWS_ENDPOINT_URL_S3": sandbox.s3_endpoint_url,
                "AWS_ENDPOINT_URL_LAMBDA": lambdas.url,
                "NO_PROXY": "127.0.0.1",
                "TZ": ":UTC",
                **{
                    name: value
                    for name, value in variables.items()
                    if name
                    in ("POWERTOOLS_METRICS_NAMESPACE", "UPLOAD_CLIENT_FUNCTIONS", "UPLOAD_CLIENT_VALIDATOR")
                },
            }
            lambdas.define(
                f"upload-client-{re.sub('(?<!^)(?=[A-Z])', '-', name).lower()}",
                Function(
                    [str(python), "-m", "awslambdaric", given["Handler"]], task, environment, given["Timeout"]
                ),
            )
        yield Receiver(sandbox, lambdas, queue, folder / "log")
        # Nothing went past the functions under test, to those of the sandbox.
        assert not any("/invocations" in request.path for request in sandbox.requests)


def test_an_invalid_file_is_found_and_the_others_are_valid(receiver, tmp_path):
    sample(tmp_path / "data", n_files=8)
    (tmp_path / "data" / "in parts.bin").write_bytes(bytes(range(256)) * 4096 * 20)
    (tmp_path / "data" / "broken.json").write_text("{", encoding="utf-8")
    before = len(receiver.lambdas.ended)
    code, states, told = receiver.deliver(tmp_path / "data", "with-invalid")
    assert code == 3, receiver.said()
    assert states.pop("broken.json") == "invalid"
    assert Counter(states.values()) == {"valid": 9}
    assert (told["valid"], told["invalid"], told["complete"]) == (9, 1, False)
    assert [file["path"] for file in told["invalid_first"]] == ["broken.json"]
    check_invocations(receiver, before, ["stop"])


def test_without_it_the_delivery_is_complete_and_its_receipt_signed_by_a_key_of_kms(receiver, tmp_path):
    sample(tmp_path / "data", n_files=8)
    before = len(receiver.lambdas.ended)
    code, states, told = receiver.deliver(tmp_path / "data", "complete")
    assert code == 0, receiver.said()
    assert Counter(states.values()) == {"valid": 8}
    assert (told["valid"], told["invalid"], told["complete"]) == (8, 0, True)
    check_invocations(receiver, before, ["stop"])
    signed = json.loads(receiver.control("toy/complete/staging/signature/00000001.json"))
    assert f"upload-client {version('upload-client')}" in base64.b64decode(signed["payload"]).decode()


def test_a_worker_whose_time_is_up_leaves_by_itself_and_another_goes_on(receiver, tmp_path):
    (tmp_path / "data").mkdir()
    for n in range(20):
        (tmp_path / "data" / f"{n}.bin").write_bytes(bytes([n]) * 1_000_000)
    before = len(receiver.lambdas.ended)
    with receiver.lambdas.limited("upload-client-work", seconds=8):
        code, states, told = receiver.deliver(tmp_path / "data", "long", "--max-rate", "2MB/s")
        outcomes = [one.answer["outcome"] for one in ended_since(receiver, before) if one.kind == "Event"]
    assert code == 0, receiver.said()
    assert Counter(states.values()) == {"valid": 20}
    assert told["complete"] is True
    assert len(outcomes) > 1
    check_invocations(receiver, before, ["time"] * (len(outcomes) - 1) + ["stop"])


def called(receiver: Receiver, function: str, handler: str, event: object) -> dict:
    """The answer of a routed handler."""
    routed = {"handler": f"upload_client.functions.{handler}", "event": event}
    ended = receiver.lambdas.run(function, "RequestResponse", json.dumps(routed).encode())
    assert not ended.failed, f"{ended.answer}\n{receiver.said()}"
    assert isinstance(ended.answer, dict)
    return ended.answer


def test_a_complete_delivery_is_handed_over_by_the_steps_of_the_state_machine(receiver, tmp_path):
    sample(tmp_path / "data", n_files=8)
    assert receiver.deliver(tmp_path / "data", "handed-over")[0] == 0
    s3, landing = receiver.sandbox.client("s3"), receiver.sandbox.landing_bucket
    s3.create_bucket(Bucket="archive-of-all")

    def keys(bucket: str, prefix: str) -> set[str]:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return {each["Key"].removeprefix(prefix) for each in listed}

    delivered = keys(landing, "toy/handed-over/staging/")
    batches = f"s3://{receiver.sandbox.control_bucket}/toy/handed-over/staging/handover/batches/"
    delivery = {"dataset": "toy", "delivery_id": "handed-over", "transfer_type": "staging"}
    event = {**delivery, "to": "s3://archive-of-all/{dataset}/{delivery_id}/"}
    handler = "hand_over.HandOverHandler"
    prepared = called(
        receiver,
        "upload-client-hand-over",
        handler,
        {**event, "step": "prepare", "temporary_request_payload_path": batches},
    )
    assert len(prepared["requests"]) == 1
    copied = called(receiver, "upload-client-copy", "data_sync.BatchDataSyncHandler", prepared["requests"][0])
    assert copied["result"]["files_transferred"] == len(delivered) == 8
    done = called(
        receiver, "upload-client-hand-over", handler, {**event, "remove": "true", "notify_topic": ""}
    )
    assert (done["copied"], done["removed"], done["record"]["n_files"]) == (0, 8, 8)
    assert keys("archive-of-all", "toy/handed-over/") == delivered
    assert keys(landing, "toy/handed-over/staging/") == set()
    assert called(receiver, "upload-client-hand-over", handler, event)["did_nothing"]


def test_every_family_of_functions_answers_from_the_packed_zip(receiver, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.txt").write_text("content", encoding="utf-8")
    source, folder = f"{tmp_path}/a/", f"s3://{receiver.sandbox.control_bucket}/functions/"

    def call(handler: str, event: object) -> dict:
        return called(receiver, "upload-client-functions", handler, event)

    paths = {"source_path": source, "destination_path": folder}
    assert call("data_sync.DataSyncHandler", paths)["result"] == {
        "bytes_transferred": 7,
        "files_transferred": 1,
    }
    locked = {"source_path": folder, "destination_path": f"{tmp_path}/c/", "require_lock": True}
    assert call("data_sync.DataSyncHandler", locked)["result"]["files_transferred"] == 1
    assert (tmp_path / "c/b.txt").read_text(encoding="utf-8") == "content"
    assert len(call("data_sync.PrepareBatchDataSyncHandler", paths)["requests"]) == 1
    assert call("data_sync.ListDataPathsHandler", {"path": folder})["paths"] == [folder, f"{folder}b.txt"]
    message = {"subject": "s", "message": "m"}
    topic = receiver.sandbox.client("sns").create_topic(Name="told")["TopicArn"]
    told = call("notifications.NotificationRouter", {"content": message, "targets": [{"topic": topic}]})
    assert [each["success"] for each in told["results"]] == [True]
    removed = call("data_sync.RemoveDataPathsHandler", {"paths": [folder], "allow_s3": True})
    assert removed["size_bytes_removed"] == 7
    made = call(
        "batch.CreateDefinitionAndPrepareArgsHandler",
        {
            "image": "registry.example/x:1",
            "job_definition_name": "d",
            "job_queue_name": "q",
            "command": ["true"],
            "resource_requirements": {"vcpus": 1, "memory": 1024},
        },
    )
    assert made["job_definition_arn"]


def test_images_and_executions_and_mails_too_and_what_is_wrong_is_told_by_its_field(receiver):
    def call(handler: str, event: object) -> dict:
        return called(receiver, "upload-client-functions", handler, event)

    source, target = FakeRegistry(), FakeRegistry()
    try:
        digest = source.push_image("tool", "1", b"layer" * 1000)
        copied = call(
            "ecr.ImageReplicatorHandler",
            {
                "source_image": f"{source.host}/tool:1",
                "destination_repository": f"{target.host}/archive/tool",
                "destination_image_tags": ["1"],
            },
        )
        assert copied["destination_image"]["image_digest"] == digest
        assert target.manifest("archive/tool", "1")[0] == digest
    finally:
        source.close()
        target.close()
    efs = receiver.sandbox.client("efs")
    system = efs.create_file_system(CreationToken="a")["FileSystemId"]
    for role in ("shared", "scratch"):
        efs.create_access_point(ClientToken=role, FileSystemId=system, Tags=[{"Key": "Name", "Value": role}])
    prepared = call(
        "demand.PrepareDemandScaffoldingHandler",
        {
            "demand_execution": {
                "execution_type": "align",
                "execution_id": "e-1",
                "execution_image": "registry.example/align:2",
                "execution_parameters": {
                    "command": ["align", "${READS}"],
                    "params": {"reads": "s3://landing/D/reads/ @ reads"},
                    "inputs": ["reads"],
                },
                "execution_platform": {"aws_batch": {"job_queue_name": "queue"}},
                "resource_requirements": {"vcpus": 4, "memory": 8192},
            }
        },
    )
    assert len(prepared["setup_configs"]["data_sync_requests"]) == 1
    assert call(
        "batch.CreateDefinitionAndPrepareArgsHandler", prepared["setup_configs"]["batch_create_request"]
    )["job_definition_arn"]
    message = {"subject": "s", "message": "m"}
    told = call(
        "notifications.NotificationRouter", {"content": message, "targets": [{"address": "a@example.org"}]}
    )
    assert [each["success"] for each in told["results"]] == [False]
    assert "SOURCE_EMAIL_ADDRESS" in told["results"][0]["response"]
    for handler, event, said in (
        (
            "data_sync.DataSyncHandler",
            {"source_path": "a/", "destination_path": "b/", "delte": 0},
            "write delete",
        ),
        ("ecr.ImageReplicatorHandler", {"source_image": 3}, "source_image"),
        ("demand.PrepareDemandScaffoldingHandler", {}, "demand_execution"),
        ("nowhere.Handler", {}, "nowhere"),
    ):
        routed = {"handler": f"upload_client.functions.{handler}", "event": event}
        ended = receiver.lambdas.run(
            "upload-client-functions", "RequestResponse", json.dumps(routed).encode()
        )
        assert ended.failed
        assert said in ended.answer["errorMessage"]
        assert ended.answer["errorType"] in ("InvalidRequest", "HandlerNotAllowed")


def ended_since(receiver: Receiver, before: int) -> list[Invoked]:
    """All invocations since then, once the last worker has ended, too."""

    def all_() -> list[Invoked]:
        ended = receiver.lambdas.ended[before:]
        starts = sum(one.kind == "RequestResponse" for one in ended)
        return ended if 0 < starts == len(ended) / 2 else []

    return until(all_, why=receiver.said)


def check_invocations(receiver: Receiver, before: int, outcomes: list[str]) -> None:
    """A start that is waited for before each worker, which is not; none failed."""
    ended = ended_since(receiver, before)
    starts = [one for one in ended if one.kind == "RequestResponse"]
    works = [one for one in ended if one.kind == "Event"]
    assert not [one for one in ended if one.failed]
    assert {one.name for one in starts} == {"upload-client-start"}
    assert {one.answer["status"] for one in starts} == {"success"}, starts
    assert {one.name for one in works} == {"upload-client-work"}
    assert [one.answer for one in works] == [{"outcome": each} for each in outcomes]
    assert "Traceback" not in receiver.said()
