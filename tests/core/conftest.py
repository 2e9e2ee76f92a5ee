"""The coverage of the rules is that by examples which are written down, and so the same each time.

What Hypothesis makes up besides is tried in the same run, and not traced: that would take twice as long.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure only as long as a test goes through the examples that are written down: they come first."""
    test = getattr(item, "obj", None)
    if not (item.config.pluginmanager.hasplugin("_cov") and getattr(test, "is_hypothesis_test", False)):
        return (yield)
    from coverage import Coverage

    if (measured := Coverage.current()) is None:
        return (yield)
    n_written = len(getattr(test, "hypothesis_explicit_examples", ()))
    handle = getattr(test, "hypothesis", None)  # a state machine has none, and no such examples
    if handle is None or not n_written:
        measured.stop()
        try:
            return (yield)
        finally:
            measured.start()

    inner, calls = handle.inner_test, itertools.count()

    @functools.wraps(inner)
    def counted(*args, **kwargs):
        if next(calls) == n_written:
            measured.stop()
        return inner(*args, **kwargs)

    handle.inner_test = counted
    try:
        return (yield)
    finally:
        handle.inner_test = inner
        if next(calls) > n_written:
            measured.start()
