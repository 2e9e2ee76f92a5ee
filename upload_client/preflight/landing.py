"""The landing bucket, and a bucket that files come from: permissions, the rate, unfinished uploads."""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.control.identity import new_agent_id
from upload_client.core import checksums
from upload_client.core import preflight as rules
from upload_client.core.answers import Meaning
from upload_client.core.preflight import Finding
from upload_client.core.times import timestamp
from upload_client.errors import StoreUnsafe
from upload_client.preflight.run import (
    SHOWN,
    Measured,
    Run,
    Steps,
    asked,
    list_one,
    more,
    n_threads,
    ok,
    store_answer,
)
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.route import NoRoute
from upload_client.s3.unfinished import UnfinishedUpload, unfinished_uploads
from upload_client.s3.wire import (
    AbortUpload,
    Answer,
    BotoWire,
    CopyObject,
    CreateUpload,
    HeadObject,
    ListParts,
    PutObject,
    SourceObject,
    UploadPart,
    Wire,
)
from upload_client.settings import Settings
from upload_client.support import figures

_NO_ETAG = "0" * 32
_LATENCIES = 5
_MOST_UNFINISHED = 10_000


def look_at_landing(
    run: Run, buckets: DeliveryBuckets, settings: Settings, source: Path | Bucket | None, *, safe: bool
) -> Steps[None]:
    """Try each permission that sending needs; measure the rate; find what earlier runs have left."""
    landing = buckets.landing
    where = (landing.name, landing.prefix)
    options = list(settings.object_options)
    from_bucket = source if isinstance(source, Bucket) else None
    wire = BotoWire(landing, from_bucket, settings.object_options)
    key = f"upload-client-probe-{new_agent_id()}"
    run.report(f"trying out {landing}")
    listed: dict[str, Any] = {}
    answer = asked(f"LIST {landing}", lambda: listed.update(list_one(landing)))
    finding = run.answer("landing-list", *answer, where, found=f" in {landing}")
    yield finding
    if not ok(answer) and answer.means is not Meaning.DENIED:
        run.why_not = "not tried: the bucket cannot be used"
        return

    there = next((entry["Key"] for entry in listed.get("Contents", ())), None)
    seen = there.removeprefix(landing.prefix) if there else key
    began = run.clock.monotonic()
    head = wire.perform(HeadObject(seen))
    latencies = [run.clock.monotonic() - began]
    reads = run.read_answer("landing-read", store_answer(head), where, exists=there is not None)
    yield reads
    for _ in range(_LATENCIES - 1):
        began = run.clock.monotonic()
        wire.perform(HeadObject(seen))
        latencies.append(run.clock.monotonic() - began)
    run.measured = Measured(statistics.median(latencies), n_threads(settings))

    upload_id = secrets.token_hex(16)  # nobody's
    aborted = wire.perform(AbortUpload(key, upload_id))
    yield run.answer("landing-abort", *store_answer(aborted), where)
    yield run.answer("landing-parts", *store_answer(wire.perform(ListParts(key, upload_id))), where)

    writes: Finding | None = None
    if safe:
        writes = _try_write(run, wire, key, landing, options, reads=reads.status == "ok")
    began_upload: Answer | None = None
    if ok(store_answer(aborted)):
        began_upload = wire.perform(CreateUpload(key))
        if writes is None:
            writes = run.answer("landing-write", *store_answer(began_upload), where, options)
        yield run.answer("landing-multipart", *store_answer(began_upload), where, options)
        if began_upload.ok:
            _measure(run, landing, settings, wire, key, began_upload.upload_id)
    else:
        yield Finding("landing-multipart", "skipped", "not tried: it could not be taken back")
    yield writes or Finding("landing-write", "skipped", "not tried: nothing may be written that stays")
    if from_bucket is not None:
        yield from _copies(run, from_bucket, wire, key, landing, options, safe=safe)
    own = began_upload.upload_id if began_upload else ""
    yield from run.contained("leftovers", _unfinished(run, landing, own))


def _try_write(
    run: Run, wire: Wire, key: str, landing: Bucket, options: Sequence[str], *, reads: bool
) -> Finding | None:
    """Write on a condition that cannot hold. None: what it says may be due to another permission.

    ``If-Match`` needs s3:GetObject as well.
    """
    answer = wire.perform(PutObject(key, b"", checksums.encode(0), _NO_ETAG))
    if answer.ok:
        landing.rm(key)
        return Finding(
            "landing-write",
            "problem",
            f"{landing} ignores If-Match: a write on a wrong ETag passed (and was removed)",
            StoreUnsafe.hint,
        )
    if answer.meaning is Meaning.DENIED and not reads:
        return None
    return run.answer("landing-write", *store_answer(answer), (landing.name, landing.prefix), options)


