"""Both logs of a delivery, folded: the latest upload of each file, its verdict, and who was there.

The client resumes from it, the validator finds in it what it has to judge, and an observer what has happened.
Segments of either log are added in the order of their numbers; how the two are interleaved does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from types import MappingProxyType
from typing import Any, Final, Literal

from upload_client.core.columns import (
    taken,
)
from upload_client.core.history_rows import GROWTH, IS_OK, STATUSES, HistoryRows
from upload_client.core.records import (
    Crash,
    Failed,
    IndexJudged,
    Init,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
    VerdictStatus,
)
from upload_client.core.segments import Segment
from upload_client.core.uploads import Upload
from upload_client.core.values import value

MAX_LIVES: Final = 100_000
"""and clients, and validators: of more the oldest are forgotten."""
_WHOLE_LIVES: Final = 1000  # of which it is known what they set out with, and all they said at their end
_LONG: Final = 200  # characters of what is kept of the reason of an older one
_EPOCHS: Final = 1 << 24  # of each shard; a validator is not started so often


@value
class PathHistory:
    """One file, as the logs show it.

    Attributes:
        upload: its latest upload.
        ask: how often that was announced again.
        transferred_at: when it was first announced, UTC with milliseconds.
        verdict: the last word on that upload, or None. An `ok` for content that was not announced is a
            `failure`, and so are contradictory verdicts.
        message: why not ok.
        judged_at: when, UTC with milliseconds.
        code: why not ok, for programs.
        opened: how it was judged, see `upload_client.core.opened`.
    """

    upload: Upload
    ask: int
    transferred_at: str | None
    verdict: VerdictStatus | None
    message: str | None
    judged_at: str | None
    code: str | None = None
    opened: str | None = None


@dataclass(slots=True)
class Life:
    """A client or a validator, as its log tells it.

    Attributes:
        epoch: its fencing number.
        agent_id: the name it writes under.
        client_epoch: the client that a validator serves; None for a client.
        init: what it set out with; None if it did not get that far.
        seen: when it last wrote a record, UTC with milliseconds.
        ended: what it said at its end; None while that is not known.
        reason: why.
        code: the same for programs, or None.
        shard: a validator's; 0 for a client.
        index: what a validator has said of its client's index as a whole; None while it has not.
        receipt_sha256: of the receipt that a client has written, as it said at its end; None: it said none.
    """

    epoch: int
    agent_id: str
    client_epoch: int | None
    init: Init | ValidatorInit | None = None
    seen: str | None = None
    ended: Literal["stop", "crash", "shutdown"] | None = None
    reason: str = ""
    shard: int = 0
    code: str | None = None
    index: IndexJudged | None = None
    receipt_sha256: str | None = None


class DeliveryHistory(HistoryRows):
    """Both logs of a delivery, folded: the rows of all files, and who was there.

    Attributes:
        clients: each client that wrote anything, by epoch.
        validators: each validator that wrote anything, by `validator_number`.
    """

    def __init__(self, rows: Mapping[str, int] = MappingProxyType({})) -> None:
        super().__init__(rows)
        self.clients: dict[int, Life] = {}
        self.validators: dict[int, Life] = {}

    def add_client(self, segment: Segment) -> None:
        """Fold in the next segment of the client log."""
        if segment.superseded:
            return
        self._begin()
        life = _life(self.clients, segment.header.epoch, segment.header)
        are_taken = self._announce_all(segment.records.sent, segment.header.epoch)
        for record in segment.records.others if are_taken else segment.records:
            if type(record) is Transferred:
                self._announce(record, segment.header.epoch)
            elif isinstance(record, Failed):
                self._give_up(record)
            elif isinstance(record, Init):
                life.init = record
            elif isinstance(record, Stop):
                life.ended, life.reason, life.code = "stop", record.reason, record.code
                life.receipt_sha256 = record.receipt_sha256
            elif isinstance(record, Crash):
                life.ended, life.reason, life.code = "crash", record.error, record.code
        life.seen = segment.records.written_at or life.seen

    def add_validator(self, segment: Segment, shard: int = 0) -> None:
        """Fold in the next segment of the log of a shard of the validator."""
        if segment.superseded:
            return
        self._begin()
        number = validator_number(segment.header.epoch, shard)
        life = _life(self.validators, number, segment.header, shard)
        for record in segment.records.but(self._judge_all(segment.records.oks, number)):
            if type(record) is Verdict:
                self.add_verdict(record, number)
            elif isinstance(record, ValidatorInit):
                life.init = record
            elif isinstance(record, IndexJudged):
                life.index = record
            elif isinstance(record, Stop):
                life.ended, life.reason = "stop", record.reason
            elif isinstance(record, Shutdown):
                life.ended, life.reason = "shutdown", record.reason
        life.seen = segment.records.written_at or life.seen

    def latest(self, path: str) -> PathHistory | None:
        """The file as the logs show it; None where none of them announces it."""
        row = self.row(path)
        return None if row is None else self.at(row)

    def asked(self, path: str) -> tuple[int, int, int] | None:
        """The epoch and number of a file's latest upload, and its `Transferred.ask`; quicker than `latest`.

        None where no log announces it.
        """
        row = self.row(path)
        if row is None or not self._verdicts:
            return None
        epoch, n = self.uploads.identity(row)
        return None if epoch < 0 else (epoch, n, self._asks[row])

    def at(self, row: int) -> PathHistory | None:
        """The file in a row as the logs show it; None where none of them announces it."""
        upload = self.uploads[row] if self._verdicts else None
        if upload is None:
            return None
        return PathHistory(
            upload,
            self._asks[row],
            self.transferred_at[row],
            "failure" if self._irregular[row] else STATUSES[self._verdicts[row]],
            self._messages[row],
            self.judged_at[row],
            self._why[row],
            self.opened[row],
        )

    def judge(self, row: int) -> str | None:
        """Name of the validator whose word on the file in a row counts; None where nobody's does."""
        life = self.validators.get(self._judges[row]) if self._judges else None
        return None if life is None else life.agent_id

    def judges_of(self, rows: Sequence[int]) -> list[str | None]:
        """`judge` of many."""
        names = {number: life.agent_id for number, life in self.validators.items()}
        return [names.get(number) for number in taken(self._judges, rows)]

    def judges(self, chosen: Sequence[int]) -> list[Life]:
        """The validators whose words on some files count.

        Args:
            chosen: of each row whether it is one of these files.
        """
        numbers = {*compress(self._judges, chosen)}
        return [self.validators[number] for number in numbers if number in self.validators]

    def valid(self) -> Iterator[tuple[Sequence[int], Sequence[Sequence[Any]]]]:
        """The files that are valid (`is_ok`), in the order of their paths, some thousands at a time.

        Yields:
            Their rows, and the fields of `upload_client.core.receipt.Delivered` in columns.
        """
        paths = [*self._known, *self._others]
        are_ok = self._verdicts.translate(IS_OK)
        rows = [row for row in compress(range(len(paths)), are_ok) if not self._irregular[row]]
        rows.sort(key=paths.__getitem__)
        for start in range(0, len(rows), GROWTH):
            some = rows[start : start + GROWTH]
            uploads, sizes, crc32s, etags, versions, sha256s = self.uploads.columns(some)
            yield (
                some,
                (
                    taken(paths, some),
                    sizes,
                    crc32s,
                    etags,
                    versions,
                    uploads,
                    self.transferred_at.taken(some),
                    self.judged_at.taken(some),
                    self.judges_of(some),
                    sha256s,
                    self.opened.taken(some),
                ),
            )

    def glance(self, row: int) -> tuple[int, int, int | None, VerdictStatus | None, int | None]:
        """The numbers of `at`, quickly: for a look at a million files.

        Returns:
            Epoch and bytes of the latest upload (-1 and 0 where there is none), when it was announced, the
            last word on it, and when that was said; moments in milliseconds since 1970.
        """
        epoch, size = self.uploads.epoch_and_size(row) if self._verdicts else (-1, 0)
        if epoch < 0:
            return -1, 0, None, None, None
        status = "failure" if self._irregular[row] else STATUSES[self._verdicts[row]]
        return epoch, size, self.transferred_at.ms(row), status, self.judged_at.ms(row)

    def unjudged(self) -> Iterator[tuple[str, PathHistory]]:
        """Path and history of each file whose latest announcement has no answer, in the order of the log."""
        row = self._open.find(1)
        if row < 0:
            return
        paths = [*self._known, *self._others]
        while row >= 0:
            past = self.at(row)
            if past is not None:  # else a damaged checkpoint says so: what is open was announced
                yield paths[row], past
            row = self._open.find(1, row + 1)

    @property
    def last_client(self) -> Life | None:
        """The client with the highest epoch."""
        return self.clients[max(self.clients)] if self.clients else None

    def last_validator(self, shard: int = 0) -> Life | None:
        """The validator of a shard with the highest epoch of its own."""
        lives = (life for life in self.validators.values() if life.shard == shard)
        return max(lives, key=lambda life: life.epoch, default=None)

    def validators_of(self, client_epoch: int) -> list[Life]:
        """The latest validator of each shard that serves the client of that epoch, by shard."""
        latest: dict[int, Life] = {}
        for number in sorted(self.validators):
            life = self.validators[number]
            if life.client_epoch == client_epoch:
                latest[life.shard] = life
        return list(latest.values())

    @property
    def index_refused(self) -> bool:
        """Whether the last index that was judged as a whole is not the delivery that was agreed on."""
        last, refused = -1, False
        for number in sorted(self.validators):  # of each shard the later ones come later
            life = self.validators[number]
            if life.index is None or life.client_epoch is None or life.client_epoch < last:
                continue
            refused = bool(life.index.problems) or (refused and life.client_epoch == last)
            last = life.client_epoch
        return refused

    @property
    def is_expected(self) -> bool:
        """Whether the last validator has judged by a document of what the receiver expects."""
        last = max(
            self.validators.values(), key=lambda life: (life.client_epoch or 0, life.epoch), default=None
        )
        return (
            last is not None
            and isinstance(last.init, ValidatorInit)
            and last.init.expectations_sha256 is not None
        )


def validator_number(epoch: int, shard: int = 0) -> int:
    """One number for a validator's shard and its epoch there; for shard 0 the epoch itself."""
    return shard * _EPOCHS + epoch


def _life(lives: dict[int, Life], number: int, header: SegmentHeader, shard: int = 0) -> Life:
    life = lives.get(number)
    if life is None:
        if len(lives) >= _WHOLE_LIVES:
            older = lives[next(islice(reversed(lives), _WHOLE_LIVES - 1, None))]
            older.init, older.index, older.reason = None, None, older.reason[:_LONG]
        if len(lives) >= MAX_LIVES:
            del lives[next(iter(lives))]
        life = lives[number] = Life(header.epoch, header.agent_id, header.client_epoch, shard=shard)
    return life
