"""The third step of a sync: updates the tables of both sides.

A row is corrected only after the object was looked at once more, so that a listing which is older than a row
never takes it back.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from typing import Final

from upload_client.errors import DeliveryError
from upload_client.synchrony.books import (
    BOOKS,
    DELETED,
    DELETED_HERE,
    HELD,
    UNKNOWN,
    VERSIONS,
    Row,
    dump,
    is_md5,
    moment,
    read,
    table,
)
from upload_client.synchrony.memory import digest
from upload_client.synchrony.remote import ConcurrentChange
from upload_client.synchrony.state import SENDING, SyncState

_WRITE_DOWN_EVERY: Final = 60.0
"""Seconds after which what was done is written down in a long sync."""
_RACES: Final = 100


def write_down_sometimes(state: SyncState) -> None:
    """Write them down, if it was not done for a minute."""
    if state.clock.monotonic() - state.written > _WRITE_DOWN_EVERY:
        write_down(state)


def write_down(state: SyncState) -> None:
    """Bring the tables on both sides up to what is there.

    Raises:
        DeliveryError: they cannot be written.
    """
    try:
        _write_versions(state)
    finally:
        _write_here(state)
    state.written = state.clock.monotonic()


def _corrections(state: SyncState) -> dict[str, Row | None]:
    """Rows that are not what is listed: what they should be; None: there is no such file."""
    wrong: dict[str, Row | None] = {}
    unread = []
    for path, there in state.there.items():
        row, md5 = state.versions.get(path), state.known_md5(path, there)
        if path in state.mine or (row is not None and md5 is None) or (row and row.md5 == md5):
            continue
        if md5 is None or not is_md5(md5):
            unread.append((path, there))
            continue
        intended = state.sending.get(path)
        if intended is not None and intended.md5 == md5:
            wrong[path] = intended
        else:
            wrong[path] = Row(UNKNOWN, moment(there.modified), md5)
    for path, md5 in state.remote.md5s(unread, doubted=False):
        if md5 is not None:
            there = state.there[path]
            state.note(path, there, md5)
            wrong[path] = Row(UNKNOWN, moment(there.modified), md5)
    for path in state.versions:
        if path not in state.there and path not in state.gone:
            wrong[path] = None
    return wrong


def _write_versions(state: SyncState) -> None:
    wrong = _corrections(state)
    if not (wrong or state.mine or state.gone) and state.versions_data is not None:
        return
    seen = state.versions
    state.make_sure()
    if state.gone or state.deleted_data is None:
        _write_deleted(state)
    rows, data, etag = dict(seen), state.versions_data, state.versions_etag
    for _ in range(_RACES):
        new = _applied(state, rows, seen, wrong, is_first=data is None)
        dumped = dump(new)
        if data is not None and rows == new:
            break
        try:
            etag = state.remote.write_book(VERSIONS, dumped, etag)
            data, rows = dumped, new
            break
        except ConcurrentChange:
            state.clock.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - spreads load, guards nothing
            found = state.remote.read_book(VERSIONS)
            data, etag = (None, None) if found is None else found
            rows = table(data, f"{state.remote.where}/{BOOKS}/{VERSIONS}")
    else:
        raise DeliveryError(
            f"{state.remote.where}/{BOOKS}/{VERSIONS} is written by others again and again",
            hint="Run the same command again; the files themselves are in place.",
        )
    state.versions, state.versions_data, state.versions_etag = rows, data, etag
    state.mine.clear()
    state.gone.clear()


def _applied(
    state: SyncState,
    rows: Mapping[str, Row],
    seen: Mapping[str, Row],
    wrong: Mapping[str, Row | None],
    *,
    is_first: bool,
) -> dict[str, Row]:
    """A table with our changes in it. What somebody else may know better is checked once more."""
    doubtful = [path for path in (*state.mine, *state.gone) if rows.get(path) != seen.get(path)]
    if not is_first:
        doubtful += [path for path in wrong if rows.get(path) == seen.get(path)]
    now = state.remote.look(doubtful)
    new = dict(rows)
    for path, (row, etag) in state.mine.items():
        if path in now and ((there := now[path]) is None or there.etag != etag):
            continue
        new[path] = row
    for path in state.gone:
        if now.get(path) is None:
            new.pop(path, None)
    for path, correct in wrong.items():
        if path in state.mine or path in state.gone or rows.get(path) != seen.get(path):
            continue
        listed, there = state.there.get(path), now.get(path)
        if not is_first and (listed and listed.etag) != (there and there.etag):
            continue
        if correct is None:
            new.pop(path, None)
        else:
            new[path] = correct
    return new


def _write_deleted(state: SyncState) -> None:
    """Add what was deleted to the table of it."""
    data, etag = state.deleted_data, state.deleted_etag
    for _ in range(_RACES):
        where = f"{state.remote.where}/{BOOKS}/{DELETED}"
        rows = [] if data is None else list(read(data, where))
        rows += sorted(state.gone.items() - set(rows))  # perhaps written by a try that failed later
        dumped = dump(rows)
        try:
            state.deleted_etag = state.remote.write_book(DELETED, dumped, etag)
        except ConcurrentChange:
            state.clock.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - spreads load, guards nothing
            found = state.remote.read_book(DELETED)
            data, etag = (None, None) if found is None else found
            continue
        state.deleted_data, state.deleted = dumped, rows
        return
    raise DeliveryError(f"{state.remote.where}/{BOOKS}/{DELETED} is written by others again and again")


def _write_here(state: SyncState) -> None:
    """The tables and the memory of the folder itself."""
    memory, cache = state.memory, state.cache
    for name, data, etag in (
        (VERSIONS, state.versions_data, state.versions_etag),
        (DELETED, state.deleted_data, state.deleted_etag),
    ):
        if data is not None and etag is not None and cache.books.get(name, ("",))[0] != etag:
            memory.write_book(name, data)
            cache.books[name] = (etag, digest(data))
    cache.files = {path: here for path, here in state.here.items() if path not in state.fresh}
    cache.objects = {path: known for path, known in cache.objects.items() if path in state.there}
    if state.is_base_new or not cache.bases:
        held = dump(state.base)
        # Both, should this end before the table is in its place.
        cache.bases = tuple(dict.fromkeys((*cache.bases[-1:], digest(held))))
        memory.write_cache(cache)
        memory.write_book(HELD, held)
        state.is_base_new = False
    else:
        memory.write_cache(cache)
    pending = {
        path: row
        for path, row in state.base.items()
        if path not in state.here and path in state.there and not state.ignored(path)
    }
    memory.write_book(DELETED_HERE, dump(pending))
    if not (state.mine or state.is_sending):
        with contextlib.suppress(OSError):
            (state.folder.books / SENDING).unlink()
