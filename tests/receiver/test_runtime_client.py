"""Whole deliveries judged by the packed handlers under AWS' runtime client, with the oldest boto3 promised.

The functions have an environment of their own: awslambdaric, and exactly the lower bounds that pyproject.toml
has of what Lambda and the layer bring. Handlers, time and settings are the template's. It asks PyPI for these
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
    template, code, task = folder / "receiver.yaml", folder / "validator.zip", folder / "task"
    for words in (["template", "-o", str(template)], ["package", "-o", str(code)]):
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 0, done.output
    with zipfile.ZipFile(code) as archive:
        archive.extractall(task)
    resources = yaml.load(template.read_text(encoding="utf-8"), _Template)["Resources"]
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
        for name in ("start", "work"):
            made = resources[f"{name.title()}Function"]["Properties"]
            variables = dict(made["Environment"]["Variables"])
            text, _ = variables["UPLOAD_CLIENT_VALIDATOR"]
            settings = json.loads(re.sub(r"\$\{([A-Za-z:]+)\}", lambda one: values[one[1]], text))
            environment = {
                "POWERTOOLS_SERVICE_NAME": "upload-client",
                "POWERTOOLS_METRICS_NAMESPACE": variables["POWERTOOLS_METRICS_NAMESPACE"],
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
                "UPLOAD_CLIENT_VALIDATOR": json.dumps(settings),
            }
            lambdas.define(
                f"upload-client-{name}",
                Function(
                    [str(python), "-m", "awslambdaric", made["Handler"]], task, environment, made["Timeout"]
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
