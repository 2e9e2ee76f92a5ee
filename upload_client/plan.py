"""What a run is going to do: each file's start, found from logs, landing listing and source.

The table is `upload_client.core.resume`'s. Here it gets what it asks for: one LIST of what has landed, one of
unfinished uploads, a look at each file's size and time; and, only where the table needs them, a file's
checksum or an object's.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from upload_client.aws.bucket import Bucket, StoreError, insist
from upload_client.aws.leftover import leftovers
from upload_client.core import checksums
from upload_client.core.files import FileLedger, State
from upload_client.core.history import DeliveryHistory, PathHistory
from upload_client.core.resume import GONE, Landed, Local, Need, Reason, Start, decide, place
from upload_client.transfer.dataroot import DataRoot, FileRefused

__all__ = ["Plan", "make_plan"]

_REASONS = tuple(Reason)
_BLOCK = 1024 * 1024  # bytes read at once for a checksum
_BATCH = 1000  # files whose checksums are asked for at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is going to do.

    Attributes:
        reasons: files for each reason, as sentences, in the order of the table; only those there are.
        n_to_send: files to be sent.
        n_bytes: their bytes.
        announced: rows of files that are in place and await a verdict.
        n_found: how many of these are announced for the first time: numbers of uploads that are taken.
        sizes: bytes of each file at its source, by row; -1 where it is not there.
        landed: ETag (without quotes) of the object that a file to be sent replaces, by row.
        leftover: ids of unfinished multipart uploads, by path.
    """

    reasons: Mapping[str, int]
    n_to_send: int
    n_bytes: int
    announced: tuple[int, ...]
    n_found: int
    sizes: array[int]
    landed: Mapping[int, str]
    leftover: Mapping[str, tuple[str, ...]]
    _ledger: FileLedger
    _reasons: bytes

    @property
    def rows(self) -> Iterator[tuple[str, State, str]]:
        """Path, state to start in, and reason (a sentence) of each file, in the order of the index."""
        for row, reason in enumerate(self._reasons):
            yield self._ledger.relpath(row), self._ledger.state(row), _REASONS[reason].sentence


def make_plan(
    ledger: FileLedger,
    history: DeliveryHistory,
    *,
    epoch: int,
    root: DataRoot,
    sources: Mapping[str, tuple[int, str]] | None,
    landing: Bucket,
    resend_invalid: bool,
    n_threads: int,
) -> Plan:
    """Find out where each file starts, and enter it into the ledger.

    Args:
        ledger: the files, none of which has moved yet.
        history: both logs, folded.
        epoch: of this run.
        root: where files come from.
        sources: size and ETag of each object, where they come from a bucket.
        landing: where they go.
        resend_invalid: send what was judged invalid although it has not changed.
        n_threads: checksums found out at once.

    Raises:
        StoreError: the landing bucket could not be listed.
    """
    survey = _Survey(ledger, history, epoch, root, sources, landing, resend_invalid)
    undecided = [(row, need) for row in range(len(ledger)) if (need := survey.look(row)) is not None]
    with ThreadPoolExecutor(max(n_threads, 1), "plan") as pool:
        for first in range(0, len(undecided), _BATCH):
            batch = undecided[first : first + _BATCH]
            for (row, _), answer in zip(batch, pool.map(survey.find_out, batch), strict=True):
                survey.settle(row, *answer)
    return survey.plan()


