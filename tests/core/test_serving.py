"""When a receiver's process looks at a delivery again, and tells an outcome again; and how it signs that."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.serving import (
    in_short,
    list_poll_interval,
    lock_poll_interval,
    outcome_mail,
    receipt_again,
    receipt_again_after,
    retry_after,
    signature,
)


@pytest.mark.parametrize(
    ("quiet", "every", "after"), [(0, 2, 2), (599, 2, 2), (600, 2, 45), (1e6, 2, 45), (1e6, 60, 60)]
)
def test_where_nothing_has_been_new_for_long_it_is_looked_seldom(quiet, every, after):
    assert lock_poll_interval(quiet, every) == after


@pytest.mark.parametrize(
    ("quiet", "every", "n", "after"),
    [(0, 2, 900, 2), (1e6, 2, 1, 2), (1e6, 2, 4, 2), (1e6, 2, 40, 20), (1e6, 2, 900, 45), (1e6, 60, 900, 60)],
)
def test_quiet_data_sets_take_turns_and_each_has_its_turn_in_time(quiet, every, n, after):
    assert list_poll_interval(quiet, every, n) == after


def test_a_client_that_comes_after_long_is_seen_before_its_patience_ends():
    assert lock_poll_interval(1e9, 2) < 120


def test_an_outcome_is_told_again_ever_later_but_not_too_late():
    waits = [retry_after(n) for n in range(1, 2000)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    assert max(waits) == 300


@given(st.binary(min_size=1), st.integers(0, 2**40), st.binary())
@example(b"key", 1_700_000_000, b"{}")
def test_a_signature_is_what_any_library_computes(secret, at, body):
    expected = hmac.digest(secret, b"%d." % at + body, hashlib.sha256).hex()
    assert signature(secret, str(at), body) == f"sha256={expected}"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"complete": True}, "complete"),
        ({"invalid": 1_200, "not_delivered": 2}, "not complete: 1,200 invalid, 2 not delivered"),
        ({"client": "stopped\n"}, r"not complete: the client: stopped\n"),
        ({}, "not complete"),
        ({"not_agreed": ["no file is called manifest.json"]}, "not complete: not as agreed"),
        ({"complete": True, "signed": "yes", "dated": None}, "complete"),
        ({"complete": True, "signed": "failed"}, "complete, its receipt not signed"),
        (
            {"complete": True, "signed": "refused", "retained": "failed"},
            "complete, its receipt not signed, its receipt not kept by Object Lock",
        ),
    ],
)
def test_a_run_that_is_not_complete_says_why_in_few_words(more, said):
    told = {"complete": False, "invalid": 0, "not_judged": 0, "not_delivered": 0, "client": "complete"}
    assert in_short(told | more) == said


@pytest.mark.parametrize(
    ("told", "again"),
    [({}, False), ({"signed": "yes"}, False), ({"signed": "refused"}, False), ({"dated": "failed"}, True)],
)
def test_what_a_receipt_lacks_is_tried_again_but_not_what_the_logs_do_not_prove(told, again):
    assert receipt_again(told) is again


def test_what_a_receipt_lacks_is_tried_ever_later_but_within_the_hour():
    waits = [receipt_again_after(n) for n in range(1, 2000)]
    assert waits[:3] == [10, 20, 40]
    assert max(waits) == 3600


@given(st.text())
@example("the key\nis gone")
def test_a_mail_never_calls_a_delivery_complete_alone_whose_receipt_is_not_signed(why):
    told = dict.fromkeys(("n_files", "valid", "invalid", "not_judged", "not_delivered", "n_bytes_valid"), 0)
    told |= {"dataset": "d", "delivery_id": "y", "transfer_type": "sample", "complete": True}
    told |= {"client": "complete", "invalid_first": [], "signed": "failed", "receipt_problems": [why]}
    subject, text = outcome_mail(told)
    assert subject == "complete, its receipt not signed: d/y"
    assert text.splitlines()[-2] == "The delivery is complete, its receipt not signed:"
    assert len(text.splitlines()) == 10
    assert all(line.isprintable() for line in text.splitlines())


@given(st.text())
@example("no file is called\nmanifest.json")
def test_a_mail_says_in_a_line_each_why_a_delivery_is_not_the_one_that_was_agreed_on(why):
    told = dict.fromkeys(("n_files", "valid", "invalid", "not_judged", "not_delivered", "n_bytes_valid"), 0)
    told |= {"dataset": "d", "delivery_id": "y", "transfer_type": "sample", "complete": False}
    subject, text = outcome_mail(told | {"client": "", "invalid_first": [], "not_agreed": [why, "more"]})
    assert subject == "not complete: d/y"
    assert text.splitlines()[-4:-2] == ["", "It is not the delivery that was agreed on:"]
    assert all(line.isprintable() for line in text.splitlines())


@given(st.text(), st.text(), st.text())
@example("stopped\n", "a\rb.csv", "it is\x1b[0m torn")
def test_of_an_outcome_in_words_each_word_of_others_is_in_one_line(client, path, why):
    told = dict.fromkeys(("n_files", "valid", "invalid", "not_judged", "not_delivered", "n_bytes_valid"), 0)
    told |= {"dataset": "d", "delivery_id": "y", "transfer_type": "sample", "complete": True}
    told |= {"client": client, "invalid_first": [{"path": path, "why": why}]}
    subject, text = outcome_mail(told)
    assert subject == "complete: d/y"
    assert len(text.splitlines()) == 8
    assert all(line.isprintable() for line in text.splitlines())
