"""Listing ahead of whoever compares."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from upload_client.functions.data_sync import comparing
from upload_client.functions.data_sync.comparing import begun_early


def test_all_comes_in_order_and_is_begun_before_it_is_asked_for() -> None:
    begun = threading.Event()

    def listed() -> Iterator[int]:
        begun.set()
        yield from range(2500)

    early = begun_early(listed())
    assert begun.wait(30)
    assert list(early) == list(range(2500))


def test_an_error_comes_to_who_asks_behind_what_was_found_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from range(comparing._CHUNK)
        raise OSError("the disk is gone")

    early = begun_early(broken())
    assert [next(early) for _ in range(comparing._CHUNK)] == list(range(comparing._CHUNK))
    with pytest.raises(OSError, match="gone"):
        next(early)


@pytest.mark.parametrize("n_asked", [0, 1])
def test_no_more_is_listed_than_is_held_and_nothing_once_nobody_asks_any_more(
    monkeypatch: pytest.MonkeyPatch, n_asked: int
) -> None:
    monkeypatch.setattr(comparing, "_CHUNK", 10)
    monkeypatch.setattr(comparing, "_CHUNKS", 2)
    seen = []

    def endless() -> Iterator[int]:
        for n in itertools.count():
            seen.append(n)
            yield n

    before = set(threading.enumerate())
    early = begun_early(endless())
    (thread,) = set(threading.enumerate()) - before
    assert list(itertools.islice(early, n_asked)) == list(range(n_asked))
    del early
    thread.join(30)
    assert not thread.is_alive()
    assert len(seen) <= 50
