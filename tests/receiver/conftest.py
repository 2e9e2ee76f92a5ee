"""A receiver deployed from its own templates, behind IAM, as an operator would. One for all tests here."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import forked
import pytest
from botocore.config import Config
from click.testing import CliRunner
from late import late

late("moto")
late("cfnlint")  # CloudFormation in moto needs it

HERE = Path(__file__).parent
REGION = "us-east-1"
OPERATOR = "sandbox"
STACK = "upload-client"


class Aws:
    """A process that answers as AWS would, with IAM: see aws.py."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "receiver", str(directory)],
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self.url = f"http://127.0.0.1:{self.order({'port': 0})['port']}"

    def order(self, order: dict) -> dict:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)

    def client(self, service: str, credentials: dict | None = None):
        """A client of the operator, or of whoever has these credentials."""
        given = credentials or {"AccessKeyId": OPERATOR, "SecretAccessKey": OPERATOR, "SessionToken": None}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def environment(self, credentials: dict | None = None) -> dict[str, str]:
        """Environment variables with which everything goes here."""
        given = credentials or {"AccessKeyId": OPERATOR, "SecretAccessKey": OPERATOR}
        more = {"AWS_SESSION_TOKEN": given["SessionToken"]} if "SessionToken" in given else {}
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


class Deployed:
    """A receiver's stack, and what an operator does with it.

    Args:
        aws: where.
        directory: for the template and the code.
        stack: its name.
        archive: what the names of its buckets begin with.
        options: more for ``upload-client receiver template``.
    """

    def __init__(
        self, aws: Aws, directory: Path, *options: str, stack: str = STACK, archive: str = "archive"
    ) -> None:
        self.aws = aws
        self.directory = directory
        self.stack = stack
        template, code = directory / "receiver.yaml", directory / "validator.zip"
        self.cli("template", *options, "-o", template)
        self.cli("package", "-o", code)
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="validator.zip", Body=code.read_bytes())
        stacks = aws.client("cloudformation")
        stacks.create_stack(
            StackName=stack,
            TemplateBody=template.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {
                    "LandingBucketName": f"{archive}-landing",
                    "ControlBucketName": f"{archive}-control",
                    "SettingsParameterName": f"/{stack}/settings",
                    "CodeBucket": "code",
                    "CodeKey": "validator.zip",
                }.items()
            ],
        )
        (made,) = stacks.describe_stacks(StackName=stack)["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE", aws.log.read_text()
        self.outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in made["Outputs"]}
        self._define_functions()

    def cli(self, *arguments: object, answers: str = "", env: dict[str, str] | None = None) -> str:
        """Run ``upload-client receiver …`` as the operator: what it prints, or raises."""
        from upload_client.cli.receiver import receiver

        ran = CliRunner().invoke(
            receiver,
            [str(argument) for argument in arguments],
            input=answers,
            env=self.aws.environment() | (env or {}),
        )
        if ran.exception is not None:
            raise ran.exception
        return ran.output

    def subscribe(self) -> Outcomes:
        """Listen to the outcomes, as a program of the receiver's would."""
        url = self.aws.client("sqs").create_queue(QueueName=f"outcomes-{secrets.token_hex(4)}")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:{url.rpartition('/')[2]}"
        self.aws.client("sns").subscribe(TopicArn=self.outputs["OutcomeTopic"], Protocol="sqs", Endpoint=arn)
        return Outcomes(self.aws, url)

    def assume(self, role: str) -> dict:
        """Credentials of a role, by its ARN."""
        return self.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]

    def _define_functions(self) -> None:
        """Let the functions run as the template says: its handler, environment, time, and role."""
        functions = {}
        for name in (f"{self.stack}-start", f"{self.stack}-work"):
            made = self.aws.client("lambda").get_function_configuration(FunctionName=name)
            package, _, handler = made["Handler"].rpartition(".")
            variables = dict(made["Environment"]["Variables"])
            settings = json.loads(variables["UPLOAD_CLIENT_VALIDATOR"])
            quick = {"poll_seconds": 0.1, "poll_longest_seconds": 0.5, "leave_seconds": 2.0}
            variables["UPLOAD_CLIENT_VALIDATOR"] = json.dumps({**settings, **quick})
            inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
            functions[name] = {
                "handler": f"{package}:{handler}",
                "seconds": made["Timeout"],
                "environment": {
                    **inherited,
                    **self.aws.environment(self.assume(made["Role"])),
                    **variables,
                },
            }
        self.aws.order({"functions": functions})


class Outcomes:
    """What the topic for outcomes tells."""

    def __init__(self, aws: Aws, queue: str) -> None:
        self._queue = queue
        self._sqs = aws.client("sqs")

    def next(self) -> dict:
        """Wait for the next one."""
        for _ in range(60):
            found = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=1).get("Messages", ())
            for message in found:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                return json.loads(json.loads(message["Body"])["Message"])
        raise AssertionError("nothing was told")


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with ExitStack() as stack:
        made = Aws(tmp_path_factory.mktemp("aws"))
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="session")
def deployed(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return Deployed(aws, tmp_path_factory.mktemp("receiver"))


@pytest.fixture(scope="session")
def fanned_out(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """A second receiver beside it, with two validators for each delivery."""
    directory = tmp_path_factory.mktemp("fan-out")
    return Deployed(aws, directory, "--fan-out", "2", stack="fan-out", archive="shared")


def modules_of(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def deliver(
    profile: Path, folder: Path, dataset: str, delivery_id: str, password: str
) -> subprocess.CompletedProcess[str]:
    """Deliver a folder as a provider does, with the profile that was sent to them."""
    return forked.run(
        [
            *(sys.executable, "-m", "upload_client", "--profile", profile, "--json"),
            *("--dataset", dataset, "--delivery-id", delivery_id, "--source", folder),
        ],
        env={"UPLOAD_CLIENT_PASSWORD": password},
        cwd=folder.parent,
    )
