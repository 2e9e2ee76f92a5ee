"""AWS Signature Version 4 for the requests that are made often, computed from a form filled in.

A general signer sorts, joins and encodes all headers of each request. Here that is done once for each kind of
request (`Form`); each request then costs one string formatting, one SHA-256 and one HMAC. The headers are
sent exactly as they were signed, in the signed order, so there is only one text to make.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_.~/-]*\Z").match


class Keys(NamedTuple):
    """Credentials at one moment."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return f"Keys({self.access_key!r}, …)"


class Stamp(NamedTuple):
    """The parts of a signature that change once a second (the time) or once a day (the signing key)."""

    time: str
    scope: str
    signing_key: bytes


def quote_key(key: str) -> str:
    """Spell an object's key in a path; S3 signs the path as it is sent."""
    return key if _NEEDS_NO_QUOTES(key) else quote(key, safe="/~")


def quote_value(value: str) -> str:
    """Spell a value in a query."""
    return quote(value, safe="-_.~")


class Signer:
    """The credentials, and what follows from them for a while. Safe to share between threads."""

    def __init__(self, keys: Keys, region: str, service: str = "s3") -> None:
        self.keys = keys
        self._region = region
        self._service = service
        self._second = -1
        self._day = ""
        self._stamp = Stamp("", "", b"")

    def stamp(self, now: float | None = None) -> Stamp:
        """The stamp for a time (Unix seconds; None: now)."""
        second = int(time.time() if now is None else now)
        if second == self._second:
            return self._stamp
        text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = text[:8]
        if day == self._stamp.time[:8]:
            stamp = self._stamp._replace(time=text)
        else:
            key = f"AWS4{self.keys.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            stamp = Stamp(text, f"{day}/{self._region}/{self._service}/aws4_request", key)
        # In this order another thread sees, at worst, a stamp that is newer than it asked for.
        self._stamp = stamp
        self._second = second
        return stamp


class Form:
    """The head of one kind of request, with gaps for what differs from request to request.

    Args:
        method: For example ``PUT``.
        headers: What is signed: name (lower case) to value. The empty value of a gap does not matter.
        gaps: Names of headers whose values are given anew each time; sorted.
        unsigned: Headers sent without being signed.
        origin: What stands before the path in the request line; only a proxy wants to know.
    """

    def __init__(
        self,
        method: str,
        headers: Mapping[str, str],
        gaps: Sequence[str],
        unsigned: Mapping[str, str] | None = None,
        origin: str = "",
    ) -> None:
        every = {**headers, **dict.fromkeys(gaps, "")}
        names = sorted(every)
        self._method = method
        self._origin = origin
        self._names = ";".join(names)
        # Values are trimmed and their inner runs of spaces made one, as the signature demands.
        self._headers = "".join(
            f"{name}:{'%s' if name in gaps else ' '.join(every[name].split()).replace('%', '%%')}\n"
            for name in names
        )
        assert list(gaps) == sorted(gaps), "values are filled in as they come"
        self._unsigned = "".join(f"{name}:{value}\r\n" for name, value in (unsigned or {}).items())

    def fill(
        self,
        signer: Signer,
        stamp: Stamp,
        path: str,
        query: str,
        payload: str,
        length: int | None,
        values: tuple[str, ...],
    ) -> bytes:
        """The head of a request, signed.

        Args:
            signer: Whose signature.
            stamp: Its stamp for now.
            path: As sent, already quoted.
            query: As sent: already quoted, sorted by name, without ``?``.
            payload: SHA-256 of the body in hexadecimal, or `UNSIGNED_PAYLOAD`.
            length: Of the body, bytes; None: a request of this kind has none.
            values: Of the gaps, in their order.
        """
        headers = self._headers % values
        canonical = f"{self._method}\n{path}\n{query}\n{headers}\n{self._names}\n{payload}"
        digest = sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{stamp.time}\n{stamp.scope}\n{digest}"
        signature = hmac.digest(stamp.signing_key, to_sign.encode(), "sha256").hex()
        target = f"{path}?{query}" if query else path
        signed = (
            f"{self._method} {self._origin}{target} HTTP/1.1\n{headers}"
            f"authorization:AWS4-HMAC-SHA256 Credential={signer.keys.access_key}/{stamp.scope}, "
            f"SignedHeaders={self._names}, Signature={signature}\n"
        ).replace("\n", "\r\n")
        measured = "" if length is None else f"content-length:{length}\r\n"
        return f"{signed}{self._unsigned}{measured}\r\n".encode()
