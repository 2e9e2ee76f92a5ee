"""What stands in the validator's place when a test wants a bad one: the data set's name says which.

Run by the sandbox, in processes of their own. What is slow to import is imported where it is needed: most of
these validators never do anything.
"""

from __future__ import annotations

import json
import os
import threading
from types import SimpleNamespace
from typing import Any

ANSWERS: dict[str, Any] = {
    "answers-list": ["success"],
    "answers-null": None,
    "answers-number": {"status": "success", "validator_id": 5},
    "answers-much": {"status": "success", "validator_id": "x", "more": "y" * 300_000},
    "answers-strange": {"status": "\x1b[31mfine"},
    "refuses": {
        "status": "failure",
        "errors": [{"code": "closed", "message": "come \x1b[31mback\u202e tomorrow"}, 7, {"code": None}],
    },
}


def start(event: Any, context: Any) -> Any:
    dataset = event["dataset"]
    if dataset in ANSWERS:
        return ANSWERS[dataset]
    if dataset == "never":
        return {"status": "success", "validator_id": "nobody"}
    if dataset == "raises":
        raise RuntimeError("no \x1b[31mstart")
    if dataset == "twice":
        return twice(event)
    from upload_client.validator import handlers

    return handlers.start(event, context)


def twice(event: Any) -> Any:
    """Start two workers; tell of one."""
    import boto3

    from upload_client.s3 import clients
    from upload_client.validator.settings import ValidatorSettings

    settings = ValidatorSettings.from_environment()
    lambdas = clients.client(boto3.Session(), "lambda", settings)
    keys = ("dataset", "delivery_id", "transfer_type", "epoch")
    for name in ("firstworker", "secondworker"):
        payload = json.dumps({**{key: event[key] for key in keys}, "validator_id": name}).encode()
        lambdas.invoke(FunctionName=settings.worker_function, InvocationType="Event", Payload=payload)
    return {"status": "success", "validator_id": "firstworker"}


def work(event: Any, context: Any) -> Any:
    from upload_client.control.lock import Lock
    from upload_client.validator import handlers
    from upload_client.validator.checks import Checker
    from upload_client.validator.pipeline import Validator

    if event["dataset"] == "dies" and not _died_before(event):
        Validator._append_verdict = lambda *_: _die(event)  # type: ignore[method-assign]
    if event["dataset"] == "silent" and not _died_before(event):
        Validator.step = lambda *_: 1.0  # type: ignore[method-assign]
        Lock.step = lambda *_: 1.0  # type: ignore[method-assign]
    if event["dataset"] == "hangs" and not _died_before(event):
        # A judgement that nothing can interrupt: when its time has run out, Lambda ends it where it is.
        def judges_for_ever(*_: Any) -> None:
            threading.Timer(1.0, _die, (event,)).start()
            threading.Event().wait()

        Checker.judge = Checker.steps = judges_for_ever  # type: ignore[assignment,method-assign]
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1000)
    return handlers.work(event, context)


def _die(event: Any) -> None:
    """End this process, and let the test know just before."""
    _control().put(f"died/{event['delivery_id']}", b"")
    os._exit(9)


def _died_before(event: Any) -> bool:
    """Whether another worker of this delivery was here already; it dies, or is silent for ever."""
    from upload_client.s3.bucket import PreconditionFailed

    try:
        _control().put(f"was-here/{event['delivery_id']}", b"", if_none_match=True)
    except PreconditionFailed:
        return True
    return False


def _control() -> Any:
    import boto3

    from upload_client.s3 import clients
    from upload_client.s3.bucket import Bucket
    from upload_client.validator.settings import ValidatorSettings

    settings = ValidatorSettings.from_environment()
    return Bucket(settings.control_bucket, client=clients.s3_client(boto3.Session(), settings))
