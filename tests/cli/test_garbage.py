"""A process looks for what it could throw away seldom, and at its end not at all."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

PROGRAM = """
    import atexit, gc
    from upload_client.cli import freeze_loaded_objects, collect_garbage_rarely

    class Ring:
        def __init__(self):
            self.itself = self
        def __del__(self):
            print("taken apart")

    freeze_loaded_objects()
    print(gc.get_freeze_count())  # of a process that is not the program's own nothing is kept
    collect_garbage_rarely()
    collect_garbage_rarely()
    freeze_loaded_objects()
    print(gc.get_freeze_count() > 1000, gc.get_count()[0] < 1000)
    atexit.register(print, "called")
    Ring()
    print(gc.get_threshold()[0] >= 10_000)
"""


def test_at_its_end_nothing_is_looked_through_and_what_was_registered_is_called():
    process = subprocess.run(
        [sys.executable, "-c", dedent(PROGRAM)], capture_output=True, text=True, check=True
    )
    assert process.stdout.split("\n") == ["0", "True True", "True", "called", ""]
