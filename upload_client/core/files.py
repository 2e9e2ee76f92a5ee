"""`FileLedger`: all files of a delivery, a row each, and everything that befalls them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Literal, TypeVar, cast, get_args

from upload_client.core.asks import Asks
from upload_client.core.columns import (
    CategoryColumn,
    ChecksumColumn,
    NumberColumn,
    PathRows,
    TextColumn,
    TimeColumn,
    in_one_piece,
    put,
    taken,
)
from upload_client.core.sending_order import SendingOrder
from upload_client.core.states import CODES, STATES, FileStates, IllegalTransition, State
from upload_client.core.uploads import Logged, OkVerdicts, Upload, UploadTable, without
from upload_client.core.values import value

T = TypeVar("T")
TransferType = Literal["staging", "sample"]
"""`staging` is the whole delivery, `sample` a small one agreed on first."""
TRANSFER_TYPES: Final[tuple[TransferType, ...]] = get_args(TransferType)
TYPE_NAMES: Final[Mapping[str, str]] = {"staging": "the whole delivery", "sample": "the sample"}
"""The transfer types, as a sentence names them."""
OTHER_TYPE: Final[Mapping[TransferType, TransferType]] = {"staging": "sample", "sample": "staging"}
"""The transfer type that shares the lock with this one."""

_LANDED: Final = tuple(CODES[state] for state in ("done", "valid", "invalid"))


@value
class ClientFile:
    """A file of the delivery as it stands at one moment: a row of the ledger, which does not change with it.

    Attributes:
        abspath: where the file is read from.
        relpath: its path within the delivery, `/`-separated.
        state: see `upload_client.core.states`.
        retries: second and later tries made.
        max_retries: second and later tries allowed.
        message: why it failed or is invalid, if there is something to say.
        checksum: CRC32 as base64 of its 4 big-endian bytes, e.g. `yH2GHg==`, if provided or computed.
        size: bytes, if known.
        etag: ETag of its object in the landing bucket, without quotes, if it is there.
        transferred_at: when it was sent, UTC with milliseconds.
        judged_at: when it was judged, UTC with milliseconds.
        code: why, for programs: a `upload_client.core.codes.FileCode`, or a validator's own.
        opened: how it was judged, see `upload_client.core.opened`: ``fits``, ``csv as expected of 'tables'``,
            ``not opened: `` and why.
    """

    abspath: str
    relpath: str
    state: State
    retries: int
    max_retries: int
    message: str | None = None
    checksum: str | None = None
    size: int | None = field(default=None, kw_only=True)
    etag: str | None = field(default=None, kw_only=True)
    transferred_at: str | None = field(default=None, kw_only=True)
    judged_at: str | None = field(default=None, kw_only=True)
    code: str | None = field(default=None, kw_only=True)
    opened: str | None = field(default=None, kw_only=True)


_AT_ONCE: Final = 4096  # files whose fields are worked out together


class FileLedger:
    """All files of a delivery and where each stands: one row a file, in the order of the index.

    Rows are integers from 0. Every answer and every event takes the same time, however many files there are,
    and a file takes about 100 bytes beside its path. Moments are given as seconds of one clock (`now`), which
    is the caller's choice, and as text (`at`) where they are kept.

    Args:
        relpaths: the files' paths within the delivery, each once. They are kept, not copied.
        abspaths: makes the absolute path of a relative one; a text is put before it.
        checksums: CRC32 as base64, or None, for each file. A `ChecksumColumn` is kept, not copied.
        sizes: bytes, or None, for each file.
        max_retries: second and later tries allowed for each file.
        rows: of the same paths, where they are known.
        past: the logs' facts about the same files, with which they begin: they are not held twice. Each file
            of which the logs tell must then be placed.

    Raises:
        ValueError: a path stands twice, or a column has another length.
    """

    def __init__(
        self,
        relpaths: Sequence[str],
        *,
        abspaths: Callable[[str], str] | str,
        checksums: Sequence[str | None] | None = None,
        sizes: Sequence[int | None] | None = None,
        max_retries: int = 2,
        rows: PathRows | None = None,
        past: Logged | None = None,
    ) -> None:
        n = len(relpaths)
        self._relpaths = relpaths
        self._abspath = abspaths.__add__ if isinstance(abspaths, str) else abspaths
        self._rows = PathRows(relpaths) if rows is None else rows
        if isinstance(checksums, ChecksumColumn):
            self._checksums = checksums
        else:
            self._checksums = ChecksumColumn([None] * n if checksums is None else checksums)
        if not len(self._rows) == len(self._checksums) == n:
            raise ValueError("a column is shorter or longer than the others")
        self._sizes = NumberColumn()
        self._sizes.extend(n)
        if sizes is not None:
            self._sizes.fill(sizes)
        self._states = FileStates(n)
        self.order = SendingOrder(self._states, max_retries)
        """The files that are to be sent."""
        self.asks = Asks(self._states)
        """The uploads that are announced again."""
        self._messages = TextColumn()
        self._why = TextColumn()
        if past is None:
            past = Logged(UploadTable(n), TimeColumn(n), TimeColumn(n), CategoryColumn(n))
        self._uploads, self._transferred_at, self._judged_at, self._opened = past
        self._verdicts = bytearray(n)
        self.n_invalid_this_run = 0
        """Files that a verdict of this run has made invalid."""

    # --- reading ---

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[ClientFile]:
        return map(self.file, range(len(self)))

    def row(self, relpath: str) -> int | None:
        """The row of the file, or None where it is not in the index."""
        return self._rows.get(relpath)

    def file(self, row: int) -> ClientFile:
        """The file as it stands now."""
        values = [value for (value,) in self._columns(row, row + 1)]
        size, etag, transferred_at, judged_at, code, opened = values[7:]
        return ClientFile(
            *values[:7],
            size=size,
            etag=etag,
            transferred_at=transferred_at,
            judged_at=judged_at,
            code=code,
            opened=opened,
        )

    def columns(self) -> Iterator[tuple[Sequence[Any], ...]]:
        """The fields of `file` for some thousands of files at once: a column for each field."""
        for start in range(0, len(self), _AT_ONCE):
            yield self._columns(start, min(start + _AT_ONCE, len(self)))

    def _columns(self, start: int, stop: int) -> tuple[Sequence[Any], ...]:
        relpaths = self._relpaths[start:stop]
        states = self._states.codes[start:stop]
        checksums = self._checksums.values(start, stop)
        sizes = self._sizes.values(start, stop)
        etags: list[str | None] = [None] * len(states)
        # The upload of an earlier run says nothing about a file that is to be sent again.
        landed = [code in _LANDED for code in states]
        self._uploads.enter(start, landed, sizes, checksums, etags)
        return (
            list(map(self._abspath, relpaths)),
            relpaths,
            [STATES[code] for code in states],
            self.order.retries[start:stop],
            [self.order.max_retries] * len(states),
            self._messages.values(start, stop),
            checksums,
            sizes,
            etags,
            self._transferred_at.values(start, stop),
            self._judged_at.values(start, stop),
            self._why.values(start, stop),
            self._opened.values(start, stop),
        )

    def relpath(self, row: int) -> str:
        """The file's path within the delivery."""
        return self._relpaths[row]

    def abspath(self, row: int) -> str:
        """The path the file is read from."""
        return self._abspath(self._relpaths[row])

    def state(self, row: int) -> State:
        """The file's state."""
        return self._states[row]

    def states(self) -> Iterator[State]:
        """The state of each file."""
        return iter(self._states)

    def message(self, row: int) -> str | None:
        """Why it failed or is invalid."""
        return self._messages[row]

    def code(self, row: int) -> str | None:
        """The same for programs: a `upload_client.core.codes.FileCode`, or a validator's own."""
        return self._why[row]

    def checksum(self, row: int) -> str | None:
        """The index's CRC32 in base64."""
        return self._checksums[row]

    def size(self, row: int) -> int | None:
        """The index's size in bytes."""
        return self._sizes[row]

    def sizes(self) -> array[int]:
        """The index's size of each file, in bytes; -1 where it has none. A copy."""
        return self._sizes.numbers(-1)

    def upload(self, row: int) -> Upload | None:
        """The file's latest upload; one of an earlier run where the file is to be sent again."""
        return self._uploads[row]

    def uploads(self, rows: Sequence[int]) -> tuple[Sequence[Any], ...]:
        """The latest uploads of files that all have one, in columns: see `UploadTable.columns`."""
        return self._uploads.columns(rows)

    @property
    def n_bytes_uploaded(self) -> int:
        """Bytes of the latest uploads of all files. Looks at all files."""
        return self._uploads.n_bytes(len(self))

    @property
    def rows(self) -> PathRows:
        """The row of each file."""
        return self._rows

    @property
    def checksums(self) -> ChecksumColumn:
        """The index's CRC32s."""
        return self._checksums

    def are_in_place(self, rows: Sequence[int], etags: Sequence[str]) -> list[bool]:
        """For each of some files whether its latest upload has the ETag at its place."""
        return self._uploads.have_etags(rows, etags)

    def verdict(self, row: int) -> Literal["ok", "failure"] | None:
        """The verdict on the file's latest upload."""
        return _VERDICTS[self._verdicts[row]]

    def opened_counts(self) -> dict[str, int]:
        """Valid files by how they were judged, see `upload_client.core.opened`. Looks at all files."""
        return self._opened.counts(self._states.codes, CODES["valid"])

    def counts(self) -> dict[State, int]:
        """Files in each of the states."""
        return self._states.counts()

    @property
    def n_complete(self) -> int:
        """Files judged, plus files that used up their retries."""
        return self._states.count("valid") + self._states.count("invalid") + self.order.n_given_up

    @property
    def n_to_transfer(self) -> int:
        """Files that are still to be sent, or on their way."""
        return len(self) - self.n_complete - self._states.count("done")

    @property
    def transfer_complete(self) -> bool:
        """Nothing is left to send, and nothing on its way."""
        return self.n_to_transfer == 0

    @property
    def validation_complete(self) -> bool:
        """Every file is judged, or given up: by its sender, or by its judge."""
        return self.n_complete + self.asks.n_unjudged == len(self)

    @property
    def all_valid(self) -> bool:
        """Every file is valid."""
        return self._states.count("valid") == len(self)

    # --- where a file starts ---

    def place(
        self,
        row: int,
        state: State,
        *,
        upload: Upload | None = None,
        ask: int = 0,
        message: str | None = None,
        code: str | None = None,
        verdict: Literal["ok", "failure"] | None = None,
        transferred_at: str | None = None,
        judged_at: str | None = None,
        opened: str | None = None,
    ) -> None:
        """Set where the file starts, from what earlier runs left.

        Args:
            row: the file.
            state: `ready`, `done`, `valid` or `invalid`.
            upload: its latest upload; for a file that is `ready`, one that no longer counts.
            ask: how often that was announced again.
            message: why it is invalid.
            code: the same for programs.
            verdict: what the validator said of that upload.
            transferred_at: when it was sent, UTC with milliseconds.
            judged_at: when it was judged, the same.
            opened: how it was judged.

        Raises:
            IllegalTransition: the file has been placed elsewhere or has moved already, or none starts there.
        """
        self._states.place(row, state)
        self.asks[row] = ask
        self._messages[row] = message
        self._why[row] = code
        self._verdicts[row] = _VERDICTS.index(verdict)
        self._transferred_at[row] = transferred_at
        self._judged_at[row] = judged_at
        self._opened[row] = opened
        self._uploads[row] = upload

    def place_valid(self, rows: Sequence[int]) -> None:
        """`place` as valid files of which the logs say so (`past`): a million, of a resumed delivery.

        Raises:
            IllegalTransition: one of them has been placed elsewhere or has moved already, or was never sent.
        """
        if not self._states.are_all(rows, "ready") or not self._uploads.are_there(rows):
            raise IllegalTransition("a file that has moved already, or was never sent, cannot start as valid")
        self._states.set_all(rows, "ready", "valid")
        put(self._verdicts, rows, b"\1" * len(rows))

    # --- sending ---

    def queue(self, row: int) -> None:
        """The file waits for a thread: for its first try, or for another one.

        Raises:
            IllegalTransition: it is not ready, nor failed with a try left.
        """
        if self.order.queue(row):
            self._messages[row] = self._why[row] = None

    def start(self, row: int) -> None:
        """A thread has begun to send the file.

        Raises:
            IllegalTransition: it was not queued.
        """
        self._states.move(row, "start")

    def transferred(self, row: int, upload: Upload, at: str) -> bool:
        """The file is in the landing bucket. Must be told before the log is.

        Returns:
            Whether it is now done and to be announced; not so if an irregular verdict has made it invalid.

        Raises:
            IllegalTransition: it was not on its way.
        """
        if self._states.move(row, "sent") == "invalid":
            return False
        self._uploads[row] = upload
        self.asks[row] = 0
        self._messages[row] = self._why[row] = None
        self._verdicts[row] = 0
        self._transferred_at[row] = at
        self._judged_at[row] = self._opened[row] = None
        return True

    def fail(
        self,
        row: int,
        message: str,
        *,
        now: float,
        again: bool = True,
        delay: float = 0.0,
        code: str | None = None,
    ) -> bool:
        """The file did not reach the landing bucket.

        Args:
            row: the file.
            message: why.
            now: seconds.
            again: False if another try would fail as well (no permission).
            delay: seconds before it may be tried again, see `retry_delay`.
            code: why, for programs.

        Returns:
            Whether it will be tried again.

        Raises:
            IllegalTransition: it was not on its way.
        """
        if self._states.move(row, "fail") == "invalid":
            return False
        self._messages[row] = message
        self._why[row] = code
        return self.order.failed(row, now + delay, again=again)

    def abandon(self, row: int) -> None:
        """The run ends before the file was sent: it is ready again, for the next run.

        Raises:
            IllegalTransition: it was neither queued nor on its way.
        """
        if self._states.move(row, "abandon") == "ready":
            self.order.ready(row)

    # --- judging ---

    def judge(
        self,
        row: int,
        state: Literal["valid", "invalid"],
        message: str | None,
        at: str,
        *,
        verdict: Literal["ok", "failure"] | None = None,
        code: str | None = None,
        opened: str | None = None,
    ) -> None:
        """The file has been judged.

        Args:
            row: the file.
            state: what it becomes.
            message: why it is invalid.
            at: when, UTC with milliseconds.
            verdict: what the validator said of the file's latest upload; None for an irregular verdict, which
                leaves what it said before.
            code: why it is invalid, for programs.
            opened: how it was judged.

        Raises:
            IllegalTransition: `valid` for a file that is not done.
        """
        before = self._states[row]
        if self._states.move(row, "accept" if state == "valid" else "reject") == "invalid" != before:
            self.n_invalid_this_run += 1
        if verdict is not None:
            self._verdicts[row] = 1 if verdict == "ok" else 2
        elif before not in ("done", "valid", "invalid"):
            self._uploads[row] = None  # of an earlier run, and not what was judged
        self.order.judged(row)
        self.asks.judged((row,))
        self._messages[row] = message
        self._why[row] = code
        self._judged_at[row] = at
        self._opened[row] = opened

    def accept(self, oks: OkVerdicts) -> tuple[Sequence[int], list[int]]:
        """Those files are valid that await a verdict, and whose upload is the one described: see `judge`.

        This is what a million files do, and so it is done to many at once.

        Returns:
            The rows of these files, and the numbers of the verdicts that are left, to which nothing was done.
        """
        everyone = self._rows.many(oks.paths)
        if None in everyone:
            return [], list(range(len(everyone)))
        rows = in_one_piece(cast("Sequence[int]", everyone))
        verdicts = self._verdicts
        accepted: Sequence[int] = rows
        left: list[int] = []
        same = self._uploads.announce(rows, oks)
        if all(same) and self._states.are_all(rows, "done") and not any(taken(verdicts, rows)):
            self._states.set_all(rows, "done", "valid")
            put(verdicts, rows, b"\1" * len(rows))
        else:
            accepted = []
            for i, (row, is_same) in enumerate(zip(rows, same, strict=True)):
                if is_same and self._states[row] == "done" and not verdicts[row]:
                    self._states.move(row, "accept")
                    verdicts[row] = 1
                    accepted.append(row)
                else:
                    left.append(i)
        self.asks.judged(accepted)
        self._messages.clear(accepted)
        self._why.clear(accepted)
        self._judged_at.put(accepted, without(oks.at, left))
        self._opened.put(accepted, without(oks.opened, left))
        return accepted, left

    def give_up_judging(self, row: int, message: str, code: str | None = None) -> None:
        """The file stays done, not judged; message and code say why.

        Raises:
            IllegalTransition: it is not done, or no longer asked about.
        """
        self.asks.give_up(row)
        self._messages[row] = message
        self._why[row] = code


_VERDICTS: Final[tuple[Literal["ok", "failure"] | None, ...]] = (None, "ok", "failure")
