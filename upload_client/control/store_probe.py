"""`probe_profile`: tests a store's guarantees; and the store profile, as it is stored for a delivery.

Each trial is a request that a sound store refuses: a wrong CRC32, a wrong ETag, a write that would replace
something. All are made below ``probe/`` in the control bucket, where a provider may write and delete; in the
landing bucket only such as leave nothing even where they are not refused. The consequence of each outcome is
in `upload_client.core.store_profile`.

Requests: 16 in the control bucket and 5 in the landing bucket; 10 more where files are copied from a bucket,
10 more for `lists`. The profile is written down once for a delivery, at ``probe/store``; each later run reads
it, by one request.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from upload_client.core import checksums, digests
from upload_client.core.answers import Meaning
from upload_client.core.layout import Layout
from upload_client.core.store_profile import MAX_BODY, Observation, StoreProfile, TrialResult
from upload_client.core.times import from_http, timestamp
from upload_client.s3 import etag_form
from upload_client.s3.bucket import (
    AccessDenied,
    Bucket,
    ConditionalConflict,
    NotFound,
    ObjectTooLarge,
    PreconditionFailed,
    StoreError,
    repeat_while_lost,
    store_errors,
)
from upload_client.support.background import call_in_thread
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)
_O = Observation

_NO_ETAG = "0" * 32
_REFUSALS = frozenset({Meaning.CONDITION, Meaning.MISSING, Meaning.DENIED, Meaning.UNFIT, Meaning.REFUSED})
_WRONG_CHECKSUM = frozenset({"BadDigest", "XAmzContentChecksumMismatch"})  # elsewhere these are asked again
_MOST_LATER = (
    2.0  # seconds by which Last-Modified may be later than Date: both are cut to a second, by two machines
)
_MOST_EARLIER = 60.0  # seconds by which it may be earlier, of an object written a moment ago
_LISTED = ("l/a-b", "l/a/b", "l/a.b", "l/B")  # in no two of the usual orders alike


class _TrialAnswer(NamedTuple):
    """The outcome of a request: boto3's answer; else the error, a refusal."""

    got: Mapping[str, Any]
    error: StoreError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def etag(self) -> str:
        return str(self.got.get("ETag") or "").strip('"')


