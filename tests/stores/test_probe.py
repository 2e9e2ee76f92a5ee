"""The trials of a store: what it keeps is proven, what it breaks is seen, and nothing is left behind."""

from __future__ import annotations

import re
import secrets
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from faults import proxy as net
from faults.lost import clock, lost_answer
from waiting import until

from upload_client.control.probe import prove_conditions
from upload_client.control.store_probe import adopt_profile, known_profile, probe_profile, save_profile
from upload_client.core.layout import Layout
from upload_client.core.store_profile import Observation, StoreProfile, TrialResult, Use
from upload_client.s3 import etag_form
from upload_client.s3.bucket import AnswerLost, Bucket
from upload_client.s3.clients import s3_client

__all__ = ["clock", "lost_answer"]

O = Observation  # noqa: E741
LAYOUT = Layout("toy", "d1", "staging")

CRC32, MD5 = "x-amz-checksum-crc32", "Content-MD5"
IGNORED = {
    O.CREATE_ONLY: ("PutObject", "If-None-Match"),
    O.REPLACE_ONLY: ("PutObject", "If-Match"),
    O.CRC32_PUT: ("PutObject", CRC32),
    O.CRC32_PART: ("UploadPart", CRC32),
    O.CRC32_WHOLE: ("CompleteMultipartUpload", CRC32),
    O.COMPLETE_CREATE_ONLY: ("CompleteMultipartUpload", "If-None-Match"),
    O.COMPLETE_REPLACE_ONLY: ("CompleteMultipartUpload", "If-Match"),
    O.COPY_SOURCE: ("CopyObject", "x-amz-copy-source-if-match"),
    O.COPY_CREATE_ONLY: ("CopyObject", "If-None-Match"),
    O.COPY_REPLACE_ONLY: ("CopyObject", "If-Match"),
}
"""The header that a store ignores, if it breaks this promise."""


@pytest.fixture
def sound(real_s3, session, request) -> Bucket:
    """A bucket of the store that checks, with a client of its own."""
    client = s3_client(session, Endpoint(real_s3))
    name = f"probe-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=name)
    yield Bucket(name, prefix="control/toy/d1/", client=client)
    # Whatever the trial, nothing is left behind.
    assert "Contents" not in client.list_objects_v2(Bucket=name)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=name)
    client.delete_bucket(Bucket=name)
    client.close()


class Endpoint:
    def __init__(self, url: str) -> None:
        self.endpoint_url = url
        self.endpoints: dict[str, str] = {}


def probe(control: Bucket, *, landing: bool = True, **how) -> StoreProfile:
    there = Bucket(control.name, prefix="landing/toy/d1/", client=control.client) if landing else None
    return probe_profile(control, there, "probe/abc", copies=True, **how)


def broken(profile: StoreProfile) -> set[Observation]:
    return {one for one, seen in profile.observed.items() if seen is TrialResult.BROKEN}


def ignore(bucket: Bucket, operation: str, header: str) -> None:
    """Have the bucket's store ignore a header: it never arrives."""

    def take_away(request, **_):
        for name in [name for name in request.headers if name.lower() == header.lower()]:
            del request.headers[name]

    bucket.client.meta.events.register(f"before-sign.s3.{operation}", take_away)


def test_a_sound_store_proves_all_it_is_asked_for(sound):
    profile = probe(sound)
    assert broken(profile) == set()
    assert profile.refused(copies=True) == ()
    assert profile.verification == "crc32"
    assert profile.server
    judged = {one.observation: one.use for one in profile.judge(copies=True)}
    not_tried = {one for one, use in judged.items() if use is Use.NOT_TRIED}
    only_where_needed = {O.MD5_PUT, O.PINNED_GET, O.LIST_ORDER, O.LIST_START_AFTER}
    assert not_tried == only_where_needed


def test_it_makes_as_many_requests_as_the_page_says(sound):
    page = (Path(__file__).parents[2] / "docs/stores.md").read_text(encoding="utf-8")
    said = re.search(r"makes (\d+) requests, (\d+) more .*, once .* at each run (\d+) more", page, re.DOTALL)
    asked = []
    sound.client.meta.events.register("before-send.s3", lambda **_: asked.append(1))
    counts = []
    landing = Bucket(sound.name, prefix="landing/toy/d1/", client=sound.client)
    for look in (
        lambda: probe_profile(sound, landing, "probe/a"),
        lambda: probe_profile(sound, landing, "probe/b", copies=True),
        lambda: prove_conditions(sound, "probe/c"),
    ):
        asked.clear()
        look()
        counts.append(len(asked))
    whole, copies, each = counts
    assert [str(n) for n in (whole, copies - whole, each)] == list(said.groups())


@pytest.mark.parametrize("observation", IGNORED)
def test_each_promise_that_a_store_breaks_is_seen(sound, observation):
    ignore(sound, *IGNORED[observation])
    profile = probe(sound)
    assert profile.observed[observation] is TrialResult.BROKEN
    (judged,) = [one for one in profile.judge(copies=True) if one.observation is observation]
    assert judged.use in (Use.REFUSED, Use.MADE_UP_FOR)


