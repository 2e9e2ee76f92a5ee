"""Calls in daemon threads: in order, so many at a time, and waited for by nobody who leaves."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.support.background import map_in_threads


@given(items=st.lists(st.integers(), max_size=30), n=st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(items, n):
    assert list(map_in_threads(lambda item: item + 1, items, n, "test")) == [item + 1 for item in items]


def test_no_more_calls_than_wanted_are_under_way():
    under_way, most, lock, meet = 0, [], threading.Lock(), threading.Barrier(3)

    def call(_: int) -> None:
        nonlocal under_way
        with lock:
            under_way += 1
            most.append(under_way)
        meet.wait(60)  # three of them do meet
        with lock:
            under_way -= 1

    list(map_in_threads(call, range(30), 3, "test"))
    assert max(most) == 3


def test_what_a_call_raises_is_raised_where_its_result_is_due():
    results = map_in_threads(lambda item: 1 // item, [1, 2, 0, 3], 2, "test")
    assert [next(results), next(results)] == [1, 0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_who_takes_no_more_has_nothing_begun_any_more():
    begun, go = [], threading.Event()

    def call(item: int) -> int:
        begun.append(item)
        if item:
            go.wait(60)
        return item

    results = map_in_threads(call, range(100), 2, "test")
    assert next(results) == 0
    results.close()
    go.set()
    for thread in threading.enumerate():
        if thread.name == "test":
            thread.join(60)
    assert len(begun) <= 4


def test_where_the_system_gives_no_thread_all_is_done_all_the_same(monkeypatch):
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert list(map_in_threads(str, [1, 2, 3], 2, "test")) == ["1", "2", "3"]


def test_a_call_that_never_returns_keeps_no_process_from_ending():
    """Those of Python's own pools do: a store that has fallen silent would hold it for its time-outs."""
    program = """
import threading
from upload_client.support.background import map_in_threads
results = map_in_threads(lambda item: item and threading.Event().wait(), [0, 1, 2], 2, "test")
print(next(results))
results.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "0\n"
