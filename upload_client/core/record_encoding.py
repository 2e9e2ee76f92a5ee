"""A record as a line of a log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as _quote

from upload_client.core.record_decoding import (
    CLIENT_KINDS,
    USUAL_TRANSFERRED,
    USUAL_VERDICT,
    VALIDATOR_KINDS,
    check_path,
    decode_header,
    decode_line,
)
from upload_client.core.records import (
    MAX_PROBLEMS,
    MAX_RECORD,
    MAX_TEXT,
    MAX_TEXTS,
    CheckpointMade,
    Crash,
    Cursor,
    Failed,
    IndexJudged,
    Init,
    Keepalive,
    PassedOver,
    Record,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.times import minute

_BRIEF_TEXT = 200  # characters of a message in a record that would else be too long
_FEW_CHECKS = 16  # in such a one
_OF_VALIDATORS = frozenset({ValidatorInit, IndexJudged, Verdict, Cursor, PassedOver, Shutdown})


def encode(record: Record | SegmentHeader) -> bytes:
    r"""`record` as one line of a log, without the line's end: ASCII JSON, so that nothing odd is in a log.

    Texts meant for people are cut to 4,000 characters, or more where the record would be too long, and lone
    surrogates in them (file names in messages of the operating system) written as `\udcff`. A line that this
    gives is one that every reader takes.

    Raises:
        ValueError: a path, ETag, number or other field that a reader would refuse.
    """
    line = _encode(record)
    if len(line) > MAX_RECORD:
        line = _encode(_shorter(record))
    _check(record, line)
    return line


def _encode(record: Record | SegmentHeader) -> bytes:
    match record:
        case Transferred():
            return _transferred(record)
        case Verdict():
            return _verdict(record)
        case SegmentHeader():
            line: dict[str, object] = {
                "kind": "segment",
                "version": record.version,
                "seq": record.seq,
                "agent_id": record.agent_id,
                "epoch": record.epoch,
                "prev": record.prev,
            }
            if record.client_epoch is not None:
                line["client_epoch"] = record.client_epoch
        case Init():
            line = {
                "kind": "init",
                "t": record.t,
                "epoch": record.epoch,
                "index": _sound(record.index),
                "index_sha256": record.index_sha256,
                "n_files": record.n_files,
                "n_bytes": record.n_bytes,
                "versions": _encoded_versions(record.versions),
            }
        case Failed():
            line = {
                "kind": "failed",
                "t": record.t,
                "path": _sound(record.path),
                "error": _for_people(record.error),
                "retries": record.retries,
            }
            if record.code is not None:
                line["code"] = record.code
        case Keepalive():
            line = {"kind": "keepalive", "t": record.t}
        case Crash():
            line = {"kind": "crash", "t": record.t, "error": _for_people(record.error)}
            if record.code is not None:
                line["code"] = record.code
        case Stop():
            line = {"kind": "stop", "t": record.t, "reason": _for_people(record.reason)}
            if record.code is not None:
                line["code"] = record.code
            if record.receipt_sha256 is not None:
                line["receipt_sha256"] = record.receipt_sha256
        case CheckpointMade():
            line = {"kind": "checkpoint", "t": record.t, "key": _sound(record.key), "sha256": record.sha256}
        case ValidatorInit():
            line = {
                "kind": "init",
                "t": record.t,
                "validator_id": _sound(record.validator_id),
                "client_epoch": record.client_epoch,
            }
            if record.shards != 1:
                line["shards"] = record.shards
            if record.versions:
                line["versions"] = _encoded_versions(record.versions)
            if record.expectations_sha256 is not None:
                line["expectations_sha256"] = record.expectations_sha256
            if record.judges_index:
                line["judges_index"] = True
        case IndexJudged():
            line = {
                "kind": "index",
                "t": record.t,
                "problems": [_for_people(problem) for problem in record.problems[:MAX_PROBLEMS]],
            }
            if record.code is not None:
                line["code"] = record.code
        case Cursor():
            line = {"kind": "cursor", "t": record.t, "seq": record.seq}
        case PassedOver():
            line = {
                "kind": "passed_over",
                "t": record.t,
                "seq": record.seq,
                "lines": record.lines,
                "problems": [_for_people(problem) for problem in record.problems[:MAX_PROBLEMS]],
            }
        case _:
            line = {
                "kind": "shutdown",
                "t": record.t,
                "reason": _for_people(record.reason),
                "message": _for_people(record.message),
            }
    return json.dumps(line, separators=(",", ":")).encode("ascii")


def _encoded_versions(versions: Mapping[str, str]) -> dict[str, str]:
    return {_for_people(name): _for_people(v) for name, v in islice(versions.items(), MAX_TEXTS)}


def _shorter(record: Record | SegmentHeader) -> Record | SegmentHeader:
    """The record with less of what is there for people."""
    match record:
        case Verdict():
            return replace(
                record, message=_cut(record.message), checks=tuple(map(_cut, record.checks[:_FEW_CHECKS]))
            )
        case Shutdown():
            return replace(record, reason=_cut(record.reason), message=_cut(record.message))
        case PassedOver() | IndexJudged():
            return replace(record, problems=tuple(map(_cut, record.problems)))
        case Init() | ValidatorInit():
            few = list(record.versions.items())[:MAX_PROBLEMS]
            return replace(record, versions={_cut(name): _cut(version) for name, version in few})
        case _:
            return record


def _cut(text: str) -> str:
    return text if len(text) <= _BRIEF_TEXT else text[: _BRIEF_TEXT - 1] + "…"


def _check(record: Record | SegmentHeader, line: bytes) -> None:
    """Raise ValueError for a line that a reader would refuse."""
    text = line.decode("ascii")
    kind = type(record)
    if kind is Transferred or kind is Verdict:
        # One for every file: the pattern by which they are read has looked at all but path and time.
        usual = USUAL_TRANSFERRED if kind is Transferred else USUAL_VERDICT
        if len(text) <= MAX_RECORD and usual(text) is not None:
            check_path(record.path)  # type: ignore[union-attr]
            minute(record.t[:17])  # type: ignore[union-attr]
            return
    if kind is SegmentHeader:
        decode_header(text, "client" if record.client_epoch is None else "validator")  # type: ignore[union-attr]
        return
    decode_line(text, VALIDATOR_KINDS if kind in _OF_VALIDATORS else CLIENT_KINDS)


def _transferred(record: Transferred) -> bytes:
    # By hand, because there is one for every file: three times as fast as json.dumps, and tested equal to it.
    upload = record.upload
    version = "" if upload.version_id is None else f',"version_id":{_quote(_sound(upload.version_id))}'
    mtime = "" if upload.mtime_ns is None else f',"mtime_ns":{upload.mtime_ns}'
    source = ""
    if upload.source_etag is not None:
        of = upload.source_version
        source = (
            f',"source":{{"etag":{_quote(_sound(upload.source_etag))}'
            f',"version":{"null" if of is None else _quote(_sound(of))}}}'
        )
    sha256 = "" if upload.sha256 is None else f',"sha256":"{upload.sha256}"'
    return (
        f'{{"kind":"transferred","t":"{record.t}","path":{_quote(_sound(record.path))},"upload":"{upload.id}"'
        f',"ask":{record.ask},"size":{upload.size},"crc32":"{upload.crc32}","etag":{_quote(_sound(upload.etag))}'
        f"{version}{mtime}{source}{sha256}}}"
    ).encode("ascii")


def _verdict(record: Verdict) -> bytes:
    found = "null"
    if record.found is not None:
        crc32 = "null" if record.found.crc32 is None else f'"{record.found.crc32}"'
        found = f'{{"size":{record.found.size},"crc32":{crc32},"etag":{_quote(_sound(record.found.etag))}}}'
    message = _quote(_for_people(record.message)) if record.message else '""'
    code = "" if record.code is None else f',"code":"{record.code}"'
    return (
        f'{{"kind":"verdict","t":"{record.t}","path":{_quote(_sound(record.path))},"upload":"{record.upload}"'
        f',"ask":{record.ask},"status":"{record.status}","message":{message},"found":{found}'
        f',"checks":{_quoted_checks(record.checks)}{code}}}'
    ).encode("ascii")


@lru_cache(maxsize=64)
def _quoted_checks(checks: tuple[str, ...]) -> str:
    return json.dumps([_for_people(check) for check in checks[:MAX_TEXTS]], separators=(",", ":"))


def _sound(text: str) -> str:
    if not text.isascii():
        text.encode()  # raises UnicodeEncodeError, a ValueError, for what a reader would have to refuse
    return text


def _for_people(text: str) -> str:
    text = text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
