"""A prefix in a bucket, as the other side of a sync.

Each write names what it expects to find. Uploads and copies are the data plane's (`upload_client.transfer`),
with the MD5 of a file compared while it is sent, and so are downloads (`upload_client.transfer.download`),
made on the ETag that was listed, checked, and resumed where an earlier try ended.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, TypeVar

from upload_client.control.probe import prove_conditions
from upload_client.core.answers import Meaning
from upload_client.core.codes import FileCode, MessageCode, code_of_errno
from upload_client.errors import DeliveryError, LoginRefused, StoreUnsafe
from upload_client.s3.bucket import (
    AccessDenied,
    AnswerLost,
    Bucket,
    ConditionalConflict,
    NotFound,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
    store_errors,
)
from upload_client.s3.unfinished import unfinished_uploads
from upload_client.support.clock import SYSTEM, Clock
from upload_client.synchrony.books import BOOKS, MOST_BOOK, is_data, is_md5
from upload_client.synchrony.folder import KEPT
from upload_client.synchrony.remote import ConcurrentChange, Done, Fetch, Listed, RemoteFile, Remove, Send
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.download import LARGE, fetch_files
from upload_client.transfer.engine import DEFAULT_THRESHOLD
from upload_client.transfer.fetch_task import FetchTask

T = TypeVar("T")
R = TypeVar("R")

_THREADS: Final = 16
_BLOCK: Final = 1024 * 1024
_TRIES: Final = 8
_MOST_EMPTY: Final = 10_000
"""Empty folders that are removed to make room for one file: whoever has more of them is told."""
_CHANGED_HERE: Final = (FileCode.CHANGED, FileCode.MISSING, FileCode.NOT_AS_INDEXED)
_NO_ETAG: Final = "0" * 32
_OPAQUE: Final = ("aws:kms", "aws:kms:dsse")


class S3Remote:
    """A prefix in a bucket.

    Args:
        bucket: the bucket at the prefix, which is empty or ends in ``/``.
        clock: waits between attempts.
    """

    def __init__(self, bucket: Bucket, *, clock: Clock = SYSTEM) -> None:
        self.bucket = bucket
        self.where = f"s3://{bucket.name}/{bucket.prefix}".rstrip("/")
        self.prefix = bucket.prefix
        self._clock = clock
        self._deletes_on_condition: bool | None = None
        self._stopping = threading.Event()
        self._in_the_way: set[str] = set()
        self._cleared: set[str] = set()

    # --- reading ---

    def listing(self) -> Listed:
        """See `Remote`: one LIST."""
        return repeat_while_lost(self._list, self._clock)

    def _list(self) -> Listed:
        found = Listed({}, {}, [])
        inside = BOOKS + "/"
        for info in self.bucket.list():
            key = info.key
            if key.startswith(inside):
                name = key[len(inside) :]
                if "/" not in name:
                    found.books[name] = info.etag
            elif is_data(key):
                found.files[key] = RemoteFile(info.size, info.etag, info.last_modified)
            elif not key.endswith("/"):  # which stands for a folder
                found.odd.append(key)
        return found

    def look(self, paths: Sequence[str]) -> dict[str, RemoteFile | None]:
        """See `Remote`: a HEAD for each, or one LIST where they are many."""
        if len(paths) > 500:
            files = self.listing().files
            return {path: files.get(path) for path in paths}

        def head(path: str) -> tuple[str, RemoteFile | None]:
            info = repeat_while_lost(lambda: self.bucket.head(path, checksum=False), self._clock)
            return path, None if info is None else RemoteFile(info.size, info.etag, info.last_modified)

        return dict(self._in_parallel(head, paths))

    def read_book(self, name: str) -> tuple[bytes, str] | None:
        """See `Remote`."""
        try:
            found = repeat_while_lost(
                lambda: self.bucket.get(f"{BOOKS}/{name}", limit=MOST_BOOK), self._clock
            )
        except NotFound as error:
            if error.meaning is Meaning.NO_BUCKET:
                raise
            return None
        return found.body, found.etag

    def stated_md5(self, there: RemoteFile) -> str | None:
        """See `Remote`: the ETag of what was written in one piece, unless it is encrypted with KMS."""
        return there.etag if is_md5(there.etag) else None

    def md5s(
        self, files: Sequence[tuple[str, RemoteFile]], *, doubted: bool
    ) -> Iterator[tuple[str, str | None]]:
        """See `Remote`."""

        def of(file: tuple[str, RemoteFile]) -> tuple[str, str | None]:
            path, there = file
            if doubted and is_md5(there.etag) and not self._is_encrypted(path):
                return path, there.etag
            digest = hashlib.md5(usedforsecurity=False)
            try:
                for block in self._read(path, there, 0):
                    digest.update(block)
            except ConcurrentChange:
                return path, None
            return path, digest.hexdigest()

        return self._in_parallel(of, files)

    def _is_encrypted(self, path: str) -> bool:
        """Whether an ETag is no MD5 although it looks like one.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        """
        key = self.prefix + path
        try:
            with store_errors(f"HEAD {key}"):
                answer: Any = self.bucket.client.head_object(Bucket=self.bucket.name, Key=key)
        except NotFound:
            return False
        return answer.get("ServerSideEncryption") in _OPAQUE or "SSECustomerAlgorithm" in answer

    def _read(self, path: str, there: RemoteFile, start: int) -> Iterator[bytes]:
        """The content of one version from an offset; it goes on where a connection ended.

        Raises:
            ConcurrentChange: it is another version by now.
            StoreError: it cannot be read.
        """
        key = self.prefix + path
        failures = 0
        pause = 0.2
        while start < there.size or there.size == 0:
            begun = start
            condition: dict[str, Any] = {"IfMatch": f'"{there.etag}"'}
            if start:
                condition["Range"] = f"bytes={start}-"
            else:
                condition["ChecksumMode"] = "ENABLED"  # botocore compares it with what comes
            try:
                with store_errors(f"GET {key}"):
                    answer = self.bucket.client.get_object(Bucket=self.bucket.name, Key=key, **condition)
                    with contextlib.closing(answer["Body"]) as body:
                        while block := body.read(_BLOCK):
                            if self._stopping.is_set():
                                raise ConcurrentChange(path)
                            start += len(block)
                            yield block
                if start >= there.size:
                    return
                raise AnswerLost(f"GET {key}: the answer is incomplete")  # noqa: TRY301 - as a cut connection
            except (PreconditionFailed, NotFound) as error:
                raise ConcurrentChange(path) from error
            except AnswerLost:
                failures = 0 if start > begun + LARGE else failures + 1
                if failures >= _TRIES:
                    raise
                self._clock.sleep(pause)
                pause = min(5.0, 2 * pause)

    # --- the tables ---

    def write_book(self, name: str, data: bytes, expect: str | None) -> str:
        """See `Remote`: compare-and-swap by ETag."""
        key = f"{BOOKS}/{name}"

        def write() -> str:
            try:
                return self.bucket.put(
                    key, data, if_none_match=expect is None, if_match=expect, content_type="text/csv"
                ).etag
            except (PreconditionFailed, NotFound, AnswerLost, ConditionalConflict) as error:
                # An attempt of which no answer came may have been carried out.
                found = self.read_book(name)
                if found is not None and found[0] == data:
                    return found[1]
                if isinstance(error, NotFound) and error.meaning is Meaning.NO_BUCKET:
                    raise
                if (None if found is None else found[1]) != expect:
                    raise ConcurrentChange(name) from error
                if isinstance(error, PreconditionFailed | NotFound):
                    raise StoreUnsafe(f"{self.bucket} refuses a write of {key} on the right ETag") from error
                raise

        return repeat_while_lost(write, self._clock)

    def check(self) -> None:
        """See `Remote`."""
        prove_conditions(self.bucket, f"{BOOKS}/probe-{secrets.token_hex(8)}", clock=self._clock)

    # --- writing ---

    def send(self, files: Sequence[Send], root: Path) -> Iterator[Done]:
        """See `Remote`: by the data plane, each on the ETag that it is to replace."""
        unfinished: dict[str, list[str]] = {}
        if any(file.size > DEFAULT_THRESHOLD for file in files):
            with contextlib.suppress(StoreError):  # not every role may ask; then all parts are sent anew
                for one in unfinished_uploads(self.bucket):
                    unfinished.setdefault(one.key, []).append(one.upload_id)
        tasks = (
            TransferTask(
                row,
                file.path,
                file.local,
                file.path,
                size=file.size,
                expect_etag=file.expect,
                unfinished=tuple(unfinished.get(file.path, ())),
                size_to_be=file.size,
                digests=(("md5", bytes.fromhex(file.md5)),),
                strict=True,
            )
            for row, file in enumerate(files)
        )
        once_more: list[Send] = []
        for outcome in send_files(tasks, DataRoot(root), self.bucket):
            file = files[outcome.row]
            if outcome.ok:
                yield Done(file.path, RemoteFile(outcome.size, outcome.etag, self._clock.wall()), file.md5)
            elif outcome.credentials:
                raise LoginRefused(f"{self.where}: {outcome.error}")
            elif outcome.code in _CHANGED_HERE:
                yield Done(file.path, error="has been changed here meanwhile", raced=True)
            elif outcome.again and self._is_another(file.path, file.expect):
                yield Done(file.path, raced=True)
            elif file.expect is None and outcome.status == 412:
                # In a store that is a tree of folders. What lies there may be deleted in this sync, and
                # then there is room; but some keep the empty folder.
                if file.path not in self._cleared and self._remove_empty_folders(file.path):
                    self._cleared.add(file.path)
                    once_more.append(file)
                    continue
                again = file.path not in self._in_the_way
                self._in_the_way.add(file.path)
                why = "a folder of this name is in its way there"
                if not again:
                    why += ": rename, move or delete one of both"
                yield Done(file.path, error=why, raced=again, code=FileCode.NOT_A_FILE)
            else:
                yield Done(file.path, error=outcome.error or "it was not sent", code=outcome.code)
        if once_more:
            yield from self.send(once_more, root)

    def _remove_empty_folders(self, path: str) -> bool:
        """Remove what a store that is a tree keeps of a folder, unless anything lies in it.

        The requests name folders, as objects: what is in them stays, should anything have come meanwhile.
        """
        folders = [f"{path}/"]
        try:
            for folder in folders:  # which grows meanwhile
                inside = self.bucket.ls(folder, recursive=False)
                if len(folders) > _MOST_EMPTY or not all(name.endswith("/") for name in inside):
                    return False
                folders += (name for name in inside if name != folder)
            for folder in reversed(folders):
                self.bucket.rm(folder)
        except StoreError:
            return False
        return True

    def _is_another(self, path: str, etag: str | None) -> bool:
        """Whether a file is known to be another version by now than the one with this ETag (None: none)."""
        try:
            there = self.look([path])[path]
        except StoreError:
            return False
        return (None if there is None else there.etag) != etag

    def fetch(self, files: Sequence[Fetch]) -> Iterator[Done]:
        """See `Remote`: by the data plane, each on the ETag that was listed, and on the disk when it is told.

        What has come of a large file that was interrupted stays, under a name that says what it is of.
        """
        tasks = (
            FetchTask(row, file.path, file.there.size, file.there.etag, str(self._landing(file)))
            for row, file in enumerate(files)
        )
        full = False
        left = dict(enumerate(files))
        fetching = fetch_files(tasks, self.bucket, md5=True)
        for outcome in fetching:
            file = left.pop(outcome.row)
            done = Done(file.path, file.there, outcome.md5)
            if outcome.ok and (landing := self._landing(file)) != file.to:
                try:
                    landing.replace(file.to)
                except OSError as error:
                    why = f"cannot be written here: {error.strerror or error}"
                    done = Done(file.path, error=why, code=code_of_errno(error.errno))
            elif not outcome.ok:
                failed = None if outcome.raced else outcome.error or "it was not fetched"
                done = Done(file.path, error=failed, raced=outcome.raced, code=outcome.code)
            yield done
            if outcome.disk_full:
                full = True
                fetching.close()
        if full:
            why = "not tried: no room is left"
            yield from (Done(file.path, error=why, code=FileCode.OUT_OF_RESOURCES) for file in left.values())

    def _landing(self, file: Fetch) -> Path:
        """The path that a file is fetched to: of a large one the same in each try."""
        if file.there.size < LARGE:
            return file.to
        name = hashlib.sha256(f"{self.where}\0{file.path}\0{file.there.etag}".encode()).hexdigest()[:32]
        return file.to.parent / KEPT / name

    def remove(self, files: Sequence[Remove], warn: Callable[[str, MessageCode], None]) -> Iterator[Done]:
        """See `Remote`: copied, the copy compared, then deleted on its ETag."""
        if not files:
            return
        if self._deletes_on_condition is None:
            self._deletes_on_condition = self._proves_deletes()
            if not self._deletes_on_condition:
                warn(
                    f"{self.where}: this store deletes without a condition. Each file is looked at once more"
                    " just before it is deleted; an edit that comes in that very moment stays with who made"
                    " it, and is offered again.",
                    MessageCode.STORE_LIMITED,
                )
        tasks = (
            TransferTask(
                row, file.path, file.path, file.kept, size=file.there.size, source_etag=file.there.etag
            )
            for row, file in enumerate(files)
        )
        copied: list[Remove] = []
        for outcome in send_files(tasks, DataRoot(self.bucket), self.bucket):
            file = files[outcome.row]
            if outcome.ok and outcome.size == file.there.size:
                copied.append(file)
            elif self._is_another(file.path, file.there.etag):
                yield Done(file.path, raced=True)
            else:
                why = f"cannot be copied before it is deleted: {outcome.error}"
                yield Done(file.path, error=why, code=outcome.code)
        yield from self._in_parallel(self._delete, copied)

    def _delete(self, file: Remove) -> Done:
        try:
            if not self._copy_is_whole(file):
                self.bucket.rm(file.kept)
                if self._is_another(file.path, file.there.etag):
                    return Done(file.path, raced=True)
                why = "its copy is not what it was copied from: it is not deleted"
                return Done(file.path, error=why, code=FileCode.REFUSED_BY_STORE)
            try:
                repeat_while_lost(lambda: self._delete_on(file), self._clock)
            except (PreconditionFailed, NotFound):
                now = self.bucket.head(file.path, checksum=False)
                if now is not None:
                    return Done(file.path, raced=True)
        except StoreError as error:
            return Done(file.path, error=str(error), code=_code(error))
        return Done(file.path)

    def _delete_on(self, file: Remove) -> None:
        if self._deletes_on_condition:
            self.bucket.rm(file.path, if_match=file.there.etag)
            return
        now = self.bucket.head(file.path, checksum=False)
        if now is not None and now.etag != file.there.etag:
            raise PreconditionFailed(file.path)
        self.bucket.rm(file.path)

    def _copy_is_whole(self, file: Remove) -> bool:
        """Whether a copy is what it was copied from, by ETag or CRC32."""
        copy = repeat_while_lost(lambda: self.bucket.head(file.kept), self._clock)
        if copy is None or copy.size != file.there.size:
            return False
        if copy.etag == file.there.etag:
            return True
        source = repeat_while_lost(lambda: self.bucket.head(file.path), self._clock)
        if source is None or source.etag != file.there.etag:
            return False
        if source.crc32 is not None and copy.crc32 is not None:
            return source.crc32 == copy.crc32
        found = dict(self.md5s(((file.path, file.there),), doubted=False))
        kept = RemoteFile(copy.size, copy.etag, copy.last_modified)
        return found[file.path] == dict(self.md5s(((file.kept, kept),), doubted=False))[file.kept]

    def _proves_deletes(self) -> bool:
        """Whether the store deletes on a condition: tried on an object of our own."""
        key = f"{BOOKS}/probe-{secrets.token_hex(8)}"
        try:
            repeat_while_lost(lambda: self.bucket.put(key, b"probe\n"), self._clock)
            with contextlib.suppress(PreconditionFailed):
                repeat_while_lost(lambda: self.bucket.rm(key, if_match=_NO_ETAG), self._clock)
            honoured = self.bucket.head(key, checksum=False) is not None
        except AnswerLost:
            raise
        except StoreError as error:
            if error.status not in (400, 501):
                raise
            honoured = False
        finally:
            with contextlib.suppress(DeliveryError):
                self.bucket.rm(key)
        return honoured

    def _in_parallel(self, act: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Do something with each, some at a time; results as they come. What is read ends when this does."""
        if len(items) <= 1:
            yield from map(act, items)
            return
        left = iter(items)
        with ThreadPoolExecutor(min(_THREADS, len(items)), "sync") as pool:
            running: set[Future[R]] = {
                pool.submit(act, item) for _, item in zip(range(4 * _THREADS), left, strict=False)
            }
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for item in left:
                        running.add(pool.submit(act, item))
                        if len(running) >= 4 * _THREADS:
                            break
                    for one in done:
                        yield one.result()
            except BaseException:
                self._stopping.set()  # Ctrl-C: nobody waits for the rest of a large file
                for one in running:
                    one.cancel()
                raise

    def forget(self) -> int:
        """See `Remote`."""
        keys = [info.key for info in self.bucket.list(f"{BOOKS}/")]
        # The tables last: while they are there, a reset that was interrupted is seen to be one.
        keys.sort(key=lambda key: (key.count("/") == 1, key))
        return sum(1 for _ in self._in_parallel(functools.partial(_rm, self.bucket), keys))


def _code(error: StoreError) -> FileCode:
    if isinstance(error, AnswerLost):
        return FileCode.NO_ANSWER
    return FileCode.ACCESS_DENIED if isinstance(error, AccessDenied) else FileCode.REFUSED_BY_STORE


def _rm(bucket: Bucket, key: str) -> None:
    repeat_while_lost(lambda: bucket.rm(key))
