"""The first step of a sync: compares both sides, and finds the choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from upload_client.core.codes import FileCode, MessageCode
from upload_client.core.paths import check_relpath, collisions
from upload_client.core.synchrony import Change, decide
from upload_client.errors import UsageError
from upload_client.synchrony.books import BOOKS, DELETED, UNKNOWN, VERSIONS, Row, moment, read, table
from upload_client.synchrony.folder import Ignored, Skipped
from upload_client.synchrony.memory import digest
from upload_client.synchrony.remote import RemoteFile
from upload_client.synchrony.state import SENDING, Offer, SyncState


def compare(state: SyncState) -> list[Offer]:
    """Compare both sides, and say what may be chosen.

    Raises:
        UsageError: the folder, or a table, cannot be read; or all of the other side is gone.
        StoreError: the other side cannot be read.
    """
    memory = state.memory
    state.mine.clear()
    state.gone.clear()
    cache = state.cache = memory.cache()
    state.ignored = Ignored(memory.text("ignores3.txt"))
    with ThreadPoolExecutor(1, "listing") as pool:
        listing = pool.submit(state.remote.listing)
        try:
            state.here, state.skipped, state.fresh = state.folder.look(
                cache.files, ignored=state.ignored, on_progress=lambda n: state.report("read", n, 0)
            )
            state.sending = table(memory.book(SENDING), f"{BOOKS}/{SENDING}")
        finally:
            listed = listing.result()
    state.there = listed.files
    state.versions_data, state.versions_etag = _book(state, VERSIONS, listed.books)
    state.deleted_data, state.deleted_etag = _book(state, DELETED, listed.books)
    state.versions = table(state.versions_data, f"{state.remote.where}/{BOOKS}/{VERSIONS}")
    state.base = memory.base(cache, state.versions_data, state.versions)
    if not listed.books and not state.base.keys() <= state.there.keys():
        raise UsageError(
            f"{state.remote.where} holds no tables of a sync any more, nor files that were shared with it:"
            " they do not pass for deleted",
            hint="Connect the disk, or see who has emptied it. If that was meant, `upload-client sync FOLDER"
            " --reset` resets this folder, and its files are offered again.",
        )
    state.is_base_new = False
    where = f"{state.remote.where}/{BOOKS}/{DELETED}"
    state.deleted = [] if state.deleted_data is None else list(read(state.deleted_data, where))
    cannot_be = {one.path.rstrip("/") for one in state.skipped}
    state.skipped += (
        Skipped(
            f"{state.remote.where}/{name}",
            check_relpath(name) or "lies in the books of another",
            FileCode.ILLEGAL_PATH,
        )
        for name in listed.odd
    )
    _find_md5s(state)
    last_deleted = dict(state.deleted)
    offers = []
    paths = {*state.here, *state.there, *state.base}
    for path in paths:
        if cannot_be and _is_within(path, cannot_be):
            continue  # what is there cannot be read, or is no file: it must not pass for deleted
        offer = _offer(state, path, last_deleted)
        if offer is not None and not state.ignored(path):
            offers.append(offer)
    offers.sort()
    _warn_of_names(state, offers)
    return offers


def _book(state: SyncState, name: str, listed: Mapping[str, str]) -> tuple[bytes | None, str | None]:
    """A table of the other side, and its ETag: from the copy here, if it is the one that is listed."""
    etag = listed.get(name)
    if etag is None:
        return None, None
    known = state.cache.books.get(name)
    if known is not None and known[0] == etag:
        copy = state.memory.book(name)
        if copy is not None and digest(copy) == known[1]:
            return copy, etag
    found = state.remote.read_book(name)
    return (None, None) if found is None else found


def _find_md5s(state: SyncState) -> None:
    """The MD5 of each file on the other side, as far as it matters; what must be read for it is read."""
    md5s = state.md5 = {}
    doubted: list[tuple[str, RemoteFile]] = []
    opaque: list[tuple[str, RemoteFile]] = []
    objects, here, base, versions = state.cache.objects, state.here, state.base, state.versions
    for path, there in state.there.items():
        known = objects.get(path)
        if known is not None and known[0] == there.etag:
            md5s[path] = known[1]
            continue
        stated = state.remote.stated_md5(there)
        mine = here.get(path)
        if stated is None:
            if mine is not None or path in base:
                opaque.append((path, there))
            continue
        if mine is None or mine.md5 == stated or mine.size != there.size:
            continue
        row = versions.get(path)
        if row is None or row.md5 != stated:
            doubted.append((path, there))  # an object that is encrypted has an ETag that is no MD5
    for files, is_doubt in ((doubted, True), (opaque, False)):
        for n, (path, md5) in enumerate(state.remote.md5s(files, doubted=is_doubt), 1):
            state.report("compared", n, len(files))
            there = state.there[path]
            if md5 is None:
                # It is being replaced in this moment: what comes of it is seen the next time.
                md5s[path] = f"etag:{there.etag}"
            elif md5 != there.etag:
                objects[path] = (there.etag, md5)
                md5s[path] = md5


def _change(state: SyncState, path: str) -> Change:
    mine, base = state.here.get(path), state.base.get(path)
    return decide(
        None if base is None else base.md5,
        None if mine is None else mine.md5,
        state.mark_there(path),
    )


def _offer(state: SyncState, path: str, last_deleted: Mapping[str, Row]) -> Offer | None:
    change = _change(state, path)
    if change is Change.NOTHING:
        return None
    if change is Change.BOOKS:
        state.agree(path)
        return None
    there = state.there.get(path)
    note = ""
    if there is None:
        row = last_deleted.get(path)
        by, when = ("", "") if row is None else (row.by, row.when)
        mine = state.here.get(path)
        if change is Change.NEW_HERE and row is not None and mine is not None and row.md5 == mine.md5:
            note = f"was deleted there by {row.by}, {row.when}"
        elif change in (Change.DELETED_THERE, Change.CHANGED_HERE_DELETED_THERE):
            by = by or UNKNOWN
    else:
        row = state.versions.get(path)
        md5 = state.known_md5(path, there)
        is_known = row is not None and md5 in (row.md5, None)
        by, when = (row.by, row.when) if row and is_known else (UNKNOWN, moment(there.modified))
    return Offer(path, change, state.here.get(path), there, by, when, note)


def _warn_of_names(state: SyncState, offers: Sequence[Offer]) -> None:
    """Tell of names that some file system takes for one; asked only about what is new."""
    if not any(offer.change in (Change.NEW_HERE, Change.NEW_THERE) for offer in offers):
        return
    paths = sorted({*state.here, *state.there})
    for row, other, kind in collisions(paths)[:10]:
        how = "but for case" if kind == "case" else "in another Unicode form"
        why = f"{paths[row]!r} and {paths[other]!r} are the same {how}: some systems have room for one"
        state.warn(why, MessageCode.NAMES_ALIKE)


def _is_within(path: str, paths: set[str]) -> bool:
    """Whether a path is one of these, or lies in one of them."""
    if path in paths:
        return True
    end = path.rfind("/")
    while end > 0:
        if path[:end] in paths:
            return True
        end = path.rfind("/", 0, end)
    return False
