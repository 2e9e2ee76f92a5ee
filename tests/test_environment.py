"""No test finds what another has left in the environment of its process."""

from __future__ import annotations

import os

_NAME = "UPLOAD_CLIENT_TEST_LEFT_BEHIND"


def test_what_a_test_sets_and_takes_away():
    os.environ[_NAME] = "1"
    del os.environ["PATH"]


def test_is_gone_and_back_for_the_next():
    assert _NAME not in os.environ
    assert os.environ["PATH"]
