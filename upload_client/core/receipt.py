r"""The receipt of a finished delivery: its form, and what it is held against afterwards.

A receipt is one JSON document in ASCII, made to be written and read in pieces, however many files it names:

```
{"kind":"receipt","schema_version":2, …, "n_files":2,"n_bytes":9, …,
"files":[
{"path":"a.csv","size":4, …},
{"path":"b/c.csv","size":5, …}
],
"files_sha256":"…"}
```

The first line is the head, each further line one file, in the order of their paths (that of the code points,
which is that of the bytes in UTF-8 and of a bucket's listing). Every fact has one spelling: no blanks, the
keys in this order, ``\uXXXX`` with small letters for all that is not printable ASCII. So there is only one
sequence of bytes that says what a receipt says, and its SHA-256 stands for it; whatever is spelled another
way is refused.

There are two schemas. The first says nothing of SHA-256, of how files were opened, and of who delivered; it
is read for ever, and written no more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from json.encoder import encode_basestring_ascii as _quote
from operator import attrgetter, lt
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import MAX_SHARDS, check_name
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpath, check_relpaths
from upload_client.core.times import milliseconds
from upload_client.core.values import value

__all__ = [
    "DIFFERENCES",
    "HEAD_BYTES",
    "SCHEMA_VERSION",
    "TRAILER_BYTES",
    "BadReceipt",
    "ClientRun",
    "Delivered",
    "DeliveredBy",
    "Difference",
    "Due",
    "Findings",
    "IndexNamed",
    "Kind",
    "LogTail",
    "ReceiptHead",
    "ReceiptReader",
    "ValidatorRun",
    "compare_content",
    "compare_listing",
    "compare_receipts",
    "compare_size",
    "digest_in_trailer",
    "digest_of_files",
    "due",
    "encode_receipt",
    "ended_at",
    "hashed_name",
    "receipt_name",
    "schema_in_head",
]

SCHEMA_VERSION: Final = 2
"""Grows when a reader of an earlier version would go wrong."""
SCHEMA_VERSIONS: Final = (1, 2)
"""Those that are read."""

MAX_HEAD: Final = 4 * 1024 * 1024
"""Bytes of the first line: some 10,000 runs of clients and validators."""
MAX_LINE: Final = 16 * 1024
"""Bytes of any other line. A path of 1,024 bytes and a version of as many, all escaped, take half of it."""

_MAX_TEXT = 4000


class BadReceipt(ValueError):  # noqa: N818 - it reads as what it says
    """These bytes are no receipt, or not as this program writes it; the text is for people."""


@value
class LogTail:
    """The end of a log.

    Attributes:
        seq: number of its last segment.
        sha256: of that segment's bytes, hex. By the chain, it stands for the whole log.
        shard: of the validator, where the log is one of its.
    """

    seq: int
    sha256: str
    shard: int = 0


@value
class IndexNamed:
    """The file index of the run that finished the delivery: its key below the root, and its SHA-256, hex."""

    key: str
    sha256: str


@value
class ClientRun:
    """A run of the client that took part, and the versions of what it was made of (not in schema 1)."""

    epoch: int
    agent_id: str
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)


@value
class ValidatorRun:
    """A run of the validator that took part.

    Attributes:
        epoch: its own, in its shard.
        client_epoch: the client it served.
        validator_id: its name.
        shard: which share of the files it judged.
        versions: of what it was made of, as it said; not in schema 1.
        expectations_sha256: of the document by which it judged, hex, as it said; not in schema 1.
    """

    epoch: int
    client_epoch: int
    validator_id: str
    shard: int = 0
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    expectations_sha256: str | None = None


@value
class DeliveredBy:
    """The deliverer, as the client knew it (not in schema 1). Nobody signs that but the receiver.

    Attributes:
        login: the user of the login, or the AWS account whose credentials were used; None: not told.
        host: the machine; None: not told.
        hashed: both are given as ``sha256:`` and a hash, see `hashed_name`.
    """

    login: str | None = None
    host: str | None = None
    hashed: bool = False


@value
class ReceiptHead:
    """The part of a receipt about the delivery as a whole.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: `staging` or `sample`.
        epoch: of the client that finished it; the receipt's key has it too.
        agent_id: that client.
        finished_at: when, UTC with milliseconds; never before anything that it tells of (`ended_at`).
        n_files: files delivered.
        n_bytes: their bytes.
        landing: where they are, ``s3://bucket/prefix/``.
        control: where the logs are, ``s3://bucket/root/``.
        index: the file index.
        client_log: where the client's log ended.
        validator_logs: the same of the validator's, of each shard that wrote anything, at least one.
        clients: all clients that took part, by epoch.
        validators: all validators that took part, by epoch.
        versions: of the programs that finished it, by name.
        delivered_by: who has delivered; not in schema 1.
        store: the kind of store, where the client has found it out; not in schema 1.
        schema_version: of this receipt's form.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    epoch: int
    agent_id: str
    finished_at: str
    n_files: int
    n_bytes: int
    landing: str
    control: str
    index: IndexNamed
    client_log: LogTail
    validator_logs: tuple[LogTail, ...]
    clients: tuple[ClientRun, ...]
    validators: tuple[ValidatorRun, ...]
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    delivered_by: DeliveredBy = DeliveredBy()
    store: str | None = None
    schema_version: int = SCHEMA_VERSION


