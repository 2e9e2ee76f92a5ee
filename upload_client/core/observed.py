"""Each file of a delivery as an observer can tell it, from both logs and the index in the control bucket."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from heapq import heappush, heappushpop
from typing import Final, Literal, NamedTuple, TypeAlias

from upload_client.core.files import ClientFile
from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.index_csv import lines_of, rows_of
from upload_client.core.problems import Problem, group
from upload_client.core.records import Init
from upload_client.core.times import milliseconds, timestamp
from upload_client.core.values import value

NAMED: Final = 10
"""Files that are named, of those that went wrong last."""

ObservedState: TypeAlias = Literal["ready", "failed", "done", "valid", "invalid"]
OBSERVED_STATES: Final[tuple[ObservedState, ...]] = ("ready", "failed", "done", "valid", "invalid")
"""The states that an observer can tell apart: what is on its way is `ready` until it is announced."""


@value
class IndexRows:
    """The file index of a run, as it lies in the control bucket.

    Attributes:
        paths: of all files.
        sizes: their bytes; -1 where not known.
        will: 1 where the run was to send the file.
    """

    paths: list[str]
    sizes: array[int]
    will: bytearray


def parse_index(data: bytes) -> IndexRows:
    """Read an index as a client has written it into the control bucket. Rows that are none are passed over.

    Raises:
        ValueError: it is no such index, or names more files than a delivery may have.
    """
    found = IndexRows([], array("q"), bytearray())
    try:
        rows = rows_of(lines_of(data))
        header = {name: column for column, name in enumerate(next(rows, []))}
        at_path, at_size, at_will = (header[name] for name in ("path", "size", "will_transfer"))
        for row in rows:
            if len(row) == len(header) and row[at_path]:
                size = row[at_size]
                found.paths.append(row[at_path])
                found.sizes.append(int(size) if size.isascii() and size.isdigit() else -1)
                found.will.append(row[at_will] == "true")
    except (KeyError, OverflowError) as error:
        raise ValueError(f"not an index: {error!r}") from None
    return found


class FileState(NamedTuple):
    """One file, as far as it is known. Moments are milliseconds since 1970 by the clocks of their writers.

    Attributes:
        path: its name.
        state: one of `OBSERVED_STATES`.
        size: bytes; None where not known.
        sent: when it was announced.
        judged: when it was judged.
        message: why it is invalid, has failed, or could not be judged.
        code: the same for programs.
        opened: how it was judged, see `upload_client.core.opened`.
    """

    path: str
    state: ObservedState
    size: int | None
    sent: int | None = None
    judged: int | None = None
    message: str | None = None
    code: str | None = None
    opened: str | None = None


_STATES: Final[Mapping[str | None, ObservedState]] = {"ok": "valid", "failure": "invalid"}


_SEEN: Final[Mapping[str, ObservedState]] = {
    "failed": "failed",
    "done": "done",
    "valid": "valid",
    "invalid": "invalid",
}


def last_run(history: DeliveryHistory) -> Life | None:
    """The last client that made a plan: later ones may have found nothing to do."""
    begun = [epoch for epoch, life in history.clients.items() if isinstance(life.init, Init)]
    return history.clients[max(begun)] if begun else None


def file_states(history: DeliveryHistory, index: IndexRows | None, *, live: bool) -> Iterator[FileState]:
    """Every file as it stands, in the order of the index, or where there is none of the log.

    Args:
        history: both logs.
        index: of the last run.
        live: that run is at work: what earlier ones have given up is tried again.
    """
    run = last_run(history)
    epoch, since = (0, "") if run is None or run.init is None else (run.epoch, run.init.t)
    if index is None:
        known = dict.fromkeys(history.paths())
        known.update(dict.fromkeys(history.failed))
        rows: Iterator[tuple[str, int, int]] = ((path, -1, 0) for path in known)
    else:
        rows = zip(index.paths, index.sizes, index.will, strict=True)
    for path, size, will in rows:
        row = history.row(path)
        of, n_bytes, sent, status, judged = (-1, 0, None, None, None) if row is None else history.glance(row)
        to_send = of < 0 or (will and of < epoch)
        failed = history.failed.get(path) if history.failed else None
        if failed is not None and (to_send or index is None) and not (live and failed.t < since):
            known_size = size if size >= 0 else None
            at = milliseconds(failed.t)
            yield FileState(path, "failed", known_size, None, at, failed.error, failed.code)
        elif to_send or row is None:
            yield FileState(path, "ready", size if size >= 0 else None)
        elif status == "ok":
            yield FileState(path, "valid", n_bytes, sent, judged, opened=history.opened[row])
        else:
            state = _STATES.get(status, "done")
            why = history.message(row), history.code(row)
            yield FileState(path, state, n_bytes, sent, judged, *why)


def states_of_client(files: Iterable[ClientFile], history: DeliveryHistory | None) -> Iterator[FileState]:
    """Every file as the client that has just ended has written it into its state CSV.

    The logs may say more by now: validators go on when a client has gone. Moments of earlier runs are theirs.

    Args:
        files: of the client, in its order.
        history: both logs.
    """
    for file in files:
        row = None if history is None else history.row(file.relpath)
        sent, judged = file.transferred_at, file.judged_at
        if history is not None and row is not None:
            sent = sent or history.transferred_at[row]
            judged = judged or history.judged_at[row]
        state = _SEEN.get(file.state, "ready")
        yield FileState(
            file.relpath,
            state,
            file.size,
            milliseconds(sent) if sent and state in ("done", "valid", "invalid") else None,
            milliseconds(judged) if judged and state in ("valid", "invalid") else None,
            file.message if state not in ("ready", "valid") else None,
            file.code,
            file.opened if state == "valid" else None,
        )


@value
class ObservedLanding:
    """The landing place of a complete delivery, held against what was judged.

    Attributes:
        added: objects there that the delivery does not have.
        replaced: files whose object has another ETag or size than the one that was judged.
        gone: files whose object is no longer there.
        named: the first of each, by these names.
    """

    added: int
    replaced: int
    gone: int
    named: Mapping[str, tuple[str, ...]] = field(hash=False)

    @property
    def as_judged(self) -> bool:
        """Whether there is nothing else and nothing less."""
        return not (self.added or self.replaced or self.gone)


def observe_landing(
    history: DeliveryHistory, index: IndexRows | None, listed: Iterable[tuple[str, int, str]]
) -> ObservedLanding:
    """Hold a listing of the landing place against the files that a complete delivery has, a byte for each.

    Args:
        history: both logs.
        index: of the last run; None: every file that the log announces was delivered.
        listed: path, size in bytes and ETag of each object. The empty path, which consoles make of a folder,
            is passed over.
    """
    waits = bytearray(sum(1 for _ in history.paths()))  # 1: delivered, and not listed so far
    for path in history.paths() if index is None else index.paths:
        row = history.row(path)
        if row is not None:
            waits[row] = 1
    counts = dict.fromkeys(("added", "replaced", "gone"), 0)
    named: dict[str, list[str]] = {kind: [] for kind in counts}

    def note(kind: str, path: str) -> None:
        counts[kind] += 1
        if len(named[kind]) < NAMED:
            named[kind].append(path)

    for path, size, etag in listed:
        row = history.row(path)
        if row is None or not waits[row]:
            if path:
                note("added", path)
            continue
        waits[row] = 0
        upload = history.uploads.brief(row)
        if upload is None or (upload[0], upload[2]) != (size, etag):
            note("replaced", path)
    if any(waits):
        for path in history.paths() if index is None else index.paths:
            row = history.row(path)
            if row is not None and waits[row]:
                note("gone", path)
    return ObservedLanding(**counts, named={kind: tuple(paths) for kind, paths in named.items()})


@value
class NamedFile:
    """A file that went wrong: its name, how, why, and when (UTC, by its writer's clock; None: not known).

    `code` says why for programs; None where nobody said.
    """

    path: str
    state: ObservedState
    message: str
    at: str | None
    code: str | None = None


@value
class Tally:
    """All files, counted.

    Attributes:
        files: in each of `OBSERVED_STATES`.
        n_bytes: the same in bytes, as far as known.
        wrong: those that went wrong, by reason: invalid, given up, or not to be judged.
        last: those that went wrong last, but for the latter.
        sent: files and bytes announced since a moment, and since another.
        judged: files judged since these moments.
        opened: valid files by how they were judged, see `upload_client.core.opened`; most first.
    """

    files: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OBSERVED_STATES, 0))
    n_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OBSERVED_STATES, 0))
    wrong: tuple[Problem, ...] = ()
    last: tuple[NamedFile, ...] = ()
    sent: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    judged: tuple[int, int] = (0, 0)
    opened: dict[str, int] = field(default_factory=dict)

    @property
    def n_files(self) -> int:
        """All of them."""
        return sum(self.files.values())


def tally(files: Iterable[FileState], recent: float, begun: float, *, validator_ahead: float = 0.0) -> Tally:
    """Count files, in one go.

    Args:
        files: all of them.
        recent: a moment of the client's clock, seconds since 1970: what was sent since then is counted.
        begun: an earlier one.
        validator_ahead: seconds by which the validator's clock is ahead of the client's.
    """
    counted = Tally()
    recent_ms, begun_ms, ahead = recent * 1000, begun * 1000, validator_ahead * 1000
    sent = [0, 0, 0, 0]
    judged = [0, 0]
    latest: list[tuple[int, int, FileState]] = []
    opened = Counter[str]()

    def count() -> Iterator[tuple[str, ObservedState, str | None, str | None]]:
        """Count each, and give on those that went wrong."""
        for n, file in enumerate(files):
            state, size = file.state, file.size or 0
            counted.files[state] += 1
            counted.n_bytes[state] += size
            if file.sent is not None and file.sent >= begun_ms:
                sent[2] += 1
                sent[3] += size
                if file.sent >= recent_ms:
                    sent[0] += 1
                    sent[1] += size
            if state in ("valid", "invalid") and file.judged is not None and file.judged - ahead >= begun_ms:
                judged[1] += 1
                judged[0] += file.judged - ahead >= recent_ms
            if file.opened is not None:
                opened[file.opened] += 1
            if state in ("invalid", "failed"):
                (heappush if len(latest) < NAMED else heappushpop)(latest, (file.judged or 0, n, file))
                yield file.path, state, file.message, file.code
            elif state == "done" and file.message:
                yield file.path, state, file.message, file.code

    wrong = group(count())
    named = tuple(
        NamedFile(file.path, file.state, file.message or "", timestamp(at / 1000) if at else None, file.code)
        for at, _, file in sorted(latest, reverse=True)
    )
    return Tally(
        counted.files,
        counted.n_bytes,
        wrong,
        named,
        ((sent[0], sent[1]), (sent[2], sent[3])),
        (judged[0], judged[1]),
        dict(sorted(opened.items(), key=lambda pair: (-pair[1], pair[0]))),
    )
