"""The second step of a sync: carries out what was chosen, and records the results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from upload_client.core.codes import FileCode, code_of_errno
from upload_client.core.synchrony import Act, name_aside
from upload_client.synchrony.books import UNKNOWN, Row, dump, moment
from upload_client.synchrony.folder import Changed, FolderFile, NameTaken, write_whole
from upload_client.synchrony.remote import Done, Fetch, Remove, Send, set_aside
from upload_client.synchrony.state import SENDING, Failure, Offer, Result, SyncState
from upload_client.synchrony.tables import write_down_sometimes


def upload(state: SyncState, offers: Sequence[Offer], result: Result) -> None:
    """Send files to the other side."""
    _send(
        state,
        [(offer.path, offer.here, None if offer.there is None else offer.there.etag) for offer in offers],
        Act.UPLOAD,
        result,
    )


def _send(
    state: SyncState, files: Sequence[tuple[str, FolderFile | None, str | None]], act: Act, result: Result
) -> None:
    if not files:
        return
    # Whose they are, should this end before the tables say so.
    state.sending = {
        path: Row(state.name, moment(here.mtime_ns / 1e9), here.md5)
        for path, here, _ in files
        if here is not None
    }
    write_whole(state.folder.books / SENDING, dump(state.sending), kind="sending")
    sends = [
        Send(path, state.folder.path(path), here.size, here.md5, expect)
        for path, here, expect in files
        if here is not None
    ]
    state.is_sending = True
    for n, one in enumerate(state.remote.send(sends, state.folder.root), 1):
        state.report("sent", n, len(sends))
        if _succeeded(one, act, result):
            assert one.there is not None
            state.there[one.path] = one.there
            state.note(one.path, one.there, one.md5)
            state.mine[one.path] = (state.sending[one.path], one.there.etag)
            state.agree(one.path)
        write_down_sometimes(state)
    state.is_sending = False


def _succeeded(one: Done, act: Act, result: Result) -> bool:
    if one.raced:
        result.raced[one.path] = one.error or "somebody else has changed it meanwhile"
    elif one.error is not None:
        result.failures.append(Failure(one.path, act, one.error, one.code or FileCode.UNEXPECTED))
    else:
        result.done.append((one.path, act))
        return True
    return False


def download(state: SyncState, offers: Sequence[Offer], result: Result) -> None:
    """Fetch files of the other side into the folder."""
    for n, (one, offer, whole) in enumerate(_fetched(state, offers, Act.DOWNLOAD, result), 1):
        state.report("fetched", n, len(offers))
        if _placed(state, offer.path, whole, offer.here, one, Act.DOWNLOAD, result):
            result.done.append((offer.path, Act.DOWNLOAD))
        write_down_sometimes(state)


def _fetched(
    state: SyncState, offers: Sequence[Offer], act: Act, result: Result
) -> Iterator[tuple[Done, Offer, Path]]:
    """The files brought to the scratch folder, as they come."""
    by_path = {offer.path: offer for offer in offers}
    parts = {path: state.folder.temporary() for path in by_path}
    fetches = [
        Fetch(offer.path, offer.there, parts[offer.path]) for offer in offers if offer.there is not None
    ]
    for one in state.remote.fetch(fetches):
        if one.raced:
            result.raced[one.path] = "somebody else has changed it meanwhile"
        elif one.error is not None:
            result.failures.append(Failure(one.path, act, one.error, one.code or FileCode.UNEXPECTED))
        else:
            yield one, by_path[one.path], parts[one.path]
            continue
        with contextlib.suppress(OSError):
            parts[one.path].unlink()


def _placed(
    state: SyncState, path: str, whole: Path, here: FolderFile | None, one: Done, act: Act, result: Result
) -> bool:
    """Have what was fetched take its place; whether it has."""
    try:
        status, is_exact = state.folder.put(whole, path, here)
    except NameTaken as error:
        if path in state.in_the_way:
            why = f"{error}: rename, move or delete one of both"
            result.failures.append(Failure(path, act, why, FileCode.NOT_A_FILE))
        else:  # it may be deleted in this very sync, after which there is room
            state.in_the_way.add(path)
            result.raced[path] = str(error)
    except Changed as error:
        result.raced[path] = str(error)
    except OSError as error:
        why = f"cannot be written: {error.strerror or error}"
        result.failures.append(Failure(path, act, why, code_of_errno(error.errno)))
    else:
        state.here[path] = FolderFile(
            status.st_size, status.st_mtime_ns, status.st_ino, one.md5, status.st_ctime_ns
        )
        if is_exact:
            state.fresh.discard(path)
        else:
            state.fresh.add(path)
        if one.there is not None and act is Act.DOWNLOAD:
            state.note(path, one.there, one.md5)
            state.agree(path)
        return True
    with contextlib.suppress(OSError):
        whole.unlink()
    return False


def set_aside_theirs(state: SyncState, offers: Sequence[Offer], result: Result) -> None:
    """Fetch files under names beside those here, and share them under these, too."""
    if not offers:
        return
    folded = {path.casefold() for path in (*state.here, *state.there)}
    placed: list[tuple[str, str]] = []
    for one, offer, whole in _fetched(state, offers, Act.SET_ASIDE, result):
        by = "" if offer.by == UNKNOWN else offer.by
        side = name_aside(offer.path, by or "theirs", offer.when, lambda path: path.casefold() in folded)
        folded.add(side.casefold())
        inner = Result([], [], {})
        if _placed(state, side, whole, None, one, Act.SET_ASIDE, inner):
            placed.append((offer.path, side))
        for failure in inner.failures:
            result.failures.append(failure._replace(path=offer.path, why=f"{side}: {failure.why}"))
        result.raced.update(dict.fromkeys([offer.path] * bool(inner.raced), f"{side} is there by now"))
    inner = Result([], [], {})
    _send(state, [(side, state.here[side], None) for _, side in placed], Act.SET_ASIDE, inner)
    sent = {path for path, _ in inner.done}
    result.done.extend(inner.done)
    failed = {failure.path: failure for failure in inner.failures}
    for path, side in placed:
        if side in inner.raced:
            result.raced[path] = f"{side} is there by now"
        elif side not in sent:
            failure = failed.get(side) or Failure(side, Act.SET_ASIDE, "it was not sent", FileCode.UNEXPECTED)
            result.failures.append(failure._replace(path=path, why=f"{side}: {failure.why}"))


def delete_here(state: SyncState, offers: Sequence[Offer], result: Result) -> None:
    """Delete files of the folder."""
    for offer in offers:
        assert offer.here is not None
        try:
            state.folder.delete(offer.path, offer.here)
        except Changed as error:
            result.raced[offer.path] = str(error)
        except OSError as error:
            why = f"cannot be deleted: {error.strerror or error}"
            result.failures.append(Failure(offer.path, Act.DELETE_HERE, why, code_of_errno(error.errno)))
        else:
            result.done.append((offer.path, Act.DELETE_HERE))
            state.here.pop(offer.path, None)
            state.agree(offer.path)


def delete_there(state: SyncState, offers: Sequence[Offer], result: Result) -> None:
    """Delete files of the other side; what they held is kept aside there."""
    removes = []
    now = state.clock.wall()
    for offer in offers:
        assert offer.there is not None
        try:
            kept = set_aside(offer.path, now, state.remote.prefix)
        except ValueError as error:
            result.failures.append(Failure(offer.path, Act.DELETE_THERE, str(error), FileCode.ILLEGAL_PATH))
            continue
        removes.append(Remove(offer.path, offer.there, kept))
    for n, one in enumerate(state.remote.remove(removes, state.warn), 1):
        state.report("deleted", n, len(removes))
        if _succeeded(one, Act.DELETE_THERE, result):
            was = state.there.pop(one.path)
            md5 = state.known_md5(one.path, was) or UNKNOWN
            state.md5.pop(one.path, None)
            state.cache.objects.pop(one.path, None)
            state.mine.pop(one.path, None)
            state.gone[one.path] = Row(state.name, moment(now), md5)
            state.agree(one.path)
        write_down_sometimes(state)
