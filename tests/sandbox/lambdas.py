"""Functions to invoke: what a handler may do."""

import os
import time
from pathlib import Path


def echo(event, context):
    print("said to nobody")
    if "meet" in event:  # the others, each in a process of its own
        Path(event["meet"], str(os.getpid())).touch()
        while len(list(Path(event["meet"]).iterdir())) < event["n"]:
            time.sleep(0.01)
    return {
        "event": event,
        "pid": os.getpid(),
        "function": context.function_name,
        "request": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
    }


def fail(event, context):
    raise RuntimeError(f"no: {event['why']}")


def die(event, context):
    os._exit(7)


def sleep(event, context):
    Path(event["started"]).write_text(str(os.getpid()))
    time.sleep(600)


def write(event, context):
    Path(event["to"]).write_text("done")