@value
class Delivered:
    """One file of a receipt.

    Attributes:
        path: relative to the landing place.
        size: bytes.
        crc32: of its content, base64 of 4 big-endian bytes.
        etag: of its object, without quotes.
        version_id: of its object, where the bucket keeps versions.
        upload: the upload's identity in the logs; its first number is the epoch of the client that sent it.
        sent_at: when it was announced, UTC with milliseconds.
        judged_at: when it was judged, the same.
        judged_by: the validator that called it valid.
        sha256: of its content, hex, computed in the reading that made the CRC32; None: it was not. Not in
            schema 1.
        opened: how it was judged, see `upload_client.core.opened`; None: nobody said. Not in schema 1.
    """

    path: str
    size: int
    crc32: str
    etag: str
    version_id: str | None
    upload: str
    sent_at: str
    judged_at: str
    judged_by: str
    sha256: str | None = None
    opened: str | None = None


def hashed_name(name: str, dataset: str, delivery_id: str) -> str:
    """A name that only who knows it can recognise; in each delivery another one.

    That is the SHA-256 of ``{dataset}/{delivery_id}/{name}``.
    """
    return f"sha256:{hashlib.sha256(f'{dataset}/{delivery_id}/{name}'.encode()).hexdigest()}"


def ended_at(now: str, *moments: str | None) -> str:
    """The moment at which a delivery ended: now, or the last moment that its receipt tells of.

    That one may be of a machine whose clock was ahead.

    Args:
        now: UTC with milliseconds, as all of them.
        moments: when the last files were sent and judged; None: not known.
    """
    return max(now, *(each or "" for each in moments))


def receipt_name(head: ReceiptHead) -> str:
    """Name of its file: ``upload-client_{dataset}_{delivery_id}_{transfer_type}_{epoch}.receipt.json``."""
    return (
        f"upload-client_{head.dataset}_{head.delivery_id}_{head.transfer_type}_{head.epoch:08d}.receipt.json"
    )


# ------------------------------------------------------------------------------------------------ writing


def encode_receipt(head: ReceiptHead, files: Iterable[Delivered]) -> Iterator[bytes]:
    """A receipt as bytes, line by line: the same ones each time.

    Args:
        head: `n_files` and `n_bytes` must be those of the files.
        files: in the order of their paths.
    """
    yield _encoded_head(head)
    yield b'"files":[\n'
    digest = hashlib.sha256()
    line = b""
    line_of = _LINE_OF[head.schema_version]
    for each in files:
        if line:
            yield line + b",\n"
        line = line_of(*_FIELDS(each))
        digest.update(line + b"\n")
    yield line + b"\n],\n"
    yield f'"files_sha256":"{digest.hexdigest()}"}}\n'.encode("ascii")


def digest_of_files(files: Iterable[Delivered], schema_version: int = SCHEMA_VERSION) -> str:
    """The ``files_sha256`` of a receipt: of its file records, each with a line feed after it, hex."""
    digest, line_of = hashlib.sha256(), _LINE_OF[schema_version]
    for each in files:
        digest.update(line_of(*_FIELDS(each)) + b"\n")
    return digest.hexdigest()


_TRAILER = re.compile(rb'"files_sha256":"([0-9a-f]{64})"\}\n')
TRAILER_BYTES: Final = len('"files_sha256":""}\n') + 64
"""The last bytes of a receipt, which tell what files it names."""


def digest_in_trailer(line: bytes) -> str | None:
    """The ``files_sha256`` in the last `TRAILER_BYTES` of a receipt; None where these are of none."""
    found = _TRAILER.fullmatch(line)
    return None if found is None else found[1].decode("ascii")


_HEAD: Final = re.compile(rb'\{"kind":"receipt","schema_version":([0-9]),')
HEAD_BYTES: Final = len('{"kind":"receipt","schema_version":1,')
"""The first bytes of a receipt, which tell its schema."""


def schema_in_head(data: bytes) -> int | None:
    """The schema version in the first `HEAD_BYTES` of a receipt; None where these are of none."""
    found = _HEAD.fullmatch(data)
    return None if found is None or int(found[1]) not in SCHEMA_VERSIONS else int(found[1])


