"""Limits of this machine are known, raised where that is allowed, and named."""

from __future__ import annotations

import errno
import re
import subprocess
import sys

import pytest

from upload_client.support.own_limits import ENOUGH_FILES, advice, is_scarce, lack

resource = pytest.importorskip("resource")


def limited(soft: int, hard: int, code: str) -> str:
    """What a process of its own prints, that may have so many open files."""
    prepared = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); {code}"
    done = subprocess.run([sys.executable, "-c", prepared], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_soft_limit_is_raised_as_far_as_the_hard_one_and_no_further_than_is_of_use():
    code = "from upload_client.support.own_limits import raise_open_files as r; print(r(), r())"
    assert limited(64, 500, code) == "500 500"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard > ENOUGH_FILES:
        assert limited(64, ENOUGH_FILES + 10, code).split()[0] == str(ENOUGH_FILES)


@pytest.mark.parametrize(
    ("may", "least", "most"), [(40, 1, 1), (64, 1, 10), (256, 50, 74), (4000, 1024, 1024)]
)
def test_the_number_of_connections_follows_from_it(may, least, most):
    code = "from upload_client.support.own_limits import connections as c; print(c(1024), c(3))"
    found, few = map(int, limited(may, may, code).split())
    assert least <= found <= most
    assert few <= 3


@pytest.mark.parametrize(
    ("name", "raised_by"),
    [
        ("EMFILE", "ulimit -n"), ("ENFILE", None), ("ENOMEM", "ulimit -v"), ("ENOBUFS", None),
        ("ENOSPC", None), ("EDQUOT", None), ("EIO", None), ("EROFS", None),
    ],
)  # fmt: skip
def test_each_limit_comes_with_what_to_do_and_with_its_own_command_alone(name, raised_by):
    number = getattr(errno, name)
    told = advice(OSError(number, "x"))
    assert told.endswith(".")
    assert re.findall(r"`(.*?)`", told) == ([] if raised_by is None else [raised_by])
    assert is_scarce(OSError(number, "x")) == (name in ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"))


def test_want_of_memory_is_one_of_them():
    assert advice(MemoryError()) == advice(OSError(errno.ENOMEM, "x"))


def test_a_thread_that_cannot_be_had_is_told_as_what_it_is():
    code = """
import resource, threading
resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20,) * 2)
go = threading.Event()
started = []
try:
    for _ in range(1000):
        started.append(threading.Thread(target=go.wait, daemon=True))
        started[-1].start()
except RuntimeError as error:
    refused = error
go.set()
from upload_client.cli.failure import Failure
failure = Failure.of(refused)
print(failure.sentence, failure.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "lets this process have no further thread" in done.stdout
    assert "ulimit -u" in done.stdout
    assert lack(RuntimeError("otherwise")) is None


def test_what_is_no_limit_of_the_machine_has_no_such_advice():
    assert advice(OSError(errno.ENOENT, "x")) is None
    assert advice(ValueError()) is None
