"""AWS Batch: a job definition, and what a run overrides in it.

`CreateDefinitionAndPrepareArgsHandler` answers what the ``batch:submitJob`` of a state machine takes. A
definition that is equal to an active one is not registered again.
"""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from upload_client.core.batch_jobs import definition, is_equal, is_job_name, overrides, resources
from upload_client.core.images import ImageError, parse_image
from upload_client.functions.base import InvalidRequest, LambdaHandler, aws
from upload_client.functions.models import Model

_MAX_NAME = 128


class CreateDefinitionAndPrepareArgsRequest(Model):
    """A job: its image, and what it needs.

    Attributes:
        image: with a registry, or the short name of a repository in the account's ECR; without a tag or a
            digest, the image that was pushed there last.
        job_definition_name: letters, digits, ``-`` and ``_``, at most 128.
        job_queue_name: name or ARN.
        job_role_arn: the role of the job itself.
        job_name: None: the definition's name, and something random.
        command: of this run.
        environment: of this run.
        job_definition_tags: of the definition.
        resource_requirements: ``[{type, value}]`` or ``{vcpus, memory (MiB), gpu}``. AWS Batch wants
            vcpus and memory.
        mount_points: as AWS Batch takes them.
        volumes: likewise.
        retry_strategy: likewise; None: five attempts, of what is no fault of the program.
        privileged: the job may do on its machine whatever it likes.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    image: str
    job_definition_name: str
    job_queue_name: str = Field(min_length=1)
    job_role_arn: str | None = None
    job_name: str | None = None
    command: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    job_definition_tags: dict[str, str] = Field(default_factory=dict)
    resource_requirements: list[dict[str, Any]] | dict[str, Any] = Field(default_factory=list)
    mount_points: list[dict[str, Any]] = Field(default_factory=list)
    volumes: list[dict[str, Any]] = Field(default_factory=list)
    retry_strategy: dict[str, Any] | None = None
    privileged: bool = False

    @field_validator("job_definition_name", "job_name")
    @classmethod
    def _is_name(cls, name: str | None) -> str | None:
        if name is not None and not is_job_name(name):
            raise ValueError("is no name that AWS Batch takes: letters, digits, - and _, at most 128")
        return name

    @field_validator("resource_requirements")
    @classmethod
    def _are_resources(cls, given: Any) -> Any:  # noqa: ANN401 - either form
        return resources(given)

    @field_validator("image")
    @classmethod
    def _is_image(cls, image: str) -> str:
        parse_image(image)
        return image


class CreateDefinitionAndPrepareArgsResponse(Model):
    """Arguments of ``batch:submitJob``.

    Attributes:
        job_name: of the run.
        job_definition_arn: with its revision.
        job_queue_arn: the queue, as it was given.
        parameters: none; command and environment are overridden instead.
        container_overrides: ``Command``, ``Environment``, ``ResourceRequirements``, as Step Functions spells
            them.
    """

    job_name: str
    job_definition_arn: str
    job_queue_arn: str
    parameters: dict[str, Any]
    container_overrides: dict[str, Any]


class CreateDefinitionAndPrepareArgsHandler(
    LambdaHandler[CreateDefinitionAndPrepareArgsRequest, CreateDefinitionAndPrepareArgsResponse]
):
    """Registers the definition of a job, unless there is an equal one, and answers how to submit it."""

    def handle(
        self, request: CreateDefinitionAndPrepareArgsRequest
    ) -> CreateDefinitionAndPrepareArgsResponse:
        """Find or register the definition.

        Raises:
            InvalidRequest: the image is not there.
            ServiceError: AWS Batch or ECR has refused something.
        """
        assert isinstance(request.resource_requirements, list)  # a validator has made it one
        wanted = definition(
            name=request.job_definition_name,
            image=resolve_image(request.image),
            role=request.job_role_arn,
            requirements=request.resource_requirements,
            mount_points=request.mount_points,
            volumes=request.volumes,
            privileged=request.privileged,
            retries=request.retry_strategy,
            tags=request.job_definition_tags,
        )
        tail = f"-{uuid.uuid4()}"
        return CreateDefinitionAndPrepareArgsResponse(
            job_name=request.job_name or f"{request.job_definition_name[: _MAX_NAME - len(tail)]}{tail}",
            job_definition_arn=self._find(wanted) or self._register(wanted),
            job_queue_arn=request.job_queue_name,
            parameters={},
            container_overrides=overrides(
                request.command, request.environment, request.resource_requirements
            ),
        )

    def _find(self, wanted: dict[str, Any]) -> str | None:
        """The newest active definition that is equal to this one."""
        with aws.service_errors("AWS Batch"):
            pages = aws.client("batch").get_paginator("describe_job_definitions")
            found = [
                each
                for page in pages.paginate(jobDefinitionName=wanted["jobDefinitionName"], status="ACTIVE")
                for each in page["jobDefinitions"]
                if is_equal(each, wanted)
            ]
        if not found:
            return None
        arn: str = max(found, key=lambda each: each["revision"])["jobDefinitionArn"]
        return arn

    def _register(self, wanted: dict[str, Any]) -> str:
        with aws.service_errors("AWS Batch"):
            arn: str = aws.client("batch").register_job_definition(**wanted)["jobDefinitionArn"]
        self.add_count_metric("JobDefinitionsRegistered")
        return arn


def resolve_image(text: str) -> str:
    """The name of an image with its registry; a short one is looked up in the account's ECR.

    Without a tag or a digest it is the image that was pushed there last and has a tag, by its digest: what is
    pushed later makes another definition, not another program in a running job.

    Raises:
        InvalidRequest: it is no name, or ECR has no such repository or image.
        ServiceError: ECR has refused something.
    """
    try:
        image = parse_image(text)
    except ImageError as error:
        raise InvalidRequest(str(error)) from None
    if image.registry:
        return text
    client = aws.client("ecr")
    try:
        with aws.service_errors("ECR"):
            found = client.describe_repositories(repositoryNames=[image.repository])["repositories"][0]
    except aws.ServiceError as error:
        if error.service_code != "RepositoryNotFoundException":
            raise
        raise InvalidRequest(
            f"ECR has no repository {image.repository}",
            hint="Name the registry of an image that is elsewhere: docker.io/library/python:3.13.",
        ) from None
    uri: str = found["repositoryUri"]
    if image.tag or image.digest:
        return f"{uri}{text.removeprefix(image.repository)}"
    with aws.service_errors("ECR"):
        pages = client.get_paginator("describe_images").paginate(
            repositoryName=image.repository, filter={"tagStatus": "TAGGED"}
        )
        images = [each for page in pages for each in page["imageDetails"]]
    if not images:
        raise InvalidRequest(f"the repository {image.repository} has no image with a tag")
    return f"{uri}@{max(images, key=lambda each: each['imagePushedAt'])['imageDigest']}"
