"""The context of an invocation where there is no AWS: on the command line, in a container, in a test."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, field

_SECONDS = 900.0
"""As long as the longest invocation of AWS Lambda."""


@dataclass(frozen=True)
class LocalContext:
    """The facts about its invocation that a function may ask for, as AWS Lambda gives them.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_name: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"))
    function_version: str = "$LATEST"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory_limit_in_mb: int = 1024
    log_group_name: str = ""
    log_stream_name: str = ""
    identity: None = None
    client_context: None = None
    started: float = field(default_factory=time.monotonic, repr=False)

    @property
    def invoked_function_arn(self) -> str:
        """The function's name as AWS spells it, in no account."""
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return f"arn:aws:lambda:{region}:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until a Lambda would be ended; here nothing ends."""
        return max(0, round((self.started + _SECONDS - time.monotonic()) * 1000))