def _encoded_head(head: ReceiptHead) -> bytes:
    first = head.schema_version == 1
    fields: dict[str, Any] = {
        "kind": "receipt",
        "schema_version": head.schema_version,
        "dataset": head.dataset,
        "delivery_id": head.delivery_id,
        "transfer_type": head.transfer_type,
        "epoch": head.epoch,
        "agent_id": head.agent_id,
        "finished_at": head.finished_at,
    }
    if not first:
        by = head.delivered_by
        fields["delivered_by"] = {"login": by.login, "host": by.host, "hashed": by.hashed}
        fields["store"] = head.store
    fields |= {
        "n_files": head.n_files,
        "n_bytes": head.n_bytes,
        "landing": head.landing,
        "control": head.control,
        "index": {"key": head.index.key, "sha256": head.index.sha256},
        "client_log": _encoded_tail(head.client_log),
        "validator_log": _encoded_tail(head.validator_logs[0]),
    }
    if len(head.validator_logs) > 1:
        fields["more_validator_logs"] = list(map(_encoded_tail, head.validator_logs[1:]))
    fields |= {
        "clients": [
            {"epoch": run.epoch, "agent_id": run.agent_id}
            | ({} if first else {"versions": dict(sorted(run.versions.items()))})
            for run in head.clients
        ],
        "validators": [
            {
                "epoch": run.epoch,
                "client_epoch": run.client_epoch,
                "validator_id": run.validator_id,
                **_encoded_shard(run.shard),
            }
            | (
                {}
                if first
                else {
                    "versions": dict(sorted(run.versions.items())),
                    "expectations_sha256": run.expectations_sha256,
                }
            )
            for run in head.validators
        ],
        "versions": dict(sorted(head.versions.items())),
    }
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"))[:-1].encode("ascii") + b",\n"


def _encoded_tail(tail: LogTail) -> dict[str, object]:
    return {"seq": tail.seq, "sha256": tail.sha256, **_encoded_shard(tail.shard)}


def _encoded_shard(shard: int) -> dict[str, int]:
    return {"shard": shard} if shard else {}  # most deliveries have one validator at a time


def _line_of_schema_1(
    path: str,
    size: int,
    crc32: str,
    etag: str,
    version_id: str | None,
    upload: str,
    sent_at: str,
    judged_at: str,
    judged_by: str,
    _sha256: str | None,
    _opened: str | None,
) -> bytes:
    version = "null" if version_id is None else _quote(version_id)
    return (
        f'{{"path":{_quote(path)},"size":{size},"crc32":"{crc32}","etag":{_quote(etag)},'
        f'"version_id":{version},"upload":"{upload}","sent_at":"{sent_at}",'
        f'"judged_at":"{judged_at}","judged_by":{_quote(judged_by)}}}'
    ).encode("ascii")


def _line_of_schema_2(
    path: str,
    size: int,
    crc32: str,
    etag: str,
    version_id: str | None,
    upload: str,
    sent_at: str,
    judged_at: str,
    judged_by: str,
    sha256: str | None,
    opened: str | None,
) -> bytes:
    version = "null" if version_id is None else _quote(version_id)
    digest = "null" if sha256 is None else f'"{sha256}"'
    how = _quote(opened) if opened else "null"
    return (
        f'{{"path":{_quote(path)},"size":{size},"crc32":"{crc32}","sha256":{digest},'
        f'"etag":{_quote(etag)},"version_id":{version},"upload":"{upload}",'
        f'"sent_at":"{sent_at}","judged_at":"{judged_at}","judged_by":{_quote(judged_by)},'
        f'"opened":{how}}}'
    ).encode("ascii")


_LINE_OF: Final = {1: _line_of_schema_1, 2: _line_of_schema_2}
_FIELDS: Final = attrgetter(*Delivered.__annotations__)


class Due(NamedTuple):
    """Files as others know them, in the one spelling that a receipt may have of each; see `due`.

    Attributes:
        paths: of the files, in their order.
        sizes: bytes.
        rows: whatever number each is known by.
        lines: of a receipt, without what ends them.
    """

    paths: Sequence[str]
    sizes: Sequence[int]
    rows: Sequence[int]
    lines: Sequence[bytes]

    def part(self, start: int, stop: int) -> Due:
        """Those from one to before another."""
        return Due(
            self.paths[start:stop], self.sizes[start:stop], self.rows[start:stop], self.lines[start:stop]
        )


_NOTHING_DUE: Final = Due((), (), (), ())


