"""Run many simulated deliveries; from the folder ``tests``:

```
python -m simulation --seeds 10000            # seeds 0 … 9999, on all cores
python -m simulation --seed 4711              # one of them, with everything that happens in it
python -m simulation --mutations --seeds 500  # break the product, rule by rule: is it noticed?
```

A seed in which a promise does not hold is printed with the last that happened in it, and with the command
for the whole story. It exits 1 if there was one (or, with ``--mutations``, a fault nobody noticed).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.mutations import MUTATIONS
from simulation.seeds import caught, run, simulate

_LINES = 40


def _many(seeds: range, jobs: int) -> int:
    began, totals, wrong = time.monotonic(), Counter[str](), []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for done, (seed, why, counts) in enumerate(pool.imap_unordered(run, seeds, chunksize=20), 1):
            totals += counts
            if why is not None:
                wrong.append(seed)
                _, lines, _ = simulate(seed, traced=True)
                print("\n".join(["", why, *lines[-_LINES:], f"replay: python -m simulation --seed {seed}"]))
            if done % 1000 == 0:
                print(f"{done} seeds, {done / (time.monotonic() - began) * 60:.0f} a minute", flush=True)
    seconds = time.monotonic() - began
    for what, n in sorted(totals.items()):
        print(f"{n:9}  {what}")
    print(f"{len(seeds)} seeds, {len(seeds) / seconds * 60:.0f} a minute; failed: {wrong or 'none'}")
    return 1 if wrong else 0


def _mutations(seeds: range, jobs: int) -> int:
    missed = 0
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(jobs))
        results = [pool.apply_async(caught, (mutation.name, seeds)) for mutation in MUTATIONS]
        for result in results:
            name, seed, why = result.get()
            missed += seed is None
            print(f"{'NOT NOTICED' if seed is None else f'seed {seed:6}'}  {name}  {why[:120]}", flush=True)
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--seed", type=int, help="one seed, told in full")
    parser.add_argument("--mutations", action="store_true", help="break the product, rule by rule")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    options = parser.parse_args()
    if options.seed is not None:
        wrong, lines, _ = simulate(options.seed, traced=True)
        print("\n".join([*lines, wrong or "all promises hold"]))
        return 1 if wrong else 0
    seeds = range(options.first, options.first + options.seeds)
    return (_mutations if options.mutations else _many)(seeds, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
