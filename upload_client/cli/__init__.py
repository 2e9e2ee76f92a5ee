"""The command line."""

from __future__ import annotations

import atexit
import gc
from typing import Final

__all__ = ["collect_garbage_rarely", "freeze_loaded_objects"]

_MANY_OBJECTS: Final = 100_000


def collect_garbage_rarely() -> None:
    """Run Python's cyclic garbage collector only after so many new objects. For a whole process.

    Imported modules, and the objects of a hundred thousand files, live until the end of the process: scanning
    them again and again is a fifth of the computing. At the end nothing is collected: to free every object
    takes as long as a quarter of a start.
    """
    gc.set_threshold(_MANY_OBJECTS, *gc.get_threshold()[1:])
    atexit.unregister(_skip_final_collection)  # once is enough
    atexit.register(_skip_final_collection)


def freeze_loaded_objects() -> None:
    """Exclude all present objects from garbage collection (`gc.freeze`), and count new ones from 0.

    Once all is loaded a short run makes too few objects for a collection, which would scan all that was
    loaded: a tenth of a start. Does nothing in a process of somebody else, which imported this package.
    """
    if gc.get_threshold()[0] == _MANY_OBJECTS:
        gc.freeze()


def _skip_final_collection() -> None:
    """Free nothing at the end: the system takes the whole memory back.

    Whatever has to be done at the end is done all the same: threads have ended, files are closed and written,
    and what was registered to be called has been called, or is called after this.
    """
    gc.disable()
    gc.freeze()
