"""Requests and responses of data sync and of the file system's functions, as pydantic models.

A path is a text: ``s3://bucket/key``, ``efs://fs-…[:/]path``, or a path of this machine. One that ends in
``/`` is a folder. Sizes are bytes, times ISO 8601 with a time zone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from upload_client.functions.models import Model
from upload_client.support.service_url import service_url

AT_ONCE: Final = 25
"""Requests under way at once, where no other number is asked for."""


def _text(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _path(value: object) -> object:
    value = _text(value)
    if isinstance(value, str):
        if not value or "\0" in value:
            raise ValueError("a path is empty, or has a NUL character")
        if value.startswith("s3://") and not value[5:].partition("/")[0]:
            raise ValueError("an S3 URI names no bucket")
        try:  # names of files that are not UTF-8 have such escapes, keys have none
            value.encode("utf-8", "strict" if value.startswith("s3://") else "surrogateescape")
        except UnicodeEncodeError:
            raise ValueError("a path has a character that nothing can have in its name") from None
    return value


def _s3_uri(value: object) -> object:
    value = _path(value)
    if isinstance(value, str) and not value.startswith("s3://"):
        raise ValueError("is no S3 URI (s3://bucket/key)")
    return value


DataPath = Annotated[str, BeforeValidator(_path)]
"""A path; `pathlib.Path` is taken too."""
S3URI = Annotated[str, BeforeValidator(_s3_uri)]
"""``s3://bucket/key``."""


class _Model(Model):
    """A model that passes over fields it does not know, as those of later versions."""

    # Made when first used: most runs need two of them.
    model_config = ConfigDict(extra="ignore", defer_build=True)


# ------------------------------------------------------------------------------------------------- JSON files


class GetJSONFromFileRequest(_Model):
    """Read a JSON file."""

    path: DataPath


class GetJSONFromFileResponse(_Model):
    """The content of a JSON file."""

    content: JsonValue


class PutJSONToFileRequest(_Model):
    """Write a JSON file; without a path, into the scratch folder of the default bucket."""

    content: JsonValue
    path: DataPath | None = None


class PutJSONToFileResponse(_Model):
    """The path of the file that was written."""

    path: DataPath


# ------------------------------------------------------------------------------------------------- data sync


def _expressions(value: str | list[str] | None) -> str | list[str] | None:
    for pattern in [value] if isinstance(value, str) else value or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return value


Expressions = Annotated[str | list[str] | None, AfterValidator(_expressions)]
"""A regular expression, or several."""


class DataSyncFilterConfig(_Model):
    """Which files are synced: regular expressions that match all of a path relative to the filter root.

    Attributes:
        include: one or several; none: all files.
        exclude: one or several; what they match stays out, even if it is included.
    """

    include: Expressions = None
    exclude: Expressions = None


class RemoteToLocalConfig(_Model):
    """How files come down from S3.

    Attributes:
        use_custom_tmp_dir: write them in `custom_tmp_dir` until they are whole, not beside their final place.
        custom_tmp_dir: on the same file system; None: the highest folder of the destination's file system.
    """

    use_custom_tmp_dir: bool = False
    custom_tmp_dir: DataPath | None = None


def _url(value: str | None) -> str | None:
    return None if value is None else service_url(value)


class S3Access(_Model):
    """The way to one side's objects, where it is another than the function's own. No field of it is a secret.

    Attributes:
        profile: of the AWS tools on this machine; None: the credentials of the environment.
        region: None: the profile's, or the environment's.
        endpoint_url: of the store; None: the profile's, the environment's, or AWS.
        role_arn: a role to take with these credentials, and again before its own run out.
        external_id: what the role's trust policy asks for.
        unsigned_payload: over plain HTTP, too, sign no content that is sent there; its CRC32 goes with it all
            the same, which protects it from accidents, and not from an attacker on the way.
    """

    model_config = ConfigDict(frozen=True)

    profile: str | None = Field(default=None, min_length=1)
    region: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,63}$")
    endpoint_url: Annotated[str | None, AfterValidator(_url)] = None
    role_arn: str | None = Field(
        default=None, max_length=2048, pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"
    )
    external_id: str | None = Field(
        default=None, min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9_+=,.@:/-]+$"
    )
    unsigned_payload: bool | None = None


class DataSyncRequest(_Model):
    """One sync of a source to a destination.

    Attributes:
        source_path: a file or a folder.
        destination_path: where it goes.
        source_path_prefix: what is cut off the front of source keys, in place of the source path.
        filter_config: which files; None: all.
        filter_root: what patterns are relative to; None: the source.
        max_concurrency: requests under way at once; with the default, 100 where they are of small files. Any
            other number holds for small files, too.
        retain_source_data: False: the source is deleted once its copy is confirmed.
        delete: remove at the destination what the (filtered) source does not have; of no effect in a move.
        allow_empty_source: remove all of it, where the source is a folder on a disk that has no files. False:
            that is refused, for a disk that is not mounted looks the same.
        require_lock: hold a lock on a local destination meanwhile.
        force: send what is there already, too.
        size_only: take files of the same size for the same, unless the source's is newer.
        fail_if_missing: False: a source that is not there, or of which filters keep nothing, is a warning.
        include_detailed_response: taken, and of no effect: the counts are always those of what was sent.
        remote_to_local_config: see there.
        source_access: how the source's objects are reached; None: as everything else is.
        destination_access: how the destination's are.
    """

    source_path: DataPath
    destination_path: DataPath
    source_path_prefix: str | None = None
    filter_config: DataSyncFilterConfig | None = None
    filter_root: str | None = None
    max_concurrency: int = Field(default=AT_ONCE, ge=1, le=1024)
    retain_source_data: bool = True
    delete: bool = True
    allow_empty_source: bool = False
    require_lock: bool = False
    force: bool = False
    size_only: bool = False
    fail_if_missing: bool = True
    include_detailed_response: bool = False
    remote_to_local_config: RemoteToLocalConfig = Field(default_factory=RemoteToLocalConfig)
    source_access: S3Access | None = None
    destination_access: S3Access | None = None


