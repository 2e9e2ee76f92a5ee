"""Receipts where they lie: in the control bucket, and in a file beside the state dump.

Their form is `upload_client.core.receipt`'s. Both are written from the same lines, piece by piece: a million
files make a receipt of 250 MB, of which no more than two pieces are in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeAlias

from upload_client.control.lock import numbered
from upload_client.core import checksums
from upload_client.core.attestation import (
    MAX_ENVELOPE,
    BadSignature,
    decode_envelope,
    signature_name,
    timestamp_name,
)
from upload_client.core.columns import in_one_piece
from upload_client.core.custody import chain_name
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.layout import Layout, number
from upload_client.core.own_files import Kind, is_ours
from upload_client.core.receipt import (
    HEAD_BYTES,
    TRAILER_BYTES,
    BadReceipt,
    ClientRun,
    ReceiptHead,
    ValidatorRun,
    digest_in_trailer,
    digest_of_columns,
    receipt_name,
    schema_in_head,
)
from upload_client.core.receipt_reading import ReceiptReader
from upload_client.core.records import ValidatorInit
from upload_client.errors import UsageError
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    NotFound,
    ObjectTooLarge,
    PreconditionFailed,
    StoreError,
    read_range,
    repeat_while_lost,
    store_errors,
)
from upload_client.s3.unfinished import abort, unfinished_uploads
from upload_client.support.atomic import check_free, ends_of, keep_others, naming, replacing

_log = logging.getLogger(__name__)


class NoReceipt(UsageError):  # noqa: N818 - as those in `upload_client.errors`
    """A file that is no receipt."""


BLOCK = 8 * 1024 * 1024
"""Bytes that go to S3 in one request; a larger receipt goes in parts."""
MAX_BYTES = 4 * 1024 * 1024 * 1024
"""Bytes of a receipt that is fetched, or an index that is hashed; five million files need half of that."""
_READ = 1024 * 1024
_FILES = 4096  # that are made lines of at once
_JSON = "application/json"


# ------------------------------------------------------------------------------------------- what goes in


def deliveries(ledger: FileLedger, history: DeliveryHistory) -> Iterator[Sequence[Sequence[Any]]]:
    """The files of a delivery as a receipt names them, in the order of their paths.

    Args:
        ledger: all files valid.
        history: both logs; of the ledger's files, by the same rows.

    Yields:
        The fields of `Delivered` in columns, some thousands of files at a time.
    """
    rows: Sequence[int] = range(len(ledger))
    if not ledger.rows.in_order:
        rows = array("I", sorted(rows, key=ledger.relpath))
    for start in range(0, len(rows), _FILES):
        some = in_one_piece(rows[start : start + _FILES])
        uploads, sizes, crc32s, etags, versions, sha256s = ledger.uploads(some)
        # The times are the log's: a file that was found in place was never sent, as far as the ledger knows.
        sent_at, judged_at = history.transferred_at.taken(some), history.judged_at.taken(some)
        judges = history.judges_of(some)
        assert None not in sent_at and None not in judged_at and None not in judges  # noqa: PT018 - all are valid
        yield (
            list(map(ledger.relpath, some)),
            sizes,
            crc32s,
            etags,
            versions,
            uploads,
            sent_at,
            judged_at,
            judges,
            sha256s,
            history.opened.taken(some),
        )


def runs(history: DeliveryHistory) -> tuple[tuple[ClientRun, ...], tuple[ValidatorRun, ...]]:
    """All who took part, by epoch; the validators of each shard by theirs."""
    clients = (history.clients[epoch] for epoch in sorted(history.clients))
    validators = (history.validators[number] for number in sorted(history.validators))
    return (
        tuple(ClientRun(life.epoch, life.agent_id, _versions(life)) for life in clients),
        tuple(
            ValidatorRun(
                life.epoch,
                life.client_epoch or 0,
                life.agent_id,
                life.shard,
                _versions(life),
                life.init.expectations_sha256 if isinstance(life.init, ValidatorInit) else None,
            )
            for life in validators
        ),
    )


def _versions(life: Life) -> Mapping[str, str]:
    return {} if life.init is None else life.init.versions


# ------------------------------------------------------------------------------------------------- a file


class LocalCopy:
    """A receipt's copy in a file, made of the lines that are written elsewhere anyway.

    Attributes:
        path: the file, once it is whole.
        error: why there is none: what cannot be written here is no reason not to write it there.
    """

    def __init__(self, file: IO[str] | None, error: OSError | None = None) -> None:
        self.path: Path | None = None
        self.error = error
        self._file = file

    def of(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The same lines, each of which is copied."""
        for line in lines:
            if self._file is not None:
                try:
                    self._file.write(line.decode("ascii"))
                except OSError as error:
                    self.error, self._file = error, None
            yield line


