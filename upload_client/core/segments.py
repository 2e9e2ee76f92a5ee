"""The segments of a log, written and read, and the chain in which each names the one before.

A line that is no record is passed over and counted, never raised; a segment without a sound header breaks the
chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from upload_client.core.record_decoding import (
    OF_CLIENT,
    OF_VALIDATOR,
    announcement_at,
    announcements,
    decode_header,
    decode_line,
    ok_at,
    ok_verdicts,
)
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    MAX_BATCH_RECORDS,
    MAX_PROBLEMS,
    MAX_SEGMENT,
    VERSION,
    Failed,
    MalformedSegment,
    Record,
    SegmentHeader,
    Transferred,
    Verdict,
    Writer,
)
from upload_client.core.uploads import NO_ANNOUNCEMENTS, NO_VERDICTS, Announcements, OkVerdicts
from upload_client.core.values import value

_MAX_LINES = 20 * MAX_BATCH_RECORDS  # of a segment: no writer comes near, and each costs the reader time


class LogBroken(ValueError):  # noqa: N818 - the name of this outcome
    """The chain of segments has a gap or a wrong link; only the receiver can repair that.

    Attributes:
        seq: number of the segment.
        why: what is wrong with it.
    """

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"segment {seq}: {why}")
        self.seq = seq
        self.why = why


_OF_A_FILE: Final = (Transferred, Failed, Verdict)


class Records:
    """The records of a segment, in order.

    Nearly all that a validator says is `ok`, and nearly all that a client announces are new files: who takes
    that in columns is spared a million objects.

    Args:
        others: all records but `many`.
        many: verdicts, or announcements.
        before: how many of `many` come before each of the others.

    Attributes:
        oks: verdicts that say `ok`, of files about which this segment says nothing more.
        sent: announcements, of files about which it says nothing more.
        others: all other records, in order.
    """

    __slots__ = ("_before", "_many", "_others", "oks", "others", "sent")

    def __init__(
        self,
        others: Sequence[Record] = (),
        many: OkVerdicts | Announcements = NO_VERDICTS,
        before: Sequence[int] = (),
    ) -> None:
        self._others, self._many, self._before = others, many, before
        self.others, self.oks, self.sent = others, NO_VERDICTS, NO_ANNOUNCEMENTS
        paths = set(many.paths)
        if len(paths) < len(many.paths) or any(
            type(r) in _OF_A_FILE and r.path in paths  # type: ignore[union-attr]
            for r in others
        ):
            self.others = list(self)
        elif isinstance(many, OkVerdicts):
            self.oks = many
        else:
            self.sent = many

    @property
    def written_at(self) -> str | None:
        """When the last of them was written; None where there are none."""
        if self._others and (not self._before or self._before[-1] == len(self._many.at)):
            return self._others[-1].t
        return self._many.at[-1] if self._many.at else None

    def but(self, left: Iterable[int]) -> Iterator[Record]:
        """All but `oks`, of which those with these numbers are left."""
        return chain((ok_at(self.oks, i) for i in left), self.others)

    def __len__(self) -> int:
        return len(self._many.at) + len(self._others)

    def __iter__(self) -> Iterator[Record]:
        done = 0
        for record, before in zip(self._others, self._before or (0,) * len(self._others), strict=True):
            yield from self._some(done, before)
            done = before
            yield record
        yield from self._some(done, len(self._many.at))

    def _some(self, start: int, stop: int) -> Iterator[Record]:
        many = self._many
        if isinstance(many, OkVerdicts):
            return (ok_at(many, i) for i in range(start, stop))
        return (announcement_at(many, i) for i in range(start, stop))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@value
class Segment:
    """A decoded segment.

    Attributes:
        header: its first line.
        records: the records of all sound lines of known kinds, in order.
        sha256: of its bytes, hex: the next segment's `prev`.
        n_ignored: lines that were not records as they should be.
        problems: why, of the first few of them.
        superseded: an earlier segment has a higher epoch: the records must not count.
    """

    header: SegmentHeader
    records: Records
    sha256: str
    n_ignored: int = 0
    problems: tuple[str, ...] = ()
    superseded: bool = False


def decode_segment(data: bytes, *, writer: Writer) -> Segment:
    """Decode a segment of the log of `writer`, trusting nothing in it.

    Whatever the bytes are, it takes time and memory in proportion to their number, and raises nothing else.

    Raises:
        MalformedSegment: more than `MAX_SEGMENT` bytes, or far more lines than a writer puts into one; no end
            of line at the end; a header that is missing or wrong, or of a version this program cannot read.
    """
    if len(data) > MAX_SEGMENT:
        raise MalformedSegment(f"{len(data)} bytes, more than {MAX_SEGMENT}")
    # Bytes that are not UTF-8 become lone surrogates, by which their line, and no other, is refused below.
    text = data.decode("utf-8", "surrogateescape")
    if not text:
        raise MalformedSegment("it is empty")
    if text[-1] != "\n":
        raise MalformedSegment("it does not end with the end of a line")
    if (n_lines := text.count("\n")) > _MAX_LINES:
        raise MalformedSegment(f"{n_lines} lines, more than {_MAX_LINES}")
    header = decode_header(text[: text.index("\n")], writer)
    usual, kinds = OF_CLIENT if writer == "client" else OF_VALIDATOR
    rest = text[text.index("\n") + 1 : -1]
    many: OkVerdicts | Announcements
    many, lines = ok_verdicts(rest) if writer == "validator" else announcements(rest)
    records: list[Record] = []
    before: list[int] = []
    problems: list[str] = []
    n_ignored = 0
    for nth, (number, line) in enumerate(lines if n_lines > 1 else ()):
        if (record := usual(line)) is None:
            try:
                record = decode_line(line, kinds)
            except ValueError as e:
                n_ignored += 1
                if len(problems) < MAX_PROBLEMS:
                    problems.append(f"line {number}: {e}")
                continue
            if record is None:
                continue
        records.append(record)
        before.append(number - 2 - nth)
    return Segment(
        header, Records(records, many, before), hashlib.sha256(data).hexdigest(), n_ignored, tuple(problems)
    )


def encode_segment(header: SegmentHeader, lines: Iterable[bytes] = ()) -> bytes:
    """A whole segment of encoded records; of none: a fence."""
    return b"\n".join((encode(header), *lines, b""))


class LogChain:
    """The segments of one log, each linked to the one before by its hash.

    Attributes:
        writer: whose log it is.
        next_seq: number of the segment that comes next.
        tail_sha: SHA-256 of the last segment's bytes, hex; None before the first.
        highest_epoch: the highest epoch of any segment so far; 0 before the first.
        highest_agent: who wrote with it first.
    """

    __slots__ = ("highest_agent", "highest_epoch", "next_seq", "tail_sha", "writer")

    def __init__(self, writer: Writer) -> None:
        self.writer: Writer = writer
        self.next_seq = 0
        self.tail_sha: str | None = None
        self.highest_epoch = 0
        self.highest_agent: str | None = None

    def accept(self, seq: int, data: bytes) -> Segment:
        """Read the next segment, which lay at number `seq`, and link it in.

        A dead owner's late segment (its epoch is below an earlier one's, or equal and another agent's) is
        linked in too, and marked `superseded`: its records must not count.

        Raises:
            LogBroken: a gap, a wrong link or a malformed segment. The chain stays as it was.
        """
        if seq != self.next_seq:
            raise LogBroken(self.next_seq, f"it is missing; segment {seq} is there")
        try:
            segment = decode_segment(data, writer=self.writer)
        except MalformedSegment as e:
            raise LogBroken(seq, str(e)) from None
        if segment.header.seq != seq:
            raise LogBroken(seq, f"it says that it is segment {segment.header.seq}")
        if segment.header.prev != self.tail_sha:
            raise LogBroken(seq, "it does not follow the segment before it")
        if self._link(segment.header, segment.sha256):
            return segment
        return replace(segment, superseded=True)

    def follow(self, segment: Segment) -> None:
        """Link in a segment that another chain of the same log has accepted.

        Raises:
            ValueError: it does not follow the last one.
        """
        if (segment.header.seq, segment.header.prev) != (self.next_seq, self.tail_sha):
            raise ValueError(f"segment {segment.header.seq} does not follow segment {self.next_seq - 1}")
        self._link(segment.header, segment.sha256)

    def copy(self) -> LogChain:
        """The chain as it is now."""
        made = LogChain(self.writer)
        made.next_seq, made.tail_sha = self.next_seq, self.tail_sha
        made.highest_epoch, made.highest_agent = self.highest_epoch, self.highest_agent
        return made

    def header(self, *, agent_id: str, epoch: int, client_epoch: int | None = None) -> SegmentHeader:
        """The header of the segment that comes next, written by `agent_id` with `epoch`."""
        return SegmentHeader(VERSION, self.next_seq, agent_id, epoch, self.tail_sha, client_epoch)

    def appended(self, header: SegmentHeader, data: bytes) -> None:
        """Link in an own segment that the store has taken, which needs no reading.

        Raises:
            ValueError: it does not follow the last one.
        """
        if (header.seq, header.prev) != (self.next_seq, self.tail_sha):
            raise ValueError(f"segment {header.seq} does not follow segment {self.next_seq - 1}")
        self._link(header, hashlib.sha256(data).hexdigest())

    def _link(self, header: SegmentHeader, sha256: str) -> bool:
        self.next_seq = header.seq + 1
        self.tail_sha = sha256
        if self.highest_agent is None or header.epoch > self.highest_epoch:
            self.highest_epoch = header.epoch
            self.highest_agent = header.agent_id
        return header.epoch == self.highest_epoch and header.agent_id == self.highest_agent
