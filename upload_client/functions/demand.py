"""Executions on demand: all requests around the job of a program that reads from S3 and writes to S3.

`PrepareDemandScaffoldingHandler` answers them for a state machine: inputs are synced from S3 to EFS, a job of
AWS Batch runs the program, outputs are synced back, what is left is removed. It does none of that itself.
"""

from __future__ import annotations

import os
import random
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from upload_client.core import demand as rules
from upload_client.core.demand import DemandError, Mount, Param
from upload_client.core.text import for_log
from upload_client.errors import UsageError
from upload_client.functions.base import InvalidRequest, LambdaHandler, aws
from upload_client.functions.batch import CreateDefinitionAndPrepareArgsRequest
from upload_client.functions.data_sync.models import (
    S3URI,
    DataSyncFilterConfig,
    PrepareBatchDataSyncRequest,
    RemoveDataPathsRequest,
)
from upload_client.functions.data_sync.paths import LocalPlace, place_of
from upload_client.functions.errors import mistakes_of
from upload_client.functions.models import Model
from upload_client.support.atomic import replacing

_BATCH_BYTES = 75 * 1024**3
_ROLES = {"shared": True, "scratch": False, rules.TEMPORARY: False}
"""Roles of file systems, and whether a job only reads there."""
ENVIRONMENT_VARIABLE = "ENV_BASE"
"""Names an environment: jobs have it before their names, and file systems are looked up by a tag of it."""


class _Open(Model):
    """A model that passes on the fields it does not know."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class ExecutionParameters(_Open):
    """Parameters of an execution.

    Attributes:
        command: its parts are joined by spaces and read by a shell.
        params: values by name; each is a variable of the job. See `upload_client.core.demand.read_params`.
        inputs: names of parameters that are read from S3.
        outputs: names of parameters that are written to S3.
        output_s3_prefix: where outputs go that say nothing of it.
        param_pair_overrides: which outputs come of which inputs; passed on.
    """

    command: list[str] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)
    inputs: list[str] = Field(default_factory=list)
    outputs: list[str] = Field(default_factory=list)
    output_s3_prefix: S3URI | None = None
    param_pair_overrides: list[Any] | None = None


class ExecutionMetadata(_Open):
    """The one who wanted the execution, and its tags."""

    user: str | None = None
    arn: str | None = None
    tags: dict[str, str] | None = None


class AWSBatchPlatform(_Open):
    """The queue, and the role of the job."""

    job_queue_name: str = Field(min_length=1)
    job_role: str | None = None


class ExecutionPlatform(_Open):
    """Where it runs."""

    aws_batch: AWSBatchPlatform


class ResourceRequirements(_Open):
    """Resources of the job: cores, MiB, GPUs. None and 0 are nothing."""

    vcpus: int | float | None = None
    memory: int | None = None
    gpu: int | None = None


class DemandExecution(_Open):
    """A program that is to be run once."""

    execution_type: str = Field(min_length=1)
    execution_id: str
    execution_image: str = Field(min_length=1)
    execution_parameters: ExecutionParameters = Field(default_factory=ExecutionParameters)
    execution_metadata: ExecutionMetadata = Field(default_factory=ExecutionMetadata)
    execution_platform: ExecutionPlatform
    resource_requirements: ResourceRequirements = Field(default_factory=ResourceRequirements)

    @field_validator("execution_id")
    @classmethod
    def _is_id(cls, execution_id: str) -> str:
        return rules.check_id(execution_id)


class FileSystemConfiguration(Model):
    """A file system of EFS, by id or by its tag ``Name``.

    Attributes:
        file_system: None: the one of the access point.
        access_point: None: the one with the name of the role.
        container_path: None: ``/opt/efs/`` and the role.
    """

    file_system: str | None = None
    access_point: str | None = None
    container_path: str | None = None


class DemandFileSystemConfigurations(Model):
    """Candidates for each role, of which an execution gets one; always the same one.

    Attributes:
        shared: for inputs that several executions read.
        scratch: for the folders of executions.
        tmp: for temporary files; none: below ``scratch``.
        selection_strategy: at random, seeded with ``{execution_id}#{role}``.
    """

    shared: list[FileSystemConfiguration] = Field(default_factory=lambda: [FileSystemConfiguration()])
    scratch: list[FileSystemConfiguration] = Field(default_factory=lambda: [FileSystemConfiguration()])
    tmp: list[FileSystemConfiguration] = Field(default_factory=list)
    selection_strategy: Literal["RANDOM"] = "RANDOM"

    @field_validator("shared", "scratch", "tmp", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:  # noqa: ANN401 - one, or a list
        return [] if value is None else value if isinstance(value, list) else [value]

    @field_validator("shared", "scratch")
    @classmethod
    def _needs_one(cls, value: list[FileSystemConfiguration]) -> list[FileSystemConfiguration]:
        if not value:
            raise ValueError("names no file system")
        return value


class EnvFileWriteMode(StrEnum):
    """When variables stand in a file on EFS, in place of the job's own overrides."""

    NEVER = "NEVER"
    ALWAYS = "ALWAYS"
    IF_REQUIRED = "IF_REQUIRED"