@contextlib.contextmanager
def local_copy(head: ReceiptHead, directory: Path) -> Iterator[LocalCopy]:
    """Copy a receipt into a folder, whole or not at all, while its lines are written inside.

    Nothing of a file's trouble is raised; it is the copy's `error`.
    """
    path = directory / receipt_name(head)
    with contextlib.ExitStack() as cleanup:
        try:
            copy = LocalCopy(cleanup.enter_context(replacing(path, keep_others("receipt"))))
        except OSError as error:
            copy = LocalCopy(None, error)
        yield copy
        failed = copy.error
        try:
            if failed is not None:
                cleanup.__exit__(type(failed), failed, failed.__traceback__)
            cleanup.close()
        except OSError as error:
            copy.error = error
    copy.path = path if copy.error is None else None


@contextlib.contextmanager
def open_receipt(path: Path) -> Iterator[ReceiptReader]:
    """Read a receipt from a file.

    Raises:
        UsageError: it cannot be read, or is no receipt; also while its files are read inside.
    """

    def unreadable(error: OSError) -> UsageError:
        why = error.strerror or error
        return UsageError(f"the receipt {path} cannot be read: {why}", hint="Give the path of a receipt.")

    def readline(limit: int) -> bytes:
        try:
            return file.readline(limit)
        except OSError as error:
            raise unreadable(error) from error

    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(error) from error
    with file:
        try:
            yield ReceiptReader(readline)
        except BadReceipt as error:
            raise NoReceipt(f"{path} is no receipt that can be used: {error}", hint=_ANOTHER) from None


@contextlib.contextmanager
def open_stored_receipt(control: Bucket, key: str) -> Iterator[ReceiptReader]:
    """Read a receipt where it lies, as it comes, in bounded memory.

    Raises:
        NotFound: there is none.
        StoreError: it cannot be read; also while its files are read inside.
        BadReceipt: it is none; also while its files are read inside.
    """
    bad: BadReceipt | None = None  # it is no trouble of the store's, as another `ValueError` would be
    with store_errors(f"GET {control.prefix}{key}"):
        answer = control.client.get_object(Bucket=control.name, Key=control.prefix + key)
        with contextlib.closing(answer["Body"]) as body:
            try:
                stream = io.BufferedReader(_Body(body), _READ)
                yield ReceiptReader(stream.readline, stream.read)
            except BadReceipt as error:
                bad = error
    if bad is not None:
        raise bad


class _Body(io.RawIOBase):
    """The body of an answer as a raw stream."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 - untyped
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        block: bytes = self._body.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


_ONE_MORE = "Run the delivery once more: where nothing is left to do, it writes another receipt."
_ANOTHER = "Take the receipt as upload-client has written it; there is one more in the control bucket."


# ------------------------------------------------------------------------------------------- in the bucket

Ask: TypeAlias = Callable[[Callable[[], object]], object]
"""Does a request, and does it again where that helps."""


def put_receipt(control: Bucket, key: str, lines: Iterable[bytes], ask: Ask = repeat_while_lost) -> str:
    """Write a receipt into the control bucket where none is yet; the same one, by a lost answer, may be.

    Args:
        control: at the delivery's root.
        key: the receipt's.
        lines: of `encode_receipt`.
        ask: how to do each request.

    Returns:
        Its SHA-256, hex.

    Raises:
        PreconditionFailed: another one is there.
        StoreError: it could not be written.
    """
    digest = hashlib.sha256()
    blocks = _blocks(lines, digest)
    first = next(blocks)
    second = next(blocks, None)

    def unless_there(write: Callable[[], object]) -> None:
        try:
            write()
        except (PreconditionFailed, NotFound) as refused:  # an earlier attempt's answer may be lost
            try:
                there = sha256_of(control, key)
            except NotFound:
                if isinstance(refused, PreconditionFailed) or refused.s3_code == "NoSuchBucket":
                    raise refused from None
                # One may still be carried out: to put many parts together can take longer than a time-out.
                raise AnswerLost(
                    f"{refused}; and {control.prefix}{key}, which was to be made of it, is not there yet"
                ) from refused
            if there != digest.hexdigest():
                raise

    if second is None:
        put = partial(control.put, key, first, if_none_match=True, content_type=_JSON)
        ask(partial(unless_there, put))
        _log.info("receipt %s written, SHA-256 %s", key, digest.hexdigest())
        return digest.hexdigest()
    parts = _Parts(control, key)
    try:
        ask(parts.begin)
        for block in chain((first, second), blocks):
            ask(partial(parts.send, block))
            parts.sent()
        ask(partial(unless_there, parts.complete))
    finally:
        parts.abort()
    _log.info("receipt %s written, SHA-256 %s", key, digest.hexdigest())
    return digest.hexdigest()


def _blocks(lines: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    """The same bytes in pieces of `BLOCK` or a little more; the last one may be smaller."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= BLOCK:
            digest.update(block)
            yield bytes(block)
            block.clear()
    digest.update(block)
    if block:
        yield bytes(block)


