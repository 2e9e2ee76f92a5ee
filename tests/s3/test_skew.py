"""What this machine's clock has to do with a request that was refused for its time."""

import email.utils

import pytest

from upload_client.s3.skew import SET_CLOCK, clock_and_hint

NOW = 1_790_000_000.0


def said(ahead: float) -> tuple[str, str]:
    return clock_and_hint(email.utils.formatdate(NOW - ahead, usegmt=True), NOW)


@pytest.mark.parametrize(
    ("ahead", "how_far"),
    [(90, "90 s ahead"), (-90, "90 s behind"), (1200, "20 min ahead"), (-7200, "2 h 0 min behind")],
)
def test_a_clock_that_is_wrong_is_called_so_with_the_figure(ahead, how_far):
    assert said(ahead) == (f"this machine's clock is wrong: it is {how_far}", SET_CLOCK)


@pytest.mark.parametrize("ahead", [-59, 0, 1, 59])
def test_a_clock_that_agrees_with_the_services_is_not_called_wrong(ahead):
    text, hint = said(ahead)
    assert "agrees" in text
    assert "wrong" not in text
    assert hint != SET_CLOCK


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Foo 2026 00:00:00 GMT"])
def test_without_a_date_no_figure_is_given(date):
    assert clock_and_hint(date, NOW) == ("this machine's clock is wrong", SET_CLOCK)
