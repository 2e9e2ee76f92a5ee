"""The files that belong in a delivery: which, how many, how large. Their content is judged elsewhere.

A glob is written as for ``upload-client index --include``: ``*`` and ``?`` stand for characters of one name,
``**`` for any number of folders; without a ``/`` it is looked for in every folder, and with one at its end it
means all that lies below. Globs come from the receiver and paths from the provider, so each is matched in a
time that grows with the square of the path's length at most, whatever either of them says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from upload_client.core.text import counted, for_log
from upload_client.core.values import value

MAX_NAMED: Final = 3
"""Paths that a sentence names."""
_MAX_PATH = 120  # characters of a path in a sentence
_ANYTHING = "[^/]*+"


def glob_problem(glob: str) -> str | None:
    """Why this is no glob; None if it is one."""
    if not glob.strip("/"):
        return "is empty"
    if glob.startswith("/"):
        return "begins with '/': paths are relative to the delivery"
    if any(part in ("", ".", "..") for part in glob.rstrip("/").split("/")):
        return "has a part that no path has ('', '.' or '..')"
    return None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """The regular expression that matches, as a whole, the paths a glob stands for.

    After a ``*`` or ``**`` the first place where the next piece fits is as good as any later one, so what has
    been matched is never tried again (atomic groups); only what stands at an end is looked for backwards.
    """
    parts = glob.rstrip("/").split("/") + ["**"] * glob.endswith("/")
    if len(parts) == 1:
        parts.insert(0, "**")
    pieces: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            pieces.append([])
        else:
            pieces[-1].append(_name(part))
    first, *rest = ("/".join(piece) for piece in pieces)
    if not rest:
        return re.compile(first, re.DOTALL)
    text = f"{first}/" if first else ""
    for middle in rest[:-1]:
        text += f"(?>(?:[^/]++/)*?{middle}/)" if middle else ""
    text += f"(?:[^/]++/)*?{rest[-1]}" if rest[-1] else ".+"
    return re.compile(text, re.DOTALL)


def _name(part: str) -> str:
    """The expression for one name of a path; it ends where the name ends."""
    literals = ["".join("[^/]" if one == "?" else re.escape(one) for one in text) for text in _stars(part)]
    if len(literals) == 1:
        return literals[0]
    first, *middle, last = literals
    between = "".join(f"(?>[^/]*?{literal})" for literal in middle if literal)
    return first + between + (f"[^/]*{last}(?=/|\\Z)" if last else _ANYTHING)


def _stars(part: str) -> list[str]:
    return re.split(r"\*+", part)


@value
class Range:
    """From `min` to `max`, both included; None: no limit."""

    min: int | None = None
    max: int | None = None

    def refusal(self, n: int, what: Callable[[int], str]) -> str | None:
        """Why `n` is not in it, such as ``3 files, where there should be 4 files at least``."""
        if self.min is not None and n < self.min:
            return f"{what(n)}, where there should be {what(self.min)} at least"
        if self.max is not None and n > self.max:
            return f"{what(n)}, where there should be {what(self.max)} at most"
        return None


ANY: Final = Range()


@value
class FileType:
    """One type of files: which they are, how many and how large."""

    name: str
    globs: tuple[str, ...]
    number: Range = ANY
    each: Range = ANY
    """Bytes of each file."""
    total: Range = ANY
    """Bytes of all files of this type."""
    matchers: tuple[Callable[[str], bool], ...] = ()
    """Match whole paths, as the globs do."""
    others: tuple[Callable[[str], bool], ...] = ()
    """Match files that are not of this type all the same."""


class Rules:
    """Which files belong in a delivery. Immutable.

    Args:
        types: of two that match a path, the first one counts.
        number: how many files there are.
        total: bytes of all files.
        required: globs; each must match a file.
        forbidden: globs that must match none.
        others: whether there may be files that no type matches.
    """

    def __init__(
        self,
        types: Iterable[FileType] = (),
        *,
        number: Range = ANY,
        total: Range = ANY,
        required: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        others: bool = False,
    ) -> None:
        self.types = tuple(types)
        self.number = number
        self.total = total
        self.required = tuple(required)
        self.others = others
        self._forbidden = tuple((glob, glob_pattern(glob).fullmatch) for glob in forbidden)
        self._types: tuple[tuple[Callable[[str], object], ...], ...] = tuple(
            (*(glob_pattern(glob).fullmatch for glob in file_type.globs), *file_type.matchers)
            for file_type in self.types
        )

    def type_of(self, path: str) -> int | None:
        """Which of `types` a file is of; None: of none."""
        for number, matches in enumerate(self._types):
            if any(match(path) for match in matches) and not any(
                match(path) for match in self.types[number].others
            ):
                return number
        return None

    def forbids(self, path: str) -> str | None:
        """The glob that forbids a path; None if none does."""
        return next((glob for glob, match in self._forbidden if match(path)), None)

    def refusal(self, path: str, size: int) -> str | None:
        """Why a file does not belong in the delivery, whatever its content; None if it does."""
        glob = self.forbids(path)
        if glob is not None:
            return f"it is forbidden here: the expectations forbid {glob!r}"
        number = self.type_of(path)
        if number is None:
            return None if self.others else "no type of files that is expected here has such a name"
        file_type = self.types[number]
        return (
            None
            if (reason := file_type.each.refusal(size, _bytes)) is None
            else f"it has {reason} (type {file_type.name!r})"
        )


class Tally:
    """Looks at the files of a delivery one after the other, in memory that does not grow with their number.

    Args:
        rules: what there should be.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._missing = {glob: glob_pattern(glob).fullmatch for glob in rules.required}
        self._counts = [0] * len(rules.types)
        self._bytes = [0] * len(rules.types)
        self._n_files = 0
        self._n_bytes = 0
        self._size_unknown = False
        self._forbidden: dict[str, tuple[list[str], list[int]]] = {}

    def add(self, path: str, size: int | None) -> None:
        """Count a file; None: nobody knows how large it is."""
        self._n_files += 1
        self._size_unknown |= size is None
        self._n_bytes += size or 0
        for glob in [glob for glob, match in self._missing.items() if match(path)]:
            del self._missing[glob]
        forbidden_by = self._rules.forbids(path)
        if forbidden_by is not None:
            named, n = self._forbidden.setdefault(forbidden_by, ([], [0]))
            n[0] += 1
            if len(named) < MAX_NAMED:
                named.append(for_log(path, _MAX_PATH))
            return
        number = self._rules.type_of(path)
        if number is not None:
            self._counts[number] += 1
            self._bytes[number] += size or 0

    def problems(self, *, complete: bool = True) -> list[str]:
        """The faults of the delivery as a whole, a sentence each.

        Args:
            complete: False: this is a part of a delivery, so nothing is missing in it.
        """
        found = [f"no file matches {glob!r}, which is required" for glob in self._missing if complete]
        for glob, (named, (n,)) in self._forbidden.items():
            more = f" and {n - len(named):,} more" if n > len(named) else ""
            found.append(f"{', '.join(named)}{more}: forbidden by {glob!r}")
        rules = self._rules
        self._refuse(found, "the delivery has", rules.number, self._n_files, _files, complete=complete)
        self._refuse(found, "the delivery has", rules.total, self._n_bytes, _bytes, complete=complete)
        for file_type, n_files, n_bytes in zip(rules.types, self._counts, self._bytes, strict=True):
            what = f"type {file_type.name!r} has"
            self._refuse(found, what, file_type.number, n_files, _files, complete=complete)
            self._refuse(found, what, file_type.total, n_bytes, _bytes, complete=complete)
        return found

    def _refuse(
        self,
        found: list[str],
        what: str,
        limits: Range,
        n: int,
        unit: Callable[[int], str],
        *,
        complete: bool,
    ) -> None:
        least = complete and not (unit is _bytes and self._size_unknown)
        reason = Range(limits.min if least else None, limits.max).refusal(n, unit)
        if reason is not None:
            found.append(f"{what} {reason}")


def _files(n: int) -> str:
    return counted(n, "file")


def _bytes(n: int) -> str:
    return counted(n, "byte")
