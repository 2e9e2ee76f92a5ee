"""Whole deliveries on virtual time. Many more, from the folder ``tests``: ``python -m simulation``."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from simulation.mutations import MUTATIONS
from simulation.seeds import caught, simulate

SEEDS = 200
HURTS = (
    "kills",
    "steals",
    "takeovers",
    "late",
    "mute",
    "stall",
    "meddled with",
    "exit 0",
    "exit 3",
    "exit 12",
)
QUICK = {
    "no fence: nothing is appended before the logs are read",
    "a superseded writer goes on",
    "an append refused by 412 is taken for done",
    "a new owner does not count the epoch on",
    "a landing write expects nothing",
    "the validator does not open",
}
"""Faults that few seeds bring to light; the others take ``python -m simulation --mutations``."""


@pytest.mark.heavy
def test_every_promise_holds_in_every_seed_and_the_seeds_go_where_it_hurts():
    counts = Counter()
    for seed in range(SEEDS):
        wrong, _, counted = simulate(seed)
        if wrong is not None:
            _, lines, _ = simulate(seed, traced=True)
            replay = f"replay, in tests: python -m simulation --seed {seed}"
            pytest.fail("\n".join([wrong, *lines[-60:], replay]), pytrace=False)
        counts += counted
    # Were nobody killed, robbed or lied to, all promises would hold too.
    assert {*HURTS} <= {*counts}


def test_a_seed_is_the_same_story_every_time_and_in_every_process():
    here = simulate(7, traced=True)
    assert here == simulate(7, traced=True)
    told = subprocess.run(
        [sys.executable, "-m", "simulation", "--seed", "7"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == [*"\n".join(here[1]).splitlines(), "all promises hold"]


@pytest.mark.heavy
@pytest.mark.parametrize("name", [mutation.name for mutation in MUTATIONS if mutation.name in QUICK])
def test_a_rule_that_is_dropped_is_noticed(name):
    _, seed, _ = caught(name, range(SEEDS))
    assert seed is not None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_still_fits_the_product(mutation):
    with mutation.applied():
        pass
