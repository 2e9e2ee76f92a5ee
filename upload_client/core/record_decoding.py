"""A line of a log as a record: typed, bounded, and nothing in it believed.

A line that is not a record as it should be is refused with its reason, and whoever reads the log passes it
over. Unknown kinds and fields are passed over, so that both can grow.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import compress
from typing import Any, TypeAlias, cast, get_args

from upload_client.core.codes import is_code
from upload_client.core.forms import CRC32, ETAG, VERSION_ID
from upload_client.core.layout import MAX_SHARDS
from upload_client.core.records import (
    MAX_NESTING,
    MAX_RECORD,
    MAX_TEXT,
    MAX_TEXTS,
    VERSION,
    CheckpointMade,
    Crash,
    Cursor,
    Failed,
    Found,
    IndexJudged,
    Init,
    Keepalive,
    MalformedSegment,
    PassedOver,
    Record,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
    VerdictStatus,
    Writer,
)
from upload_client.core.text import for_log
from upload_client.core.times import minute
from upload_client.core.uploads import (
    NO_ANNOUNCEMENTS,
    NO_VERDICTS,
    Announcements,
    OkVerdicts,
    Upload,
    parse_upload_id,
)

_MAX_VERSION = 100  # characters of a program's name, and of its version
_MAX_INT = 2**63 - 1


class Malformed(ValueError):  # noqa: N818 - as the public ones
    """Why a line is no record. The text never holds any of the line's own, except escaped."""


def decode_header(line: str, writer: Writer) -> SegmentHeader:
    """Decode the first line of a segment.

    Raises:
        MalformedSegment: it is no header, or one of a version this program cannot read.
    """
    try:
        fields = _decode_json(line)
        if fields.get("kind") != "segment":
            raise Malformed("not a segment's header")
        if (version := _count(fields.get("version"))) != VERSION:
            raise Malformed(f"version {version}; this program reads version {VERSION}")
        return SegmentHeader(
            version,
            _count(fields.get("seq")),
            _agent(fields.get("agent_id")),
            _epoch(fields.get("epoch")),
            _or_none(_sha256)(fields.get("prev")),
            None if writer == "client" else _epoch(fields.get("client_epoch")),
        )
    except ValueError as e:
        raise MalformedSegment(f"header: {e}") from None


def decode_line(line: str, kinds: Mapping[str, Callable[[dict[str, Any]], Record]]) -> Record | None:
    """The record in `line`, whatever spelling of JSON it is in; None for a kind unknown here."""
    fields = _decode_json(line)
    kind = fields.get("kind")
    if not isinstance(kind, str):
        raise Malformed("no kind")
    build = kinds.get(kind)
    return None if build is None else build(fields)


def _decode_json(line: str) -> dict[str, Any]:
    try:
        size = len(line) if line.isascii() else len(line.encode())
    except UnicodeEncodeError:
        raise Malformed("not UTF-8") from None
    if size > MAX_RECORD:
        raise Malformed(f"{size} bytes, more than {MAX_RECORD}")
    # Before it is parsed: the parser recurses.
    if line.count("[") + line.count("{") > MAX_NESTING and _nesting(line) > MAX_NESTING:
        raise Malformed(f"nested deeper than {MAX_NESTING}")
    try:
        fields = _JSON.decode(line)
    except Malformed:
        raise
    except ValueError:
        raise Malformed("not JSON") from None
    if not isinstance(fields, dict):
        raise Malformed("not an object")
    if "\\u" in line:
        try:
            json.dumps(fields, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Malformed("a lone surrogate") from None
    return fields


# A string, closed or running to the line's end, or a bracket. Possessive: a line is gone through once.
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]')


def _nesting(line: str) -> int:
    depth = deepest = 0
    for piece in _BRACKET.findall(line):
        if piece in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif piece in "]}":
            depth -= 1
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("a key stands twice")
    return fields


def _parse_int(digits: str) -> int:
    if len(digits) > 20 or abs(value := int(digits)) > _MAX_INT:
        raise Malformed("a number is too large")
    return value


def _parse_float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise Malformed("a number is too large")
    return value


def _parse_constant(name: str) -> None:
    raise Malformed(f"{name} is not JSON")


_JSON = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_constant
)

# What a field may be. An ETag, a checksum or a version goes into headers and files of the reader, so each has
# its alphabet; a path is judged by `core.paths` where it is used.

_Check: TypeAlias = Callable[[object], Any]

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z"
_NUMBER = r"0|[1-9][0-9]{0,8}"
_UPLOAD = rf"(?:{_NUMBER})-(?:{_NUMBER})"
_CODE = r"[a-z][a-z0-9_]{0,39}"
_STATUSES = get_args(VerdictStatus)
_MAX_PATH = 1024  # bytes of the longest key S3 takes