class DataSyncConfiguration(Model):
    """How data is synced.

    Attributes:
        temporary_request_payload_path: an S3 folder for requests that outgrow a state machine.
        force: sends what is there already.
        size_only: takes files of the same size for the same.
    """

    temporary_request_payload_path: S3URI | None = None
    force: bool = False
    size_only: bool = True


class ContextManagerConfiguration(Model):
    """How an execution is set up, and cleaned up after.

    Attributes:
        isolate_inputs: each execution has its inputs for itself; else they lie in the shared file system, by
            the SHA-256 of what they come from.
        cleanup_inputs: removes inputs in the end. Where they are shared, set it to false: another execution
            may be reading them.
        cleanup_working_dir: removes the execution's folder in the end.
        env_file_write_mode: ``IF_REQUIRED``: where variables are too large for AWS Batch.
        input_data_sync_configuration: of inputs.
        output_data_sync_configuration: of outputs.
    """

    isolate_inputs: bool = True
    cleanup_inputs: bool = True
    cleanup_working_dir: bool = True
    env_file_write_mode: EnvFileWriteMode = EnvFileWriteMode.ALWAYS
    input_data_sync_configuration: DataSyncConfiguration = Field(default_factory=DataSyncConfiguration)
    output_data_sync_configuration: DataSyncConfiguration = Field(default_factory=DataSyncConfiguration)


class PrepareDemandScaffoldingRequest(Model):
    """An execution, and how it is to be set up."""

    demand_execution: DemandExecution
    file_system_configurations: DemandFileSystemConfigurations = Field(
        default_factory=DemandFileSystemConfigurations
    )
    context_manager_configuration: ContextManagerConfiguration = Field(
        default_factory=ContextManagerConfiguration
    )


class SetupConfigs(Model):
    """Requests before the program runs: for `PrepareBatchDataSyncHandler`, and for the job."""

    data_sync_requests: list[PrepareBatchDataSyncRequest]
    batch_create_request: CreateDefinitionAndPrepareArgsRequest


class CleanupConfigs(Model):
    """Requests after the program has run: syncs of outputs, then what is removed."""

    data_sync_requests: list[PrepareBatchDataSyncRequest]
    remove_data_paths_requests: list[RemoveDataPathsRequest]


class PrepareDemandScaffoldingResponse(Model):
    """All requests around an execution, whose inputs and outputs have the paths of its container now."""

    demand_execution: DemandExecution
    setup_configs: SetupConfigs
    cleanup_configs: CleanupConfigs