class _Trials:
    """Trials with one object of a bucket.

    Args:
        bucket: where they are made.
        key: of the object, relative to the bucket's prefix.
        clock: waits between attempts.
    """

    def __init__(self, bucket: Bucket, key: str, clock: Clock) -> None:
        self._client: Any = bucket.client
        self._bucket = bucket
        self.key = key
        self._clock = clock
        self.seen: dict[Observation, TrialResult] = {}
        self.server = ""
        self.bare = False
        self._there = b""  # what was last written

    def ask(self, operation: str, key: str | None = None, **arguments: Any) -> _TrialAnswer:  # noqa: ANN401 - boto3's
        """Make a request; repeated where its answer is lost.

        Raises:
            AnswerLost: nobody answers.
        """
        at = {"Bucket": self._bucket.name}
        if operation != "list_objects_v2":
            at["Key"] = self._bucket.prefix + (self.key if key is None else key)

        def attempt() -> _TrialAnswer:
            try:
                with store_errors(f"{operation} {key or self.key}"):
                    got: Mapping[str, Any] = getattr(self._client, operation)(**at, **arguments)
            except StoreError as error:
                if error.meaning in _REFUSALS or error.s3_code in _WRONG_CHECKSUM:
                    return _TrialAnswer({}, error)
                raise
            headers = got.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            self.server = str(headers.get("server", self.server))
            return _TrialAnswer(got)

        return repeat_while_lost(attempt, self._clock)

    def note(self, observation: Observation, *, kept: bool) -> None:
        self.seen[observation] = TrialResult.KEPT if kept else TrialResult.BROKEN

    def put(self, body: bytes, key: str | None = None, **arguments: Any) -> _TrialAnswer:  # noqa: ANN401 - boto3's
        fields = {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": _crc32(body), **arguments}
        answer = self.ask("put_object", key, Body=body, **fields)
        if answer.ok and key is None:
            self._there = body
        return answer

    def content(self, key: str | None = None) -> bytes:
        """The object's content: its ETag may be the one from before, over what was written all the same.

        Empty where it cannot be read: then it is not what was there.
        """
        answer = self.ask("get_object", key)
        try:
            with store_errors(f"GET {key or self.key}"):
                return bytes(answer.got["Body"].read(1024)) if answer.ok else b""
        except StoreError:
            return b""

    def etag_is(self, etag: str) -> str:
        """A value of If-Match, in the spelling that this store understands."""
        return etag if self.bare else f'"{etag}"'

    # ------------------------------------------------------------------------------------------ the trials

    def whole(self) -> None:
        """PUT: conditions and checksums. The object is there afterwards."""
        first = self.put(_body(), IfNoneMatch="*")
        if not first.ok:
            return
        self.note(_O.CREATE_ONLY, kept=_refused(self.put(_body(), IfNoneMatch="*")))
        wrong = self.put(_body(), IfMatch=f'"{_NO_ETAG}"')
        self.note(_O.REPLACE_ONLY, kept=_refused(wrong))
        etag = self.ask("head_object").etag
        right = self.put(_body(), IfMatch=f'"{etag}"')
        if not right.ok:
            self.bare = self.put(_body(), IfMatch=etag).ok
            if self.bare:
                self.note(_O.REPLACE_ONLY, kept=_refused(self.put(_body(), IfMatch=_NO_ETAG)))
        self.note(_O.QUOTED_ETAG, kept=right.ok)
        self.note(_O.CRC32_PUT, kept=_refused(self.put(body := _body(), ChecksumCRC32=_wrong(body))))
        if self.seen[_O.CRC32_PUT] is TrialResult.BROKEN:
            self.note(_O.MD5_PUT, kept=_refused(self.put(_body(), ContentMD5=digests.encode(bytes(16)))))
            if self.seen[_O.MD5_PUT] is TrialResult.BROKEN:
                self.pinned_get()

    def pinned_get(self) -> None:
        """GET: on the object's ETag it gives the object, and on another one nothing."""
        # In quotes, whatever form writes need: so all reads name it, that of what was sent among them.
        etag = self.ask("head_object").etag
        other = self.ask("get_object", IfMatch=f'"{_NO_ETAG}"')
        kept = self.ask("get_object", IfMatch=f'"{etag}"').ok and _refused(other)
        self.note(_O.PINNED_GET, kept=kept)

    def parts(self) -> None:
        """Begin, send a part, complete: conditions and checksums. Nothing is unfinished afterwards."""
        begun = self.ask("create_multipart_upload", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        upload_id = str(begun.got.get("UploadId") or "")
        self.note(_O.CREATE, kept=bool(upload_id))
        if not upload_id:
            return
        self.note(_O.FULL_OBJECT, kept=begun.got.get("ChecksumType") in (None, "FULL_OBJECT"))
        body = _body()

        def part(crc32: str) -> _TrialAnswer:
            about: dict[str, Any] = {"UploadId": upload_id, "PartNumber": 1}
            return self.ask("upload_part", Body=body, ChecksumAlgorithm="CRC32", ChecksumCRC32=crc32, **about)

        self.note(_O.CRC32_PART, kept=_refused(part(_wrong(body))))
        sent = part(_crc32(body))

        def complete(crc32: str, **condition: str) -> _TrialAnswer:
            named = {"PartNumber": 1, "ETag": f'"{sent.etag}"', "ChecksumCRC32": _crc32(body)}
            return self.ask(
                "complete_multipart_upload",
                UploadId=upload_id,
                ChecksumCRC32=crc32,
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=len(body),
                MultipartUpload={"Parts": [named]},
                **condition,
            )

        try:
            # It is not read: LocalStack 4.14 has lost the end of an object over which a PUT was refused.
            etag = self.ask("head_object").etag
            for observation, condition in (
                (_O.COMPLETE_CREATE_ONLY, {"IfNoneMatch": "*"}),
                (_O.COMPLETE_REPLACE_ONLY, {"IfMatch": self.etag_is(_NO_ETAG)}),
            ):
                answer = complete(_crc32(body), **condition)
                if _is_gone(answer) and self.content() == self._there:
                    return  # the refusal before this has ended the upload, and nothing was written
                kept = _refused(answer) and not _is_gone(answer)
                self.note(observation, kept=kept)
                if not kept:
                    return  # the upload has been used up
            answer = complete(_wrong(body))
            if _is_gone(answer):
                return
            self.note(_O.CRC32_WHOLE, kept=_refused(answer))
            if answer.ok:
                return
            answer = complete(_crc32(body), IfMatch=self.etag_is(etag))
            if _is_gone(answer):
                return
            if answer.ok:
                self.note(_O.COMPLETE_ETAG, kept=bool(answer.etag))
            self.note(_O.COMPLETE_CONTENT, kept=answer.ok)
        finally:
            if self.seen.get(_O.COMPLETE_CONTENT) is not TrialResult.KEPT:
                self.ask("abort_multipart_upload", UploadId=upload_id)

    def clock(self) -> None:
        """Last-Modified and Date, of the object, which was written a moment ago."""
        answer = self.ask("head_object")
        date = answer.got.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            age = from_http(date) - answer.got["LastModified"].timestamp()
        except (KeyError, ValueError):
            return
        self.note(_O.CLOCK, kept=-_MOST_LATER <= age <= _MOST_EARLIER)

    def copies(self) -> None:
        """CopyObject, of the object to another one beside it."""
        other = f"{self.key}-copy"
        source = {"Bucket": self._bucket.name, "Key": self._bucket.prefix + self.key}

        def copy(**condition: str) -> _TrialAnswer:
            return self.ask("copy_object", other, CopySource=source, **condition)

        try:
            if not copy().ok:
                return
            there = self.content(other)
            self.put(_body())  # so that a copy that is made all the same can be told
            for observation, condition in (
                (_O.COPY_SOURCE, {"CopySourceIfMatch": f'"{_NO_ETAG}"'}),
                (_O.COPY_CREATE_ONLY, {"IfNoneMatch": "*"}),
                (_O.COPY_REPLACE_ONLY, {"IfMatch": f'"{_NO_ETAG}"'}),
            ):
                refused = _refused(copy(**condition))
                self.note(observation, kept=refused and self.content(other) == there)
        finally:
            self.remove(other)

    def lists(self) -> None:
        """The order of keys that stores sort in different ways, and what comes after one of them."""
        keys = [f"{self.key}-{name}" for name in _LISTED]
        start = f"{self._bucket.prefix}{self.key}-"
        try:
            for key in keys:
                if not self.put(_body(), key).ok:
                    return
            found = self._names(Prefix=start)
            in_order = sorted(start + name for name in _LISTED)
            self.note(_O.LIST_ORDER, kept=found == in_order)
            after = self._names(Prefix=start, StartAfter=in_order[1])
            self.note(_O.LIST_START_AFTER, kept=set(in_order[2:]) <= set(after))
        finally:
            for key in keys:
                self.remove(key)

    def _names(self, **arguments: str) -> list[str]:
        answer = self.ask("list_objects_v2", **arguments)
        return [entry["Key"] for entry in answer.got.get("Contents", ())]

    def landing(self) -> None:
        """Trials that leave nothing: a part of an upload that is abandoned, a PUT on no object's ETag."""
        if isinstance(self.ask("abort_multipart_upload", UploadId=secrets.token_hex(16)).error, AccessDenied):
            return  # what could not be taken back is not begun
        begun = self.ask("create_multipart_upload", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        if upload_id := begun.got.get("UploadId"):
            try:
                body = _body()
                about = {"UploadId": upload_id, "PartNumber": 1, "ChecksumAlgorithm": "CRC32"}
                answer = self.ask("upload_part", Body=body, ChecksumCRC32=_wrong(body), **about)
                self.note(_O.LANDING_CRC32_PART, kept=_refused(answer))
            finally:
                self.ask("abort_multipart_upload", UploadId=upload_id)
        answer = self.put(_body(), IfMatch=self.etag_is(_NO_ETAG))
        if answer.ok:
            self.remove(self.key)
        if not isinstance(answer.error, AccessDenied):
            self.note(_O.LANDING_REPLACE_ONLY, kept=not answer.ok)

    def remove(self, key: str) -> None:
        """Delete an object; that a provider may not is fine."""
        self.ask("delete_object", key)


def probe_profile(
    control: Bucket,
    landing: Bucket | None,
    key: str,
    *,
    copies: bool = False,
    lists: bool = False,
    clock: Clock = SYSTEM,
) -> StoreProfile:
    """Test a store's guarantees. Everything that is written is removed again.

    Args:
        control: where objects may be written and deleted.
        landing: where files go; None: no trial is made there.
        key: of the object to write, relative to the prefix of `control`; nobody else's.
        copies: try copies, too.
        lists: try in which order keys are listed, too.
        clock: waits between attempts, and says when.

    Raises:
        StoreError: nobody answers.
    """
    trials = _Trials(control, key, clock)
    there = (
        None if landing is None else _Trials(landing, f"upload-client-probe-{secrets.token_hex(8)}", clock)
    )
    landing_trial: Future[None] | None = None
    try:
        trials.whole()
        if there is not None:
            there.bare = trials.bare
            landing_trial = call_in_thread(there.landing, "try landing")
        if trials.seen:
            trials.parts()
            trials.clock()
            if copies:
                trials.copies()
            if lists:
                trials.lists()
    finally:
        try:
            trials.remove(key)
        finally:
            if landing_trial is not None:
                landing_trial.exception()  # whatever comes of it, it has cleared up
    if landing_trial is not None:
        landing_trial.result()
    seen = trials.seen if there is None else trials.seen | there.seen
    endpoint = str(control.client.meta.endpoint_url)
    profile = StoreProfile(endpoint, trials.server[:200], timestamp(clock.wall()), seen)
    _log.info("%s is %s", control, profile.in_a_line)
    return profile


def known_profile(control: Bucket, layout: Layout) -> tuple[StoreProfile | None, str | None]:
    """The profile that is written down, if it is of this store and not too old; and the ETag of that object.

    Raises:
        StoreError: nobody answers.
    """
    try:
        fetched = control.get(layout.store_profile, limit=MAX_BODY)
    except NotFound:
        return None, None
    except ObjectTooLarge as error:
        return None, error.found.etag
    profile = StoreProfile.decode(fetched.body)
    endpoint = str(control.client.meta.endpoint_url)
    if profile is None or not profile.is_of(endpoint, fetched.server, fetched.date - fetched.last_modified):
        return None, fetched.etag
    return profile, fetched.etag


def adopt_profile(control: Bucket, layout: Layout) -> None:
    """Use the stored profile for this store's clients; for callers that test nothing themselves.

    Raises:
        StoreError: nobody answers.
    """
    try:
        profile = StoreProfile.decode(control.read(layout.store_profile, limit=MAX_BODY))
    except (NotFound, AccessDenied, ObjectTooLarge):
        return
    if profile is not None and profile.bare_etags:
        etag_form.use_bare(control.client)


def save_profile(control: Bucket, layout: Layout, profile: StoreProfile, replaces: str | None) -> None:
    """Write a profile down for the next runs, if nobody has done so meanwhile.

    Args:
        control: the control bucket.
        layout: says where it lies.
        profile: to write.
        replaces: the ETag of what lies there; None: nothing.
    """
    try:
        control.put(
            layout.store_profile,
            profile.encode(),
            if_none_match=replaces is None,
            if_match=replaces,
            content_type="application/json",
        )
    except (PreconditionFailed, ConditionalConflict, AccessDenied, NotFound) as error:
        _log.info("the store's profile was not written down: %s", error)


def _refused(answer: _TrialAnswer) -> bool:
    """Whether a store has refused a request for its content; 403 and 501 are said of any such request."""
    return answer.error is not None and answer.error.status not in (403, 501)


def _is_gone(answer: _TrialAnswer) -> bool:
    """Whether there is no such upload any more: it was used up by a request, carried out or not."""
    return answer.error is not None and answer.error.s3_code == "NoSuchUpload"


def _body() -> bytes:
    return f"trial {secrets.token_hex(16)}\n".encode()


def _crc32(body: bytes) -> str:
    return checksums.encode(checksums.crc32(body))


def _wrong(body: bytes) -> str:
    return checksums.encode(checksums.crc32(body) ^ 1)