class _Parts:
    """An object written in parts. Each step may be done again when its answer was lost."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._to: dict[str, Any] = {"Bucket": bucket.name, "Key": bucket.prefix + key}
        self._upload: dict[str, Any] = {}
        self._parts: list[Any] = []
        self._last: dict[str, Any] = {}
        self._crc = self._size = 0
        self._block: tuple[int, int] = (0, 0)  # CRC32 and bytes of the last part

    def begin(self) -> None:
        with store_errors(f"begin {self._key}"):
            answer = self._bucket.client.create_multipart_upload(
                **self._to, ContentType=_JSON, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
            )
            if not answer.get("UploadId"):
                raise AnswerLost(f"begin {self._key}: the answer names no upload")
            self._upload = self._to | {"UploadId": answer["UploadId"]}

    def send(self, block: bytes) -> None:
        self._block = checksums.crc32(block), len(block)
        crc32, number = checksums.encode(self._block[0]), len(self._parts) + 1
        with store_errors(f"write part {number} of {self._key}"):
            answer = self._bucket.client.upload_part(
                **self._upload, PartNumber=number, Body=block, ChecksumAlgorithm="CRC32", ChecksumCRC32=crc32
            )
            if not answer.get("ETag"):
                raise AnswerLost(f"write part {number} of {self._key}: the answer names no ETag")
            self._last = {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": crc32}

    def sent(self) -> None:
        self._parts.append(self._last)
        crc, size = self._block
        self._crc, self._size = checksums.combine(self._crc, crc, size), self._size + size

    def complete(self) -> None:
        with store_errors(f"complete {self._key}"):
            self._bucket.client.complete_multipart_upload(
                **self._upload,
                IfNoneMatch="*",
                ChecksumCRC32=checksums.encode(self._crc),
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=self._size,
                MultipartUpload={"Parts": self._parts},
            )

    def abort(self) -> None:
        """Abort what is unfinished, also by a `begin` the answer to which was lost."""
        with contextlib.suppress(StoreError):
            for upload in list(unfinished_uploads(self._bucket)):
                if upload.key == self._key:
                    abort(self._bucket, upload)


def sha256_of(control: Bucket, key: str) -> str:
    """SHA-256 of an object, hex, however large it is.

    Raises:
        StoreError: it could not be read.
    """

    def read() -> str:
        digest = hashlib.sha256()
        for block in content(control, key, MAX_BYTES):
            digest.update(block)
        return digest.hexdigest()

    return repeat_while_lost(read)


def fetch_receipt(control: Bucket, key: str, path: Path) -> None:
    """Bring an object into a file.

    Raises:
        StoreError: it could not be read.
        OSError: it could not be written there.
    """

    def fetch() -> None:
        with naming(path), path.open("wb") as file:
            file.writelines(content(control, key, MAX_BYTES))

    try:
        repeat_while_lost(fetch)
    except StoreError:
        path.unlink(missing_ok=True)
        raise


def last_receipt(control: Bucket, layout: Layout) -> str | None:
    """Key of the last receipt of a delivery; None where there is none.

    Raises:
        StoreError: that could not be found out.
    """
    found = repeat_while_lost(
        lambda: max(numbered(control, layout.receipt_prefix, layout.receipt), default=None)
    )
    return None if found is None else found[1]


def bring_receipt(
    control: Bucket,
    key: str,
    target: Path,
    *,
    force: bool = False,
    problem_of: Callable[[ReceiptHead, str], str | None] = lambda _head, _sha256: None,
) -> tuple[Path, str]:
    """Bring a receipt into a file, whole or not at all.

    Args:
        control: at the delivery's root.
        key: the receipt's.
        target: the file; or a folder, for a file of the receipt's own name.
        force: replace a file that is there although it is no receipt.
        problem_of: says of its head, and of its SHA-256 (hex), why it is no receipt of this delivery.

    Returns:
        Its path, and its SHA-256, hex.

    Raises:
        StoreError: it could not be read.
        NoReceipt: what lies there is none, or that of another delivery.
        UsageError: without `force`, what would be replaced is none.
        OSError: it could not be written there.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "receipt"
        fetch_receipt(control, key, copy)
        with open_receipt(copy) as reader:
            head = reader.head
            for _ in reader:
                pass  # read to its end, it is whole
        if (problem := problem_of(head, reader.sha256)) is not None:
            raise NoReceipt(f"{key} is no receipt that can be used: {problem}", hint=_ONE_MORE)
        path = target / receipt_name(head) if target.is_dir() else target
        check_free(path, "receipt", force=force)
        before = _sha256_of_file(path)
        digest = hashlib.sha256()
        with copy.open("rb") as fetched, replacing(path) as file:
            while block := fetched.read(_READ):
                digest.update(block)
                file.buffer.write(block)
    if before not in (None, digest.hexdigest()):
        _remove_companions(path)
    return path, digest.hexdigest()