def due(files: Iterable[tuple[Sequence[int], Sequence[Sequence[Any]]]], schema_version: int) -> Iterator[Due]:
    """Files as lines that a receipt would have of them, see `ReceiptReader.against`.

    Args:
        files: some at a time, their numbers, and the fields of `Delivered` in columns; in the order of the
            paths.
        schema_version: of the receipt.

    Yields:
        Those of which a receipt may have a line: a path that none may have, and the like, is left out.
    """
    line_of = _LINE_OF[schema_version]
    for all_rows, all_columns in files:
        rows, columns = all_rows, all_columns
        paths, sizes, *_, judges, _, opened = columns
        odd = {place for place, _ in check_relpaths(paths)}
        if max(sizes, default=0) > MAX_OBJECT or None in judges:
            odd.update(place for place, size in enumerate(sizes) if size > MAX_OBJECT)
            odd.update(place for place, judge in enumerate(judges) if judge is None)
        too_long = {text for text in set(opened) if text is not None and len(text) > _MAX_OPENED}
        odd.update(place for place, text in enumerate(opened if too_long else ()) if text in too_long)
        if odd:
            places = [place for place in range(len(paths)) if place not in odd]
            rows, *columns = ([column[place] for place in places] for column in (all_rows, *all_columns))
        yield Due(columns[0], columns[1], rows, list(map(line_of, *columns)))


# ------------------------------------------------------------------------------------------------ reading

_PRINTABLE = r"[!#-\[\]-~]"  # ASCII without blank, quote and backslash
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z")
_PLACE = re.compile(r"s3://[ -~]{1,1100}/")
_INDEX_KEY = re.compile(rf"(?:{'|'.join(TRANSFER_TYPES)})/index/[0-9]{{8}}\.csv")
_UPLOAD = r"(?:0|[1-9][0-9]{0,8})-(?:0|[1-9][0-9]{0,8})"
_TEXT = r'(?:[ !#-\[\]-~]|\\(?:["\\bfnrt]|u[0-9a-f]{4}))+'
_NAMED = rf'\{{"path":"({_TEXT})","size":(0|[1-9][0-9]{{0,17}}),"crc32":"([A-Za-z0-9+/]{{5}}[AQgw]==)",'
_THERE = (
    rf'"etag":"({_PRINTABLE}{{1,128}})",'
    rf'"version_id":(?:null|"({_PRINTABLE}{{1,1024}})"),'
    rf'"upload":"({_UPLOAD})",'
    rf'"sent_at":"({_TIME.pattern})",'
    rf'"judged_at":"({_TIME.pattern})",'
    r'"judged_by":"([A-Za-z0-9][A-Za-z0-9._-]{0,62})"'
)
_FILE: Final = {
    1: re.compile(rf"{_NAMED}()(){_THERE}()()\}}(,?)\n"),
    2: re.compile(
        rf'{_NAMED}"sha256":(null|"([0-9a-f]{{64}})"),{_THERE},"opened":(null|"({_TEXT})")\}}(,?)\n'
    ),
}
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MAX_OPENED = 200
_TOGETHER = 64  # lines that are hashed together: in memory are no more,
_ALIKE = 256  # or these, of a receipt that says what is due


