"""A receipt, read in pieces: whatever is spelled another way than it is written is refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quote
from operator import lt
from typing import Any, Final

from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import MAX_SHARDS, check_name
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpath
from upload_client.core.receipt import (
    MAX_OPENED,
    NOTHING_DUE,
    SCHEMA_VERSIONS,
    BadReceipt,
    ClientRun,
    Delivered,
    DeliveredBy,
    Due,
    IndexNamed,
    LogTail,
    ReceiptHead,
    ValidatorRun,
    digest_in_trailer,
    encoded_head,
)
from upload_client.core.times import milliseconds

MAX_LINE: Final = 16 * 1024
"""Bytes of any other line. A path of 1,024 bytes and a version of as many, all escaped, take half of it."""
MAX_HEAD: Final = 4 * 1024 * 1024
"""Bytes of the first line: some 10,000 runs of clients and validators."""

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
_MAX_TEXT = 4000  # characters
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
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
                some = others.some(_ALIKE) if self._read_on else NOTHING_DUE
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
            stated = f"{self.head.n_files} files of {self.head.n_bytes} bytes"
            raise BadReceipt(f"it says {stated} and names {n_files} of {n_bytes} bytes")
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
        if opened is not None and len(opened) > MAX_OPENED:
            raise BadReceipt(f"line {self._n_lines}: the text behind `opened` is too long")
        if reason := check_relpath(path):
            raise BadReceipt(f"line {self._n_lines}: the path {path[:200]!r} {reason}")
        if (n_bytes := int(size)) > MAX_OBJECT:
            raise BadReceipt(f"line {self._n_lines}: no object has {n_bytes} bytes")
        try:
            milliseconds(sent_at)
            milliseconds(judged_at)
        except ValueError:
            raise BadReceipt(f"line {self._n_lines}: a time that does not exist") from None
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
        self._block, self._at = NOTHING_DUE, 0

    def some(self, most: int) -> Due:
        """The next ones, as far as they have come together; none at the end."""
        while self._at == len(self._block.paths):
            following = next(self._more, None)
            if following is None:
                return NOTHING_DUE
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
        good = encoded_head(head) == line.encode("ascii")
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
