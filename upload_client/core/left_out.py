"""The reasons to leave a file out of a delivery: codes for programs, sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

WhyLeftOut: TypeAlias = Literal[
    "excluded", "not_included", "symlink", "special", "ours", "in_use", "not_to_transfer"
]
WHY_LEFT_OUT: Final[tuple[WhyLeftOut, ...]] = get_args(WhyLeftOut)

_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "excluded": "excluded by a pattern",
    "not_included": "not among what is included",
    "symlink": "symlinks",
    "special": "no regular files",
    "ours": "of upload-client itself",
    "in_use": "in use by this run",
    "not_to_transfer": "where will_transfer is false",
}


def describe(why: str) -> str:
    """The text for a code, after a number of files."""
    return _DESCRIPTIONS.get(why, why)


def sentence(counts: Mapping[str, int]) -> str:
    """``left out: 3 excluded by a pattern, 1 in use by this run``; empty where nothing is left out.

    Args:
        counts: files, and folders with all that is in them, for each code.
    """
    clauses = [f"{n:,} {describe(why)}" for why, n in counts.items() if n]
    return "left out: " + ", ".join(clauses) if clauses else ""
