"""A store is believed only for what it proves: a broken promise is made up for, or the store is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.store_profile import (
    MAX_BODY,
    TRUSTED_SECONDS,
    Observation,
    StoreProfile,
    TrialResult,
    Use,
)

O = Observation  # noqa: E741
SOUND = {one: TrialResult.KEPT for one in O if one not in (O.MD5_PUT, O.PINNED_GET)}
PROFILES = st.builds(
    StoreProfile,
    endpoint=st.just("http://store"),
    server=st.sampled_from(["", "SeaweedFS 4.48"]),
    probed_at=st.just("2026-11-29T05:00:00.000Z"),
    observed=st.dictionaries(st.sampled_from(list(O)), st.sampled_from(list(TrialResult))),
)


def profile(**broken: TrialResult) -> StoreProfile:
    """A sound store but for what is named."""
    observed = SOUND | {O[name]: seen for name, seen in broken.items()}
    return StoreProfile("http://store", "Store 1", "2026-11-29T05:00:00.000Z", observed)


def use(of: StoreProfile, observation: Observation, **how: bool) -> Use:
    return next(one.use for one in of.judge(**how) if one.observation is observation)


def test_a_sound_store_is_proven_and_nothing_is_made_up_for():
    judged = profile().judge(copies=True)
    assert {one.use for one in judged if one.observation in SOUND} == {Use.PROVEN}
    assert profile().refused(copies=True) == ()
    assert (profile().verification, profile().no_parts, profile().bare_etags) == ("crc32", "", False)
    assert profile().in_a_line == "Store 1: CRC32 confirmed by the store; fenced uploads in parts"


@pytest.mark.parametrize("name", ["CREATE_ONLY", "REPLACE_ONLY", "CLOCK", "LANDING_REPLACE_ONLY"])
def test_what_two_owners_could_come_of_is_refused_and_cannot_be_accepted(name):
    (reason,) = profile(**{name: TrialResult.BROKEN}).refused(accept_unverified=True)
    assert reason


@pytest.mark.parametrize(
    "name",
    [
        "CREATE",
        "FULL_OBJECT",
        "CRC32_PART",
        "LANDING_CRC32_PART",
        "COMPLETE_CREATE_ONLY",
        "COMPLETE_REPLACE_ONLY",
        "COMPLETE_CONTENT",
    ],
)
def test_where_parts_are_not_confirmed_or_fenced_files_go_in_one_request(name):
    found = profile(**{name: TrialResult.BROKEN})
    assert "one request each" in found.no_parts
    assert found.refused() == ()
    assert use(found, O[name]) is Use.MADE_UP_FOR
    assert found.in_a_line.endswith("no uploads in parts")


@pytest.mark.parametrize(
    "name", ["QUOTED_ETAG", "CRC32_WHOLE", "COMPLETE_ETAG", "LIST_ORDER", "LIST_START_AFTER"]
)
def test_what_the_client_makes_up_for_refuses_nobody(name):
    found = profile(**{name: TrialResult.BROKEN})
    assert use(found, O[name]) is Use.MADE_UP_FOR
    assert found.refused(copies=True) == ()
    assert found.no_parts == ""
    assert found.bare_etags == (name == "QUOTED_ETAG")


@pytest.mark.parametrize("name", ["COPY_SOURCE", "COPY_CREATE_ONLY", "COPY_REPLACE_ONLY"])
def test_copies_that_are_not_fenced_are_refused_where_files_are_copied(name):
    found = profile(**{name: TrialResult.BROKEN})
    assert found.refused() == ()
    assert "not copied" in next(one.reason for one in found.judge() if one.observation is O[name])
    assert len(found.refused(copies=True)) == 1


def test_where_the_crc32_is_not_verified_the_md5_goes_along():
    found = profile(CRC32_PUT=TrialResult.BROKEN, MD5_PUT=TrialResult.KEPT)
    assert found.verification == "md5"
    assert use(found, O.CRC32_PUT) is Use.MADE_UP_FOR
    assert use(found, O.MD5_PUT) is Use.PROVEN
    assert found.refused() == ()
    assert "MD5 confirmed" in found.in_a_line


def test_where_neither_is_verified_the_store_is_refused_unless_that_is_accepted():
    found = profile(CRC32_PUT=TrialResult.BROKEN, MD5_PUT=TrialResult.BROKEN, PINNED_GET=TrialResult.BROKEN)
    assert found.verification == "none"
    assert found.covers(copies=False)
    assert len(found.refused()) == 1
    assert found.refused(accept_unverified=True) == ()
    line = found.in_a_line
    assert "NOT verified" in line
    assert "confirmed" not in line


def test_where_neither_is_verified_and_a_get_can_be_pinned_content_is_read_back():
    found = profile(CRC32_PUT=TrialResult.BROKEN, MD5_PUT=TrialResult.BROKEN, PINNED_GET=TrialResult.KEPT)
    assert found.verification == "read-back"
    assert found.refused() == ()
    assert "read back" in next(one.reason for one in found.judge() if one.observation is O.CRC32_PUT)
    assert "confirmed by reading back" in found.in_a_line
    before = profile(
        CRC32_PUT=TrialResult.BROKEN, MD5_PUT=TrialResult.BROKEN
    )  # by a release that tried no GET
    assert before.verification == "none"
    assert not before.covers(copies=False)


def test_an_md5_that_is_not_verified_matters_only_where_the_crc32_is_not():
    found = profile(MD5_PUT=TrialResult.BROKEN)
    assert found.refused() == ()
    assert "not needed" in next(one.reason for one in found.judge() if one.observation is O.MD5_PUT)


def test_what_was_not_tried_is_said_to_be_so():
    nothing = StoreProfile("http://store", "", "2026-11-29T05:00:00.000Z")
    assert {one.use for one in nothing.judge()} == {Use.NOT_TRIED}
    assert nothing.in_a_line.startswith("a store that does not name itself: ")


def test_a_profile_is_believed_of_the_same_store_for_some_days():
    found = profile()
    assert found.is_of("http://store", "Store 1", TRUSTED_SECONDS)
    assert not found.is_of("http://store", "Store 1", TRUSTED_SECONDS + 1)
    assert not found.is_of("http://store", "Store 2", 0.0)
    assert not found.is_of("http://other", "Store 1", 0.0)


def test_a_profile_for_which_nothing_could_be_tried_claims_nothing_and_is_not_believed():
    # Such is a store that refuses the very first trial.
    nothing = StoreProfile("http://x", "Store 1", "", {})
    assert not nothing.covers(copies=False)
    assert (
        nothing.in_a_line == "Store 1: whether it confirms checksums was NOT tried; untried uploads in parts"
    )


def test_a_profile_made_without_copies_does_not_do_for_copies():
    found = profile()
    assert found.covers(copies=True)
    less = StoreProfile("", "", "", {O.CRC32_PUT: TrialResult.KEPT})
    assert less.covers(copies=False)
    assert not less.covers(copies=True)


@given(PROFILES)
def test_what_is_written_down_is_read_as_it_was(found):
    assert StoreProfile.decode(found.encode()) == found
    assert dict(StoreProfile.decode(found.encode()).observed) == dict(found.observed)


@given(PROFILES, st.booleans(), st.booleans())
def test_accepting_an_unverified_store_accepts_nothing_else(found, copies, accept):
    with_it = found.refused(copies=copies, accept_unverified=True)
    assert set(with_it) <= set(found.refused(copies=copies))
    if found.verification != "none":
        assert with_it == found.refused(copies=copies, accept_unverified=accept)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b"{" + b" " * MAX_BODY + b"}",
        b'{"kind": "receipt"}',
        b'{"kind": "store-profile", "version": 2}',
        b'{"kind": "store-profile", "version": 1, "endpoint": 1, "server": "", "probed_at": ""}',
        b'{"kind": "store-profile", "version": 1, "endpoint": "", "server": "", "probed_at": ""}',
    ],
)
def test_what_is_no_profile_is_none(body):
    assert StoreProfile.decode(body) is None


def test_names_that_are_not_known_are_passed_over_and_texts_are_one_line():
    told = json.loads(profile().encode())
    told["observed"] |= {"later": "kept", "put-md5": ["kept"], "clock": "perhaps"}
    told["server"] = "two\nlines"
    found = StoreProfile.decode(json.dumps(told).encode())
    assert found is not None
    assert O.CLOCK not in found.observed
    assert O.MD5_PUT not in found.observed
    assert "\n" not in found.server
