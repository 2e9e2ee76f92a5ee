"""Why files are no part of a delivery, in words."""

from __future__ import annotations

from upload_client.core.left_out import WHY_LEFT_OUT, describe, sentence


def test_each_reason_has_words_and_one_of_a_later_version_is_told_as_it_is():
    assert len({describe(why) for why in WHY_LEFT_OUT}) == len(WHY_LEFT_OUT)
    assert describe("of_tomorrow") == "of_tomorrow"


def test_a_sentence_counts_what_is_left_out():
    assert sentence({}) == ""
    assert sentence({"excluded": 0}) == ""
    assert sentence({"excluded": 1234, "in_use": 1}) == (
        "left out: 1,234 excluded by a pattern, 1 in use by this run"
    )
