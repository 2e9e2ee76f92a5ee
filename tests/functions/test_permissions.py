"""The permissions that the page names for each function: no less than what it asks AWS for, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from late import late
from registries import FakeRegistry

from upload_client.functions import registry as registries
from upload_client.functions.base.routing import find_function

moto = late("moto")

PAGE = Path(__file__).parents[2] / "docs/functions.md"
PREFIXES = {"efs": "elasticfilesystem"}
BESIDE = {
    "batch": {"batch:TagResource", "iam:PassRole"},  # taken by RegisterJobDefinition
    # Taken by the registry's own API, of which ECR says which permission each call needs:
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
    "ecr": {
        *("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
        *("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"),
    },
}
"""Permissions that no call of boto3 shows."""


def permissions(section: str) -> set[str]:
    """The permissions of a section of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    said = text.split("\nIAM: ")[1].split("\n\n")[0]
    return set(re.findall(r"`([a-z]+:[A-Za-z]+)`", said))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch):
    """The permissions of all calls that functions make of AWS."""
    found: set[str] = set()
    call = BaseClient._make_api_call

    def recorded(self, operation, arguments):
        service = self.meta.service_model.service_name
        found.add(f"{PREFIXES.get(service, service)}:{operation}")
        return call(self, operation, arguments)

    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setenv("SOURCE_EMAIL_ADDRESS", "from@example.org")
    monkeypatch.delenv("ENV_BASE", raising=False)
    with moto.mock_aws():
        made = {
            "topic": boto3.client("sns").create_topic(Name="told")["TopicArn"],
            "system": boto3.client("efs").create_file_system(
                CreationToken="a", Tags=[{"Key": "Name", "Value": "files"}]
            )["FileSystemId"],
        }
        boto3.client("ses").verify_email_identity(EmailAddress="from@example.org")
        for role in ("shared", "scratch"):
            boto3.client("efs").create_access_point(
                ClientToken=role, FileSystemId=made["system"], Tags=[{"Key": "Name", "Value": role}]
            )
        ecr = boto3.client("ecr")
        ecr.create_repository(repositoryName="tool")
        ecr.put_image(
            repositoryName="tool",
            imageManifest='{"schemaVersion": 2, "config": {"digest": "sha256:x"}}',
            imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
            imageTag="1",
        )
        monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
        yield found, made


def run(handler: str, event: dict) -> None:
    find_function(f"upload_client.functions.{handler}")(event, None)


def test_of_notifications(asked):
    found, made = asked
    targets = [{"address": "a@example.org"}, {"topic": made["topic"]}]
    run("notifications.NotificationRouter", {"content": {"subject": "s", "message": "m"}, "targets": targets})
    assert found == permissions("Notifications")


def test_of_jobs(asked):
    found, _ = asked
    job = {
        "job_definition_name": "d",
        "job_queue_name": "q",
        "resource_requirements": {"vcpus": 1, "memory": 1},
    }
    needs = {"resource_requirements": {"vcpus": 1, "memory": 1024}}
    run("batch.CreateDefinitionAndPrepareArgsHandler", {"image": "tool", **job, **needs})
    assert found | BESIDE["batch"] == permissions("Jobs of AWS Batch")


def test_of_executions(asked):
    found, _ = asked
    execution = {
        "execution_type": "t",
        "execution_id": "e",
        "execution_image": "r.example/t",
        "execution_parameters": {"command": ["true"]},
        "execution_platform": {"aws_batch": {"job_queue_name": "q"}},
    }
    systems = {"shared": {"file_system": "files"}}
    run(
        "demand.PrepareDemandScaffoldingHandler",
        {"demand_execution": execution, "file_system_configurations": systems},
    )
    assert found == permissions("Executions on demand")


def test_of_images(asked, monkeypatch):
    found, _ = asked
    source, target = FakeRegistry(), FakeRegistry()
    try:
        source.push_image("tool", "1", b"layer")
        monkeypatch.setattr(registries, "ecr_place", lambda _: ("123456789012", "us-east-1"))
        run(
            "ecr.ImageReplicatorHandler",
            {
                "source_image": f"{source.host}/tool:1",
                "destination_repository": f"{target.host}/tool",
                "destination_image_tags": ["1"],
            },
        )
    finally:
        source.close()
        target.close()
    assert found | BESIDE["ecr"] == permissions("Container images")
