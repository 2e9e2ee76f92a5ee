"""What a mail or a message of SNS may hold, and whom a target means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.notifications import (
    Mail,
    TargetError,
    Topic,
    is_address,
    subject_line,
    target_of,
)

ARN = "arn:aws:sns:eu-central-1:123456789012:alarms"


@pytest.mark.parametrize("key", ["recipients", "recipient", "addresses", "address"])
@pytest.mark.parametrize("given_as", ["a@example.org", ["a@example.org", "a@example.org"]])
def test_any_key_with_one_address_or_several_is_a_mail(key, given_as):
    assert target_of({key: given_as}) == Mail(("a@example.org",))


def test_all_keys_count_in_the_order_of_their_names():
    given_as = {"address": "c@x.org", "recipients": ["a@x.org"], "recipient": "b@x.org"}
    assert target_of(given_as) == Mail(("a@x.org", "b@x.org", "c@x.org"))


def test_a_topic_is_told_in_its_own_region():
    assert target_of({"topic": ARN, "recipients": None}) == Topic(ARN, "eu-central-1", False)
    assert target_of({"topic": f"{ARN}.fifo"}) == Topic(f"{ARN}.fifo", "eu-central-1", True)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("a@example.org", "no object"),
        ({}, "neither"),
        ({"phone": "1"}, "neither"),
        ({"topic": ARN, "address": "a@x.org"}, "both"),
        ({"topic": "alarms"}, "no ARN"),
        ({"topic": f"{ARN}\n"}, "no ARN"),
        ({"topic": [ARN]}, "no ARN"),
        ({"recipients": []}, "no recipient"),
        ({"recipients": {}}, "not a mail address"),
        ({"recipients": [1]}, "not a mail address"),
    ],
)
def test_a_target_that_means_nobody_is_told_why(target, why):
    with pytest.raises(TargetError, match=why):
        target_of(target)


@pytest.mark.parametrize(
    "text",
    [
        "a@example.org\nBcc: b@example.org",
        "a@example.org, b@example.org",
        "Maria <a@example.org>",
        "a@example",
        "@example.org",
        "a b@example.org",
        "a@exam\u202eple.org",
        f"{'a' * 65}@example.org",
        f"a@{'x' * 250}.org",
        "",
    ],
)
def test_what_is_more_or_less_than_an_address_is_none(text):
    assert not is_address(text)


@given(st.text(), st.integers(2, 300))
def test_a_subject_is_one_printable_line_of_so_many_characters(text, limit):
    line = subject_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


def test_a_subject_that_is_fine_stays_and_a_long_one_shows_that_it_is_cut():
    assert subject_line("Größe: 3", 100) == "Größe: 3"
    assert subject_line("a\r\nBcc: x", 100) == "a Bcc: x"
    assert subject_line("x" * 101, 100) == "x" * 99 + "…"
