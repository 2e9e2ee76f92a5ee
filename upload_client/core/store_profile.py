"""The store profile: the guarantees that a delivery needs, which of them a store gives, and the consequences.

Only proven guarantees count. `upload_client.control.store_probe` makes requests that a correct store refuses,
such as a PUT with a wrong CRC32, and records which were refused. The decisions that follow are here: what is
proven, what the client works around, what is refused, and why, in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from upload_client.core.text import for_log
from upload_client.core.values import value

MAX_BODY: Final = 16 * 1024
"""Bytes of a store profile that is written down, at the most."""
TRUSTED_SECONDS: Final = 7 * 86_400.0
"""Seconds for which a profile is believed that is written down; then the store is tried anew."""
_VERSION: Final = 1


class Observation(Enum):
    """One guarantee that a store gives or not; the value is its name in the stored profile."""

    CREATE_ONLY = "put-if-none-match"
    REPLACE_ONLY = "put-if-match"
    QUOTED_ETAG = "put-if-match-quoted"
    CRC32_PUT = "put-crc32"
    MD5_PUT = "put-md5"
    PINNED_GET = "get-if-match"
    CREATE = "create-upload"
    FULL_OBJECT = "full-object"
    CRC32_PART = "part-crc32"
    CRC32_WHOLE = "complete-crc32"
    COMPLETE_CREATE_ONLY = "complete-if-none-match"
    COMPLETE_REPLACE_ONLY = "complete-if-match"
    COMPLETE_ETAG = "complete-etag"
    COMPLETE_CONTENT = "complete-content"
    COPY_SOURCE = "copy-source-if-match"
    COPY_CREATE_ONLY = "copy-if-none-match"
    COPY_REPLACE_ONLY = "copy-if-match"
    CLOCK = "clock"
    LANDING_CRC32_PART = "landing-part-crc32"
    LANDING_REPLACE_ONLY = "landing-put-if-match"
    LIST_ORDER = "list-order"
    LIST_START_AFTER = "list-start-after"


class TrialResult(Enum):
    """The outcome of one trial. Where a trial could not be made, nothing is written down."""

    KEPT = "kept"
    BROKEN = "broken"


class Use(Enum):
    """The consequence of an observation."""

    PROVEN = "proven"
    MADE_UP_FOR = "made up for"
    REFUSED = "refused"
    NOT_TRIED = "not tried"


Verification = Literal["crc32", "md5", "read-back", "none"]
"""The way in which it is noticed that content of one PUT arrived damaged: the store refuses it by a checksum,
or it is read back and compared."""


class Judged(NamedTuple):
    """The use of one observation: proven, made up for, refused, or not tried; and the reason, as a clause."""

    observation: Observation
    use: Use
    reason: str


class _Rule(NamedTuple):
    """The words for an observation: kept; and broken, with what that leads to."""

    kept: str
    broken: str
    use: Use


_O = Observation
_RULES: Final[Mapping[Observation, _Rule]] = {
    _O.CREATE_ONLY: _Rule(
        "a PUT that must replace nothing replaces nothing",
        "it ignores If-None-Match on PUT: of two clients, both would own the delivery",
        Use.REFUSED,
    ),
    _O.REPLACE_ONLY: _Rule(
        "a PUT that must replace one ETag replaces no other",
        "it does not honour If-Match on PUT: of two clients, both would own the delivery",
        Use.REFUSED,
    ),
    _O.QUOTED_ETAG: _Rule(
        "it takes ETags in quotes, as HTTP has them",
        "it compares If-Match with the ETag without quotes; it is sent so",
        Use.MADE_UP_FOR,
    ),
    _O.CRC32_PUT: _Rule(
        "a PUT with a wrong CRC32 is refused", "it takes a PUT with a wrong CRC32", Use.MADE_UP_FOR
    ),
    _O.MD5_PUT: _Rule(
        "a PUT with a wrong Content-MD5 is refused",
        "it takes a PUT with a wrong Content-MD5",
        Use.MADE_UP_FOR,
    ),
    _O.PINNED_GET: _Rule(
        "a GET of another ETag than the object's is refused",
        "it ignores If-Match on GET: what is read back may be another object than was sent",
        Use.MADE_UP_FOR,
    ),
    _O.CREATE: _Rule(
        "it takes files in parts",
        "it begins no upload in parts: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.FULL_OBJECT: _Rule(
        "an upload in parts gets the CRC32 of the whole",
        "an upload in parts gets a CRC32 of its parts, not of the whole: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.CRC32_PART: _Rule(
        "a part with a wrong CRC32 is refused",
        "it takes parts with a wrong CRC32: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.CRC32_WHOLE: _Rule(
        "parts that do not make the whole's CRC32 are refused",
        "it does not compare the whole's CRC32: each part is confirmed by its own",
        Use.MADE_UP_FOR,
    ),
    _O.COMPLETE_CREATE_ONLY: _Rule(
        "an upload in parts that must replace nothing replaces nothing",
        "it ignores If-None-Match at the end of an upload in parts: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.COMPLETE_REPLACE_ONLY: _Rule(
        "an upload in parts that must replace one ETag replaces no other",
        "it ignores If-Match at the end of an upload in parts: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.COMPLETE_ETAG: _Rule(
        "it names the ETag of what an upload in parts made",
        "it names no ETag at the end of an upload in parts: it is asked for",
        Use.MADE_UP_FOR,
    ),
    _O.COMPLETE_CONTENT: _Rule(
        "an upload in parts that is sound makes its object",
        "an upload in parts that is sound does not make its object: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.COPY_SOURCE: _Rule(
        "a copy of an object that has changed is refused",
        "it ignores x-amz-copy-source-if-match: what is copied may be another object than was indexed",
        Use.REFUSED,
    ),
    _O.COPY_CREATE_ONLY: _Rule(
        "a copy that must replace nothing replaces nothing",
        "it ignores If-None-Match on copies: a copy could replace what somebody else has written",
        Use.REFUSED,
    ),
    _O.COPY_REPLACE_ONLY: _Rule(
        "a copy that must replace one ETag replaces no other",
        "it ignores If-Match on copies: a copy could replace what somebody else has written",
        Use.REFUSED,
    ),
    _O.CLOCK: _Rule(
        "Last-Modified is no later than Date",
        "its Last-Modified is later than its own Date: the age of a lock cannot be determined",
        Use.REFUSED,
    ),
    _O.LANDING_CRC32_PART: _Rule(
        "the landing bucket refuses a part with a wrong CRC32",
        "the landing bucket takes parts with a wrong CRC32: files go in one request each",
        Use.MADE_UP_FOR,
    ),
    _O.LANDING_REPLACE_ONLY: _Rule(
        "the landing bucket refuses a PUT on a wrong ETag",
        "the landing bucket ignores If-Match on PUT: files of another run could be replaced",
        Use.REFUSED,
    ),
    _O.LIST_ORDER: _Rule(
        "it lists keys in the order of their bytes",
        "it lists keys in another order than that of their bytes: nothing relies on it",
        Use.MADE_UP_FOR,
    ),
    _O.LIST_START_AFTER: _Rule(
        "StartAfter leaves out no later key",
        "StartAfter leaves out keys of folders: it is used within one folder alone",
        Use.MADE_UP_FOR,
    ),
}
_COPIES: Final = frozenset({_O.COPY_SOURCE, _O.COPY_CREATE_ONLY, _O.COPY_REPLACE_ONLY})
_PARTS: Final = (
    _O.CREATE,
    _O.FULL_OBJECT,
    _O.CRC32_PART,
    _O.LANDING_CRC32_PART,
    _O.COMPLETE_CREATE_ONLY,
    _O.COMPLETE_REPLACE_ONLY,
    _O.COMPLETE_CONTENT,
)
"""Promises that must be kept for files to go in parts."""
_BY_NAME: Final = {observation.value: observation for observation in Observation}


@value
class StoreProfile:
    """The guarantees of a store, as tested.

    Attributes:
        endpoint: URL that was asked.
        server: the header ``Server`` of its answers, for which it is told from another store there.
        probed_at: when, UTC with milliseconds.
        observed: the outcome of each trial that was made.
    """

    endpoint: str
    server: str
    probed_at: str
    observed: Mapping[Observation, TrialResult] = field(default_factory=dict, hash=False)

    def covers(self, *, copies: bool) -> bool:
        """Whether all tests were made that a delivery needs."""
        if self.is_broken(_O.CRC32_PUT) and self.is_broken(_O.MD5_PUT) and _O.PINNED_GET not in self.observed:
            return False  # by a release that read nothing back
        return _O.CRC32_PUT in self.observed and (not copies or _COPIES.issubset(self.observed))

    def is_broken(self, observation: Observation) -> bool:
        """Whether a test has shown that it does not give this guarantee."""
        return self.observed.get(observation) is TrialResult.BROKEN

    def is_of(self, endpoint: str, server: str, age: float) -> bool:
        """Whether this may be believed of the store at `endpoint`, whose answers have the header `server`.

        Args:
            endpoint: URL.
            server: header ``Server`` of an answer of today.
            age: seconds since it was written, by the store's clock.
        """
        return (endpoint, server) == (self.endpoint, self.server) and age <= TRUSTED_SECONDS

    @property
    def verification(self) -> Verification:
        """The way in which what arrived is confirmed. What was not tried is as in S3."""
        if not self.is_broken(_O.CRC32_PUT):
            return "crc32"
        if self.observed.get(_O.MD5_PUT) is TrialResult.KEPT:
            return "md5"
        return "read-back" if self.observed.get(_O.PINNED_GET) is TrialResult.KEPT else "none"

    @property
    def bare_etags(self) -> bool:
        """Whether If-Match has to name the ETag without quotes."""
        return self.is_broken(_O.QUOTED_ETAG)

    @property
    def no_parts(self) -> str:
        """The reason for which no file goes up in parts; empty where they may."""
        return next((_RULES[one].broken for one in _PARTS if self.is_broken(one)), "")

    def judge(self, *, copies: bool = False, accept_unverified: bool = False) -> tuple[Judged, ...]:
        """Say of each promise what becomes of it.

        Args:
            copies: the files come from a bucket.
            accept_unverified: the provider has accepted a store that verifies no checksum.
        """
        return tuple(
            self._judged(one, copies=copies, accept_unverified=accept_unverified) for one in Observation
        )

    def _judged(self, one: Observation, *, copies: bool, accept_unverified: bool) -> Judged:
        rule, seen = _RULES[one], self.observed.get(one)
        if seen is None:
            return Judged(one, Use.NOT_TRIED, "not tried")
        if seen is TrialResult.KEPT:
            return Judged(one, Use.PROVEN, rule.kept)
        if one is _O.CRC32_PUT:
            if self.verification == "md5":
                why = f"{rule.broken}: MD5 goes along, and the ETag is compared with it"
                return Judged(one, Use.MADE_UP_FOR, why)
            if self.verification == "read-back":
                why = f"{rule.broken}, and verifies no MD5: each file is read back, on its ETag, and compared"
                return Judged(one, Use.MADE_UP_FOR, why)
            why = f"{rule.broken}, and verifies no MD5: content that arrives damaged stays so, unseen"
            return Judged(one, Use.MADE_UP_FOR if accept_unverified else Use.REFUSED, why)
        if one is _O.MD5_PUT and self.verification == "crc32":
            return Judged(one, Use.MADE_UP_FOR, f"{rule.broken}: it is not needed")
        if one in _COPIES and not copies:
            return Judged(one, Use.MADE_UP_FOR, f"{rule.broken}; files of a folder are not copied")
        return Judged(one, rule.use, rule.broken)

    def refused(self, *, copies: bool = False, accept_unverified: bool = False) -> tuple[str, ...]:
        """The reasons for which nothing may be delivered to this store, as clauses; none where it may."""
        judged = self.judge(copies=copies, accept_unverified=accept_unverified)
        return tuple(one.reason for one in judged if one.use is Use.REFUSED)

    @property
    def in_a_line(self) -> str:
        """The profile in a line, as the receipt has it."""
        checksums = {
            "crc32": "CRC32 confirmed by the store",
            "md5": "MD5 confirmed by the store, CRC32 computed while sending",
            "read-back": "content confirmed by reading back",
            "none": "checksums NOT verified by the store",
        }[self.verification]
        if _O.CRC32_PUT not in self.observed:
            checksums = "whether it confirms checksums was NOT tried"
        parts = "no" if self.no_parts else "fenced" if _O.CREATE in self.observed else "untried"
        name = self.server or "a store that does not name itself"
        return f"{name}: {checksums}; {parts} uploads in parts"

    def encode(self) -> bytes:
        """The profile as it is written down: one object of JSON."""
        observed = {one.value: self.observed[one].value for one in Observation if one in self.observed}
        fields = {
            "kind": "store-profile",
            "version": _VERSION,
            "endpoint": self.endpoint,
            "server": self.server,
            "probed_at": self.probed_at,
            "observed": observed,
        }
        return (json.dumps(fields, indent=1) + "\n").encode("ascii")

    @classmethod
    def decode(cls, body: bytes) -> StoreProfile | None:
        """Read what somebody has written down; None where that is no profile of this version.

        Names that are not known here are passed over: a later version may have made more trials.
        """
        try:
            document: Any = json.loads(body) if len(body) <= MAX_BODY else None
        except (ValueError, RecursionError):
            return None
        if (
            not isinstance(document, dict)
            or document.get("kind") != "store-profile"
            or document.get("version") != _VERSION
        ):
            return None
        texts = [document.get(name) for name in ("endpoint", "server", "probed_at")]
        observed = document.get("observed")
        if not all(isinstance(text, str) and len(text) <= 1000 for text in texts) or not isinstance(
            observed, dict
        ):
            return None
        kept = {seen.value: seen for seen in TrialResult}
        found = {
            _BY_NAME[name]: kept[seen]
            for name, seen in observed.items()
            if name in _BY_NAME and isinstance(seen, str) and seen in kept
        }
        endpoint, server, probed_at = (for_log(str(text), 1000) for text in texts)
        return cls(endpoint, server, probed_at, found)