class ReceiptReader:
    """Reads a receipt line by line, in bounded memory, and believes nothing.

    Iterating gives the files. When it ends without an exception, all of the receipt was read: its form is
    right, no path stands twice or could escape, and the totals and the hash of the files are as it says.

    Args:
        readline: gives the next line with its end, or as many bytes of it as it is asked for; ``b""`` at
            the end. As the method of a file.
        read: gives the next bytes, as many as it is asked for, or less at the end; of the same file. None:
            every line is looked at by itself, which takes longer where others know what it says.

    Attributes:
        head: what it says as a whole.

    Raises:
        BadReceipt: it is none; also while iterating.
    """

    def __init__(self, readline: Callable[[int], bytes], read: Callable[[int], bytes] | None = None) -> None:
        self._readline, self._read_on = readline, read
        self._ahead, self._at = b"", 0  # was read; and up to where it is taken
        self._document = hashlib.sha256()
        self._read: list[bytes] = []  # and not in it so far: to hash many lines together is quicker
        self._n_lines = 0
        self.head = _decoded_head(self._first_line())

    @property
    def sha256(self) -> str:
        """SHA-256 of what was read so far, hex; at the end, of the receipt."""
        self._hash()
        return self._document.hexdigest()

    def __iter__(self) -> Iterator[Delivered]:
        return (each for each in self.against(()) if not isinstance(each, Due))

    def against(self, known: Iterable[Due]) -> Iterator[Due | Delivered]:
        """The files, of which those that are as others know them need not be taken apart.

        Args:
            known: files as others know them, of the schema of this receipt, in the order of their paths.

        Yields:
            For the files of the receipt what is known, as long as their lines are the very ones that are due;
            else the file itself.
        """
        if self._line(MAX_LINE) != b'"files":[\n':
            raise BadReceipt(f"line {self._n_lines} does not begin the list of files")
        digest = hashlib.sha256()
        n_bytes = n_files = 0
        last, more = "", True
        lines: list[bytes] = []
        others = _Known(known)
        to_read_singly = 0
        while more:
            found: Due | Delivered
            if not to_read_singly:
                some = others.some(_ALIKE) if self._read_on else _NOTHING_DUE
                end = self._end_of(some) if _is_in_order(last, some.paths) else b""
                if end:
                    others.pass_over(len(some.paths))
                    more, last = end == b",\n", some.paths[-1]
                    n_files += len(some.paths)
                    n_bytes += sum(some.sizes)
                    digest.update(b"\n".join((*lines, *some.lines, b"")).replace(b",\n", b"\n"))
                    lines.clear()
                    yield some
                    continue
                to_read_singly = _ALIKE
            to_read_singly -= 1
            line = self._line(MAX_LINE)
            one = others.some(1)
            if one.lines and line in (one.lines[0] + b",\n", one.lines[0] + b"\n"):
                found, more = one, line.endswith(b",\n")
                path, size = one.paths[0], one.sizes[0]
                others.pass_over(1)
            else:
                found, more = self._decoded_file(line.decode("ascii"))
                path, size = found.path, found.size
                others.pass_over_to(path)
            if path <= last:
                problem = "stands twice" if path == last else "is not in its place by order"
                raise BadReceipt(f"line {self._n_lines}: the path {path!r} {problem}")
            last = path
            n_files += 1
            n_bytes += size
            lines.append(line.removesuffix(b"\n").removesuffix(b","))
            if len(lines) == _TOGETHER:
                digest.update(b"\n".join((*lines, b"")))
                lines.clear()
                self._hash()
            yield found
        digest.update(b"\n".join((*lines, b"")))
        if self._line(MAX_LINE) != b"],\n":
            raise BadReceipt(f"line {self._n_lines} does not end the list of files")
        if (n_files, n_bytes) != (self.head.n_files, self.head.n_bytes):
            says = f"{self.head.n_files} files of {self.head.n_bytes} bytes"
            raise BadReceipt(f"it says {says} and names {n_files} of {n_bytes} bytes")
        if digest_in_trailer(self._line(MAX_LINE)) != digest.hexdigest():
            raise BadReceipt("the files are not those of its last line, files_sha256")
        if self._next(1):
            raise BadReceipt("something follows after its end")

    def _end_of(self, some: Due) -> bytes:
        """Take lines that are due, if they come next: what ends the last of them; else nothing is taken."""
        assert self._read_on is not None
        due = b",\n".join(some.lines)
        ahead = self._ahead[self._at :]
        ahead += self._read_on(max(len(due) + 2 - len(ahead), 0))
        end = b",\n" if ahead[len(due) :] == b",\n" else ahead[len(due) : len(due) + 1]
        if end not in (b",\n", b"\n") or not ahead.startswith(due):
            self._ahead, self._at = ahead, 0
            return b""
        self._ahead, self._at = ahead, len(due) + len(end)
        self._n_lines += len(some.lines)
        self._read.append(due + end)
        self._hash()
        return end

    def _hash(self) -> None:
        self._document.update(b"".join(self._read))
        self._read.clear()

    def _next(self, limit: int) -> bytes:
        """The next line, of what was read ahead first."""
        limit_at = self._at + limit
        end = self._ahead.find(b"\n", self._at, limit_at) + 1 or min(limit_at, len(self._ahead))
        line, self._at = self._ahead[self._at : end], end
        if not line.endswith(b"\n") and len(line) < limit:
            line += self._readline(limit - len(line))
        return line

    def _first_line(self) -> str:
        line = self._line(MAX_HEAD)
        if line.endswith(b"\r\n"):
            raise BadReceipt("its lines end in CR LF: something has taken it for text, and changed it")
        return line.decode("ascii")

    def _line(self, limit: int) -> bytes:
        line = self._next(limit)
        self._n_lines += 1
        self._read.append(line)
        if not line.endswith(b"\n"):
            why = "is too long" if len(line) >= limit else "is cut off: the receipt ends too early"
            raise BadReceipt(f"line {self._n_lines} {why}")
        if not line.isascii():
            is_marked = self._n_lines == 1 and line.startswith(_BYTE_ORDER_MARKS)
            raise BadReceipt(
                "it begins with a byte order mark: something has taken it for text, and changed it"
                if is_marked
                else f"line {self._n_lines} is not ASCII"
            )
        return line

    def _decoded_file(self, line: str) -> tuple[Delivered, bool]:
        found = _FILE[self.head.schema_version].fullmatch(line)
        if found is None:
            raise BadReceipt(f"line {self._n_lines} is no file in the form of a receipt: {line[:80]!r}")
        (
            quoted,
            size,
            crc32,
            _,
            sha256,
            etag,
            version_id,
            upload,
            sent_at,
            judged_at,
            judged_by,
            _,
            how,
            comma,
        ) = found.groups()
        path = self._unquoted(quoted, "path")
        opened = self._unquoted(how, "text behind `opened`") if how else None
        if opened is not None and len(opened) > _MAX_OPENED:
            raise BadReceipt(f"line {self._n_lines}: the text behind `opened` is too long")
        if reason := check_relpath(path):
            raise BadReceipt(f"line {self._n_lines}: the path {path[:200]!r} {reason}")
        if (n_bytes := int(size)) > MAX_OBJECT:
            raise BadReceipt(f"line {self._n_lines}: no object has {n_bytes} bytes")
        try:
            milliseconds(sent_at)
            milliseconds(judged_at)
        except ValueError:
            raise BadReceipt(f"line {self._n_lines}: a moment that there is not") from None
        return (
            Delivered(
                path,
                n_bytes,
                crc32,
                etag,
                version_id,
                upload,
                sent_at,
                judged_at,
                judged_by,
                sha256 or None,
                opened,
            ),
            bool(comma),
        )

    def _unquoted(self, quoted: str, what: str) -> str:
        if "\\" not in quoted:
            return quoted
        text: str = json.loads(f'"{quoted}"')
        if _quote(text) != f'"{quoted}"':
            raise BadReceipt(f"line {self._n_lines}: the {what} is not spelled as in a receipt")
        return text


