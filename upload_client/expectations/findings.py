"""The faults of one file's content: sentences, few and short, however many faults there are."""

from __future__ import annotations

from upload_client.core.text import for_log

MAX_SENTENCES = 10
MAX_SENTENCE = 240
_MAX_BITS = 1024
_MAX_VALUE = 60
_OF_PROGRAMS = (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""Exceptions whose messages say little without their names: ``KeyError: 'a'``."""


class Undecided(Exception):  # noqa: N818 — it reads as what it says
    """A file could not be judged, through no fault of its own; the text says why."""


class Unable(Undecided):
    """The same, and no other try here will do: a library is missing, say, or a rule cannot be applied."""


class NotOpened(Exception):  # noqa: N818 — it reads as what it says
    """A file, or a part of it, was not looked into, and nothing speaks against it; the text says why."""


class LibraryMissing(NotOpened):
    """The same, for a library that is not installed here: elsewhere it may be looked into."""


class Findings:
    """Collects what is wrong.

    Attributes:
        sentences: the first ones.
        n: how many there are.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.n = 0

    def add(self, where: str, what: str) -> None:
        """Something is wrong at a place in the file (empty: with all of it)."""
        self.n += 1
        if len(self.sentences) < MAX_SENTENCES:
            self.sentences.append(for_log(f"{where}: {what}" if where else what, MAX_SENTENCE))

    def __str__(self) -> str:
        more = self.n - len(self.sentences)
        return "; ".join(self.sentences) + (f"; and {more:,} more" if more else "")


def reason_of(error: Exception) -> str:
    """Say what a library has raised about a file, by its own message."""
    text = str(error)
    if text and not isinstance(error, _OF_PROGRAMS):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object) -> str:
    """A value of the file as it stands in a sentence: texts in quotes, and nothing long."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "backslashreplace")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:  # Python writes none of 4,300 digits
        return f"an integer of {value.bit_length():,} bits"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
