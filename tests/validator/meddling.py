"""Workers for a sandbox that do something else than the real one, or something before it."""

import os
import signal
import threading
from pathlib import Path

from upload_client.validator import handlers
from upload_client.validator.checks import Checker


def silent(event, context):
    """Never say a word."""
    threading.Event().wait()


def killed_at_first(event, context):
    """Be killed in the middle of the first judgement, the first time."""
    flag = Path(os.environ["TEST_WAS_KILLED"])
    if not flag.exists():
        flag.touch()
        Checker.steps = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    return handlers.work(event, context)


def killed_by_a_deadly_file(event, context):
    """Be killed in the middle of judging a file of that name, the first time."""
    flag, steps = Path(os.environ["TEST_WAS_KILLED"]), Checker.steps

    def meddled(self, path, announced):
        if path == "deadly.csv" and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return steps(self, path, announced)

    Checker.steps = meddled
    return handlers.work(event, context)
