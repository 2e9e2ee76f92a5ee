"""A run that is stuck ends, also where the system gives it nothing more."""

from __future__ import annotations

import subprocess
import sys

import pytest

STUCK = """
import os, threading
from upload_client.delivery.watchdog import watched

with watched(2):
    {limit}
    threading.Lock().acquire() and threading.Event().wait()
"""
NO_THREADS = """
    def refused(self):
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refused"""
NO_MEMORY = """
    import upload_client.delivery.watchdog as watchdog

    def refused(*_):
        raise MemoryError

    watchdog.why_stuck = refused"""


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("", "nothing has moved"),
        (NO_THREADS, "nothing has moved"),
        (NO_MEMORY, ""),
    ],
    ids=["nothing is short", "no threads", "no memory"],
)
def test_a_thread_that_does_not_come_back_ends_the_process_whatever_is_short(limit: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STUCK.format(limit=limit)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 5, ended
    assert said in ended.stderr


LOGS = """
import logging, sys
from upload_client.delivery.watchdog import watched

logging.basicConfig(stream=sys.stderr)
with watched(2):
    while True:
        logging.getLogger("upload_client").error("x" * 1000)
"""


def test_a_log_that_nobody_reads_ends_the_process_too_whose_thread_holds_it() -> None:
    stuck = subprocess.Popen([sys.executable, "-c", LOGS], stderr=subprocess.PIPE)
    try:
        assert stuck.wait(120) == 5
    finally:
        stuck.kill()
        stuck.communicate()
