"""The control bucket: its permissions, conditional writes, the delivery's name, and its lock."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from upload_client.aws.auth import SET_CLOCK
from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.control.identity import current_process, is_running, new_agent_id
from upload_client.control.probe import probe_store
from upload_client.control.store_probe import probe_profile
from upload_client.core import preflight as rules
from upload_client.core.answers import Meaning
from upload_client.core.files import TYPE_NAMES
from upload_client.core.lease import MAX_BODY, LockBody, Take, WhyRefused, WhyTaken, may_take
from upload_client.core.preflight import Finding
from upload_client.core.store_profile import Use
from upload_client.core.store_time import Answered
from upload_client.core.times import from_http
from upload_client.errors import StoreUnsafe
from upload_client.preflight.run import Run, Steps, asked, list_one, may_pass, ok
from upload_client.s3.bucket import AccessDenied, Bucket, NotFound, ObjectTooLarge
from upload_client.support.clock import Clock

_NO_ETAG = "0" * 32


def look_at_control(run: Run, buckets: DeliveryBuckets) -> Steps[bool]:
    """Returns whether the store honours conditional writes, as far as that could be tried."""
    control, layout = buckets.control, buckets.layout
    where, options = (control.name, control.prefix), list(control.options)
    run.report(f"trying out {control}")
    sent = run.clock.monotonic()
    listed: dict[str, Any] = {}
    answer = asked(f"LIST {control}", lambda: listed.update(list_one(control)), date=listed)
    if "Date" in listed:
        yield _clock_finding(listed["Date"], sent, run.clock)
    finding = run.answer("control-list", *answer, where, found=f" in {control}")
    yield finding
    if not ok(answer) and answer.means is not Meaning.DENIED:
        run.why_not = "not tried: the bucket cannot be used"
        return False
    yield from run.contained("delivery", _delivery(run, buckets, begun=bool(listed.get("Contents"))))
    yield from run.contained("lock", _lock(buckets))

    probe = layout.probe(new_agent_id())
    answer = asked(f"DELETE {probe}", lambda: control.rm(probe))
    yield run.answer("control-delete", *answer, where)
    if not ok(answer):
        # What cannot be taken away again is not written.
        answer = asked(f"PUT {probe}", lambda: control.put(probe, b"", if_match=_NO_ETAG))
        yield run.answer("control-write", *answer, where, options)
        answer = asked(f"GET {probe}", lambda: control.get(probe, limit=1024))
        yield run.read_answer("control-read", answer, where, exists=False)
        yield Finding("conditional-writes", "skipped", "not tried: the trial object could not be removed")
        return False
    with ExitStack() as exit_stack:
        exit_stack.callback(asked, f"DELETE {probe}", lambda: control.rm(probe))
        wrote = asked(f"PUT {probe}", lambda: control.put(probe, b"trial\n", if_none_match=True))
        yield run.answer("control-write", *wrote, where, options)
        read = asked(f"GET {probe}", lambda: control.get(probe, limit=1024))
        yield run.read_answer("control-read", read, where, exists=ok(wrote))
    if not (ok(wrote) and ok(read)):
        yield Finding("conditional-writes", "skipped", "not tried: that needs reading and writing")
        return False
    name = "conditional-writes"
    try:
        probe_store(control, layout, new_agent_id(), clock=run.clock)
    except StoreUnsafe as error:
        yield Finding(name, "problem", str(error), error.hint, passing=may_pass(error))
        return False
    yield Finding(name, "ok", "the store honours If-None-Match and If-Match")
    return True


def try_promises(run: Run, buckets: DeliveryBuckets) -> Steps[None]:
    """Try the store as a delivery does; what it keeps, in a line, and what it does not, a line each."""
    run.report("trying out what the store keeps to")
    everything = run.request.store
    copies = run.from_bucket or everything
    key = buckets.layout.probe(new_agent_id())
    profile = probe_profile(
        buckets.control, buckets.landing, key, copies=copies, lists=everything, clock=run.clock
    )
    judged = profile.judge(
        copies=run.from_bucket, accept_unverified=run.request.settings.accept_unverified_store
    )
    shown = tuple(
        f"{one.observation.value}: {one.use.value}"
        + (f": {one.reason}" if one.use is not Use.NOT_TRIED else "")
        for one in judged
        if everything or one.use in (Use.MADE_UP_FOR, Use.REFUSED)
    )
    refused = any(one.use is Use.REFUSED for one in judged)
    yield Finding(
        "promises",
        "problem" if refused else "warning" if profile.verification == "none" else "ok",
        profile.in_a_line,
        "Tell the receiver that their store cannot be delivered to." if refused else "",
        details=shown,
    )


def _delivery(run: Run, buckets: DeliveryBuckets, *, begun: bool) -> Steps[None]:
    """Is this a new delivery, one to go on with, or a misspelt one."""
    layout, request = buckets.layout, run.request
    name = f"{request.dataset}/{request.delivery_id} ({request.transfer_type})"
    if begun:
        yield Finding("delivery", "ok", f"{name} was begun before and is resumed")
        return
    for prefix, given, what in (
        (layout.fill(layout.control_prefix), request.dataset, "dataset"),
        (layout.fill(layout.control_prefix) + request.dataset + "/", request.delivery_id, "delivery id"),
    ):
        if other := rules.close_name(
            given, _folders(Bucket(buckets.control.name, client=buckets.control.client), prefix)
        ):
            yield Finding(
                "delivery",
                "warning",
                f"{name} is new, and there is a {what} {other!r}: is {given!r} misspelt?",
                f"If so, write {other!r}; else there is nothing to do.",
            )
            return
    yield Finding("delivery", "ok", f"{name} is new")


def _folders(bucket: Bucket, prefix: str) -> list[str]:
    """Names of the first folders below a prefix; none where they may not be listed."""
    found: dict[str, Any] = {}
    asked(
        f"LIST {prefix}",
        lambda: found.update(bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, Delimiter="/")),
    )
    return [entry["Prefix"][len(prefix) : -1] for entry in found.get("CommonPrefixes", ())]


def _lock(buckets: DeliveryBuckets) -> Steps[None]:
    try:
        fetched = buckets.control.get(buckets.layout.owned, limit=MAX_BODY)
        body = LockBody.decode(fetched.body)
    except NotFound:
        yield Finding("lock", "ok", "free: nobody has ever held it")
        return
    except ObjectTooLarge as error:
        fetched, body = error.found, None
    except AccessDenied:
        yield Finding("lock", "skipped", "it may not be read")
        return
    decision = may_take(
        body, age=fetched.date - fetched.last_modified, identity=current_process(), is_running=is_running
    )
    holder = "somebody whose lock cannot be read"
    if body is not None:
        who = f"{body.user or 'unknown user'} on {body.host or 'unknown host'}"
        of = "" if body.transfer_type is None else f", for {TYPE_NAMES[body.transfer_type]}"
        holder = f"agent {body.agent_id} ({who}{of}, since {body.acquired_at})"
    if isinstance(decision, Take):
        found = "free" if decision.why is WhyTaken.RELEASED else f"left by {holder}, whose run has died"
        yield Finding("lock", "ok", found)
        return
    todo = "Wait until that run has ended."
    if decision.why is WhyRefused.NEWER:
        todo = "Install the newer version of upload-client that holds it."
    elif body is not None:
        todo += f" If you know that it is dead: `upload-client unlock --steal {body.agent_id}`."
    yield Finding("lock", "problem", f"held by {holder}", todo)


def _clock_finding(date: str, sent: float, clock: Clock) -> Finding:
    """Judge this machine's clock by the ``Date`` of an answer that has just come.

    It was made at some moment since its request was `sent`, so a slow answer proves that much less.
    """
    try:
        answered = Answered(from_http(date), sent, clock.monotonic(), clock.wall())
    except ValueError:
        return Finding("clock", "skipped", "the store does not report its time")
    off = answered.off(answered.wall)
    status = rules.clock_status(off)
    found = "as the store's, to a second"
    if abs(off) > 1.5:
        found = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the store's"
    return Finding("clock", status, found, "" if status == "ok" else SET_CLOCK)
