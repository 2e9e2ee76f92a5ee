"""A job definition, and how to submit a run of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import boto3
import pytest

pytest.importorskip("moto")
from moto import mock_aws
from moto.ecr.models import ecr_backends

from upload_client.functions.batch import CreateDefinitionAndPrepareArgsHandler
from upload_client.functions.errors import InvalidRequest

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
KIND = "application/vnd.oci.image.manifest.v1+json"
IMAGE = "ghcr.io/group/tool:1.2"


@pytest.fixture(autouse=True)
def _aws():
    with mock_aws():
        yield


def prepare(**more):
    event = {
        "image": IMAGE,
        "job_definition_name": "tool",
        "job_queue_name": "queue",
        "resource_requirements": {"vcpus": 2, "memory": 4096},
        **more,
    }
    return CreateDefinitionAndPrepareArgsHandler.get_handler()(event)


def registered():
    return boto3.client("batch").describe_job_definitions()["jobDefinitions"]


def test_it_answers_what_submitting_a_job_takes():
    answer = prepare(job_name="run-1", command=["run", "--fast"], environment={"B": "2", "A": "1"})
    (found,) = registered()
    assert answer == {
        "job_name": "run-1",
        "job_definition_arn": found["jobDefinitionArn"],
        "job_queue_arn": "queue",
        "parameters": {},
        "container_overrides": {
            "Command": ["run", "--fast"],
            "Environment": [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}],
            "ResourceRequirements": [{"Type": "MEMORY", "Value": "4096"}, {"Type": "VCPU", "Value": "2"}],
        },
    }
    assert found["containerProperties"]["image"] == IMAGE
    assert found["retryStrategy"]["attempts"] == 5
    assert found["retryStrategy"]["evaluateOnExit"][-1]["action"].upper() == "EXIT"


def test_an_equal_definition_is_used_again_whatever_a_run_does():
    first = prepare(environment={"RUN": "1"}, command=["a"])
    assert (
        prepare(environment={"RUN": "2"}, command=["b"])["job_definition_arn"] == first["job_definition_arn"]
    )
    assert len(registered()) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"image": "ghcr.io/group/tool:1.3"},
        {"privileged": True},
        {"resource_requirements": {"vcpus": 4, "memory": 4096}},
        {"volumes": [{"name": "v", "host": {"sourcePath": "/data"}}]},
        {"mount_points": [{"containerPath": "/data", "sourceVolume": "v"}]},
        {"retry_strategy": {"attempts": 2}},
        {"job_definition_tags": {"project": "p"}},
        {"job_role_arn": "arn:aws:iam::123456789012:role/r"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_differs_is_another_revision_and_the_old_one_is_still_found(more):
    first = prepare()["job_definition_arn"]
    other = prepare(**more)["job_definition_arn"]
    assert (first[-2:], other[-2:]) == (":1", ":2")
    assert prepare()["job_definition_arn"] == first
    assert prepare(**more)["job_definition_arn"] == other


def test_a_definition_that_is_no_longer_active_is_not_used():
    first = prepare()["job_definition_arn"]
    boto3.client("batch").deregister_job_definition(jobDefinition=first)
    assert prepare()["job_definition_arn"] != first


def test_each_run_without_a_name_gets_one_of_its_own_that_is_not_too_long():
    name = "d" * 128
    first, second = (prepare(job_definition_name=name)["job_name"] for _ in range(2))
    assert first != second
    assert len(first) == 128


def test_a_short_name_is_one_of_the_accounts_repositories():
    boto3.client("ecr").create_repository(repositoryName="group/tool")
    prepare(image="group/tool:9")
    assert registered()[0]["containerProperties"]["image"].endswith(
        ".dkr.ecr.us-east-1.amazonaws.com/group/tool:9"
    )


def test_without_a_tag_it_is_the_image_that_was_pushed_last():
    ecr = boto3.client("ecr")
    account = ecr.create_repository(repositoryName="tool")["repository"]["registryId"]
    digests = []
    for n, tag in enumerate(["new", "old", None]):
        manifest = {"mediaType": KIND, "schemaVersion": 2, "config": {"digest": str(n)}, "layers": []}
        answer = ecr.put_image(
            repositoryName="tool", imageManifest=json.dumps(manifest), **({"imageTag": tag} if tag else {})
        )
        digests.append(answer["image"]["imageId"]["imageDigest"])
    images = ecr_backends[account]["us-east-1"].repositories["tool"].images
    for image, day in zip(images, [3, 2, 4], strict=True):
        image.image_pushed_at = datetime(2026, 1, day, tzinfo=UTC).isoformat()
    prepare(image="tool")
    assert registered()[0]["containerProperties"]["image"].endswith(f"/tool@{digests[0]}")


def test_a_repository_that_is_not_there_or_empty_is_told():
    with pytest.raises(InvalidRequest, match="ECR has no repository tool"):
        prepare(image="tool:1")
    boto3.client("ecr").create_repository(repositoryName="tool")
    with pytest.raises(InvalidRequest, match="no image with a tag"):
        prepare(image="tool")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"image": "Not An Image"}, "image: "),
        ({"job_definition_name": "a b"}, "job_definition_name: "),
        ({"job_name": "a/b"}, "job_name: "),
        ({"job_queue_name": ""}, "job_queue_name: "),
        ({"resource_requirements": {"disk": 1}}, "resource_requirements"),
    ],
)
def test_what_aws_would_refuse_is_told_before_it_is_asked(more, why):
    with pytest.raises(InvalidRequest, match=why):
        prepare(**more)
    assert registered() == []
