"""Doing something as somebody who may not read everything, even where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

T = TypeVar("T")

_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_PR_CAPBSET_DROP = 24
_VERSION_3 = 0x20080522


def without_privileges(call: Callable[[], T]) -> T:
    """Call it, in a thread that has no right to read what permissions forbid.

    On Linux such rights are a thread's own (capabilities(7)), and what it starts has no more. The test is
    skipped where they cannot be given up.
    """
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows knows no such permissions")
    if os.geteuid() != 0:
        return call()
    if sys.platform != "linux":
        pytest.skip("root may read everything, and cannot give that up here")
    with ThreadPoolExecutor(1) as pool:
        trouble = pool.submit(_drop).result()
        if trouble:
            pytest.skip(f"root may read everything, and cannot give that up here: {os.strerror(trouble)}")
        return pool.submit(call).result()


def _drop() -> int:
    """Give the rights up, for this thread and for all it will run; the error number, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the last three for rights above 31
    if libc.capget(header, sets):
        return ctypes.get_errno()
    for right in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        # A program that root runs is given all rights anew, but for these.
        if libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0):
            return ctypes.get_errno()
        for which in range(3):
            sets[which] &= ~(1 << right)
    return ctypes.get_errno() if libc.capset(header, sets) else 0