class _Known:
    """Files that others know, taken one after the other, or many at once."""

    def __init__(self, known: Iterable[Due]) -> None:
        self._more = iter(known)
        self._block, self._at = _NOTHING_DUE, 0

    def some(self, most: int) -> Due:
        """The next ones, as far as they have come together; none at the end."""
        while self._at == len(self._block.paths):
            following = next(self._more, None)
            if following is None:
                return _NOTHING_DUE
            self._block, self._at = following, 0
        return self._block.part(self._at, self._at + most)

    def pass_over(self, n: int) -> None:
        """Go on behind as many of those that `some` has given."""
        self._at += n

    def pass_over_to(self, path: str) -> None:
        """Go on behind a path."""
        while (one := self.some(1).paths) and one[0] <= path:
            self._at += 1


def _is_in_order(last: str, paths: Sequence[str]) -> bool:
    """Whether there are paths, all behind the last one, and each behind the one before."""
    return bool(paths) and last < paths[0] and all(map(lt, paths, paths[1:]))


def _decoded_head(line: str) -> ReceiptHead:
    try:
        fields: dict[str, Any] = json.loads(line[:-2] + "}")
    except (ValueError, RecursionError):
        raise BadReceipt("its first line is not the head of a receipt") from None
    if fields.get("kind") != "receipt":  # what ends in a brace is an object
        raise BadReceipt("it is something else: its first line does not say that it is a receipt")
    version = fields.get("schema_version")
    if type(version) is not int or version not in SCHEMA_VERSIONS:
        raise BadReceipt(
            f"its schema version is {str(version)[:20]!r}, and this program reads"
            f" {' and '.join(map(str, SCHEMA_VERSIONS))}: use the version of upload-client that wrote it,"
            " or a later one"
        )
    try:
        head = _built_head(fields)
        good = _encoded_head(head) == line.encode("ascii")
    except (KeyError, TypeError, ValueError) as error:
        raise BadReceipt(f"its head is not as it should be: {str(error)[:200]}") from None
    if not good:
        raise BadReceipt("its head is not spelled as this program does it: it was changed, or formatted anew")
    return head


def _built_head(fields: Mapping[str, Any]) -> ReceiptHead:
    """The head of these fields. Others, and other spellings, show when it is encoded again."""
    return ReceiptHead(
        check_name(fields["dataset"], "dataset"),
        check_name(fields["delivery_id"], "delivery id"),
        _one_of(fields["transfer_type"], TRANSFER_TYPES),
        _count(fields["epoch"], 10**8),
        check_name(fields["agent_id"], "agent id"),
        _time(fields["finished_at"]),
        _count(fields["n_files"], 10**9),
        _count(fields["n_bytes"], 2**63),
        _matching(_PLACE, fields["landing"], "landing place"),
        _matching(_PLACE, fields["control"], "control place"),
        IndexNamed(
            _matching(_INDEX_KEY, fields["index"]["key"], "key of an index"), _sha256(fields["index"])
        ),
        _tail(fields["client_log"]),
        (_tail(fields["validator_log"]), *map(_tail, fields.get("more_validator_logs", ()))),
        tuple(
            ClientRun(_count(run["epoch"], 10**8), check_name(run["agent_id"], "agent id"), _versions(run))
            for run in fields["clients"]
        ),
        tuple(
            ValidatorRun(
                _count(run["epoch"], 10**8),
                _count(run["client_epoch"], 10**8),
                check_name(run["validator_id"], "validator id"),
                _count(run.get("shard", 0), MAX_SHARDS),
                _versions(run),
                None if run.get("expectations_sha256") is None else _sha256(run, "expectations_sha256"),
            )
            for run in fields["validators"]
        ),
        _versions(fields),
        _delivered_by(fields.get("delivered_by", {})),
        _text_or_none(fields.get("store")),
        fields["schema_version"],
    )