def test_an_upload_that_ends_with_its_first_refusal_breaks_no_promise(sound, monkeypatch):
    complete = sound.client.complete_multipart_upload

    def once(**arguments):
        try:
            return complete(**arguments)
        except ClientError:
            where = {name: arguments[name] for name in ("Bucket", "Key", "UploadId")}
            sound.client.abort_multipart_upload(**where)
            raise

    monkeypatch.setattr(sound.client, "complete_multipart_upload", once)
    profile = probe(sound)
    assert broken(profile) == set()
    assert profile.no_parts == ""
    assert O.COMPLETE_CREATE_ONLY in profile.observed


def test_a_copy_that_is_refused_and_made_all_the_same_is_seen(sound, monkeypatch):
    copy, head = sound.client.copy_object, sound.client.head_object
    first = {}

    def refuse_and_copy(**arguments):
        condition = arguments.pop("IfNoneMatch", None)
        answer = copy(**arguments)
        if condition is not None:
            refused = {"Code": "PreconditionFailed", "Message": ""}
            about = {"HTTPStatusCode": 412, "HTTPHeaders": {}}
            raise ClientError({"Error": refused, "ResponseMetadata": about}, "CopyObject")
        return answer

    def tell_of_the_one_before(**arguments):
        return (
            first.setdefault(arguments["Key"], head(**arguments))
            if "-copy" in arguments["Key"]
            else head(**arguments)
        )

    monkeypatch.setattr(sound.client, "copy_object", refuse_and_copy)
    monkeypatch.setattr(sound.client, "head_object", tell_of_the_one_before)
    assert O.COPY_CREATE_ONLY in broken(probe(sound))


def test_a_store_that_verifies_only_md5_is_sent_the_md5(sound):
    ignore(sound, "PutObject", CRC32)
    assert probe(sound).verification == "md5"


def test_of_a_store_that_verifies_nothing_content_is_read_back(sound):
    ignore(sound, "PutObject", CRC32)
    ignore(sound, "PutObject", MD5)
    assert probe(sound).verification == "read-back"


def test_a_store_that_verifies_nothing_and_gives_another_object_than_was_asked_for_is_refused(sound):
    ignore(sound, "PutObject", CRC32)
    ignore(sound, "PutObject", MD5)
    ignore(sound, "GetObject", "If-Match")
    profile = probe(sound)
    assert profile.verification == "none"
    assert len(profile.refused(copies=True)) == 1


def test_a_checksum_of_parts_is_told_before_anything_is_sent(sound):
    def composite(parsed, **_):
        parsed["ChecksumType"] = "COMPOSITE"

    sound.client.meta.events.register("after-call.s3.CreateMultipartUpload", composite)
    profile = probe(sound)
    assert broken(profile) == {O.FULL_OBJECT}
    assert "CRC32 of its parts" in profile.no_parts


def quoted_never_match(request, **_):
    if (etag := request.headers.get("If-Match")) is not None:
        del request.headers["If-Match"]
        request.headers["If-Match"] = '"nothing"' if etag.startswith('"') else f'"{etag}"'


def test_what_is_read_back_is_tried_with_the_etag_as_reads_name_it_whatever_writes_do(sound):
    ignore(sound, "PutObject", CRC32)
    ignore(sound, "PutObject", MD5)
    sound.client.meta.events.register("before-sign.s3.PutObject", quoted_never_match)
    asked = []
    sound.client.meta.events.register(
        "before-sign.s3.GetObject", lambda request, **_: asked.append(request.headers.get("If-Match"))
    )
    profile = probe(sound)
    assert (profile.bare_etags, profile.verification) == (True, "read-back")
    pinned = [etag for etag in asked if etag is not None]
    assert len(pinned) == 2
    assert all(re.fullmatch('"[^"]+"', etag) for etag in pinned)


def test_a_store_that_wants_bare_etags_is_told_from_one_that_ignores_conditions(sound):
    sound.client.meta.events.register("before-sign.s3.PutObject", quoted_never_match)
    profile = probe(sound)
    assert broken(profile) == {O.QUOTED_ETAG}
    assert profile.bare_etags
    save_profile(sound, LAYOUT, profile, None)
    adopt_profile(sound, LAYOUT)
    assert etag_form.is_bare(sound.client)
    first = sound.put("probe/x", b"one", if_none_match=True)
    sound.put("probe/x", b"two", if_match=first.etag)
    sound.rm("probe/x")
    sound.rm(LAYOUT.store_profile)


def test_a_clock_that_runs_away_from_itself_is_refused(sound):
    def later(parsed, **_):
        if "LastModified" in parsed:
            parsed["LastModified"] = parsed["LastModified"].replace(year=2100)

    sound.client.meta.events.register("after-call.s3.HeadObject", later)
    assert "age of a lock" in probe(sound).refused()[0]


