"""One seed, from its number to what was wrong with it."""

from __future__ import annotations

from collections import Counter

from simulation.mutations import MUTATIONS
from simulation.world import World


def simulate(seed: int, *, traced: bool = False) -> tuple[str | None, list[str], Counter[str]]:
    """Run one seed: what was wrong (None: nothing), what happened if `traced`, and what was counted."""
    world = World(seed, traced=traced)
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - a crash of the product is as much a finding as a broken promise
        return f"{type(error).__name__}: {error}", world.lines, Counter(world.store.counts)
    return None, world.lines, Counter(world.store.counts)


def run(seed: int) -> tuple[int, str | None, Counter[str]]:
    wrong, _, counts = simulate(seed)
    return seed, wrong, counts


def caught(name: str, seeds: range) -> tuple[str, int | None, str]:
    mutation = next(each for each in MUTATIONS if each.name == name)
    with mutation.applied():
        for seed in seeds:
            why, _, _ = simulate(seed)
            if why is not None:
                return name, seed, why
    return name, None, ""