def _versions(fields: Mapping[str, Any]) -> dict[str, str]:
    return {_text(name): _text(version) for name, version in dict(fields.get("versions", {})).items()}


def _delivered_by(fields: Mapping[str, Any]) -> DeliveredBy:
    return DeliveredBy(
        _text_or_none(fields.get("login")), _text_or_none(fields.get("host")), fields.get("hashed") is True
    )


def _text_or_none(text: object) -> str | None:
    return None if text is None else _text(text)


def _tail(fields: Mapping[str, Any]) -> LogTail:
    return LogTail(_count(fields["seq"], 10**10), _sha256(fields), _count(fields.get("shard", 0), MAX_SHARDS))


def _matching(pattern: re.Pattern[str], text: object, what: str) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise ValueError(f"no {what}")
    return text


def _sha256(fields: Mapping[str, object], name: str = "sha256") -> str:
    return _matching(_SHA256, fields[name], "SHA-256")


def _time(text: object) -> str:
    found = _matching(_TIME, text, "moment")
    milliseconds(found)
    return found


def _count(number: object, limit: int) -> int:
    if type(number) is not int or not 0 <= number < limit:
        raise ValueError("no count, or too large a one")
    return number


def _one_of(text: object, choices: tuple[TransferType, ...]) -> TransferType:
    for choice in choices:
        if choice == text:
            return choice
    raise ValueError(f"none of {', '.join(choices)}")


def _text(text: object) -> str:
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise ValueError("no text, or too long a one")
    return text


# ------------------------------------------------------------------------------------------------ comparing

Kind: TypeAlias = Literal[
    "missing",
    "extra",
    "size",
    "content",
    "unreadable",
    "gone",
    "replaced",
    "added",
    "record missing",
    "record changed",
    "removed since",
    "added since",
    "changed since",
    "moved since",
]
DIFFERENCES: Final[Mapping[Kind, str]] = {
    "missing": "delivered, and not in the folder",
    "extra": "in the folder, and not delivered",
    "size": "of another size than delivered",
    "content": "of another content than delivered",
    "unreadable": "not to be read",
    "gone": "delivered, and no longer in the bucket",
    "replaced": "replaced in the bucket",
    "added": "in the bucket, and not in the receipt",
    "record missing": "of the delivery, no longer in the control bucket",
    "record changed": "of the delivery, not what the receipt says",
    "removed since": "not in the other any more",
    "added since": "in the other alone",
    "changed since": "of other content in the other",
    "moved since": "under another name in the other",
}
"""Kinds of difference, in the order of reporting; each goes on after "3 files " (or "records ")."""
assert tuple(DIFFERENCES) == get_args(Kind)


@value
class Difference:
    """Something that is not as the receipt says.

    Attributes:
        kind: what sort of difference.
        path: of the file, or the key of the record.
        message: more about it, or empty.
    """

    kind: Kind
    path: str
    message: str = ""


class Findings:
    """Differences, counted; the first ones of each kind are kept.

    Args:
        keep: how many of a kind; None: all.

    Attributes:
        counts: differences by kind, in the order of `DIFFERENCES`.
        first: those that are kept, the same.
    """

    def __init__(self, keep: int | None = 10) -> None:
        self._keep = keep
        self.counts: dict[Kind, int] = dict.fromkeys(DIFFERENCES, 0)
        self.first: dict[Kind, list[Difference]] = {kind: [] for kind in DIFFERENCES}

    def add(self, difference: Difference) -> None:
        """Count one, and keep it if it is among the first."""
        self.counts[difference.kind] += 1
        kept = self.first[difference.kind]
        if self._keep is None or len(kept) < self._keep:
            kept.append(difference)

    @property
    def n(self) -> int:
        """All there are."""
        return sum(self.counts.values())


def compare_size(each: Delivered, size: int) -> Difference | None:
    """The fault of a file of that many bytes, if there is one."""
    if size == each.size:
        return None
    return Difference("size", each.path, f"has {size} bytes; delivered were {each.size}")


def compare_content(each: Delivered, crc32: str, sha256: str | None = None) -> Difference | None:
    """The fault of a file of that CRC32 and that SHA-256 (hex; None: not known), if there is one."""
    if crc32 != each.crc32:
        return Difference("content", each.path, f"has CRC32 {crc32}; delivered was {each.crc32}")
    if sha256 is None or each.sha256 in (None, sha256):
        return None
    return Difference("content", each.path, f"has SHA-256 {sha256}; delivered was {each.sha256}")


