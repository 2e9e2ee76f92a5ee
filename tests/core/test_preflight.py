"""What is looked at before a delivery, and what answers mean."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.answers import Meaning
from upload_client.core.preflight import (
    BY_NAME,
    CHECKS,
    FIRST_PROBE,
    LARGEST_PROBE,
    Finding,
    actions_of,
    advice,
    allowed,
    clock_status,
    close_name,
    dump_bytes,
    duration_text,
    estimate,
    exit_code,
    next_probe,
    resource,
)


def test_each_check_has_a_name_of_its_own():
    assert len(BY_NAME) == len(CHECKS)


def test_checks_of_one_section_stand_together():
    sections = [check.section for check in CHECKS]
    assert sections == sorted(sections, key=sections.index)


def test_a_check_of_a_permission_says_where_it_is_needed_and_what_for():
    for check in CHECKS:
        assert bool(check.actions) == bool(check.place) == bool(check.without)
        assert all(re.fullmatch(r"(s3|ssm|lambda):[A-Z][A-Za-z]+", action) for action in check.actions)


def test_the_options_of_objects_need_more_for_each_object_made():
    write, read = BY_NAME["landing-write"], BY_NAME["landing-read"]
    assert actions_of(write) == ("s3:PutObject",)
    assert actions_of(write, ["Tagging", "StorageClass"]) == ("s3:PutObject", "s3:PutObjectTagging")
    assert "kms:GenerateDataKey" in actions_of(write, ["SSEKMSKeyId"])
    assert actions_of(read, ["Tagging"]) == ("s3:GetObject",)


def test_a_listing_is_allowed_on_the_bucket_and_the_rest_on_its_objects():
    assert resource("s3:ListBucket", "b", "toy/d1/") == "arn:aws:s3:::b"
    assert resource("s3:PutObject", "b", "toy/d1/") == "arn:aws:s3:::b/toy/d1/*"


@pytest.mark.parametrize("means", Meaning)
def test_a_trial_that_was_to_fail_and_did_so_for_another_reason_tells_that_it_is_allowed(means):
    assert allowed(means) == (means in (Meaning.DONE, Meaning.MISSING, Meaning.CONFLICT, Meaning.CONDITION))


@pytest.mark.parametrize("means", Meaning)
def test_each_refusal_comes_with_what_to_do(means):
    assert advice(means).endswith(".")


def test_who_lacks_a_permission_is_sent_to_the_check():
    assert "upload-client check" in advice(Meaning.DENIED)


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, "ok"), (-59, "ok"), (60, "warning"), (-239, "warning"), (240, "problem"), (-5000, "problem")],
)
def test_a_clock_may_be_a_little_off(seconds, status):
    assert clock_status(seconds) == status


def test_a_name_that_is_nearly_there_is_a_misspelt_one():
    assert close_name("survey7", ["survey6", "surveys"]) is not None
    assert close_name("survey7", ["survey7", "survey6"]) is None
    assert close_name("survey7", ["else"]) is None
    assert close_name("survey7", []) is None


def test_the_dump_has_both_paths_in_each_row():
    assert dump_bytes(0, 0, 100) == 0
    assert dump_bytes(2, 30, 100) == 60 + 2 * 260


@given(st.floats(0, 1e4, allow_nan=False), st.integers(8192, LARGEST_PROBE))
def test_the_measurement_grows_until_it_was_long_enough_and_stays_bounded(seconds, n_bytes):
    following = next_probe(n_bytes, seconds)
    if following is None:
        assert seconds >= 0.5 or n_bytes >= LARGEST_PROBE
    else:
        assert n_bytes < following <= min(16 * n_bytes, LARGEST_PROBE)


def test_a_slow_line_is_measured_in_one_round_and_a_capped_one_within_its_cap():
    assert next_probe(FIRST_PROBE, 5.0) is None
    assert next_probe(1000, 0.001, most=4000) == 4000
    assert next_probe(4000, 0.001, most=4000) is None


def test_many_small_files_take_their_time_by_their_number_and_large_ones_by_their_bytes():
    many = estimate(1000, 1000, rate=1e6, latency=0.1, n_threads=10)
    assert (many.seconds, many.by) == (10.0, "requests")
    large = estimate(1, 10**9, rate=1e6, latency=0.1, n_threads=10)
    assert (large.seconds, large.by) == (1000.0, "bytes")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.9, "less than 1 s"),
        (1, "1 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (12000, "3 h 20 min"),
        (47 * 3600, "47 h 0 min"),
        (52 * 3600, "2 d 4 h"),
    ],
)
def test_a_time_is_told_as_people_say_it(seconds, said):
    assert duration_text(seconds) == said


@pytest.mark.parametrize(
    ("problems", "code"), [([], 0), ([True], 7), ([True, True], 7), ([False], 2), ([True, False], 2)]
)
def test_a_check_that_reached_nobody_is_to_be_tried_again(problems, code):
    found = [Finding("login", "problem", "", passing=passing) for passing in problems]
    assert exit_code([*found, Finding("clock", "ok", "", passing=True)]) == code


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([Finding("login", "warning", "")], 0),
        ([Finding("login", "problem", "", passing=True)], 7),
        ([Finding("login", "problem", "", passing=True), Finding("index", "problem", "")], 2),
        ([Finding("index", "problem", "")], 2),
    ],
)
def test_where_all_that_is_wrong_is_that_nobody_answers_the_exit_code_says_so(findings, code):
    assert exit_code(findings) == code


@pytest.mark.parametrize("means", Meaning)
def test_a_receiver_is_told_to_ask_nobody_but_themselves(means):
    said = advice(means, to_receiver=True)
    assert said.endswith(".")
    assert "the receiver" not in said
