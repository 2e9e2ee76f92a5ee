"""`RunArguments`: the arguments of a run, held against what can be meant before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from upload_client.aws.pipeline import check_config
from upload_client.core.files import TransferType
from upload_client.core.layout import Layout, check_name
from upload_client.errors import UsageError
from upload_client.support.arguments import boolean, can, path, text, whole
from upload_client.support.clock import Clock

if TYPE_CHECKING:
    import boto3

    from upload_client.aws.auth import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """The arguments of a run; `upload_client.UploadClient` says what each means.

    Raises:
        UsageError: one of them cannot be meant.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    agent_id: str
    n_threads: int | Literal["auto"] | None
    max_retries: int | None
    resend_invalid: bool
    steal: str | None
    executor: Executor | None
    n_batches: int
    lambda_config: Mapping[str, Any] | None
    session: boto3.Session | None
    prompt: Prompt | None
    clock: Clock
    debug: bool
    output_dir: Path

    def __post_init__(self) -> None:
        if self.lambda_config is not None:
            check_config(self.lambda_config)
        for name, methods, what in (
            ("session", ("client", "get_credentials"), "a boto3 session"),
            ("prompt", (), "a function that asks a person, and gives back the answer"),
            ("executor", ("submit",), "an executor, as of concurrent.futures"),
            ("clock", ("wall", "monotonic", "sleep"), "an upload_client.support.clock.Clock"),
        ):
            if (given := getattr(self, name)) is not None:
                can(name, given, methods, what)
        if self.steal is not None:
            text("steal", self.steal, "the name of the agent that holds the lock")
        try:
            Layout(self.dataset, self.delivery_id, self.transfer_type)
            check_name(self.agent_id, "own_agent_id")
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._set("debug", boolean("debug", self.debug))
        self._set("resend_invalid", boolean("resend_invalid", self.resend_invalid))
        if self.n_threads is not None and self.n_threads != "auto":
            self._set("n_threads", whole("n_threads", self.n_threads, 1))
        if self.max_retries is not None:
            self._set("max_retries", whole("max_retries", self.max_retries, 0))
        self._set("n_batches", whole("n_batches", self.n_batches, 1))
        self._set("output_dir", path("output_dir", self.output_dir))
        if not self.output_dir.is_dir():
            raise UsageError(
                f"the output_dir {self.output_dir} is no folder",
                hint="Make it, or name another one: the state of every file goes there at the end.",
            )

    def _set(self, name: str, value: object) -> None:
        """Have an argument in the type that is meant: NumPy has others."""
        object.__setattr__(self, name, value)
