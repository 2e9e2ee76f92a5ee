"""File names are bytes. In this program they are text in UTF-8, whatever the environment says.

Python takes them for text in the locale's encoding: in a Latin-1 locale ``Größe.csv`` would be delivered
under a name that nobody gave it, and no receipt made elsewhere would find it again. So a name that the system
told is brought here by `from_disk`, and one that the system is asked for goes there by `on_disk`. Bytes that
are not UTF-8 come in as lone surrogates (PEP 383), which `upload_client.core.paths` refuses, and go out as
they were.

A `pathlib.Path`, and a path that a person or a program gives, is as Python has it; what is found below it, or
is written anywhere, is as it is here.
"""

from __future__ import annotations

import os
import sys


def _as_it_is(name: str) -> str:
    return name


def _from_disk(name: str) -> str:
    """A name as the system told it to Python, as text in UTF-8."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _on_disk(name: str) -> str:
    """The same name for Python's own functions.

    Raises:
        UnicodeEncodeError: no file can have it.
    """
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


# Nearly everywhere there is nothing to do, a million times.
_IS_UTF_8 = sys.getfilesystemencoding().lower() == "utf-8"
from_disk = _as_it_is if _IS_UTF_8 else _from_disk
on_disk = _as_it_is if _IS_UTF_8 else _on_disk