class PrepareDemandScaffoldingHandler(
    LambdaHandler[PrepareDemandScaffoldingRequest, PrepareDemandScaffoldingResponse]
):
    """Answers the requests around an execution; the file of its variables is all that it writes."""

    def handle(self, request: PrepareDemandScaffoldingRequest) -> PrepareDemandScaffoldingResponse:
        """Look up the file systems, and put the requests together.

        Raises:
            InvalidRequest: the execution contradicts itself, or a file system is not there, or not the only
                one of its name.
            ServiceError: EFS has refused something.
        """
        try:
            return self._prepare(request)
        except DemandError as error:
            raise InvalidRequest(for_log(str(error), 500)) from None
        except ValidationError as error:  # of what is made of it for the next function
            raise InvalidRequest(f"the execution cannot be made a job: {mistakes_of(error)}") from None
        except UnicodeEncodeError:
            raise InvalidRequest(
                "the execution holds half a character (a lone surrogate), which is no text"
            ) from None

    def _prepare(self, request: PrepareDemandScaffoldingRequest) -> PrepareDemandScaffoldingResponse:
        execution, configuration = request.demand_execution, request.context_manager_configuration
        mounts = {
            role: self._mount(role, candidates, execution.execution_id, read_only=read_only)
            for role, read_only in _ROLES.items()
            if (candidates := getattr(request.file_system_configurations, role))
        }
        scratch, shared = mounts["scratch"], mounts["shared"]
        working = f"{scratch.path}/{execution.execution_id}"
        own = mounts.get(rules.TEMPORARY)
        tmp = own.path if own is not None else f"{scratch.path}/{rules.TEMPORARY}"
        given = execution.execution_parameters
        params = rules.resolved(
            given.params,
            rules.placed(
                rules.read_params(given.params, given.inputs, given.outputs, given.output_s3_prefix),
                working,
                shared.path,
                isolate=configuration.isolate_inputs,
            ),
        )
        inputs = _in_order(params, "input", given.inputs)
        outputs = _in_order(params, "output", given.outputs)
        environment = rules.environment_of(execution.execution_id, working, tmp, params)
        environment, has_file = self._environment(environment, given.command, working, scratch, configuration)
        on_efs = {one.name: _mount_of(one.value, mounts).uri(one.value) for one in [*inputs, *outputs]}
        job = self._job(execution, environment, mounts, has_file=has_file)
        removed = [[on_efs[one.name] for one in inputs]] * configuration.cleanup_inputs
        removed += [[scratch.uri(working)]] * configuration.cleanup_working_dir
        removals = [RemoveDataPathsRequest(paths=paths) for paths in removed if paths]
        changed = {one.name: rules.stated(one) for one in [*inputs, *outputs]}
        parameters = given.model_copy(update={"params": {**given.params, **changed}})
        return PrepareDemandScaffoldingResponse(
            demand_execution=execution.model_copy(update={"execution_parameters": parameters}),
            setup_configs=SetupConfigs(
                data_sync_requests=[
                    _sync(one, n, on_efs[one.name], configuration.input_data_sync_configuration)
                    for n, one in enumerate(inputs)
                ],
                batch_create_request=job,
            ),
            cleanup_configs=CleanupConfigs(
                data_sync_requests=[
                    _sync(one, n, on_efs[one.name], configuration.output_data_sync_configuration)
                    for n, one in enumerate(outputs)
                ],
                remove_data_paths_requests=removals,
            ),
        )

    def _environment(
        self,
        environment: dict[str, str],
        command: list[str],
        working: str,
        scratch: Mount,
        configuration: ContextManagerConfiguration,
    ) -> tuple[dict[str, str], bool]:
        """The variables that the job is given, and whether there is a file with the others."""
        mode = configuration.env_file_write_mode
        fits = rules.size_of(environment) <= rules.ENVIRONMENT_LIMIT
        if mode is EnvFileWriteMode.NEVER or (mode is EnvFileWriteMode.IF_REQUIRED and fits):
            return environment, False
        path = f"{working}/.demand.env"
        local = _local(scratch.uri(path))
        if local is None:
            if not fits:
                self.log.warning("the variables are too large for AWS Batch, and EFS is not mounted here")
            return environment, False
        given, filed = rules.split_environment(environment, command, path)
        local.parent.mkdir(parents=True, exist_ok=True)
        with replacing(local) as stream:
            stream.write(rules.environment_file(filed))
        return given, True

    def _job(
        self,
        execution: DemandExecution,
        environment: dict[str, str],
        mounts: dict[str, Mount],
        *,
        has_file: bool,
    ) -> CreateDefinitionAndPrepareArgsRequest:
        given, platform = execution.execution_parameters, execution.execution_platform.aws_batch
        base = os.environ.get(ENVIRONMENT_VARIABLE, "")
        prefix = f"{base}-" if base else ""
        of = [execution.execution_type, execution.execution_image, given.command]
        wanted = execution.resource_requirements
        ordered = [mounts[role] for role in ("scratch", "shared", rules.TEMPORARY) if role in mounts]
        return CreateDefinitionAndPrepareArgsRequest(
            image=execution.execution_image,
            job_definition_name=rules.job_name(
                prefix, execution.execution_type, of, [mount.volume_name for mount in ordered]
            ),
            job_name=rules.job_name(
                prefix,
                execution.execution_type,
                [*of, execution.execution_id, _json(given)],
            ),
            job_queue_name=platform.job_queue_name,
            job_role_arn=platform.job_role,
            job_definition_tags={"USER": execution.execution_metadata.user or "unknown"},
            command=rules.shell_command(given.command, has_file=has_file),
            environment=environment,
            resource_requirements={
                name: value
                for name, value in (("gpu", wanted.gpu), ("memory", wanted.memory), ("vcpus", wanted.vcpus))
                if value
            },
            mount_points=[mount.mount_point for mount in ordered],
            volumes=[mount.volume for mount in ordered],
        )

    def _mount(
        self, role: str, candidates: list[FileSystemConfiguration], execution_id: str, *, read_only: bool
    ) -> Mount:
        """The file system that this execution gets for a role."""
        chosen = (
            random.Random(f"{execution_id}#{role}").choice(candidates)  # noqa: S311 - no secret, repeatable
            if len(candidates) > 1
            else candidates[0]
        )
        system = None if chosen.file_system is None else _file_system(chosen.file_system)
        point = _access_point(chosen.access_point or role, system)
        return Mount(
            role=role,
            file_system=point["FileSystemId"],
            access_point=point["AccessPointId"],
            root=point.get("RootDirectory", {}).get("Path", "/"),
            path=chosen.container_path or f"/opt/efs/{role}",
            read_only=read_only,
        )


