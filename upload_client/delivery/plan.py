"""The plan of a run: each file's start, found from logs, landing listing and source.

The decision table is `upload_client.core.resume`'s. This module collects its inputs: one LIST of the landing
bucket, one of unfinished uploads, the size and time of each file; and, only where the table needs them,
checksums of files or objects.
"""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from upload_client.core import checksums
from upload_client.core.columns import in_one_piece, put, taken
from upload_client.core.digests import Digests
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.resume import GONE, LandingObject, Local, Need, Reason, decide, place, place_valid
from upload_client.core.states import State
from upload_client.core.uploads import kept_mtime, settled_mtime
from upload_client.s3.bucket import Bucket, StoreError, pages_of, repeat_while_lost
from upload_client.s3.unfinished import unfinished_uploads
from upload_client.support.background import map_in_threads
from upload_client.support.file_names import on_disk
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

_REASONS = tuple(Reason)
_CODES = {reason: code for code, reason in enumerate(_REASONS)}
_NEW, _VALID = _CODES[Reason.NEW], _CODES[Reason.VALID]
_UNDECIDED = 255
_BLOCK = 1024 * 1024  # bytes read at once for a checksum
_BATCH = 1000  # files whose checksums are asked for at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a run.

    Attributes:
        reasons: files for each `upload_client.core.resume.Reason` (a code, with its `sentence`), in the order
            of the table; only those there are.
        n_to_send: files to be sent.
        n_bytes: their bytes.
        announced: rows of files that are in place and await a verdict.
        n_found: how many of these are announced for the first time: numbers of uploads that are taken.
        sizes: bytes of each file at its source, by row; -1 where it is not there.
        replaces: ETag (without quotes) of the object that a file to be sent replaces, by row.
        unfinished: ids of unfinished multipart uploads, by path.
    """

    reasons: Mapping[Reason, int]
    n_to_send: int
    n_bytes: int
    announced: tuple[int, ...]
    n_found: int
    sizes: array[int]
    replaces: Mapping[int, str]
    unfinished: Mapping[str, tuple[str, ...]]
    _ledger: FileLedger
    _reasons: bytes

    @property
    def rows(self) -> Iterator[tuple[str, State, Reason]]:
        """Path, state to start in, and reason of each file, in the order of the index."""
        for row, reason in enumerate(self._reasons):
            yield self._ledger.relpath(row), self._ledger.state(row), _REASONS[reason]


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
    digests: Callable[[int], tuple[tuple[str, bytes], ...]] = lambda _: (),
    size_to_be: Callable[[int], int | None] = lambda _: None,
    compared: bytearray | None = None,
    sha256: bool = False,
    trusts_store_crc32: Callable[[], bool] = lambda: True,
    check: Callable[[], None] = lambda: None,
    listed: Callable[[int], object] = lambda _: None,
) -> Plan:
    """Decide where each file starts, and enter it into the ledger.

    Args:
        ledger: the files, none of which has moved yet; it has begun with what `history` tells of them.
        history: both logs, folded; its rows are the ledger's.
        epoch: of this run.
        root: where files come from.
        sources: size and ETag of each object, where they come from a bucket.
        landing: where they go.
        resend_invalid: send what was judged invalid although it has not changed.
        n_threads: checksums found out at once.
        digests: checksums of other kinds that the file of a row must have.
        size_to_be: bytes that it must have; None: as many as are found.
        compared: of each row, whether its `digests` are those that what has landed of it was held against;
            None: they all are.
        sha256: compute that, too, of what is read anyway.
        trusts_store_crc32: whether the store's CRC32 of an unannounced object counts: not where the store
            only repeats what the client sent, and the run that sent it may have ended before it read the
            object back. Called only where there is such an object.
        check: called for each page of the listing, each file and each block that is read, in any thread; what
            it raises ends it.
        listed: told after each page how many objects were listed, the receiver's own and others'.

    Raises:
        StoreError: the landing bucket could not be listed.
    """
    how = (resend_invalid, digests, size_to_be, compared, sha256, check, listed)
    survey = _Planner(ledger, history, epoch, root, sources, landing, *how)
    undecided = survey.look()
    if undecided:
        survey.trusts_store_crc32 = trusts_store_crc32()
    for first in range(0, len(undecided), _BATCH):
        batch = undecided[first : first + _BATCH]
        answers = map_in_threads(survey.find_out, batch, max(n_threads, 1), "plan")
        with contextlib.closing(answers):
            for (row, _), answer in zip(batch, answers, strict=True):
                survey.settle(row, *answer)
    return survey.plan()


class _Planner:
    """Decides for each file where it starts, and collects what is needed for that.

    Files are looked at in the order of the listing, and what is not listed after that: so that of a million
    listed objects none is held, but those that a question is open about.
    """

    def __init__(
        self,
        ledger: FileLedger,
        history: DeliveryHistory,
        epoch: int,
        root: DataRoot,
        sources: Mapping[str, tuple[int, str]] | None,
        landing: Bucket,
        resend_invalid: bool,
        digests: Callable[[int], tuple[tuple[str, bytes], ...]],
        size_to_be: Callable[[int], int | None],
        compared: bytearray | None,
        sha256: bool,
        check: Callable[[], None],
        listed: Callable[[int], object],
    ) -> None:
        self._ledger = ledger
        self._history = history
        self._epoch = epoch
        self._root = root
        self._folder = "" if root.path is None else os.path.join(root.path, "")  # noqa: PTH118 - text to add to
        self._sources = sources
        self._landing = landing
        self._resend_invalid = resend_invalid
        self._digests = digests
        self._size_to_be = size_to_be
        self._compared = compared
        self._sha256 = sha256
        self.trusts_store_crc32 = True
        self._check = check
        self._listed = listed
        self._reasons = bytearray((_UNDECIDED,)) * len(ledger)
        self._sizes = ledger.sizes()
        self._open: dict[int, tuple[int, str]] = {}  # rows about which a question is open: what is listed
        self._replaces: dict[int, str] = {}
        self._announced: list[int] = []
        self._n_found = 0

    def look(self) -> list[tuple[int, Need]]:
        """Decide about all files by what is at hand; those about which that was not enough, and what is."""
        undecided: list[tuple[int, Need]] = []
        n_listed = 0
        for keys, sizes, etags in _listed(self._landing):
            self._check()
            n_listed += len(keys)
            self._listed(n_listed)
            self._look_at(undecided, *self._open_to_question(keys, sizes, etags))
        if any(size < 0 for size in self._sizes):  # else the index says it, and sending it will show
            for row, reason in enumerate(self._reasons):
                if reason == _UNDECIDED and self._sizes[row] < 0:
                    self._sizes[row] = self._local(self._ledger.relpath(row)).size
        if not len(self._history):
            # A million files at once: of what was never announced nor listed, the table knows one thing.
            self._reasons = self._reasons.replace(bytes((_UNDECIDED,)), bytes((_NEW,)))
            for row in self._open:
                self._reasons[row] = _UNDECIDED
        else:
            row = self._reasons.find(_UNDECIDED)
            while row >= 0:
                if row not in self._open:
                    self._decide(row, None, Local(self._sizes[row]))
                row = self._reasons.find(_UNDECIDED, row + 1)
        undecided.sort()
        return undecided

    def _open_to_question(
        self, keys: Sequence[str], sizes: Sequence[int], etags: Sequence[str]
    ) -> tuple[Sequence[int], Sequence[str], Sequence[int], Sequence[str]]:
        """Those of some objects whose files are not decided about, each once; with the rows of the files."""
        rows = self._ledger.rows.many(keys)
        if None not in rows and not self._open and len(set(rows)) == len(rows):
            all_rows = in_one_piece(cast("Sequence[int]", rows))
            if set(taken(self._reasons, all_rows)) <= {_UNDECIDED}:
                return all_rows, keys, sizes, etags
        first: dict[int, int] = {}
        for at, row in enumerate(rows):
            if row is not None and self._reasons[row] == _UNDECIDED and row not in self._open:
                first.setdefault(row, at)
        places = list(first.values())
        return in_one_piece(list(first)), taken(keys, places), taken(sizes, places), taken(etags, places)

    def _look_at(
        self,
        undecided: list[tuple[int, Need]],
        rows: Sequence[int],
        keys: Sequence[str],
        sizes: Sequence[int],
        etags: Sequence[str],
    ) -> None:
        """Decide about files that are listed."""
        if not rows:
            return
        own_sizes, mtimes_ns = self._all_local(keys)
        of_index, own = array("q", taken(self._sizes, rows)), array("q", own_sizes)
        put(self._sizes, rows, own)
        same = own_sizes
        if of_index != own:  # of most lists it is the same, or nothing
            same = [size if to_be in (-1, size) else -1 for to_be, size in zip(of_index, own, strict=True)]
        if self._compared is not None:
            compared = taken(self._compared, rows)
            same = [size if known else -1 for size, known in zip(same, compared, strict=True)]
        settled = place_valid(self._ledger, rows, self._history, (sizes, etags), (same, mtimes_ns))
        if all(settled):
            put(self._reasons, rows, bytes((_VALID,)) * len(rows))
            return
        for at, row in enumerate(rows):
            if settled[at]:
                self._reasons[row] = _VALID
                continue
            listed = sizes[at], etags[at]
            local = Local(own_sizes[at], mtimes_ns[at]) if self._sources is None else self._local(keys[at])
            if (need := self._decide(row, listed, local)) is not None:
                self._open[row] = listed
                undecided.append((row, need))

    def find_out(
        self, open_question: tuple[int, Need]
    ) -> tuple[Local, LandingObject | None, str, str | None]:
        """Compute the checksums that `decide` needs to know about a file. Runs in many threads."""
        row, need = open_question
        relpath = self._ledger.relpath(row)
        # Before its content is read: else the time of a file that changes meanwhile would vouch, in the log
        # and for all runs to come, for content that it no longer has. So would one that it may have again.
        seen_ns = time.time_ns()
        local = self._local(relpath)
        if local.mtime_ns is not None:
            local = Local(local.size, settled_mtime(local.mtime_ns, seen_ns))
        head = None
        if need is Need.HEAD:
            found = repeat_while_lost(lambda: self._landing.head(relpath))
            head = GONE
            if found is not None:
                crc32 = found.crc32 if self.trusts_store_crc32 else None
                head = LandingObject(found.size, found.etag, crc32, found.version_id)
            if head.crc32 is None:
                return local, head, "", None  # it will be sent, whatever the file's checksum is
        return local, head, *self._checksums(relpath, dict(self._digests(row)))

    def settle(
        self, row: int, local: Local, head: LandingObject | None, local_crc32: str, sha256: str | None
    ) -> None:
        """Decide about a file, all questions answered."""
        need = self._decide(row, self._open.pop(row), local, head, local_crc32, sha256)
        assert need is None

    def _decide(
        self,
        row: int,
        listed: tuple[int, str] | None,
        local: Local,
        head: LandingObject | None = None,
        local_crc32: str | None = None,
        sha256: str | None = None,
    ) -> Need | None:
        """Place a file where it starts; or say what has to be known before."""
        past = self._history.at(row)
        start = decide(
            past,
            listed,
            local,
            checksum=self._ledger.checksum(row),
            size=self._size_to_be(row),
            is_compared=self._compared is None or bool(self._compared[row]),
            resend_invalid=self._resend_invalid,
            local_crc32=local_crc32,
            head=head,
        )
        if isinstance(start, Need):
            return start
        found = None
        if start.reason is Reason.FOUND:
            assert head is not None
            self._n_found += 1
            found = head.as_upload(self._epoch, self._n_found, local, sha256)
        place(self._ledger, row, start, past, found=found)
        self._reasons[row] = _CODES[start.reason]
        if start.state == "done":
            self._announced.append(row)
        elif start.state == "ready" and listed is not None:
            self._replaces[row] = listed[1]
        return None

    def _local(self, relpath: str) -> Local:
        """The file at its source now; of size -1 where it is not there (sending it will say so)."""
        if self._sources is not None:
            self._check()
            size, etag = self._sources.get(relpath, (-1, None))
            return Local(size, etag=etag)
        (size,), (mtime_ns,) = self._all_local([relpath])
        return Local(size, mtime_ns)

    def _all_local(self, relpaths: Sequence[str]) -> tuple[list[int], list[int | None]]:
        """`_local` of many, without an object for each: sizes, and modification times."""
        if self._sources is not None:
            return [self._sources.get(path, (-1, None))[0] for path in relpaths], [None] * len(relpaths)
        sizes = [-1] * len(relpaths)
        mtimes_ns: list[int | None] = [None] * len(relpaths)
        folder, check = self._folder, self._check
        for at, relpath in enumerate(relpaths):
            check()
            try:
                status = os.stat(folder + on_disk(relpath))  # noqa: PTH116 - once for each file
            except OSError:
                continue
            sizes[at], mtimes_ns[at] = status.st_size, kept_mtime(status.st_mtime_ns)
        return sizes, mtimes_ns

    def _checksums(self, relpath: str, digests: Mapping[str, bytes]) -> tuple[str, str | None]:
        """CRC32 of the file's content (base64), and, where it is wanted, its SHA-256 (hex).

        The first is empty where it cannot be determined, or another checksum is not the index's. Then the
        file is sent, and what is wrong with it is said.
        """
        if self._root.bucket is not None:
            try:
                found = self._root.bucket.head(relpath)
            except StoreError:
                return "", None
            stated_of = {} if found is None else dict(found.digests)
            # What its store does not say is told of by copying it.
            if found is None or any(stated_of.get(name) != digest for name, digest in digests.items()):
                return "", None
            stated = stated_of.get("sha256") if self._sha256 else None
            return found.crc32 or "", None if stated is None else stated.hex()
        crc, offset = 0, 0
        others = Digests({*digests, "sha256"} if self._sha256 else digests)
        try:
            with self._root.open(relpath) as file:
                while offset < file.fingerprint.size:
                    self._check()
                    block = file.read(min(_BLOCK, file.fingerprint.size - offset), offset)
                    crc = checksums.crc32(block, crc)
                    others.update(block)
                    offset += len(block)
        except (OSError, FileRefused):
            return "", None
        if any(others.digest(name) != digest for name, digest in digests.items()):
            return "", None
        return checksums.encode(crc), others.digest("sha256").hex() if self._sha256 else None

    def plan(self) -> Plan:
        """All that was decided."""
        counts = [self._reasons.count(code) for code in range(len(_REASONS))]
        ready = self._ledger.counts()["ready"]
        n_bytes = 0
        if ready:
            states = self._ledger.states()
            n_bytes = sum(
                size for size, state in zip(self._sizes, states, strict=True) if state == "ready" and size > 0
            )
        return Plan(
            reasons={reason: n for reason, n in zip(_REASONS, counts, strict=True) if n},
            n_to_send=ready,
            n_bytes=n_bytes,
            announced=tuple(sorted(self._announced)),
            n_found=self._n_found,
            sizes=self._sizes,
            replaces=self._replaces,
            unfinished=_unfinished(self._landing) if ready else {},
            _ledger=self._ledger,
            _reasons=bytes(self._reasons),
        )


def _listed(landing: Bucket) -> Iterator[tuple[Sequence[str], Sequence[int], Sequence[str]]]:
    """Everything that has landed, by pages: keys, bytes, ETags; perhaps twice, where an answer was lost.

    A listing that breaks off starts again from the beginning: not every store lists in the order that
    ``StartAfter`` goes by.
    """
    pages = pages_of(landing)

    def one() -> tuple[Sequence[str], Sequence[int], Sequence[str]] | None:
        nonlocal pages
        try:
            return next(pages, None)
        except StoreError:
            pages = pages_of(landing)
            raise

    while (page := repeat_while_lost(one)) is not None:
        yield page


def _unfinished(landing: Bucket) -> Mapping[str, tuple[str, ...]]:
    """Ids of unfinished multipart uploads below the landing prefix, by path."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for upload in repeat_while_lost(lambda: list(unfinished_uploads(landing))):
        found[upload.key].append(upload.upload_id)
    return {relpath: tuple(ids) for relpath, ids in found.items()}
