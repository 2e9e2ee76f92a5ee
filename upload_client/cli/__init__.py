"""The command line."""

from __future__ import annotations

import atexit
import gc
from typing import Final

__all__ = ["keep_what_is_there", "look_for_garbage_seldom"]

_MANY_OBJECTS: Final = 100_000


def look_for_garbage_seldom() -> None:
    """Have Python look for what could be thrown away after so many new objects only. For a whole process.

    What is imported, and what a run makes of a hundred thousand files, stays until its end: to look through
    it again and again is a fifth of the computing. At its end nothing is looked for at all: to take all of it
    apart, object by object, takes as long as a quarter of a start.
    """
    gc.set_threshold(_MANY_OBJECTS, *gc.get_threshold()[1:])
    atexit.unregister(_leave_the_rest)  # once is enough
    atexit.register(_leave_the_rest)


def keep_what_is_there() -> None:
    """Look for no garbage among what is there by now, and begin anew to count new objects.

    Once all is loaded a short run makes fewer than it takes to look for garbage at all, which would go
    through what has been loaded: that is a tenth of a start. Nothing is done where the process is somebody
    else's.
    """
    if gc.get_threshold()[0] == _MANY_OBJECTS:
        gc.freeze()


def _leave_the_rest() -> None:
    """Leave what is left to the system, which takes the whole memory back.

    Whatever has to be done at the end is done all the same: threads have ended, files are closed and written,
    and what was registered to be called has been called, or is called after this.
    """
    gc.disable()
    gc.freeze()