def compare_listing(
    files: Iterable[Delivered], listed: Iterable[tuple[str, int, str]]
) -> Iterator[tuple[Delivered, Difference | None] | tuple[None, Difference]]:
    """Hold the files of a receipt against the listing of the bucket; both are in the order of their keys.

    Args:
        files: of the receipt.
        listed: path, size in bytes and ETag of each object below the landing place. The empty path, which
            consoles make of a folder, is passed over.

    Yields:
        Each file of which the bucket no longer has the very object, with a difference where that is certain;
        with None where the object has another ETag and only its checksum can tell whether the content is
        the same: the owner of a bucket may have written it anew. And None with the difference for each object
        that the receipt does not name.

    Raises:
        ValueError: the listing is not in order.
    """
    there = _in_order(listed)
    entry = next(there, None)
    for each in files:
        while entry is not None and entry[0] < each.path:
            yield None, Difference("added", entry[0], f"has {entry[1]} bytes")
            entry = next(there, None)
        if entry is None or entry[0] != each.path:
            yield each, Difference("gone", each.path)
            continue
        if entry[1] != each.size:
            yield each, Difference("replaced", each.path, f"has {entry[1]} bytes; delivered were {each.size}")
        elif entry[2] != each.etag:
            yield each, None
        entry = next(there, None)
    while entry is not None:
        yield None, Difference("added", entry[0], f"has {entry[1]} bytes")
        entry = next(there, None)


def compare_receipts(
    files: Iterable[Delivered], others: Iterable[tuple[str, int | None, str | None, str | None]]
) -> Iterator[Difference]:
    """Hold the files of a receipt against those of a later one, or of an index.

    Args:
        files: of the receipt.
        others: path, size in bytes, CRC32 (base64) and SHA-256 (hex) of each file of the other, in the order
            of their paths; None: not known.

    Yields:
        The differences: first those of files that are in both, then moves, then the rest by path. In memory
        are only the files that are in one of both.
    """
    gone: list[Delivered] = []
    come = _Come()
    other = iter(others)
    entry = next(other, None)
    for each in files:
        while entry is not None and entry[0] < each.path:
            come.add(*entry)
            entry = next(other, None)
        if entry is None or entry[0] != each.path:
            gone.append(each)
            continue
        if entry[2] not in (None, each.crc32) or entry[1] not in (None, each.size):
            says = f"has CRC32 {entry[2]} and {entry[1]} bytes there; here {each.crc32} and {each.size} bytes"
            yield Difference("changed since", each.path, says)
        elif not _may_be(each, entry[3]):
            says = f"has SHA-256 {entry[3]} there; here {each.sha256}"
            yield Difference("changed since", each.path, says)
        entry = next(other, None)
    while entry is not None:
        come.add(*entry)
        entry = next(other, None)
    moves = come.moves(gone)
    for at, path in sorted(moves.items()):
        yield Difference("moved since", gone[at].path, f"is {path} there")
    for at, each in enumerate(gone):
        if at not in moves:
            yield Difference("removed since", each.path)
    for path in sorted(come):
        yield Difference("added since", path)


_Same: TypeAlias = dict[str | None, deque[str]]


class _Come:
    """Files that only the other list has, by content; of a million of the same each is found at once."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int | None, str | None], _Same] = {}

    def __iter__(self) -> Iterator[str]:
        return (path for same in self._paths.values() for paths in same.values() for path in paths)

    def add(self, path: str, size: int | None, crc32: str | None, sha256: str | None) -> None:
        """Add a file."""
        self._paths.setdefault((size, crc32), {}).setdefault(sha256, deque()).append(path)

    def moves(self, gone: Sequence[Delivered]) -> dict[int, str]:
        """The paths of as many of these as may be: files of the same content, as far as that is known.

        First come those whose SHA-256 both know. Then whoever knows its own can only take one that is not
        known; what is left of both is for those that do not know theirs.

        Returns:
            The new path, by the place in `gone`.
        """
        moves: dict[int, str] = {}
        for all_of, sha256_of in (
            (True, lambda each: each.sha256),
            (True, lambda _: None),
            (False, None),
        ):
            for at, each in enumerate(gone):
                same = self._paths.get((each.size, each.crc32))
                if not same or at in moves or all_of is (each.sha256 is None):
                    continue
                if sha256_of is None:
                    sha256, paths = same.popitem()  # to look for the first is slow once many are gone
                else:
                    sha256 = sha256_of(each)
                    if sha256 not in same:
                        continue
                    paths = same.pop(sha256)
                moves[at] = paths.popleft()
                if paths:
                    same[sha256] = paths
        return moves


def _may_be(each: Delivered, sha256: str | None) -> bool:
    """Whether a file of that SHA-256 may have the same content, as far as both know theirs."""
    return each.sha256 is None or sha256 in (None, each.sha256)


def _in_order(listed: Iterable[tuple[str, int, str]]) -> Iterator[tuple[str, int, str]]:
    before = ""
    for entry in listed:
        if entry[0] > before:
            yield entry
        elif entry[0]:
            raise ValueError(f"the listing is not in order: {entry[0]!r} comes after {before!r}")
        before = entry[0]
