"""The validator's own settings. Where buckets and keys are is the receiver's decision, never a client's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from upload_client.core.files import TransferType
from upload_client.core.layout import MAX_SHARDS, Layout
from upload_client.core.object_options import check_options
from upload_client.core.text import for_log
from upload_client.errors import SettingsError
from upload_client.receipts.retention import Mode
from upload_client.support.form import of_form
from upload_client.support.service_url import service_url

ENVIRONMENT_VARIABLE = "UPLOAD_CLIENT_VALIDATOR"
"""Holds the settings, as one JSON object."""


_MOST_MISTAKES = 5

Url = Annotated[str, AfterValidator(service_url)]


class ValidatorSettings(BaseModel):
    """Settings of both functions, the starter and the worker.

    A Lambda function gets them as JSON in the environment variable ``UPLOAD_CLIENT_VALIDATOR``, for example
    ``{"control_bucket": "control", "landing_bucket": "landing", "worker_function": "upload-client-work"}``.
    Bucket names and prefixes must be those that clients get; they may hold ``{dataset}``, ``{delivery_id}``
    and ``{transfer_type}``. Times are seconds, sizes bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    control_bucket: str
    control_prefix: str = ""
    landing_bucket: str
    landing_prefix: str = "{dataset}/{delivery_id}/{transfer_type}/"
    worker_function: str | None
    """Name or ARN of the function that runs `upload_client.validator.handlers.work`. None: a process is the
    validator (`upload-client receiver validate --watch`), and the starter waits for it."""
    state_machine: str | None = None
    """ARN of the state machine that runs that function once for each shard (`upload-client receiver template
    --fan-out`). None: the starter invokes it itself."""
    shards: int = Field(default=1, ge=1, le=MAX_SHARDS)
    """Number of validators that share a delivery's files. A client keeps the number with which it began."""
    outcome_topic: str | None = None
    """ARN of an SNS topic to which the outcome of each run of a delivery is published."""

    endpoint_url: Url | None = None
    """URL of all AWS services, when not at AWS."""
    endpoints: dict[str, Url] = Field(default_factory=dict)
    """URLs of single services, by boto3's name; they win over ``endpoint_url``."""

    object_options: Annotated[dict[str, str], AfterValidator(check_options)] = Field(default_factory=dict)
    """Options for the objects of the validator's log and lock, as clients have them: ``SSEKMSKeyId``,
    ``ServerSideEncryption``, ``ExpectedBucketOwner``, ``RequestPayer``, …"""

    threads: int = Field(default=16, ge=1, le=256)
    """Uploads that are judged at the same time."""
    reader_workers: int = Field(default=2, ge=1, le=64)
    """Processes that read files with the libraries of their formats."""
    reader_memory: int = Field(default=2 * 1024**3, ge=256 * 1024**2)
    """Bytes of memory that such a process may take, its libraries included (where the system sees to it)."""
    reader_cpu_seconds: int = Field(default=60, ge=1)
    """Seconds of computing that one file may take there (where the system sees to it)."""
    reader_seconds: float = Field(default=300.0, gt=0)
    """Seconds that one file may take there, the reading of its bytes included."""
    reader_files: tuple[str, ...] = ()
    """Files and folders that a check of the receiver's own may read there, beside Python and libraries."""
    signing_key: str | None = None
    """The key that signs the receipts of complete deliveries: path of a PEM file, or ARN of a secret or of a
    KMS key (`upload-client receiver key make`). None: nobody does."""
    receipt_keys: tuple[str, ...] = ()
    """Public keys that this receiver has signed with before, each in a line (`receiver key export`): what
    they have signed stays the receiver's."""
    tsa_url: (
        Annotated[str, AfterValidator(of_form("https?://.+", "must start with http:// or https://"))] | None
    ) = None
    """URL of a time-stamping authority (RFC 3161) that dates the receipts of complete deliveries."""
    retain_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days for which nobody can delete the receipt of a complete delivery, nor its signature: by S3 Object
    Lock, which the control bucket must have. None: as the bucket says."""
    retain_mode: Mode = "GOVERNANCE"
    """How strictly: ``COMPLIANCE`` lets nobody shorten it."""
    max_unpacked: int = Field(default=4 * 1024**3, ge=0)
    """Bytes that a compressed file may unpack to."""
    require_expectations: bool = False
    """Refuse a delivery for which no document says what belongs in it."""
    refuse_unopened: bool = False
    """Judge files invalid that are not opened: of no known format, or beyond a limit. What a document calls
    ``opaque`` is taken; where a library is missing, the file is not judged."""
    max_read: int = Field(default=2 * 1024**3, ge=0)
    """Text files larger than this are not read through; their checksum is all that is judged."""
    lease_seconds: int = Field(default=120, ge=30, le=3600)
    """Lease of the validator's lock, in seconds: for so long a validator that died keeps the next one out."""
    poll_seconds: float = Field(default=0.25, gt=0)
    """Between two looks at the client's log, while something comes."""
    poll_longest_seconds: float = Field(default=10.0, gt=0)
    """Between two looks after a long silence."""
    leave_seconds: float = Field(default=30.0, gt=0)
    """A worker leaves so long before its time runs out (or a quarter of its time, where that is less)."""
    busy_seconds: float = Field(default=10.0, ge=0)
    """Seconds that the starter waits for an old validator to leave before it answers that it is busy."""
    start_seconds: float = Field(default=60.0, gt=0)
    """Seconds that the starter waits for the worker's first record."""

    def layout(self, dataset: str, delivery_id: str, transfer_type: TransferType = "staging") -> Layout:
        """The keys of a delivery to this receiver."""
        return Layout(dataset, delivery_id, transfer_type, self.control_prefix, self.landing_prefix)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> ValidatorSettings:
        """Read them from `ENVIRONMENT_VARIABLE`.

        Raises:
            SettingsError: something is missing, unknown or wrong; which field, never its value.
        """
        environ = os.environ if environ is None else environ
        try:
            return cls.model_validate_json(environ.get(ENVIRONMENT_VARIABLE, "{}"))
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False, include_input=False)
            clauses = (": ".join([*map(str, each["loc"]), each["msg"]]) for each in mistakes[:_MOST_MISTAKES])
            raise SettingsError(
                f"{ENVIRONMENT_VARIABLE}: {for_log('; '.join(clauses), 500)}",
                hint='It holds the receiver\'s settings as JSON: {"control_bucket": …, "landing_bucket": …,'
                ' "worker_function": …}.',
            ) from None
