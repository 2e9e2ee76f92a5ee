"""Starting the receiver's validation pipeline: one synchronous Invoke of a Lambda function, never repeated.

A repeated Invoke could start a second worker, so nothing below the caller may repeat it, and a lost answer is
the caller's to judge: it looks into the log for an ``init`` of its own epoch before it asks again.
See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
from botocore.config import Config

from upload_client.core.layout import MAX_SHARDS
from upload_client.core.text import for_log
from upload_client.core.values import value
from upload_client.errors import NotReachable, PipelineBusy, PipelineRefused, UsageError
from upload_client.s3 import clients
from upload_client.s3.bucket import AnswerLost, StoreError, store_errors

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

_log = logging.getLogger(__name__)

READ_TIMEOUT = 300
"""Seconds to wait for the starter's answer; its own time ends before."""

_MAX_ANSWER = 256 * 1024  # bytes; a starter says a few lines
_MAX_ERRORS = 20
_MAX_TEXT = 1000  # characters of a code or message
_BUSY = "validator_busy"
_NEVER_SENT = (
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ProxyConnectionError,
)


def check_config(config: object) -> None:
    """Refuse what are no arguments of `botocore.config.Config`.

    Raises:
        UsageError: they are none.
    """
    if not isinstance(config, Mapping) or not all(isinstance(name, str) for name in config):
        raise UsageError("lambda_client_config is not a dict of botocore's Config arguments")
    try:
        Config(**config)
    except (TypeError, ValueError, AttributeError, botocore.exceptions.BotoCoreError) as error:
        why = for_log(str(error))
        raise UsageError(f"lambda_client_config is nothing for botocore's Config: {why}") from None


def lambda_client(
    session: boto3.Session | None,
    settings: clients.Endpoints | None = None,
    config: Mapping[str, Any] | None = None,
) -> LambdaClient:
    """Make a Lambda client that asks once and waits for `READ_TIMEOUT`.

    Args:
        session: Where credentials and region come from; None: boto3's own chain.
        settings: Where Lambda is; None: where botocore finds it.
        config: Arguments of `botocore.config.Config`, for example proxies. Its ``retries`` does not count,
            nor does a ``read_timeout`` that is shorter.
    """
    options = dict(config or {})
    options["retries"] = {"mode": "standard", "total_max_attempts": 1}
    options["read_timeout"] = max(READ_TIMEOUT, options.get("read_timeout") or 0)
    made: LambdaClient = clients.client(session, "lambda", settings, **options)
    return made


@value
class Started:
    """The starter's answer once a validator is at work.

    Attributes:
        validator_id: its name.
        shards: how many validators share the files.
    """

    validator_id: str
    shards: int


def start(client: LambdaClient, function_name: str, request: Mapping[str, Any]) -> Started:
    """Ask the starter function to start a validator, and wait for its word that one is at work.

    Args:
        client: Made by `lambda_client`.
        function_name: Name or ARN of the starter.
        request: What it is told: ``protocol``, ``dataset``, ``delivery_id``, ``transfer_type``, ``agent_id``,
            ``epoch`` and ``idempotency_key``; where one of several validators is to be started again also
            ``shard`` and ``shards``.

    Raises:
        PipelineBusy: An old validator is still leaving; ask again later.
        PipelineRefused: The starter refused or failed, or must not be called.
        NotReachable: It was not reached, so it has started none.
        AnswerLost: It may have started one, or not.
    """
    _log.info("asking %s for a validator, %s", function_name, request.get("idempotency_key"))
    try:
        with store_errors(f"Invoke {function_name}"):
            answer = client.invoke(
                FunctionName=function_name,
                InvocationType="RequestResponse",
                Payload=json.dumps(request).encode(),
            )
            payload = answer["Payload"].read(_MAX_ANSWER + 1)
    except AnswerLost as error:
        if isinstance(error.__cause__, _NEVER_SENT):
            where = f"the receiver's starter, {function_name}"
            raise NotReachable(f"{where}: {error}", hint=NotReachable.hint) from error
        raise
    except StoreError as error:
        raise PipelineRefused([_error(error.s3_code or "refused", error)]) from error
    if len(payload) > _MAX_ANSWER:
        raise _misunderstood(f"more than {_MAX_ANSWER} bytes")
    length = answer["ResponseMetadata"]["HTTPHeaders"].get("content-length")
    # No function's answer is empty. One that was cut in its head may seem to be, and to have no length.
    if not payload or length not in {None, str(len(payload))}:
        raise AnswerLost(f"Invoke {function_name}: the answer was cut")
    return _understood(payload, failed="FunctionError" in answer)


def _understood(payload: bytes, *, failed: bool) -> Started:
    """Make of a whole answer, which may hold anything, the validator or an error."""
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        raise _misunderstood("not JSON") from None
    if not isinstance(answer, dict):
        raise _misunderstood("not an object")
    if failed:  # the function raised: Lambda says what, in a form of its own
        raise PipelineRefused(
            [_error(answer.get("errorType", "FunctionError"), answer.get("errorMessage", ""))]
        )
    validator_id = answer.get("validator_id")
    if answer.get("status") == "success" and isinstance(validator_id, str) and validator_id:
        shards = answer.get("shards", 1)
        if type(shards) is not int or not 1 <= shards <= MAX_SHARDS:
            raise _misunderstood(f"no number of validators from 1 to {MAX_SHARDS}")
        started = Started(for_log(validator_id, _MAX_TEXT), shards)
        _log.info("validator %s is at work, one of %d", started.validator_id, shards)
        return started
    if answer.get("status") != "failure":
        raise _misunderstood("neither success nor failure")
    listed = answer.get("errors")
    errors = [
        _error(entry.get("code", ""), entry.get("message", ""))
        for entry in (listed if isinstance(listed, list) else [])[:_MAX_ERRORS]
        if isinstance(entry, dict)
    ]
    busy = any(error["code"] == _BUSY for error in errors)
    raise (PipelineBusy if busy else PipelineRefused)(errors)


def _error(code: object, message: object) -> dict[str, str]:
    return {"code": for_log(str(code), _MAX_TEXT), "message": for_log(str(message), _MAX_TEXT)}


def _misunderstood(why: str) -> PipelineRefused:
    return PipelineRefused([_error("answer_not_understood", f"the starter's answer is {why}")])