class _Survey:
    """The state of affairs, file by file."""

    def __init__(
        self,
        ledger: FileLedger,
        history: DeliveryHistory,
        epoch: int,
        root: DataRoot,
        sources: Mapping[str, tuple[int, str]] | None,
        landing: Bucket,
        resend_invalid: bool,
    ) -> None:
        self._ledger = ledger
        self._history = history
        self._epoch = epoch
        self._root = root
        self._folder = str(root.path or "")
        self._sources = sources
        self._landing = landing
        self._resend_invalid = resend_invalid
        self._listed = insist(lambda: {entry.key: (entry.size, entry.etag) for entry in landing.list()})
        self._reasons = bytearray(len(ledger))
        self._sizes = array("q", (-1,)) * len(ledger)
        self._landed: dict[int, str] = {}
        self._announced: list[int] = []
        self._n_found = 0
        self._n_to_send = self._n_bytes = 0

    def look(self, row: int) -> Need | None:
        """Decide about a file by what is at hand; None if that was enough."""
        relpath = self._ledger.relpath(row)
        local = self._local(relpath)
        self._sizes[row] = local.size
        past = self._history.latest(relpath)
        start = decide(
            past,
            self._listed.get(relpath),
            local,
            checksum=self._ledger.checksum(row),
            resend_invalid=self._resend_invalid,
        )
        if isinstance(start, Need):
            return start
        self._place(row, relpath, start, past, local, None)
        return None

    def find_out(self, open_question: tuple[int, Need]) -> tuple[Landed | None, str | None]:
        """What `decide` needs to know about a file: checksums. Runs in many threads."""
        row, need = open_question
        relpath = self._ledger.relpath(row)
        head = None
        if need is Need.HEAD:
            found = insist(lambda: self._landing.head(relpath))
            head = GONE if found is None else Landed(found.size, found.etag, found.crc32, found.version_id)
            if head.crc32 is None:
                return head, ""  # it will be sent, whatever the file's checksum is
        return head, self._crc32(relpath)

    def settle(self, row: int, head: Landed | None, local_crc32: str | None) -> None:
        """Decide about a file, all questions answered."""
        relpath = self._ledger.relpath(row)
        local = self._local(relpath)
        past = self._history.latest(relpath)
        start = decide(
            past,
            self._listed.get(relpath),
            local,
            checksum=self._ledger.checksum(row),
            resend_invalid=self._resend_invalid,
            local_crc32=local_crc32,
            head=head,
        )
        assert isinstance(start, Start)
        self._place(row, relpath, start, past, local, head)

    def _place(
        self,
        row: int,
        relpath: str,
        start: Start,
        past: PathHistory | None,
        local: Local,
        head: Landed | None,
    ) -> None:
        found = None
        if start.reason is Reason.FOUND:
            assert head is not None
            self._n_found += 1
            found = head.as_upload(self._epoch, self._n_found, local)
        place(self._ledger, row, start, past, found=found)
        self._reasons[row] = _REASONS.index(start.reason)
        if start.state == "done":
            self._announced.append(row)
        elif start.state == "ready":
            self._n_to_send += 1
            self._n_bytes += max(local.size, 0)
            if (listed := self._listed.get(relpath)) is not None:
                self._landed[row] = listed[1]

    def _local(self, relpath: str) -> Local:
        """The file at its source now; of size -1 where it is not there (sending it will say so)."""
        if self._sources is not None:
            size, etag = self._sources.get(relpath, (-1, None))
            return Local(size, etag=etag)
        try:
            status = os.stat(os.path.join(self._folder, relpath))  # noqa: PTH116, PTH118 - once for each file
        except OSError:
            return Local(-1)
        return Local(status.st_size, status.st_mtime_ns)

    def _crc32(self, relpath: str) -> str:
        """CRC32 of the file's content; empty where it cannot be told."""
        if self._root.bucket is not None:
            try:
                found = self._root.bucket.head(relpath)
            except StoreError:
                return ""
            return (found and found.crc32) or ""
        crc, offset = 0, 0
        try:
            with self._root.open(relpath) as file:
                while offset < file.fingerprint.size:
                    block = file.read(min(_BLOCK, file.fingerprint.size - offset), offset)
                    crc = checksums.crc32(block, crc)
                    offset += len(block)
        except (OSError, FileRefused):
            return ""
        return checksums.encode(crc)

    def plan(self) -> Plan:
        """All that was decided."""
        counts = [self._reasons.count(code) for code in range(len(_REASONS))]
        return Plan(
            reasons={reason.sentence: n for reason, n in zip(_REASONS, counts, strict=True) if n},
            n_to_send=self._n_to_send,
            n_bytes=self._n_bytes,
            announced=tuple(self._announced),
            n_found=self._n_found,
            sizes=self._sizes,
            landed=self._landed,
            leftover=_leftover(self._landing) if self._n_to_send else {},
            _ledger=self._ledger,
            _reasons=bytes(self._reasons),
        )


def _leftover(landing: Bucket) -> Mapping[str, tuple[str, ...]]:
    """Ids of unfinished multipart uploads below the landing prefix, by path."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for upload in insist(lambda: list(leftovers(landing))):
        found[upload.key].append(upload.upload_id)
    return {relpath: tuple(ids) for relpath, ids in found.items()}
