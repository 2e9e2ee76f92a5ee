"""Moments as others write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.times import from_http

MOMENT = 1_790_000_000.0


@pytest.fixture
def far_away(monkeypatch):
    """This machine is in a zone that is neither UTC nor a whole hour from it."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its zone for one process")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "FAR-5:30")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("zone", [" GMT", " +0000", " -0000", ""])
def test_an_http_date_is_in_utc_wherever_this_machine_is(far_away, zone):
    assert from_http(f"Mon, 21 Sep 2026 14:13:20{zone}") == MOMENT


@given(st.integers(-30_000_000_000, 253_000_000_000))
def test_an_http_date_as_nearly_all_are_is_the_moment_that_pythons_own_reader_says(seconds):
    date = format_datetime(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), usegmt=True)
    assert from_http(date) == parsedate_to_datetime(date).timestamp() == seconds


@pytest.mark.parametrize(
    "date", ["", "today", "Mon, 99 Sep 2026 14:13:20 GMT", "Mon, 21 Sep 0 14:13:20 +9999"]
)
def test_what_is_no_date_is_refused(date):
    with pytest.raises(ValueError):
        from_http(date)