def _measure(run: Run, landing: Bucket, settings: Settings, wire: BotoWire, key: str, upload_id: str) -> None:
    """Send parts of an upload that is then abandoned, for a second or so; see `rules.next_probe`."""
    assert run.measured is not None
    with ExitStack() as exit_stack:
        exit_stack.callback(_abandon, run, wire, key, upload_id)
        carrier: Wire = wire
        if settings.engine != "boto3":
            try:
                carrier = DirectWire(
                    landing, settings.object_options, unsigned_payload=settings.unsigned_payload
                )
            except NoRoute:
                carrier = wire
            else:
                exit_stack.callback(carrier.close)
        run.report("measuring the rate")
        n = run.measured.n_threads
        most = rules.LARGEST_PROBE
        if settings.max_rate:
            most = min(most, int(settings.max_rate))
        content = secrets.token_bytes(most // n + 1)  # so that nothing on the way can compress it
        size: int | None = min(rules.FIRST_PROBE * n, most)
        sent = seconds = 0.0
        with ThreadPoolExecutor(n, "rate") as pool:
            number = 1
            while size:
                body = content[: max(size // n, 1)]
                crc32 = checksums.encode(checksums.crc32(body))
                parts = [UploadPart(key, upload_id, number + i, body, crc32) for i in range(n)]
                number += n
                began = run.clock.monotonic()
                if not all(answer.ok for answer in pool.map(carrier.perform, parts)):
                    return  # then nothing is known
                seconds = run.clock.monotonic() - began
                sent = float(n * len(body))
                size = rules.next_probe(int(sent), seconds, most=most)
        run.measured.rate = sent / max(seconds, 0.001)
        run.measured.how = (
            f"{n} connections sent {figures.size(sent)} in {seconds:.1f} s, as parts of an upload that"
            " was abandoned"
        )


def _abandon(run: Run, wire: Wire, key: str, upload_id: str) -> None:
    for _ in range(3):
        answer = wire.perform(AbortUpload(key, upload_id))
        if ok(store_answer(answer)):
            return
        run.clock.sleep(1.0)


def look_at_source(run: Run, source: Bucket) -> Steps[None]:
    """Whether the bucket that files come from may be listed."""
    where = (source.name, source.prefix)
    run.report(f"looking at {source}")
    listed: dict[str, Any] = {}
    answer = asked(f"LIST {source}", lambda: listed.update(list_one(source)))
    run.a_source_key = next(
        (entry["Key"].removeprefix(source.prefix) for entry in listed.get("Contents", ())), None
    )
    yield run.answer("source-list", *answer, where, found=f" in {source}")


def _copies(
    run: Run, source: Bucket, wire: Wire, key: str, landing: Bucket, options: Sequence[str], *, safe: bool
) -> Steps[None]:
    """Copy on two conditions that cannot hold, so that nothing is copied."""
    where = (source.name, source.prefix)
    some = run.data.paths[0] if run.data and run.data.paths else run.a_source_key
    if some is None:
        yield Finding("source-read", "skipped", "not tried: no file is there")
        yield Finding("source-copy", "skipped", "not tried: no file is there")
        return
    yield run.read_answer("source-read", store_answer(wire.perform(SourceObject(some))), where, exists=True)
    if not safe:
        yield Finding("source-copy", "skipped", "not tried: nothing may be written that stays")
        return
    answer = wire.perform(CopyObject(some, _NO_ETAG, key, _NO_ETAG))
    if answer.ok:
        landing.rm(key)
        yield Finding(
            "source-copy",
            "problem",
            f"{landing} ignores the conditions of a copy (which was removed)",
            StoreUnsafe.hint,
        )
        return
    yield run.answer("source-copy", *store_answer(answer), where, options)


def _unfinished(run: Run, landing: Bucket, own: str) -> Steps[None]:
    where = (landing.name, landing.prefix)
    found: list[UnfinishedUpload] = []

    def ask() -> None:
        found.extend(islice(unfinished_uploads(landing), _MOST_UNFINISHED))

    answer = asked(f"list unfinished uploads to {landing}", ask)
    yield run.answer("landing-uploads", *answer, where)
    if not ok(answer):
        return
    if any(one.upload_id == own for one in found):
        yield Finding(
            "leftovers",
            "problem",
            "the upload by which the rate was measured could not be abandoned",
            "Throw it away: `upload-client check --clean`.",
        )
        return
    if not found:
        yield Finding("leftovers", "ok", "none")
        return
    shown = [f"{one.key}  begun {timestamp(one.initiated)}" for one in found[:SHOWN]]
    n = f"{figures.count(len(found))}{' or more' * (len(found) == _MOST_UNFINISHED)}"
    yield Finding(
        "leftovers",
        "ok",
        f"{n} large file{'s' * (len(found) != 1)} sent in part by earlier runs; the next run resumes them",
        "If nobody resumes this delivery: `upload-client check --clean`.",
        details=(*shown, *more(len(found))),
    )
