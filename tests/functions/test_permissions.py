"""The permissions that the page names for each function: no less than what it asks AWS for, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from late import late
from registries import PERMISSIONS, FakeRegistry

from upload_client.errors import DeliveryError
from upload_client.functions import registry as registries
from upload_client.functions.base.routing import find_function

moto = late("moto")

PAGE = Path(__file__).parents[2] / "docs/functions.md"
PREFIXES = {"efs": "elasticfilesystem"}
BESIDE = {
    "batch": {"batch:TagResource", "iam:PassRole"},  # taken by RegisterJobDefinition
    "ecr": {*PERMISSIONS.values()},  # taken by the registry's own API
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


def run(handler: str, event: dict) -> dict:
    return find_function(f"upload_client.functions.{handler}")(event, None)


JOB = {"image": "tool", "job_definition_name": "d", "job_queue_name": "q"}
JOB |= {"resource_requirements": {"vcpus": 1, "memory": 1024}}
EXECUTION = {
    "execution_type": "t",
    "execution_id": "e",
    "execution_image": "r.example/t",
    "execution_parameters": {"command": ["true"]},
    "execution_platform": {"aws_batch": {"job_queue_name": "q"}},
}
ON_DEMAND = {
    "demand_execution": EXECUTION,
    "file_system_configurations": {"shared": {"file_system": "files"}},
}


def test_of_notifications(asked):
    found, made = asked
    run("notifications.NotificationRouter", notification(made))
    assert found == permissions("Notifications")


def notification(made: dict) -> dict:
    targets = [{"address": "a@example.org"}, {"topic": made["topic"]}]
    return {"content": {"subject": "s", "message": "m"}, "targets": targets}


def test_of_jobs(asked):
    found, _ = asked
    run("batch.CreateDefinitionAndPrepareArgsHandler", JOB)
    assert found | BESIDE["batch"] == permissions("Jobs of AWS Batch")


def test_of_executions(asked):
    found, _ = asked
    run("demand.PrepareDemandScaffoldingHandler", ON_DEMAND)
    assert found == permissions("Executions on demand")


def test_of_images(asked, images):
    found, _ = asked
    run("ecr.ImageReplicatorHandler", images)
    assert found | BESIDE["ecr"] == permissions("Container images")


@pytest.fixture
def registry_pair():
    """Two registries that count as ECR."""
    pair = FakeRegistry(), FakeRegistry()
    pair[0].push_image("tool", "1", b"layer")
    yield pair
    for one in pair:
        one.close()


@pytest.fixture
def images(registry_pair, monkeypatch) -> dict:
    """A copy between these two."""
    source, target = registry_pair
    monkeypatch.setattr(registries, "ecr_place", lambda _: ("123456789012", "us-east-1"))
    return {
        "source_image": f"{source.host}/tool:1",
        "destination_repository": f"{target.host}/tool",
        "destination_image_tags": ["1"],
    }


@pytest.fixture
def may(asked, registry_pair, monkeypatch) -> Callable[[set[str]], None]:
    """Have a role ask for everything from now on that has these permissions alone."""
    allowed: set[str] = set()
    call = BaseClient._make_api_call

    def judged(self, operation, arguments):
        service = self.meta.service_model.service_name
        needed = {f"{PREFIXES.get(service, service)}:{operation}"}
        if operation == "RegisterJobDefinition":
            needed |= {"batch:TagResource"} if arguments.get("tags") else set()
            needed |= {"iam:PassRole"} if arguments["containerProperties"].get("jobRoleArn") else set()
        if refused := sorted(needed - allowed):
            said = f"the role is not authorized to perform: {refused[0]}"
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": said}}, operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", judged)
    for one in registry_pair:
        one.may = allowed
    return lambda actions: (allowed.clear(), allowed.update(actions))


def events(made: dict, images: dict) -> dict[str, tuple[str, dict]]:
    """A function for each section, with an event that takes all of its permissions."""
    job = {**JOB, "job_role_arn": "arn:aws:iam::123456789012:role/r", "job_definition_tags": {"a": "b"}}
    return {
        "Notifications": ("notifications.NotificationRouter", notification(made)),
        "Jobs of AWS Batch": ("batch.CreateDefinitionAndPrepareArgsHandler", job),
        "Executions on demand": ("demand.PrepareDemandScaffoldingHandler", ON_DEMAND),
        "Container images": ("ecr.ImageReplicatorHandler", images),
    }


@pytest.mark.parametrize("section", events({"topic": ""}, {}))
def test_without_any_one_of_them_that_is_told_and_with_all_it_works(
    asked, may, images, registry_pair, section
):
    handler, event = events(asked[1], images)[section]
    for left_out in sorted(permissions(section)):
        may(permissions(section) - {left_out})
        try:
            said = json.dumps(run(handler, event))
        except DeliveryError as error:
            said = str(error)
            assert "Notifications" not in section  # there, what fails stops no other
        named = f"not authorized to perform: {left_out}" in said
        assert named or re.search("HEAD .*403", said), (left_out, said)  # an answer to HEAD has no text
        assert not registry_pair[1].manifests  # nothing has a name before all of it is there
        registry_pair[1].blobs.clear()
    may(permissions(section))
    said = json.dumps(run(handler, event))
    assert "not authorized" not in said
