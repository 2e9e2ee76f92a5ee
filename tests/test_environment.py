"""No test finds what another has left in its process, and those that take long begin first."""

from __future__ import annotations

import os

import pytest
from order import dealt

_NAME = "UPLOAD_CLIENT_TEST_LEFT_BEHIND"


def test_what_a_test_sets_and_takes_away():
    os.environ[_NAME] = "1"
    del os.environ["PATH"]


def test_is_gone_and_back_for_the_next():
    assert _NAME not in os.environ
    assert os.environ["PATH"]


@pytest.mark.parametrize("n_workers", [1, 2, 4, 7])
@pytest.mark.parametrize("n_heavy", [0, 3, 9])
@pytest.mark.parametrize("n_light", [0, 5, 101])
def test_each_worker_begins_with_its_share_of_what_is_heavy_and_no_test_is_lost(n_workers, n_heavy, n_light):
    heavy, light = [*range(n_heavy)], [*range(100, 100 + n_light)]
    order = dealt(heavy, light, n_workers)
    assert sorted(order) == heavy + light
    if n_light == 101:
        pieces, left = [], order
        for worker in range(n_workers):  # as pytest-xdist cuts them
            size = len(left) // (n_workers - worker)
            pieces.append(left[:size])
            left = left[size:]
        assert [[one for one in piece if one < 100] for piece in pieces] == [
            heavy[worker::n_workers] for worker in range(n_workers)
        ]
        assert all(piece == sorted(piece) for piece in pieces)