def test_the_order_of_a_listing_is_found_out_where_it_is_asked_for(sound, real_s3):
    profile = probe(sound, lists=True)
    assert {O.LIST_ORDER, O.LIST_START_AFTER} <= set(profile.observed)
    assert broken(profile) <= {O.LIST_ORDER, O.LIST_START_AFTER}
    assert profile.refused() == ()


def test_moto_verifies_nothing_and_content_is_read_back(moto_server, session):
    client = s3_client(session, Endpoint(moto_server))
    client.create_bucket(Bucket="probe-moto")
    control = Bucket("probe-moto", prefix="control/toy/d1/", client=client)
    profile = probe(control)
    assert profile.verification == "read-back"
    assert profile.no_parts
    assert len(profile.refused(copies=True)) == 3
    assert control.ls() == ()
    client.delete_bucket(Bucket="probe-moto")


def test_a_profile_is_written_down_once_and_read_by_the_next(sound):
    assert known_profile(sound, LAYOUT) == (None, None)
    profile = probe(sound)
    save_profile(sound, LAYOUT, profile, None)
    save_profile(sound, LAYOUT, StoreProfile("http://other", "", ""), None)  # somebody was faster
    known, etag = known_profile(sound, LAYOUT)
    assert known == profile
    assert etag
    adopt_profile(sound, LAYOUT)
    assert not etag_form.is_bare(sound.client)
    sound.put(LAYOUT.store_profile, b"x" * 20_000)
    known, etag = known_profile(sound, LAYOUT)
    assert known is None  # too long to be one; it is replaced
    save_profile(sound, LAYOUT, profile, etag)
    assert known_profile(sound, LAYOUT)[0] == profile
    save_profile(sound, LAYOUT, StoreProfile("http://other", "", ""), known_profile(sound, LAYOUT)[1])
    assert known_profile(sound, LAYOUT)[0] is None  # of another store
    sound.rm(LAYOUT.store_profile)


def test_who_may_not_write_it_down_delivers_all_the_same(bucket, through, proxy):
    proxy.on(net.answer(403, "AccessDenied"), method="PUT")
    save_profile(through(bucket), LAYOUT, StoreProfile("http://store", "", ""), None)


def test_an_outage_is_no_broken_promise(bucket, through, proxy, clock):
    proxy.down()
    with pytest.raises(AnswerLost):
        probe_profile(through(bucket), None, "probe/abc", clock=clock)


def test_the_landing_bucket_is_tried_beside_the_control_bucket(sound, session, real_s3):
    with net.Proxy(real_s3) as proxy:
        client = s3_client(session, Endpoint(proxy.url))
        landing = Bucket(sound.name, prefix="landing/", client=client)

        def late(**_):
            until(lambda: len(proxy.requests) == 5, why="all is asked in the landing bucket")

        sound.client.meta.events.register("before-send.s3.CreateMultipartUpload", late)
        profile = probe_profile(sound, landing, "probe/abc")
        sound.client.meta.events.unregister("before-send.s3.CreateMultipartUpload", late)
        client.close()
    assert (
        profile.observed[O.COMPLETE_CONTENT] is profile.observed[O.LANDING_REPLACE_ONLY] is TrialResult.KEPT
    )


def test_where_the_control_bucket_goes_away_meanwhile_the_landing_bucket_is_left_as_it_was(
    sound, session, real_s3, clock
):
    ended, is_down = [], threading.Event()
    with net.Proxy(real_s3) as proxy:
        control = Bucket(sound.name, client=s3_client(session, Endpoint(proxy.url)))

        def gone(**_):
            proxy.down()
            is_down.set()

        def late(**_):
            assert is_down.wait(60)

        control.client.meta.events.register("before-send.s3.CreateMultipartUpload", gone)
        landing = Bucket(sound.name, prefix="landing/", client=s3_client(session, Endpoint(real_s3)))
        landing.client.meta.events.register("before-send.s3.UploadPart", late)
        landing.client.meta.events.register("after-call.s3.AbortMultipartUpload", lambda **_: ended.append(1))
        with pytest.raises(AnswerLost):
            probe_profile(control, landing, "probe/abc", clock=clock)
    sound.client.delete_object(Bucket=sound.name, Key="probe/abc")  # what was out of reach could not be
    assert len(ended) == 2  # of nothing, to see whether one may, and of the one that was begun


def test_who_may_not_abandon_an_upload_begins_none_in_the_landing_bucket(sound, session, real_s3):
    with net.Proxy(real_s3) as proxy:
        client = s3_client(session, Endpoint(proxy.url))
        proxy.on(net.answer(403, "AccessDenied"), method="DELETE", times=None)
        landing = Bucket(sound.name, prefix="landing/", client=client)
        profile = probe_profile(sound, landing, "probe/abc")
        asked = [one.method for one in proxy.requests]
        client.close()
    assert asked == ["DELETE"]
    assert O.LANDING_CRC32_PART not in profile.observed
