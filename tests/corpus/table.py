"""Prints for each format the share of damage that is noticed by the name alone, as a table in Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from _pytest.outcomes import Skipped

from corpus.makers import MAKERS, cuts, flips, zeroed
from corpus.opened import opened


def main(k: int) -> None:
    """Make each file, and k of each damage."""
    print("| file | bytes | opens | cut | changed | zeroed |\n|---|---|---|---|---|---|")
    for name, make in MAKERS.items():
        try:
            data = make()
        except Skipped as why:
            print(f"| {name} | {why} | | | | |")
            continue
        shares = []
        for damage in (cuts, flips, zeroed):
            found = [bool(opened(name, damaged)) for damaged in damage(data, k) if damaged != data]
            shares.append(f"{100 * sum(found) / len(found):.0f} %")
        print(f"| {name} | {len(data):,} | {opened(name, data) or 'yes'} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
