"""`Sync`: one folder and the other side, compared, and brought together as far as a person chooses.

It looks (`look`), is told what to do (`carry_out`), and writes down what has come of it (`write_down`), in
this order on each side: first the files, then the tables. Whatever ends it in between, the listing of the
other side and the folder itself say what is there; the tables follow at the next sync, whoever's it is.

What is listed counts for more than what a table says of it. A row is corrected only after the object was
looked at once more, so that a listing which is older than a row never takes it back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from upload_client.core.paths import check_relpath, collisions
from upload_client.core.synchrony import (
    Act,
    Change,
    Choice,
    acts,
    beside,
    decide,
    next_base,
)
from upload_client.errors import DeliveryError
from upload_client.support.clock import SYSTEM, Clock
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
from upload_client.synchrony.folder import Changed, Folder, Here, Ignored, Skipped, write_whole
from upload_client.synchrony.memory import Cache, Memory, digest
from upload_client.synchrony.remote import Done, Fetch, Raced, Remote, Remove, Send, There, set_aside

__all__ = ["Failure", "Offer", "Result", "Sync"]

_log = logging.getLogger(__name__)

_WRITE_DOWN_EVERY: Final = 60.0
"""Seconds after which what was done is written down in a long sync."""
_RACES: Final = 100
_SENDING: Final = "tmp/sending.csv"


class Offer(NamedTuple):
    """A path about which something may be chosen.

    Attributes:
        path: relative, with ``/``.
        change: what it is about.
        here: the file in the folder; None: there is none.
        there: the file on the other side; None: there is none.
        by: who made the version there, or deleted it.
        when: the time of that, UTC, as text.
        note: what else a person should know.
    """

    path: str
    change: Change
    here: Here | None
    there: There | None
    by: str
    when: str
    note: str = ""

    @property
    def edited(self) -> str:
        """When the file here was modified, UTC, as text."""
        return "" if self.here is None else moment(self.here.mtime_ns / 1e9)


class Failure(NamedTuple):
    """A file with which something could not be done, and why."""

    path: str
    act: Act
    why: str


class Result(NamedTuple):
    """The work that was done.

    Attributes:
        done: path and act of each.
        failures: what could not be done.
        raced: paths where somebody else, or the person, was quicker: nothing was done about them.
    """

    done: list[tuple[str, Act]]
    failures: list[Failure]
    raced: dict[str, str]


class Sync:
    """One folder and the other side.

    Args:
        folder: a person's.
        remote: the other side.
        name: whose edits these are.
        warn: is told what a person should know, once each.
        tell: is told how far it is: what is done, how many, of how many.
        clock: time; it is written down and never decides.
    """

    def __init__(
        self,
        folder: Folder,
        remote: Remote,
        name: str,
        *,
        warn: Callable[[str], None] = lambda _: None,
        tell: Callable[[str, int, int], None] = lambda *_: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._folder = folder
        self._remote = remote
        self._name = name
        self._warn = warn
        self._tell = tell
        self._clock = clock
        self._memory = Memory(folder.books)
        self._cache = Cache()
        self._base: dict[str, Row] = {}
        self._here: dict[str, Here] = {}
        self._there: dict[str, There] = {}
        self._md5: dict[str, str] = {}
        self._versions: dict[str, Row] = {}
        self._versions_etag: str | None = None
        self._versions_data: bytes | None = None
        self._deleted: list[tuple[str, Row]] = []
        self._deleted_etag: str | None = None
        self._deleted_data: bytes | None = None
        self._mine: dict[str, tuple[Row, str]] = {}  # rows to set, with the ETag they are about
        self._gone: dict[str, Row] = {}  # rows to take away, and to add to those that were deleted
        self._fresh: set[str] = set()
        self._sending: dict[str, Row] = {}
        self._ignored: Callable[[str], bool] = Ignored("")
        self._is_safe = False
        self._is_sending = False
        self._is_base_new = False
        self._written = 0.0
        self.skipped: list[Skipped] = []
        """The files of the folder that cannot be shared, and why."""

    @property
    def n_files(self) -> int:
        """Files there are, on either side."""
        return len(self._here.keys() | self._there.keys())

    # ------------------------------------------------------------------------------------------- looking

    def look(self) -> list[Offer]:
        """Compare both sides, and say what may be chosen.

        Raises:
            UsageError: the folder, or a table, cannot be read.
            StoreError: the other side cannot be read.
        """
        memory = self._memory
        self._mine.clear()
        self._gone.clear()
        cache = self._cache = memory.cache()
        self._ignored = Ignored(memory.text("ignores3.txt"))
        with ThreadPoolExecutor(1, "listing") as pool:
            listing = pool.submit(self._remote.listing)
            try:
                self._here, self.skipped, self._fresh = self._folder.look(
                    cache.files, ignored=self._ignored, on_progress=lambda n: self._tell("read", n, 0)
                )
                self._sending = table(memory.book(_SENDING), f"{BOOKS}/{_SENDING}")
            finally:
                listed = listing.result()
        self._there = listed.files
        self._versions_data, self._versions_etag = self._book(VERSIONS, listed.books)
        self._deleted_data, self._deleted_etag = self._book(DELETED, listed.books)
        self._versions = table(self._versions_data, f"{self._remote.where}/{BOOKS}/{VERSIONS}")
        self._base = memory.base(cache, self._versions_data, self._versions)
        self._is_base_new = False
        where = f"{self._remote.where}/{BOOKS}/{DELETED}"
        self._deleted = [] if self._deleted_data is None else list(read(self._deleted_data, where))
        cannot_be = {one.path.rstrip("/") for one in self.skipped}
        self.skipped += (
            Skipped(f"{self._remote.where}/{name}", check_relpath(name) or "lies in the books of another")
            for name in listed.odd
        )
        self._find_md5s()
        last_deleted = dict(self._deleted)
        offers = []
        paths = {*self._here, *self._there, *self._base}
        for path in paths:
            if cannot_be and _is_within(path, cannot_be):
                continue  # what is there cannot be read, or is no file: it must not pass for deleted
            offer = self._offer(path, last_deleted)
            if offer is not None and not self._ignored(path):
                offers.append(offer)
        offers.sort()
        self._warn_of_names(offers)
        return offers

    def _book(self, name: str, listed: Mapping[str, str]) -> tuple[bytes | None, str | None]:
        """A table of the other side, and its ETag: from the copy here, if it is the one that is listed."""
        etag = listed.get(name)
        if etag is None:
            return None, None
        known = self._cache.books.get(name)
        if known is not None and known[0] == etag:
            copy = self._memory.book(name)
            if copy is not None and digest(copy) == known[1]:
                return copy, etag
        found = self._remote.read_book(name)
        return (None, None) if found is None else found

    def _find_md5s(self) -> None:
        """The MD5 of each file on the other side, as far as it matters; what must be read for it is read."""
        md5s = self._md5 = {}
        doubted: list[tuple[str, There]] = []
        opaque: list[tuple[str, There]] = []
        objects, here, base, versions = self._cache.objects, self._here, self._base, self._versions
        for path, there in self._there.items():
            known = objects.get(path)
            if known is not None and known[0] == there.etag:
                md5s[path] = known[1]
                continue
            told = self._remote.told_md5(there)
            mine = here.get(path)
            if told is None:
                if mine is not None or path in base:
                    opaque.append((path, there))
                continue
            if mine is None or mine.md5 == told or mine.size != there.size:
                continue
            row = versions.get(path)
            if row is None or row.md5 != told:
                doubted.append((path, there))  # an object that is encrypted has an ETag that is no MD5
        for files, is_doubt in ((doubted, True), (opaque, False)):
            for n, (path, md5) in enumerate(self._remote.md5s(files, doubted=is_doubt), 1):
                self._tell("compared", n, len(files))
                there = self._there[path]
                if md5 is None:
                    # It is being replaced in this moment: what comes of it is seen the next time.
                    md5s[path] = f"etag:{there.etag}"
                elif md5 != there.etag:
                    objects[path] = (there.etag, md5)
                    md5s[path] = md5

    def _state_there(self, path: str) -> str | None:
        """The mark of the content on the other side: its MD5, where it is known."""
        there = self._there.get(path)
        return None if there is None else self._known_md5(path, there) or f"etag:{there.etag}"

    def _known_md5(self, path: str, there: There) -> str | None:
        """The MD5 of a file on the other side; None: nobody has read it yet."""
        return self._md5.get(path) or self._remote.told_md5(there)

    def _change(self, path: str) -> Change:
        mine, base = self._here.get(path), self._base.get(path)
        return decide(
            None if base is None else base.md5,
            None if mine is None else mine.md5,
            self._state_there(path),
        )

    def _offer(self, path: str, last_deleted: Mapping[str, Row]) -> Offer | None:
        change = self._change(path)
        if change is Change.NOTHING:
            return None
        if change is Change.BOOKS:
            self._agree(path)
            return None
        there = self._there.get(path)
        note = ""
        if there is None:
            row = last_deleted.get(path)
            by, when = ("", "") if row is None else (row.by, row.when)
            mine = self._here.get(path)
            if change is Change.NEW_HERE and row is not None and mine is not None and row.md5 == mine.md5:
                note = f"was deleted there by {row.by}, {row.when}"
            elif change in (Change.DELETED_THERE, Change.CHANGED_HERE_DELETED_THERE):
                by = by or UNKNOWN
        else:
            row = self._versions.get(path)
            md5 = self._known_md5(path, there)
            is_known = row is not None and md5 in (row.md5, None)
            by, when = (row.by, row.when) if row and is_known else (UNKNOWN, moment(there.modified))
        return Offer(path, change, self._here.get(path), there, by, when, note)

    def _agree(self, path: str) -> None:
        """Have the base of a path be what both sides are now, where they are the same."""
        mine = self._here.get(path)
        base = self._base.get(path)
        md5 = next_base(
            None if base is None else base.md5, None if mine is None else mine.md5, self._state_there(path)
        )
        if md5 is None:
            self._is_base_new |= self._base.pop(path, None) is not None
        elif base is None or base.md5 != md5:
            row = self._mine[path][0] if path in self._mine else self._versions.get(path)
            if row is None or row.md5 != md5:
                there = self._there[path]
                row = Row(UNKNOWN, moment(there.modified), md5)
            self._base[path] = row
            self._is_base_new = True

    def _warn_of_names(self, offers: Sequence[Offer]) -> None:
        """Tell of names that some file system takes for one; asked only about what is new."""
        if not any(offer.change in (Change.NEW_HERE, Change.NEW_THERE) for offer in offers):
            return
        paths = sorted({*self._here, *self._there})
        for row, other, kind in collisions(paths)[:10]:
            how = "but for case" if kind == "case" else "in another Unicode form"
            self._warn(
                f"{paths[row]!r} and {paths[other]!r} are the same {how}: some systems have room for one"
            )

    # ------------------------------------------------------------------------------------------- doing

    def carry_out(self, chosen: Iterable[tuple[Offer, Choice]]) -> Result:
        """Do what was chosen, and write it down. What cannot be done is passed over.

        Raises:
            DeliveryError: the other side cannot be written to, or not safely.
        """
        result = Result([], [], {})
        todo: dict[Act, list[Offer]] = {act: [] for act in Act}
        for offer, choice in chosen:
            for act in acts(offer.change, choice):
                todo[act].append(offer)
        if not any(todo.values()):
            self.write_down()
            return result
        self._written = self._clock.monotonic()
        try:
            if todo[Act.UPLOAD] or todo[Act.DELETE_THERE] or todo[Act.SET_ASIDE]:
                self._make_sure()
            self._put_beside(todo[Act.SET_ASIDE], result)
            given_up = {failure.path for failure in result.failures} | set(result.raced)
            self._upload([offer for offer in todo[Act.UPLOAD] if offer.path not in given_up], result)
            self._download(todo[Act.DOWNLOAD], result)
            self._delete_here(todo[Act.DELETE_HERE], result)
            self._delete_there(todo[Act.DELETE_THERE], result)
        except BaseException:
            with contextlib.suppress(DeliveryError):  # the first one is the one to tell
                self.write_down()
            raise
        self.write_down()
        return result

    def _make_sure(self) -> None:
        if not self._is_safe:
            self._remote.check()
            self._is_safe = True

    def _upload(self, offers: Sequence[Offer], result: Result) -> None:
        self._send(
            [(offer.path, offer.here, None if offer.there is None else offer.there.etag) for offer in offers],
            Act.UPLOAD,
            result,
        )

    def _send(self, files: Sequence[tuple[str, Here | None, str | None]], act: Act, result: Result) -> None:
        if not files:
            return
        # Whose they are, should this end before the tables say so.
        self._sending = {
            path: Row(self._name, moment(here.mtime_ns / 1e9), here.md5)
            for path, here, _ in files
            if here is not None
        }
        write_whole(self._folder.books / _SENDING, dump(self._sending), kind="sending")
        sends = [
            Send(path, self._folder.path(path), here.size, here.md5, expect)
            for path, here, expect in files
            if here is not None
        ]
        self._is_sending = True
        for n, one in enumerate(self._remote.send(sends, self._folder.root), 1):
            self._tell("sent", n, len(sends))
            if self._went_well(one, act, result):
                assert one.there is not None
                self._there[one.path] = one.there
                self._knows(one.path, one.there, one.md5)
                self._mine[one.path] = (self._sending[one.path], one.there.etag)
                self._agree(one.path)
            self._write_down_sometimes()
        self._is_sending = False

    def _went_well(self, one: Done, act: Act, result: Result) -> bool:
        if one.raced:
            result.raced[one.path] = one.error or "somebody else has changed it meanwhile"
        elif one.error is not None:
            result.failures.append(Failure(one.path, act, one.error))
        else:
            result.done.append((one.path, act))
            return True
        return False

    def _knows(self, path: str, there: There, md5: str) -> None:
        if md5 == there.etag:
            self._md5.pop(path, None)
            self._cache.objects.pop(path, None)
        else:
            self._md5[path] = md5
            self._cache.objects[path] = (there.etag, md5)

    def _download(self, offers: Sequence[Offer], result: Result) -> None:
        for n, (one, offer) in enumerate(self._fetched(offers, Act.DOWNLOAD, result), 1):
            self._tell("fetched", n, len(offers))
            whole = self._parts.pop(offer.path)
            if self._placed(offer.path, whole, offer.here, one, Act.DOWNLOAD, result):
                result.done.append((offer.path, Act.DOWNLOAD))
            self._write_down_sometimes()

    def _fetched(self, offers: Sequence[Offer], act: Act, result: Result) -> Iterator[tuple[Done, Offer]]:
        """The files brought to the scratch folder, as they come."""
        by_path = {offer.path: offer for offer in offers}
        self._parts = {path: self._folder.temporary() for path in by_path}
        fetches = [
            Fetch(offer.path, offer.there, self._parts[offer.path])
            for offer in offers
            if offer.there is not None
        ]
        for one in self._remote.fetch(fetches):
            if one.raced:
                result.raced[one.path] = "somebody else has changed it meanwhile"
            elif one.error is not None:
                result.failures.append(Failure(one.path, act, one.error))
            else:
                yield one, by_path[one.path]
                continue
            with contextlib.suppress(OSError):
                self._parts.pop(one.path).unlink()

    def _placed(
        self, path: str, whole: os.PathLike[str], here: Here | None, one: Done, act: Act, result: Result
    ) -> bool:
        """Have what was fetched take its place; whether it has."""
        try:
            status = self._folder.put(self._folder.scratch / whole, path, here)
        except Changed as error:
            result.raced[path] = str(error)
        except OSError as error:
            result.failures.append(Failure(path, act, f"cannot be written: {error.strerror or error}"))
        else:
            self._here[path] = Here(status.st_size, status.st_mtime_ns, status.st_ino, one.md5)
            self._fresh.discard(path)
            if one.there is not None and act is Act.DOWNLOAD:
                self._knows(path, one.there, one.md5)
                self._agree(path)
            return True
        with contextlib.suppress(OSError):
            (self._folder.scratch / whole).unlink()
        return False

    def _put_beside(self, offers: Sequence[Offer], result: Result) -> None:
        if not offers:
            return
        folded = {path.casefold() for path in (*self._here, *self._there)}
        placed: list[tuple[str, str]] = []
        for one, offer in self._fetched(offers, Act.SET_ASIDE, result):
            by = "" if offer.by == UNKNOWN else offer.by
            side = beside(offer.path, by or "theirs", offer.when, lambda path: path.casefold() in folded)
            folded.add(side.casefold())
            whole = self._parts.pop(offer.path)
            inner = Result([], [], {})
            if self._placed(side, whole, None, one, Act.SET_ASIDE, inner):
                placed.append((offer.path, side))
            for failure in inner.failures:
                result.failures.append(Failure(offer.path, Act.SET_ASIDE, f"{side}: {failure.why}"))
            result.raced.update(dict.fromkeys([offer.path] * bool(inner.raced), f"{side} is there by now"))
        inner = Result([], [], {})
        self._send([(side, self._here[side], None) for _, side in placed], Act.SET_ASIDE, inner)
        sent = {path for path, _ in inner.done}
        result.done.extend(inner.done)
        why = {failure.path: failure.why for failure in inner.failures}
        for path, side in placed:
            if side in inner.raced:
                result.raced[path] = f"{side} is there by now"
            elif side not in sent:
                result.failures.append(Failure(path, Act.SET_ASIDE, f"{side}: {why.get(side, '')}"))

    def _delete_here(self, offers: Sequence[Offer], result: Result) -> None:
        for offer in offers:
            assert offer.here is not None
            try:
                self._folder.delete(offer.path, offer.here)
            except Changed as error:
                result.raced[offer.path] = str(error)
            except OSError as error:
                why = f"cannot be deleted: {error.strerror or error}"
                result.failures.append(Failure(offer.path, Act.DELETE_HERE, why))
            else:
                result.done.append((offer.path, Act.DELETE_HERE))
                self._here.pop(offer.path, None)
                self._agree(offer.path)

    def _delete_there(self, offers: Sequence[Offer], result: Result) -> None:
        removes = []
        now = self._clock.wall()
        for offer in offers:
            assert offer.there is not None
            try:
                kept = set_aside(offer.path, now, self._remote.prefix)
            except ValueError as error:
                result.failures.append(Failure(offer.path, Act.DELETE_THERE, str(error)))
                continue
            removes.append(Remove(offer.path, offer.there, kept))
        for n, one in enumerate(self._remote.remove(removes, self._warn), 1):
            self._tell("deleted", n, len(removes))
            if self._went_well(one, Act.DELETE_THERE, result):
                was = self._there.pop(one.path)
                md5 = self._known_md5(one.path, was) or UNKNOWN
                self._md5.pop(one.path, None)
                self._cache.objects.pop(one.path, None)
                self._mine.pop(one.path, None)
                self._gone[one.path] = Row(self._name, moment(now), md5)
                self._agree(one.path)
            self._write_down_sometimes()

    # ------------------------------------------------------------------------------------------- the tables

    def _write_down_sometimes(self) -> None:
        if self._clock.monotonic() - self._written > _WRITE_DOWN_EVERY:
            self.write_down()

    def write_down(self) -> None:
        """Bring the tables on both sides up to what is there.

        Raises:
            DeliveryError: they cannot be written.
        """
        try:
            self._write_versions()
        finally:
            self._write_here()
        self._written = self._clock.monotonic()

    def _corrections(self) -> dict[str, Row | None]:
        """Rows that are not what is listed: what they should be; None: there is no such file."""
        wrong: dict[str, Row | None] = {}
        unread = []
        for path, there in self._there.items():
            row, md5 = self._versions.get(path), self._known_md5(path, there)
            if path in self._mine or (row is not None and md5 is None) or (row and row.md5 == md5):
                continue
            if md5 is None or not is_md5(md5):
                unread.append((path, there))
                continue
            intended = self._sending.get(path)
            if intended is not None and intended.md5 == md5:
                wrong[path] = intended
            else:
                wrong[path] = Row(UNKNOWN, moment(there.modified), md5)
        for path, md5 in self._remote.md5s(unread, doubted=False):
            if md5 is not None:
                there = self._there[path]
                self._knows(path, there, md5)
                wrong[path] = Row(UNKNOWN, moment(there.modified), md5)
        for path in self._versions:
            if path not in self._there and path not in self._gone:
                wrong[path] = None
        return wrong

    def _write_versions(self) -> None:
        wrong = self._corrections()
        if not (wrong or self._mine or self._gone) and self._versions_data is not None:
            return
        seen = self._versions
        self._make_sure()
        if self._gone or self._deleted_data is None:
            self._write_deleted()
        rows, data, etag = dict(seen), self._versions_data, self._versions_etag
        for _ in range(_RACES):
            new = self._applied(rows, seen, wrong, is_first=data is None)
            dumped = dump(new)
            if data is not None and rows == new:
                break
            try:
                etag = self._remote.write_book(VERSIONS, dumped, etag)
                data, rows = dumped, new
                break
            except Raced:
                self._clock.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - spreads load, guards nothing
                found = self._remote.read_book(VERSIONS)
                data, etag = (None, None) if found is None else found
                rows = table(data, f"{self._remote.where}/{BOOKS}/{VERSIONS}")
        else:
            raise DeliveryError(
                f"{self._remote.where}/{BOOKS}/{VERSIONS} is written by others again and again",
                hint="Run the same command again; the files themselves are in place.",
            )
        self._versions, self._versions_data, self._versions_etag = rows, data, etag
        self._mine.clear()
        self._gone.clear()

    def _applied(
        self,
        rows: Mapping[str, Row],
        seen: Mapping[str, Row],
        wrong: Mapping[str, Row | None],
        *,
        is_first: bool,
    ) -> dict[str, Row]:
        """A table with our changes in it. What somebody else may know better is looked at once more."""
        doubtful = [path for path in (*self._mine, *self._gone) if rows.get(path) != seen.get(path)]
        if not is_first:
            doubtful += [path for path in wrong if rows.get(path) == seen.get(path)]
        now = self._remote.look(doubtful)
        new = dict(rows)
        for path, (row, etag) in self._mine.items():
            if path in now and ((there := now[path]) is None or there.etag != etag):
                continue
            new[path] = row
        for path in self._gone:
            if now.get(path) is None:
                new.pop(path, None)
        for path, correct in wrong.items():
            if path in self._mine or path in self._gone or rows.get(path) != seen.get(path):
                continue
            listed, there = self._there.get(path), now.get(path)
            if not is_first and (listed and listed.etag) != (there and there.etag):
                continue
            if correct is None:
                new.pop(path, None)
            else:
                new[path] = correct
        return new

    def _write_deleted(self) -> None:
        """Add what was deleted to the table of it."""
        data, etag = self._deleted_data, self._deleted_etag
        for _ in range(_RACES):
            where = f"{self._remote.where}/{BOOKS}/{DELETED}"
            rows = [] if data is None else list(read(data, where))
            rows += sorted(self._gone.items() - set(rows))  # perhaps written by a try that failed later
            dumped = dump(rows)
            try:
                self._deleted_etag = self._remote.write_book(DELETED, dumped, etag)
            except Raced:
                self._clock.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - spreads load, guards nothing
                found = self._remote.read_book(DELETED)
                data, etag = (None, None) if found is None else found
                continue
            self._deleted_data, self._deleted = dumped, rows
            return
        raise DeliveryError(f"{self._remote.where}/{BOOKS}/{DELETED} is written by others again and again")

    def _write_here(self) -> None:
        """The tables and the memory of the folder itself."""
        memory, cache = self._memory, self._cache
        for name, data, etag in (
            (VERSIONS, self._versions_data, self._versions_etag),
            (DELETED, self._deleted_data, self._deleted_etag),
        ):
            if data is not None and etag is not None and cache.books.get(name, ("",))[0] != etag:
                memory.write_book(name, data)
                cache.books[name] = (etag, digest(data))
        cache.files = {path: here for path, here in self._here.items() if path not in self._fresh}
        cache.objects = {path: known for path, known in cache.objects.items() if path in self._there}
        if self._is_base_new or not cache.bases:
            held = dump(self._base)
            # Both, should this end before the table is in its place.
            cache.bases = tuple(dict.fromkeys((*cache.bases[-1:], digest(held))))
            memory.write_cache(cache)
            memory.write_book(HELD, held)
            self._is_base_new = False
        else:
            memory.write_cache(cache)
        pending = {
            path: row
            for path, row in self._base.items()
            if path not in self._here and path in self._there and not self._ignored(path)
        }
        memory.write_book(DELETED_HERE, dump(pending))
        if not (self._mine or self._is_sending):
            with contextlib.suppress(OSError):
                (self._folder.books / _SENDING).unlink()


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
