"""Lambda invocations, one after the other: read one from standard input, run the handler, write its answer.

Run as ``python -m upload_client.sandbox.lambda_runtime HANDLER``. It imports the handler, and whenever it is
ready it says so with an empty line. Each line of standard input is an invocation, in JSON: ``event, function,
request_id, seconds`` and ``memory_mb``. For each, standard output gets one JSON line, ``{"result": …}`` or
``{"error": …}``; after an error this process ends. Standard input stays open for as long as whoever started
this process lives: when it closes, this process ends too, wherever it is. What a handler prints goes to
standard error.

The handler gets what AWS gives it: the event and a context
(https://docs.aws.amazon.com/lambda/latest/dg/python-context.html).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True)
class Context:
    """The facts about its invocation that a handler may ask for."""

    function_name: str
    aws_request_id: str
    seconds: float
    """Seconds that this invocation may take, in all."""
    memory_limit_in_mb: int = 512
    function_version: str = "$LATEST"
    started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The function's name as AWS spells it."""
        return f"arn:aws:lambda:us-east-1:123456789012:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until this process is ended."""
        return max(0, round((self.started + self.seconds - time.monotonic()) * 1000))


def load_handler(name: str) -> Handler:
    """The function that `name` means: ``package.module:function`` or ``path/to/file.py:function``."""
    where, _, function = name.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot import {where}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    return cast("Handler", getattr(module, function))


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    """Take lines from standard input, and end this process when it closes."""
    # os.read, not sys.stdin: a thread blocked inside the buffered reader holds its lock and makes
    # the interpreter abort when it shuts down.
    rest = b""
    while block := os.read(0, 65536):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            lines.put(line)
    os._exit(1)


def main(name: str) -> int:
    """Run invocations of the handler `name` until one fails; 0, as that is an answer too."""
    # Ctrl-C in a terminal reaches every process there; whoever started us decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "wb") as answer_to:
        os.dup2(2, 1)
        try:
            handler = load_handler(name)
        except Exception as error:  # noqa: BLE001 — reported to the caller
            handler = _raising(error)
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(lines,), daemon=True, name="listen").start()
        while True:
            answer_to.write(b"\n")
            answer_to.flush()
            answer = _invoke(handler, json.loads(lines.get()))
            answer_to.write(answer.encode() + b"\n")
            answer_to.flush()
            if not answer.startswith('{"result"'):
                return 0


def _invoke(handler: Handler, invocation: dict[str, Any]) -> str:
    context = Context(
        function_name=invocation["function"],
        aws_request_id=invocation["request_id"],
        seconds=invocation["seconds"],
        memory_limit_in_mb=invocation["memory_mb"],
    )
    try:
        return json.dumps({"result": handler(invocation["event"], context)})
    except Exception as error:  # noqa: BLE001 — whatever a handler raises is the answer
        traceback.print_exc()
        return json.dumps(
            {
                "error": {
                    "errorMessage": str(error),
                    "errorType": type(error).__name__,
                    "requestId": context.aws_request_id,
                    "stackTrace": traceback.format_tb(error.__traceback__),
                }
            }
        )


def _raising(error: Exception) -> Handler:
    def handler(_event: object, _context: Context) -> object:
        raise error

    return handler


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
