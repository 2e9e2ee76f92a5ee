r"""The receipt of a finished delivery: its form, and how it is written.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import islice
from json.encoder import encode_basestring_ascii as _quote
from operator import attrgetter
from typing import Any, Final, NamedTuple

from upload_client.core.files import TransferType
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpaths
from upload_client.core.values import value

SCHEMA_VERSION: Final = 2
"""Grows when a reader of an earlier version would go wrong."""
SCHEMA_VERSIONS: Final = (1, 2)
"""Those that are read."""
MAX_OPENED: Final = 200
"""Characters of the text that says how a file was opened."""


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


_TOGETHER: Final = 256  # files that are written at once


def encode_receipt(head: ReceiptHead, files: Iterable[Delivered]) -> Iterator[bytes]:
    """A receipt as bytes, piece by piece: the same ones each time.

    Args:
        head: `n_files` and `n_bytes` must be those of the files.
        files: in the order of their paths.
    """
    return encode_columns(head, _columns_of(files))


def encode_columns(head: ReceiptHead, files: Iterable[Sequence[Sequence[Any]]]) -> Iterator[bytes]:
    """`encode_receipt` of a million files: the fields of `Delivered` in columns, of some files at a time."""
    yield encoded_head(head)
    yield b'"files":[\n'
    digest = hashlib.sha256()
    before = b""
    line_of = _LINE_OF[head.schema_version]
    for columns in files:
        lines = list(map(line_of, *columns))
        digest.update(b"\n".join((*lines, b"")))
        if lines:
            yield before + b",\n".join(lines)
            before = b",\n"
    yield b"\n],\n"
    yield f'"files_sha256":"{digest.hexdigest()}"}}\n'.encode("ascii")


def digest_of_files(files: Iterable[Delivered], schema_version: int = SCHEMA_VERSION) -> str:
    """The ``files_sha256`` of a receipt: of its file records, each with a line feed after it, hex."""
    return digest_of_columns(_columns_of(files), schema_version)


def digest_of_columns(files: Iterable[Sequence[Sequence[Any]]], schema_version: int = SCHEMA_VERSION) -> str:
    """`digest_of_files` of a million files: the fields of `Delivered` in columns, of some files at a time."""
    digest, line_of = hashlib.sha256(), _LINE_OF[schema_version]
    for columns in files:
        digest.update(b"\n".join((*map(line_of, *columns), b"")))
    return digest.hexdigest()


def _columns_of(files: Iterable[Delivered]) -> Iterator[Sequence[Sequence[Any]]]:
    rest = iter(files)
    while some := list(islice(rest, _TOGETHER)):
        yield list(zip(*map(_FIELDS, some), strict=True))


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


def encoded_head(head: ReceiptHead) -> bytes:
    """The first line of a receipt."""
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


NOTHING_DUE: Final = Due((), (), (), ())


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
        too_long = {text for text in set(opened) if text is not None and len(text) > MAX_OPENED}
        odd.update(place for place, text in enumerate(opened if too_long else ()) if text in too_long)
        if odd:
            places = [place for place in range(len(paths)) if place not in odd]
            rows, *columns = ([column[place] for place in places] for column in (all_rows, *all_columns))
        yield Due(columns[0], columns[1], rows, list(map(line_of, *columns)))
