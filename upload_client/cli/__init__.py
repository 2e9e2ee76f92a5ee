"""The command line."""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["look_for_garbage_seldom"]

_MANY_OBJECTS: Final = 20_000


def look_for_garbage_seldom() -> None:
    """Have Python look for what could be thrown away after so many new objects only. For a whole process.

    What is imported, and what a run makes of a hundred thousand files, stays until its end: to look through
    it again and again is a fifth of the computing.
    """
    gc.set_threshold(_MANY_OBJECTS, *gc.get_threshold()[1:])
