"""Functions to invoke: what a handler may do."""

import os
import socket
import threading
from pathlib import Path


def echo(event, context):
    print("said to nobody")
    if "meet" in event:  # the others, each in a process of its own
        with socket.create_connection(event["meet"]) as meeting:
            meeting.recv(1)  # until all are there
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
    threading.Event().wait()


def write(event, context):
    Path(event["to"]).write_text("done")
