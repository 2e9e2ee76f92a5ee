"""The files of a delivery as its logs show them, a row a file: folded in, read, put into columns of bytes."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType, NoneType
from typing import Any, Final, cast

from upload_client.core.codes import FileCode
from upload_client.core.columns import (
    MAX_CUT,
    MAX_WHOLE,
    CategoryColumn,
    TextColumn,
    TimeColumn,
    in_one_piece,
    put,
    rows_of,
    taken,
)
from upload_client.core.opened import opened_as
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    VERSION,
    Failed,
    SegmentHeader,
    Transferred,
    Verdict,
    VerdictStatus,
)
from upload_client.core.segments import decode_segment, encode_segment
from upload_client.core.text import for_log
from upload_client.core.times import milliseconds
from upload_client.core.uploads import Announcements, Logged, OkVerdicts, UploadTable, without
from upload_client.core.verdicts import CONTRADICTORY, SOMETHING_ELSE

MAX_OTHERS: Final = 10_000_000
"""Files that a history takes in beside those known beforehand: twice as many as a delivery may have."""
MAX_FAILED: Final = 1_000_000
"""Files of which it is kept that they were given up,"""
MAX_EARLY: Final = 64 * 1024 * 1024
"""Bytes, about, of the verdicts that are kept until what they are about is announced."""

_ROOM: Final = MAX_EARLY // 4
_EARLY: Final = 1000  # bytes of a verdict beside its texts
GROWTH: Final = 4096
"""Rows that a history grows by, and that are looked at together."""
_NO_JUDGE: Final = -1  # no validator's number


class HistoryRows:
    """The latest upload of each file and the verdict on it, a row a file: about 100 bytes beside its path.

    Whoever wrote the logs, there are bounds to what is kept. What is beyond is passed over, and counted.

    Args:
        rows: files that are known beforehand, by path: numbers from 0, without gaps. The history uses them
            as its own, so that nothing is held twice; other files follow behind them.

    Attributes:
        n_unjudged: announcements of latest uploads that no verdict has answered.
        uploads: the latest upload of each file, by row.
        transferred_at: when it was first announced, by row.
        judged_at: when it was judged, by row.
        opened: how it was judged, by row, see `upload_client.core.opened`.
        failed: what was given up last, by path; not what was announced since then.
        n_passed_over: announcements and verdicts for which there was no room.
    """

    def __init__(self, rows: Mapping[str, int] = MappingProxyType({})) -> None:
        self.n_unjudged = 0
        self.uploads = UploadTable()
        self.transferred_at = TimeColumn()
        self.judged_at = TimeColumn()
        self.opened = CategoryColumn()
        self.failed: dict[str, Failed] = {}
        self.n_passed_over = 0
        self._known = rows
        self._others: dict[str, int] = {}
        self._n_files = 0
        self._asks = array("i")
        self._verdicts = bytearray()  # code of the validator's word on the latest upload
        self._irregular = bytearray()  # 1 where that word must not be believed
        self._judges = array("i")  # number of the validator whose word that is
        self._messages = TextColumn()
        self._why = TextColumn()
        self._open = bytearray()  # 1 where an announcement has no answer
        # About one upload each, not announced so far; with the number of the validator.
        self._early: dict[str, list[tuple[Verdict, int]]] = {}
        self._early_bytes = 0

    def __len__(self) -> int:
        """Files that were ever uploaded."""
        return self._n_files

    def rows(self, paths: Sequence[str]) -> Sequence[int | None]:
        """`row` of many."""
        if not self._known:
            return list(map(self._others.get, paths))
        if not self._others:
            return rows_of(self._known, paths)
        return list(map(self.row, paths))

    def logged(self) -> Logged | None:
        """The facts about each file, as they are now; None while the logs tell of none."""
        if not self._verdicts:
            return None
        return Logged(
            self.uploads.share(), self.transferred_at.share(), self.judged_at.share(), self.opened.share()
        )

    def row(self, path: str) -> int | None:
        """The row of the file; None where the logs do not announce it, and it was not known beforehand."""
        row = self._known.get(path)
        return self._others.get(path) if row is None else row

    def add_verdict(self, verdict: Verdict, judge: int = _NO_JUDGE) -> None:
        """Fold in one verdict: what a validator does with those it is about to write.

        Args:
            verdict: what was said.
            judge: number of the validator that said it, where somebody will ask for it (`judge`).
        """
        self._begin()
        epoch, n = _identity(verdict.upload)
        row = self.row(verdict.path)
        issued = (-1, -1) if row is None else self.uploads.identity(row)
        if row is None or issued < (epoch, n):
            self._keep(verdict, judge)
        elif issued == (epoch, n):
            self._judge(row, verdict, judge)

    @property
    def wants_announcements(self) -> bool:
        """Whether so many verdicts wait for their announcements that more of these are to be read first."""
        return self._early_bytes > _ROOM

    def are_ok(self, rows: Sequence[int]) -> bool:
        """Whether `is_ok` is true of all of some rows."""
        n = len(rows)
        return (
            bool(self._verdicts)
            and bytes(taken(self._verdicts, rows)) == bytes((_OK,)) * n
            and not any(taken(self._irregular, rows))
        )

    def is_ok(self, row: int) -> bool:
        """Whether the last word on the latest upload of the file in a row is `ok`."""
        return bool(self._verdicts) and self._verdicts[row] == _OK and not self._irregular[row]

    def message(self, row: int) -> str | None:
        """Why the file in a row is not ok, where somebody said so."""
        message = self._messages[row]
        return None if message is None else for_log(message)  # a checkpoint may hold anything

    def code(self, row: int) -> str | None:
        """The same for programs."""
        return self._why[row]

    def paths(self) -> Iterator[str]:
        """All paths, in the order of their rows; also those that were known and never announced."""
        yield from self._known
        yield from self._others

    # --- as bytes, for a checkpoint ---

    def packed(self) -> dict[str, bytes | memoryview]:
        """All of it but who was there, in columns: `PACKED` names them. Numbers are in native byte order.

        While they are held, no files can be added.

        Raises:
            ValueError: a path cannot be distinguished from the next one, or too many verdicts came too early.
        """
        self._begin()
        n = len(self._known) + len(self._others)
        joined, n_joined = bytearray(), 0
        paths = self.paths()
        while some := list(islice(paths, GROWTH)):
            piece = "\0".join(some)
            if piece.count("\0") != len(some) - 1:
                raise ValueError("a path holds a NUL character")
            joined += b"\0" * (n_joined > 0) + piece.encode()
            n_joined += len(some)
        early = [pair for pairs in self._early.values() for pair in pairs]
        return {
            "paths": memoryview(joined),
            **self.uploads.packed(n),
            "asks": self._asks[:n].tobytes(),
            "transferred_at": self.transferred_at.packed(n),
            "judged_at": self.judged_at.packed(n),
            "said": memoryview(self._verdicts)[:n],
            "irregular": memoryview(self._irregular)[:n],
            "judges": self._judges[:n].tobytes(),
            "open": memoryview(self._open)[:n],
            "messages": self._messages.packed(),
            "codes": self._why.packed(),
            "early": encode_segment(_NOBODY, [encode(verdict) for verdict, _ in early]),
            "early_judges": array("i", [judge for _, judge in early]).tobytes(),
            "failed": json.dumps(
                [[f.t, f.path, f.error, f.retries, f.code] for f in self.failed.values()]
            ).encode(),
            "opened": self.opened.packed(n),
        }

    def unpack(self, n_rows: int, columns: Mapping[str, Any]) -> None:
        """Take over what `packed` gave, in a history that holds nothing so far.

        Args:
            n_rows: rows of the history that was packed.
            columns: what `packed` gave.

        Raises:
            ValueError: they are not such columns.
        """
        others = self._others_in(columns["paths"], n_rows)
        if others is not None:
            n_known = len(self._known)
            self._others = {path: row for row, path in enumerate(others, n_known)}
            one_each = len(self._others) == len(others) and self._others.keys().isdisjoint(self._known)
            if n_known + len(others) != n_rows or not one_each:
                raise ValueError("the paths are not as many as they should be, or twice there")
            self._load(n_rows, columns)
            return
        # The index is another one than it was: find each file's row in it.
        before = HistoryRows()
        before.unpack(n_rows, columns)
        self._begin()
        for path, other_row in before._others.items():
            if before.uploads.identity(other_row) < (0, 0):
                continue
            row = self.row(path)
            if row is None:
                row = self._new_row(path)
            self.uploads.copy(row, before.uploads, other_row)
            self.transferred_at.copy(row, before.transferred_at, other_row)
            self.judged_at.copy(row, before.judged_at, other_row)
            self.opened.copy(row, before.opened, other_row)
            self._asks[row] = before._asks[other_row]
            self._verdicts[row] = before._verdicts[other_row]
            self._irregular[row] = before._irregular[other_row]
            self._judges[row] = before._judges[other_row]
            self._open[row] = before._open[other_row]
            self._messages[row] = before._messages[other_row]
            self._why[row] = before._why[other_row]
        self._early, self._early_bytes, self.failed = before._early, before._early_bytes, before.failed
        self._n_files, self.n_unjudged = before._n_files, before.n_unjudged

    def _others_in(self, paths: bytes | bytearray | memoryview, n_rows: int) -> list[str] | None:
        """The paths that were packed behind those that are known; None where they begin otherwise.

        Known ones are not made texts once more: there may be a million.

        Raises:
            ValueError: they are no text.
        """
        if not self._known:
            return str(paths, "utf-8").split("\0") if n_rows else []
        at, goes_on, known = 0, True, iter(self._known)
        while some := list(islice(known, GROWTH)):
            piece = "\0".join(some).encode()
            end = at + len(piece)
            if not goes_on or paths[at:end] != piece or paths[end : end + 1] not in (b"", b"\0"):
                return None
            at, goes_on = end + 1, end < len(paths)
        return str(paths[at:], "utf-8").split("\0") if goes_on else []

    def _load(self, n_rows: int, columns: Mapping[str, Any]) -> None:
        self._n_files = self.uploads.unpack(n_rows, columns)
        self._asks, self._judges, early_judges = array("i"), array("i"), array("i")
        self._asks.frombytes(columns["asks"])
        self._judges.frombytes(columns["judges"])
        early_judges.frombytes(columns["early_judges"])
        self.transferred_at.unpack(columns["transferred_at"])
        self.judged_at.unpack(columns["judged_at"])
        self.opened.unpack(columns["opened"])
        flags = [bytearray(columns[name]) for name in ("said", "irregular", "open")]
        self._verdicts, self._irregular, self._open = flags
        lengths = {len(self._asks), len(self._judges), len(self.transferred_at), len(self.judged_at)}
        lengths.add(len(self.opened))
        if lengths | set(map(len, flags)) != {n_rows}:
            raise ValueError("the columns are not equally long")
        if max(self._verdicts, default=0) >= len(STATUSES):
            raise ValueError("a status that no validator writes")
        self._messages.unpack(n_rows, columns["messages"])
        self._why.unpack(n_rows, columns["codes"])
        self.n_unjudged = sum(self._open)
        early = decode_segment(columns["early"], writer="validator").records
        for verdict, judge in zip(early, early_judges, strict=True):
            if not isinstance(verdict, Verdict):
                raise ValueError("a record other than a verdict came too early")  # noqa: TRY004
            self._keep(verdict, judge)
        for at, path, error, retries, code in json.loads(columns["failed"]):
            milliseconds(at)
            if not (
                type(path) is type(error) is str and type(retries) is int and type(code) in (str, NoneType)
            ):
                raise ValueError("nothing that was given up")
            self._give_up(Failed(at, path, for_log(error), retries, code))

    def _announce(self, record: Transferred, epoch: int) -> None:
        upload = record.upload
        uploaded = upload.epoch, upload.n
        if upload.epoch > epoch:
            return  # no client issues what belongs to a later one
        if self.failed:
            self.failed.pop(record.path, None)
        row = self.row(record.path)
        if row is None:
            if len(self._others) >= MAX_OTHERS:
                self.n_passed_over += 1
                return
            row = self._new_row(record.path)
        issued = self.uploads.identity(row)
        if uploaded == issued and record.ask > self._asks[row]:
            self._asks[row] = record.ask
            self._set_open(row, 1)
        elif uploaded > issued:
            self._n_files += issued[0] < 0
            self.uploads[row] = upload
            self._asks[row] = record.ask
            self.transferred_at[row] = record.t
            if self._verdicts[row]:
                self._verdicts[row] = self._irregular[row] = 0
                self._messages[row] = self._why[row] = None
                self.judged_at[row] = self.opened[row] = None
                self._judges[row] = _NO_JUDGE
            self._set_open(row, 1)
            early = self._early.get(record.path)
            if early is not None and early[0][0].upload == upload.id:
                del self._early[record.path]
                for verdict, judge in early:
                    self._early_bytes -= _weight(verdict)
                    self._judge(row, verdict, judge)

    def _announce_all(self, sent: Announcements, epoch: int) -> bool:
        """`_announce` many at once, where none of the files was announced before; whether that was done."""
        paths = sent.paths
        if not paths or not self._early.keys().isdisjoint(paths) or max(sent.identities[0::2]) > epoch:
            return False
        known = self.rows(paths)
        new = len(self._known) + len(self._others)
        rows: Sequence[int] = range(new, new + len(paths))
        if known.count(None) == len(paths):
            if len(self._others) + len(paths) > MAX_OTHERS:
                return False
            if (lacking := rows[-1] + 1 - len(self._verdicts)) > 0:
                self._grow(lacking + GROWTH)
            self._others.update(zip(paths, rows, strict=True))
        elif None in known or not self.uploads.are_empty(rows := in_one_piece(cast("Sequence[int]", known))):
            return False
        for path in paths if self.failed else ():
            self.failed.pop(path, None)
        self.uploads.fill(rows, sent)
        self.transferred_at.put(rows, sent.at)
        put(self._open, rows, b"\1" * len(paths))
        put(self._asks, rows, array("i", map(int, sent.asks)))
        self._n_files += len(paths)
        self.n_unjudged += len(paths)
        return True

    def _give_up(self, record: Failed) -> None:
        if record.path not in self.failed and len(self.failed) >= MAX_FAILED:
            self.n_passed_over += 1
            return
        if len(self.failed) >= MAX_WHOLE and len(record.error) > MAX_CUT:
            record = replace(record, error=f"{record.error[: MAX_CUT - 1]}…")
        self.failed[record.path] = record

    def _keep(self, verdict: Verdict, judge: int) -> None:
        """A verdict on what has not been announced so far."""
        early = self._early.get(verdict.path, [])
        if early and early[0][0].upload != verdict.upload:
            self._early_bytes -= sum(_weight(other) for other, _ in early)
            early.clear()
        if self._early_bytes + _weight(verdict) > MAX_EARLY:
            self.n_passed_over += 1
            if not early:
                self._early.pop(verdict.path, None)
            return
        self._early_bytes += _weight(verdict)
        early.append((verdict, judge))
        self._early[verdict.path] = early

    def _judge(self, row: int, verdict: Verdict, judge: int) -> None:
        if verdict.ask >= self._asks[row]:
            self._set_open(row, 0)
        earlier = STATUSES[self._verdicts[row]]
        if earlier in ("ok", "failure"):
            if verdict.status not in ("error", earlier) and not self._irregular[row]:
                self._irregular[row] = 1
                self._messages[row], self._why[row] = CONTRADICTORY, FileCode.CONTRADICTORY_VERDICTS.value
                self.judged_at[row] = verdict.t
                self._judges[row] = judge
            return
        self._verdicts[row] = _CODES[verdict.status]
        self.judged_at[row] = verdict.t
        self.opened[row] = opened_as(verdict.checks)
        self._judges[row] = judge
        self._messages[row], self._why[row] = verdict.message or None, verdict.code
        found = verdict.found
        if verdict.status == "ok" and not (
            found is not None
            and self.uploads.announces(row, verdict.upload, found.size, found.crc32, found.etag)
        ):
            self._irregular[row] = 1
            self._messages[row], self._why[row] = SOMETHING_ELSE, FileCode.JUDGED_SOMETHING_ELSE.value

    def _judge_all(self, oks: OkVerdicts, judge: int) -> list[int]:
        """`add_verdict` many at once, where they mean what they say; which of them are left to it."""
        everyone = self.rows(oks.paths)
        if None in everyone:
            return list(range(len(everyone)))
        rows = cast("Sequence[int]", everyone)
        codes, is_open, asks, judges = self._verdicts, self._open, self._asks, self._judges
        judged: Sequence[int]
        left: list[int] = []
        same = self.uploads.announce(rows, oks)
        if all(same) and not any(taken(codes, rows)) and not any(taken(asks, rows)):  # as nearly all are
            judged = in_one_piece(rows)
            self.n_unjudged -= sum(taken(is_open, judged))
            put(codes, judged, bytes((_OK,)) * len(rows))
            put(is_open, judged, bytes(len(rows)))
            put(judges, judged, array("i", (judge,)) * len(rows))
        else:
            judged = []
            for i, (row, ask, is_same) in enumerate(zip(rows, oks.asks, same, strict=True)):
                if is_same and codes[row] in _OPEN_CODES:
                    codes[row] = _OK
                    judges[row] = judge
                    judged.append(row)
                    if is_open[row] and int(ask) >= asks[row]:
                        self._set_open(row, 0)
                else:
                    left.append(i)
        self._messages.clear(judged)
        self._why.clear(judged)
        self.judged_at.put(judged, without(oks.at, left))
        self.opened.put(judged, without(oks.opened, left))
        return left

    def _new_row(self, path: str) -> int:
        row = len(self._known) + len(self._others)
        if row == len(self._verdicts):
            self._grow(GROWTH)
        self._others[path] = row
        return row

    def _begin(self) -> None:
        """Make room for what is known beforehand: not before there is something to hold."""
        if not self._verdicts:
            self._grow(len(self._known))

    def _grow(self, n_rows: int) -> None:
        for column in (self.uploads, self.transferred_at, self.judged_at, self.opened):
            column.extend(n_rows)
        self._asks.extend(array("i", (0,)) * n_rows)
        self._judges.extend(array("i", (_NO_JUDGE,)) * n_rows)
        for flags in (self._verdicts, self._irregular, self._open):
            flags.extend(bytes(n_rows))

    def _set_open(self, row: int, is_open: int) -> None:
        self.n_unjudged += is_open - self._open[row]
        self._open[row] = is_open


PACKED: Final = (
    "paths",
    *UploadTable.PACKED,
    "asks",
    "transferred_at",
    "judged_at",
    "said",
    "irregular",
    "judges",
    "open",
    "messages",
    "codes",
    "early",
    "early_judges",
    "failed",
    "opened",
)
"""The columns of `HistoryRows.packed`."""

_NOBODY: Final = SegmentHeader(VERSION, 0, "nobody", 0, None, 0)
STATUSES: Final[tuple[VerdictStatus | None, ...]] = (None, "ok", "failure", "error")
_CODES: Final[dict[VerdictStatus, int]] = {"ok": 1, "failure": 2, "error": 3}
_OK: Final = _CODES["ok"]
IS_OK: Final = bytes(each == _OK for each in range(256))
_OPEN_CODES: Final = (0, _CODES["error"])


def _identity(upload_id: str) -> tuple[int, int]:
    # Decoding has checked its form.
    epoch, _, n = upload_id.partition("-")
    return int(epoch), int(n)


def _weight(verdict: Verdict) -> int:
    return _EARLY + len(verdict.path) + len(verdict.message) + sum(map(len, verdict.checks))