def _sha256_of_file(path: Path) -> str | None:
    """SHA-256 of a file, hex; None where it is none, such as a pipe, which would be waited for."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _remove_companions(receipt: Path) -> None:
    """Remove what lay beside the receipt that was replaced: of another one it is refused."""
    known: tuple[tuple[Kind | None, Callable[[str], str]], ...]
    known = (("signature", signature_name), ("custody", chain_name), (None, timestamp_name))
    for kind, name in known:
        path = receipt.with_name(name(receipt.name))
        with contextlib.suppress(OSError):
            if kind is None or is_ours(kind, *ends_of(path)):
                path.unlink()


def bring_signature(control: Bucket, layout: Layout, receipt_key: str, receipt: Path) -> Path | None:
    """Bring the receiver's signature of a receipt into a file beside it; None where there is none.

    Raises:
        StoreError: it could not be read.
        OSError: it could not be written there.
    """
    epoch = number(receipt_key)
    if epoch is None:
        return None
    try:
        found = repeat_while_lost(lambda: control.get(layout.signature(epoch), limit=MAX_ENVELOPE))
        decode_envelope(found.body)
    except (NotFound, ObjectTooLarge, BadSignature):
        return None  # what is there is none, and proves nothing
    path = receipt.with_name(signature_name(receipt.name))
    with replacing(path) as file:
        file.write(found.body.decode("ascii"))
    return path


def content(bucket: Bucket, key: str, limit: int | None = None) -> Iterator[bytes]:
    """The bytes of an object, as they come.

    Raises:
        StoreError: it could not be read, or has more bytes than `limit`.
    """
    with store_errors(f"GET {bucket.prefix}{key}"):
        answer = bucket.client.get_object(Bucket=bucket.name, Key=bucket.prefix + key)
        n_bytes = 0
        with contextlib.closing(answer["Body"]) as body:
            while block := body.read(_READ):
                n_bytes += len(block)
                if limit is not None and n_bytes > limit:
                    raise StoreError(
                        f"GET {bucket.prefix}{key}: has more than {limit:,} bytes: no receipt has"
                    )
                yield block


def current_receipt(control: Bucket, layout: Layout, files: Iterable[Sequence[Sequence[Any]]]) -> str | None:
    """Key of the last receipt of a delivery, if it names exactly these files (`deliveries`); else None.

    An older one does not stand: the files, or the index, were other ones.

    Raises:
        StoreError: it could not be read.
    """
    last = last_receipt(control, layout)
    if last is None:
        return None
    found = control.head(last, checksum=False)
    if found is None or found.size <= TRAILER_BYTES:
        return None
    schema = schema_in_head(read_range(control, last, 0, HEAD_BYTES))
    names = digest_in_trailer(read_range(control, last, found.size - TRAILER_BYTES, found.size))
    if schema is None or names is None:
        return None
    return last if names == digest_of_columns(files, schema) else None