def _json(given: ExecutionParameters) -> Any:  # noqa: ANN401 - any JSON
    try:
        return given.model_dump(mode="json")
    except ValueError:
        raise InvalidRequest("execution_parameters: it is nested too deeply") from None


def _in_order(params: list[Param], kind: str, names: list[str]) -> list[Param]:
    """Inputs or outputs, in the order in which they are named."""
    found = {one.variable: one for one in params if one.kind == kind}
    return [found[variable] for variable in dict.fromkeys(map(rules.named_variable, names))]


def _sync(
    one: Param, n: int, on_efs: str, configuration: DataSyncConfiguration
) -> PrepareBatchDataSyncRequest:
    is_input = one.kind == "input"
    root = configuration.temporary_request_payload_path
    return PrepareBatchDataSyncRequest(
        source_path=one.remote if is_input else on_efs,
        destination_path=on_efs if is_input else one.remote,
        retain_source_data=is_input,
        require_lock=is_input,
        delete=not is_input,  # another execution's files lie beside inputs that are shared
        batch_size_bytes_limit=_BATCH_BYTES,
        temporary_request_payload_path=None if root is None else f"{root.rstrip('/')}/{one.kind}_{n}/",
        size_only=configuration.size_only,
        force=configuration.force,
        filter_config=None if one.filters is None else DataSyncFilterConfig(**one.filters),
    )


def _mount_of(path: str, mounts: dict[str, Mount]) -> Mount:
    """The mount that a path in the container lies below."""
    return max(
        (mount for mount in mounts.values() if path.startswith(f"{mount.path.rstrip('/')}/")),
        key=lambda mount: len(mount.path),
    )


def _local(uri: str) -> Path | None:
    """The path of this machine for a path in EFS, None where it is not mounted here."""
    try:
        place = place_of(uri)
    except UsageError:
        return None
    return Path(place.path) if isinstance(place, LocalPlace) else None


def _file_system(named: str) -> str:
    """The id of a file system, by id, ARN or name."""
    if (found := named.rpartition("/")[2]).startswith("fs-"):
        return found
    with aws.service_errors("EFS"):
        pages = aws.client("efs").get_paginator("describe_file_systems").paginate()
        systems = [one for page in pages for one in page["FileSystems"]]
    only: str = _only(systems, named, "file system")["FileSystemId"]
    return only


def _access_point(named: str, system: str | None) -> dict[str, Any]:
    """An access point, by id, ARN or name."""
    client = aws.client("efs")
    with aws.service_errors("EFS"):
        if (found := named.rpartition("/")[2]).startswith("fsap-"):
            points = client.describe_access_points(AccessPointId=found)["AccessPoints"]
            return _only(points, None, "access point", found)
        pages = client.get_paginator("describe_access_points").paginate(
            **({} if system is None else {"FileSystemId": system})
        )
        return _only([one for page in pages for one in page["AccessPoints"]], named, "access point")


def _only(found: list[dict[str, Any]], named: str | None, what: str, shown: str = "") -> dict[str, Any]:
    base = os.environ.get(ENVIRONMENT_VARIABLE)
    if named is not None:
        found = [
            one
            for one in found
            for tags in [{tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}]
            if tags.get("Name", one.get("Name")) == named and (not base or tags.get("env_base") == base)
        ]
    if len(found) != 1:
        many = f"no {what}" if not found else f"{len(found)} {what}s, not one,"
        if named is None:
            raise InvalidRequest(f"EFS has {many} {for_log(shown, 200)}")
        tags = f"Name={for_log(named, 200)}" + (f" and env_base={for_log(base, 200)}" if base else "")
        raise InvalidRequest(
            f"EFS has {many} with the tag {tags}",
            hint="Give it that tag, or name another one, by its id, in `file_system_configurations`.",
        )
    return found[0]
