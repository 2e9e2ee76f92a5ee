"""Requests with a mistake in each of their fields: one sentence that names it, whatever stands there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from late import late
from pydantic import ValidationError
from registries import FakeRegistry

from upload_client.errors import DeliveryError
from upload_client.functions import registry as registries
from upload_client.functions.base.routing import find_function
from upload_client.functions.data_sync.models import (
    BatchDataSyncRequest,
    DataSyncRequest,
    PrepareBatchDataSyncRequest,
    RemoveDataPathsRequest,
)
from upload_client.functions.ecr import ReplicateImageRequest
from upload_client.functions.errors import InvalidRequest
from upload_client.functions.hand_over.handler import HandOverRequest

moto = late("moto")

REGION = "eu-central-1"
MARK = "zz-what-was-given-zz"
"""A value that may be a secret."""
DEEP: list = json.loads("[" * 250 + "]" * 250)
WRONG = (None, "", 0, -1, True, [], {}, MARK, [[MARK]], 10**400, "a" * 5000, DEEP, "\ud800")


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """What the requests name."""
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        patch.setattr(registries.time, "sleep", lambda _: None)
        for name, value in (
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("SOURCE_EMAIL_ADDRESS", "from@example.org"),
            ("POWERTOOLS_METRICS_DISABLED", "true"),
            ("POWERTOOLS_LOG_LEVEL", "CRITICAL"),
        ):
            patch.setenv(name, value)
        boto3.client("ses").verify_email_identity(EmailAddress="from@example.org")
        efs = boto3.client("efs")
        system = efs.create_file_system(CreationToken="a")["FileSystemId"]
        made = {
            role: efs.create_access_point(
                ClientToken=role, FileSystemId=system, Tags=[{"Key": "Name", "Value": role}]
            )["AccessPointId"]
            for role in ("shared", "scratch", "tmp")
        }
        source, target = FakeRegistry(), FakeRegistry()
        source.push_image("tool", "1", b"layer")
        yield made | {
            "topic": boto3.client("sns").create_topic(Name="told")["TopicArn"],
            "source": source.host,
            "target": target.host,
        }
        source.close()
        target.close()


def requests(places: dict[str, str]) -> dict[str, dict]:
    return {
        "notifications.NotificationRouter": {
            "content": {"subject": "s", "message": "m", "content_type": "text/plain"},
            "targets": [{"recipients": ["a@example.org"]}, {"topic": places["topic"]}],
        },
        "batch.CreateDefinitionAndPrepareArgsHandler": {
            "image": "registry.example/x:1",
            "job_definition_name": "d",
            "job_queue_name": "q",
            "job_role_arn": "arn:aws:iam::123456789012:role/r",
            "job_name": "n",
            "command": ["true"],
            "environment": {"A": "b"},
            "job_definition_tags": {"t": "v"},
            "resource_requirements": {"vcpus": 1, "memory": 1024, "gpu": 1},
            "mount_points": [{"sourceVolume": "v", "containerPath": "/v", "readOnly": False}],
            "volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            "retry_strategy": {"attempts": 2},
            "privileged": False,
        },
        "ecr.ImageReplicatorHandler": {
            "source_image": f"{places['source']}/tool:1",
            "destination_repository": {"registry": places["target"], "repository_name": "archive/tool"},
            "destination_image_tags": ["1"],
        },
        "demand.PrepareDemandScaffoldingHandler": {
            "demand_execution": {
                "execution_type": "align",
                "execution_id": "e-1",
                "execution_image": "ghcr.io/group/align:2",
                "execution_parameters": {
                    "command": ["align", "${READS}"],
                    "params": {"reads": "s3://landing/D/reads/ @ reads", "result": "aligned", "threads": 4},
                    "inputs": ["reads"],
                    "outputs": ["result"],
                    "output_s3_prefix": "s3://archive/out",
                },
                "execution_platform": {"aws_batch": {"job_queue_name": "queue"}},
                "resource_requirements": {"vcpus": 4, "memory": 8192},
            },
            "file_system_configurations": {
                role: [{"access_point": places[role]}] for role in ("shared", "scratch", "tmp")
            },
            "context_manager_configuration": {
                "isolate_inputs": True,
                "env_file_write_mode": "NEVER",
                "input_data_sync_configuration": {"temporary_request_payload_path": "s3://archive/tmp/"},
            },
        },
    }


def fields(request: Any, path: tuple = ()) -> Iterator[tuple]:
    """The place of each value, at whatever depth."""
    if isinstance(request, dict | list):
        for at in request if isinstance(request, dict) else range(len(request)):
            yield (*path, at)
            yield from fields(request[at], (*path, at))


def changed(request: dict, path: tuple) -> Iterator[dict]:
    """The request without a field, and with each of the wrong values in it."""
    for value in (..., *WRONG):
        one = copy.deepcopy(request)
        within = one
        for step in path[:-1]:
            within = within[step]
        if value is ...:
            del within[path[-1]]
        else:
            within[path[-1]] = value
        yield one


@pytest.mark.parametrize("name", ["notifications", "batch", "ecr", "demand"])
def test_whatever_stands_in_a_field_is_taken_or_told_in_a_short_sentence_without_it(name, places, context):
    handler, request = next(item for item in requests(places).items() if item[0].startswith(name))
    function = find_function(f"upload_client.functions.{handler}")
    assert function(request, context)
    n_told = 0
    for path in fields(request):
        for wrong in changed(request, path):
            try:
                function(wrong, context)
            except DeliveryError as error:  # and no other
                said = str(error)
                assert len(said) < 1200, path
                assert said.isprintable(), path
                # Registries and EFS are asked for what was named, and it may be misspelt.
                assert MARK not in said or {"registry", "access_point", "image"} & set(path), (path, said)
                n_told += 1
    assert n_told > 20


PATHS = {"source_path": "a/", "destination_path": "b/"}
IMAGES = {"source_image": "r.example/a", "destination_repository": "r.example/b"}
DELIVERY = {"dataset": "D", "delivery_id": "Y", "to": "s3://archive/"}


@pytest.mark.parametrize(
    ("model", "given", "meant"),
    [
        (DataSyncRequest, {**PATHS, "delte": False}, "delete"),
        (PrepareBatchDataSyncRequest, {**PATHS, "retain_source": True}, "retain_source_data"),
        (DataSyncRequest, {**PATHS, "filter_config": {"exlude": "x"}}, "exclude"),
        (BatchDataSyncRequest, {"requests": [], "allow_partial_failures": True}, "allow_partial_failure"),
        (RemoveDataPathsRequest, {"paths": [], "alow_s3": True}, "allow_s3"),
        (ReplicateImageRequest, {**IMAGES, "destination_image_tag": ["1"]}, "destination_image_tags"),
        (HandOverRequest, {**DELIVERY, "remvoe": True}, "remove"),
    ],
)
def test_what_is_nearly_the_name_of_a_field_is_no_default_of_it(model, given, meant):
    with pytest.raises(ValidationError, match=f"is no field here; write {meant}, if that is meant"):
        model.model_validate(given)


def test_what_a_state_machine_brings_along_is_passed_over():
    beside = {"execution": "arn:aws:states:x", "state": {"entered": "now"}, "delivery": "Y"}
    request = DataSyncRequest.model_validate({**PATHS, **beside})
    assert request.delete is True


def test_a_mistake_that_boto_finds_is_told_by_the_field_and_is_the_callers(places, context):
    request = requests(places)["batch.CreateDefinitionAndPrepareArgsHandler"]
    function = find_function("upload_client.functions.batch.CreateDefinitionAndPrepareArgsHandler")
    with pytest.raises(InvalidRequest) as told:
        function(request | {"job_definition_name": "other", "mount_points": [{"readOnly": MARK}]}, context)
    assert str(told.value) == (
        "this is not as AWS Batch takes it:"
        " Invalid type for parameter containerProperties.mountPoints[0].readOnly, of bool"
    )