def _matching(pattern: str, what: str) -> _Check:
    fullmatch = re.compile(pattern).fullmatch

    def check(value: object) -> object:
        if not isinstance(value, str) or fullmatch(value) is None:
            raise Malformed(f"no {what}")
        return value

    return check


def _or_none(check: _Check) -> _Check:
    return lambda value: None if value is None else check(value)


def _integer(low: int, high: int, what: str) -> _Check:
    def check(value: object) -> object:
        if type(value) is not int or not low <= value <= high:
            raise Malformed(f"no {what}")
        return value

    return check


def _time(value: object) -> str:
    text: str = _moment(value)
    try:
        minute(text[:17])
    except ValueError:
        raise Malformed("no time") from None
    return text


def _code(value: object) -> str | None:
    """A code of an odd form is none: what it stands beside is not lost by it."""
    return value if isinstance(value, str) and is_code(value) else None


def check_path(value: object) -> str:
    """The path of a file, of a length that S3 takes; raises `Malformed`."""
    if not isinstance(value, str) or not 0 < len(value.encode()) <= _MAX_PATH:
        raise Malformed("no path")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("no text")
    return for_log(value, MAX_TEXT)


def _key(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_PATH:
        raise Malformed("no key")
    return value


def _true(value: object) -> bool:
    return value is True


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_TEXTS:
        raise Malformed("no list of texts")
    return tuple(_text(each) for each in value)


def _versions(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_TEXTS:
        raise Malformed("no versions")
    return {
        for_log(name, _MAX_VERSION): for_log(_text(version), _MAX_VERSION) for name, version in value.items()
    }


def _source(value: object) -> tuple[str, str | None]:
    if not isinstance(value, dict):
        raise Malformed("no source")
    return _etag(value.get("etag")), _or_none(_version_id)(value.get("version"))


def _announcement(
    *, t: str, path: str, upload: str, ask: int, source: tuple[str, str | None] | None = None, **found: object
) -> Transferred:
    etag, version = source or (None, None)
    announced = Upload(*parse_upload_id(upload), source_etag=etag, source_version=version, **found)  # type: ignore[arg-type]
    return Transferred(t, path, announced, ask)


def _found(value: object) -> Found:
    if not isinstance(value, dict):
        raise Malformed("no finding")
    return Found(_count(value.get("size")), _or_none(_crc32)(value.get("crc32")), _etag(value.get("etag")))


_moment = _matching(_TIME, "time")
_etag = _matching(ETAG, "ETag")
_crc32 = _matching(CRC32, "CRC32")
_version_id = _matching(VERSION_ID, "version")
_upload_id = _matching(_UPLOAD, "upload")
_sha256 = _matching(r"[0-9a-f]{64}", "SHA-256")
_agent = _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "name")
_status = _matching("|".join(_STATUSES), "status")
_count = _integer(0, _MAX_INT, "count")
_small = _integer(0, 10**9 - 1, "small number")
_epoch = _integer(0, 10**8 - 1, "epoch")  # index and receipt keys have room for eight digits
_shards = _integer(1, MAX_SHARDS, "number of shards")
_nanoseconds = _integer(-_MAX_INT, _MAX_INT, "time of the file")


def _builder(
    record: Callable[..., Record], must: Mapping[str, _Check], may: Mapping[str, _Check]
) -> Callable[[dict[str, Any]], Record]:
    """A function that makes `record` of a line's fields: all in `must`, and those in `may` that are there."""

    def build(fields: dict[str, Any]) -> Record:
        values = {name: check(fields.get(name)) for name, check in must.items()}
        for name, check in may.items():
            if (value := fields.get(name)) is not None:
                values[name] = check(value)
        return record(**values)

    return build


CLIENT_KINDS = {
    "init": _builder(
        Init,
        {
            "t": _time,
            "epoch": _epoch,
            "index": _key,
            "index_sha256": _sha256,
            "n_files": _count,
            "n_bytes": _count,
        },
        {"versions": _versions},
    ),
    "transferred": _builder(
        _announcement,
        {
            "t": _time,
            "path": check_path,
            "upload": _upload_id,
            "ask": _small,
            "size": _count,
            "crc32": _crc32,
            "etag": _etag,
        },
        {"version_id": _version_id, "mtime_ns": _nanoseconds, "source": _source, "sha256": _sha256},
    ),
    "failed": _builder(
        Failed, {"t": _time, "path": check_path, "error": _text, "retries": _small}, {"code": _code}
    ),
    "keepalive": _builder(Keepalive, {"t": _time}, {}),
    "checkpoint": _builder(CheckpointMade, {"t": _time, "key": _key, "sha256": _sha256}, {}),
    "crash": _builder(Crash, {"t": _time, "error": _text}, {"code": _code}),
    "stop": _builder(Stop, {"t": _time}, {"reason": _text, "code": _code, "receipt_sha256": _sha256}),
}
VALIDATOR_KINDS = {
    "init": _builder(
        ValidatorInit,
        {"t": _time, "validator_id": _agent, "client_epoch": _epoch},
        {
            "shards": _shards,
            "versions": _versions,
            "expectations_sha256": _sha256,
            "judges_index": _true,
        },
    ),
    "index": _builder(IndexJudged, {"t": _time}, {"problems": _texts, "code": _code}),
    "verdict": _builder(
        Verdict,
        {"t": _time, "path": check_path, "upload": _upload_id, "ask": _small, "status": _status},
        {"message": _text, "found": _found, "checks": _texts, "code": _code},
    ),
    "cursor": _builder(Cursor, {"t": _time, "seq": _count}, {}),
    "passed_over": _builder(PassedOver, {"t": _time, "seq": _count, "lines": _count}, {"problems": _texts}),
    "keepalive": _builder(Keepalive, {"t": _time}, {}),
    "shutdown": _builder(Shutdown, {"t": _time, "reason": _text}, {"message": _text}),
    "stop": _builder(Stop, {"t": _time}, {"reason": _text, "code": _code}),
}


# A million lines of a log are announcements or verdicts as `encode` writes them. These are read with one
# pattern each, three times as fast as by way of JSON. Whatever is spelled otherwise, or looks odd, goes that
# way; both read the same (tested).

_INNER = r"[ !#-~]*+"  # of a string; it may end in half an escape, which `_unquoted` refuses
_SIZE = r"0|[1-9][0-9]{0,17}"
USUAL_TRANSFERRED = re.compile(
    rf'\{{"kind":"transferred","t":"({_TIME})","path":"({_INNER})"'
    rf',"upload":"({_NUMBER})-({_NUMBER})","ask":({_NUMBER})'
    rf',"size":({_SIZE}),"crc32":"({CRC32})","etag":"({ETAG})"(?:,"version_id":"({VERSION_ID})")?'
    rf'(?:,"mtime_ns":({_SIZE}|[1-8][0-9]{{18}}))?'
    rf'(?:,"source":\{{"etag":"({ETAG})","version":(?:null|"({VERSION_ID})")\}})?'
    r'(?:,"sha256":"([0-9a-f]{64})")?\}'
).fullmatch
USUAL_VERDICT = re.compile(
    rf'\{{"kind":"verdict","t":"({_TIME})","path":"({_INNER})","upload":"({_UPLOAD})","ask":({_NUMBER})'
    rf',"status":"({"|".join(_STATUSES)})","message":"({_INNER})"'
    rf',"found":(?:null|\{{"size":({_SIZE}),"crc32":"({CRC32})","etag":"({ETAG})"\}})'
    rf',"checks":\[([ -~]*?)\](?:,"code":"({_CODE})")?\}}'
).fullmatch


def usual_transferred(line: str) -> Record | None:
    """The announcement in a line that is spelled as `encode` does it; None for any other line."""
    match = USUAL_TRANSFERRED(line)
    if match is None or len(line) > MAX_RECORD:
        return None
    t, path, epoch, n, ask, size, crc32, etag, version_id, mtime_ns, source_etag, source_version, sha256 = (
        match.groups()
    )
    try:
        minute(t[:17])
        return Transferred(
            t,
            path if "\\" not in path and 0 < len(path) <= _MAX_PATH else check_path(_unquoted(path)),
            Upload(
                int(epoch),
                int(n),
                int(size),
                crc32,
                etag,
                version_id,
                None if mtime_ns is None else int(mtime_ns),
                source_etag,
                source_version,
                sha256,
            ),
            int(ask),
        )
    except ValueError:
        return None


def usual_verdict(line: str) -> Record | None:
    """The verdict in a line that is spelled as `encode` does it; None for any other line."""
    match = USUAL_VERDICT(line)
    if match is None or len(line) > MAX_RECORD:
        return None
    t, path, upload, ask, status, message, size, crc32, etag, checks, code = match.groups()
    try:
        minute(t[:17])
        return Verdict(
            t,
            path if "\\" not in path and 0 < len(path) <= _MAX_PATH else check_path(_unquoted(path)),
            upload,
            int(ask),
            cast("VerdictStatus", status),
            _text(_unquoted(message) if "\\" in message else message),
            None if size is None else Found(int(size), crc32, etag),
            _unquoted_checks(checks),
            code,
        )
    except ValueError:
        return None


# And of the verdicts nearly all are `ok`. They are read by one pattern in one go, which gives what it is not
# made for as it stands. Not an ETag of another form, nor an escape: these take the way above.
_OK_OR_OTHER = re.compile(
    rf'^(?:\{{"kind":"verdict","t":"({_TIME})","path":"([ !#-\[\]-~]{{1,{_MAX_PATH}}}+)"'
    rf',"upload":"({_UPLOAD})","ask":({_NUMBER}),"status":"ok","message":"","found":\{{"size":({_SIZE}),"crc32":"({CRC32})"'
    rf',"etag":"([0-9a-f]{{32}})"\}},"checks":\[([ -~]{{0,1000}})\]\}}|(.*))$',
    re.MULTILINE,
).split


def ok_verdicts(text: str) -> tuple[OkVerdicts, list[tuple[int, str]]]:
    """The lines of a segment that say `ok` as `encode` writes it; and all others, with their numbers."""
    # One flat list, as a tuple for each line would keep the garbage collector busy: what is between the lines
    # and the groups of each. Those of `ok` are None in any other line; in these, the last one is.
    found: list[Any] = _OK_OR_OTHER(text)
    others = [(number, line) for number, line in enumerate(found[9::10], 2) if line is not None]
    columns = [found[group::10] for group in range(1, 9)]
    if others:
        columns = [[value for value in column if value is not None] for column in columns]
    oks = OkVerdicts(*columns)
    try:
        for prefix in {at[:17] for at in oks.at}:
            minute(prefix)
        for checks in set(oks.checks):
            _unquoted_checks(checks)
    except ValueError:
        return NO_VERDICTS, list(enumerate(text.split("\n"), 2))  # one is odd: look more closely at each
    return oks, others


# The same of announcements: not of copies.
_SENT_OR_OTHER = re.compile(
    rf'^(?:\{{"kind":"transferred","t":"({_TIME})","path":"([ !#-\[\]-~]{{1,{_MAX_PATH}}}+)"'
    rf',"upload":"({_UPLOAD})","ask":({_NUMBER}),"size":({_SIZE}),"crc32":"({CRC32})","etag":"([0-9a-f]{{32}})"'
    rf'(?:,"version_id":"({VERSION_ID})")?(?:,"mtime_ns":({_SIZE}|[1-8][0-9]{{18}}))?'
    r'(?:,"sha256":"([0-9a-f]{64})")?\}|(.*))$',
    re.MULTILINE,
).split


def announcements(text: str) -> tuple[Announcements, list[tuple[int, str]]]:
    """The lines of a segment that announce a file as `encode` writes it; all others, with their numbers."""
    found: list[Any] = _SENT_OR_OTHER(text)  # as in `ok_verdicts`
    others = [(number, line) for number, line in enumerate(found[11::12], 2) if line is not None]
    columns = [found[group::12] for group in range(1, 11)]
    if others:
        usual = [at is not None for at in columns[0]]
        columns = [list(compress(column, usual)) for column in columns]
    sent = Announcements(*columns)
    try:
        for prefix in {at[:17] for at in sent.at}:
            minute(prefix)
    except ValueError:
        return NO_ANNOUNCEMENTS, list(enumerate(text.split("\n"), 2))  # as there
    return sent, others


def announcement_at(sent: Announcements, i: int) -> Transferred:
    """The announcement in row `i`."""
    epoch, _, n = sent.uploads[i].partition("-")
    mtime = sent.mtimes[i]
    upload = Upload(
        int(epoch),
        int(n),
        int(sent.sizes[i]),
        sent.crc32s[i],
        sent.etags[i],
        sent.versions[i],
        None if mtime is None else int(mtime),
        None,
        None,
        sent.sha256s[i],
    )
    return Transferred(sent.at[i], sent.paths[i], upload, int(sent.asks[i]))


def ok_at(oks: OkVerdicts, i: int) -> Verdict:
    """The verdict in row `i`."""
    return Verdict(
        oks.at[i],
        oks.paths[i],
        oks.uploads[i],
        int(oks.asks[i]),
        "ok",
        "",
        Found(int(oks.sizes[i]), oks.crc32s[i], oks.etags[i]),
        _unquoted_checks(oks.checks[i]),
    )


OF_CLIENT = (usual_transferred, CLIENT_KINDS)
OF_VALIDATOR = (usual_verdict, VALIDATOR_KINDS)


def _unquoted(inner: str) -> str:
    return str(_decode_json(f'{{"text":"{inner}"}}')["text"])


@lru_cache(maxsize=64)
def _unquoted_checks(inner: str) -> tuple[str, ...]:
    fields = _decode_json(f'{{"checks":[{inner}]}}')
    if len(fields) > 1:
        raise Malformed("the list ended, and more came")
    return _texts(fields["checks"])
