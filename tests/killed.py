"""Work done by a fork of this process, which may be killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any


def run_in_fork(work: Callable[[], Any], seconds: float | None = None) -> tuple[Any, float]:
    """Have a fork do some work, and kill it after a while.

    Args:
        work: what is done; its result is passed on as JSON.
        seconds: after which it is killed; None: it is not.

    Returns:
        Its result, and how many seconds it took; None in place of the result if it was killed first.

    Raises:
        AssertionError: it has ended with an exception.
    """
    reading, writing = os.pipe()
    began = time.monotonic()
    if not (child := os.fork()):
        answer: dict[str, Any] = {"error": "it ended before"}
        try:
            answer = {"result": work()}
        except BaseException as error:  # noqa: BLE001 - the parent reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
    os.close(writing)
    while seconds is not None and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > began + seconds:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL:
        return None, time.monotonic() - began
    answer = json.loads(data)
    assert "error" not in answer, answer
    return answer["result"], time.monotonic() - began