class DataSyncResult(_Model):
    """Bytes and files that were really sent."""

    bytes_transferred: int = 0
    files_transferred: int = 0


class DataSyncResponse(_Model):
    """The request, and what came of it."""

    request: DataSyncRequest
    result: DataSyncResult


class BatchDataSyncRequest(_Model):
    """Several syncs, one after the other.

    Attributes:
        requests: the requests, or the S3 URI of a JSON list of them. One request by itself, here, there or in
            place of all this, is taken as a list of one.
        allow_partial_failure: go on after one that fails.
    """

    requests: list[DataSyncRequest] | S3URI
    allow_partial_failure: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if isinstance(data, Mapping) and "requests" not in data and "source_path" in data:
            return {"requests": [data], "allow_partial_failure": data.get("allow_partial_failure")}
        if isinstance(data, Mapping) and isinstance(data.get("requests"), Mapping):
            return {**data, "requests": [data["requests"]]}
        return data


class BatchDataSyncResult(DataSyncResult):
    """The sums over all requests of a batch."""

    total_requests_count: int = 0
    successful_requests_count: int = 0
    failed_requests_count: int = 0


class BatchDataSyncResponse(_Model):
    """The result of a batch, and the requests that failed."""

    result: BatchDataSyncResult
    failed_requests: list[DataSyncRequest] = Field(default_factory=list)


class PrepareBatchDataSyncRequest(DataSyncRequest):
    """A sync that is to be cut into batches.

    Attributes:
        batch_size_bytes_limit: bytes of a batch; None: 250 GiB.
        batch_size_objects_limit: files of a batch; None: 100,000.
        temporary_request_payload_path: an S3 folder into which the batches are written; None: the answer has
            them all.
    """

    batch_size_bytes_limit: int | None = Field(default=None, ge=1)
    batch_size_objects_limit: int | None = Field(default=None, ge=1)
    temporary_request_payload_path: S3URI | None = None


class PrepareBatchDataSyncResponse(_Model):
    """The batches."""

    requests: list[BatchDataSyncRequest]


# ------------------------------------------------------------------------------------------------ file system


class PathStats(_Model):
    """Bytes and files below a path, and the last modification of any of them."""

    size_bytes: int
    object_count: int
    last_modified: datetime


class GetDataPathStatsRequest(_Model):
    """Count what is below a path."""

    path: DataPath


class GetDataPathStatsResponse(_Model):
    """The figures of a path, and those of what is directly in it, by name."""

    path: DataPath
    path_stats: PathStats
    children: dict[str, PathStats] = Field(default_factory=dict)


class ListDataPathsRequest(_Model):
    """List what is below a path.

    Attributes:
        path: the root.
        include: regular expressions, one of which matches the beginning of a relative path; none: all.
        exclude: those of which none does.
    """

    path: DataPath
    include: Expressions = None
    exclude: Expressions = None


class ListDataPathsResponse(_Model):
    """Paths, whole and sorted: files, folders with ``/`` at their end, and the root."""

    paths: list[DataPath] = Field(default_factory=list)


class OutdatedDataPathScannerRequest(_Model):
    """Find what has not been used for long; see `upload_client.core.data_sync.stale`.

    Attributes:
        path: the root.
        days_since_last_accessed: days without use above which a path is stale.
        max_depth: below this depth nothing is looked at; the root has depth 0.
        min_depth: no folder above this depth is named as a whole.
        min_size_bytes_allowed: nothing more is named once no more than so many bytes are left.
        current_time: what the age is counted from; None: now.
    """

    path: DataPath
    days_since_last_accessed: float = Field(default=0.0, ge=0)
    max_depth: int | None = None
    min_depth: int | None = None
    min_size_bytes_allowed: int = 0
    current_time: datetime = Field(default_factory=lambda: datetime.now(UTC))


class OutdatedDataPathScannerResponse(_Model):
    """Stale paths, sorted."""

    paths: list[DataPath] = Field(default_factory=list)


class RemoveDataPathsRequest(_Model):
    """Remove files and folders.

    Attributes:
        paths: which. What is gone already is no error.
        allow_s3: remove S3 paths too; else they are passed over with a warning.
    """

    paths: list[DataPath] = Field(default_factory=list)
    allow_s3: bool = False


class RemoveDataPathsResponse(_Model):
    """Everything that was removed: bytes, and the paths that were there."""

    size_bytes_removed: int
    paths_removed: list[DataPath] = Field(default_factory=list)
