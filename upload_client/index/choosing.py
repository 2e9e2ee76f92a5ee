"""Which files of a source are delivered, and what is left out of it.

Patterns are those of a ``.gitignore`` (https://git-scm.com/docs/gitignore), compiled by `pathspec`. As in
git, nothing inside of a folder that is left out can be taken in again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias, get_args

from pathspec import GitIgnoreSpec

from upload_client.core.left_out import WHY_LEFT_OUT, WhyLeftOut, describe
from upload_client.core.own_files import is_left_over
from upload_client.errors import UsageError
from upload_client.support.in_use import NOTHING, InUse

IGNORE_FILE: Final = ".uploadignore"
"""Patterns of what is left out of the folder it lies in, and of those below."""
BOOKS: Final = ".S3"
"""A folder in which the state of a shared folder is kept; never part of the data."""

Symlinks: TypeAlias = Literal["refuse", "follow", "skip"]
"""``refuse``: those that lead out of the source, or nowhere, are an error; others are followed. ``follow``:
those that lead out are followed too. ``skip``: all are left out."""
SYMLINKS: Final[tuple[Symlinks, ...]] = get_args(Symlinks)

NAMED: Final = 10_000
"""Files left out that are remembered by name; all are counted."""


class Pattern(NamedTuple):
    """One pattern, and where it was given: ``--exclude``, ``.uploadignore line 3``."""

    text: str
    where: str


def parse_patterns(content: bytes, name: str) -> tuple[Pattern, ...]:
    """The patterns in a file, one a line; UTF-8, or UTF-16 with a byte order mark.

    Args:
        content: of the file.
        name: what to call it.

    Raises:
        UsageError: it is no text in UTF-8, or a pattern is none.
    """
    coding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        lines = [line.removesuffix("\r") for line in content.decode(coding).split("\n")]
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {error.reason}", hint="Save it as UTF-8.") from None
    patterns = tuple(Pattern(line, f"{name} line {number}") for number, line in enumerate(lines, 1))
    PatternRules(patterns)
    return patterns


def typed_pattern(text: str, where: str) -> Pattern:
    """A pattern that was typed, and not written into a file: there are no comments among them."""
    return Pattern("\\" + text if text.startswith("#") else text, where)


class LeftOut:
    """The files left out of a delivery, counted by reason and, as far as they go, named.

    Attributes:
        counts: files, and folders with all that is in them, for each reason, by its code.
        n_folders: how many of them are folders.
        named: path (of a folder, with ``/`` at its end) and reason of the first 10,000.
    """

    def __init__(self) -> None:
        self._counts: dict[WhyLeftOut, int] = {}
        self.n_folders = 0
        self.named: list[tuple[str, str]] = []

    def add(self, path: str, reason: WhyLeftOut, why: str = "") -> None:
        """Count one, and name it: a path that ends in ``/`` is a folder."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self.n_folders += path.endswith("/")
        if len(self.named) < NAMED:
            self.named.append((path, why or describe(reason)))

    def update(self, other: LeftOut) -> None:
        """Add what another has."""
        for reason, n in other._counts.items():
            self._counts[reason] = self._counts.get(reason, 0) + n
        self.n_folders += other.n_folders
        self.named += other.named[: NAMED - len(self.named)]

    @property
    def n(self) -> int:
        """Files and folders left out."""
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many for each reason, by its code."""
        return {why: self._counts[why] for why in WHY_LEFT_OUT if why in self._counts}

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # pandas copies the attributes of a frame again and again


# ------------------------------------------------------------------------------------------------ patterns


class _Compiled(NamedTuple):
    pattern: Pattern
    regex: re.Pattern[str]
    include: bool
    folders_only: bool


class PatternRules:
    """Patterns relative to one folder; of those that match, the last one counts.

    Each entry is matched by itself, and never by a folder that it lies in: whoever walks down has been there.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._compiled = [one for pattern in patterns if (one := _compiled(pattern)) is not None]
        self._compiled.reverse()
        every = "|".join(f"(?:{one.regex.pattern.replace('?P<ps_d>', '?:')})" for one in self._compiled)
        self._any = re.compile(every, re.DOTALL).search if every else None

    def __bool__(self) -> bool:
        return self._any is not None

    def verdict(self, path: str, *, is_folder: bool) -> tuple[bool, Pattern] | None:
        """Whether a path matches, and by which pattern; None: none says anything about it.

        Args:
            path: relative to the folder of these patterns, without a ``/`` at its end.
            is_folder: whether it is one.
        """
        if self._any is None or self._any(path) is None:  # which is so for nearly all
            return None
        for pattern, regex, include, folders_only in self._compiled:
            if folders_only and not is_folder:
                continue
            found = regex.search(path)
            if found is not None and not found.groupdict().get("ps_d"):
                return include, pattern
        return None

    def matches_within(self, path: str) -> bool:
        """Whether a file is meant, by itself or by a folder it lies in."""
        ends = [found.start() for found in re.finditer("/", path)]
        for end in ends:
            verdict = self.verdict(path[:end], is_folder=True)
            if verdict is not None and verdict[0]:
                return True
        verdict = self.verdict(path, is_folder=False)
        return verdict is not None and verdict[0]


def _compiled(pattern: Pattern) -> _Compiled | None:
    """A pattern, ready to be used; None: a blank line, or a comment."""
    text = pattern.text
    if not text.strip() or text.startswith("#"):
        return None
    folders_only = text.rstrip().endswith("/")
    if folders_only:
        text = text.rstrip().rstrip("/")
    with contextlib.suppress(ValueError, re.error):
        for made in GitIgnoreSpec.from_lines([text]).patterns:
            if made.include is not None and made.regex is not None:
                regex = re.compile(made.regex.pattern, re.DOTALL)  # a name may hold a line feed
                return _Compiled(pattern, regex, made.include, folders_only)
    raise UsageError(
        f"{pattern.where}: {pattern.text!r} is no pattern",
        hint="A pattern is written as in a .gitignore, such as '*.tmp', 'drafts/' or '/notes.txt'.",
    )


# ------------------------------------------------------------------------------------------------ choosing


@dataclass(frozen=True)
class Choice:
    """Which files of a source are to be delivered.

    Attributes:
        include: patterns; where there are any, other files are left out.
        exclude: patterns of what is left out, even if it is included; they count for more than those of
            ``.uploadignore``.
        symlinks: what becomes of symlinks.
        in_use: files that this run reads or writes.
    """

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()
    symlinks: Symlinks = "refuse"
    in_use: InUse = NOTHING

    @classmethod
    def of(
        cls,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        *,
        symlinks: Symlinks = "refuse",
        in_use: InUse = NOTHING,
    ) -> Self:
        """The same, of patterns as they are typed."""
        if symlinks not in SYMLINKS:
            raise UsageError(f"symlinks is {symlinks!r}, and can be {', '.join(SYMLINKS)}")
        taken, left = ([given] if isinstance(given, str) else given for given in (include, exclude))
        return cls(
            tuple(typed_pattern(text, "include") for text in taken),
            tuple(typed_pattern(text, "exclude") for text in left),
            symlinks,
            in_use,
        )


class FolderPatterns(NamedTuple):
    """The patterns that hold in a folder on the way down, the innermost first."""

    levels: tuple[tuple[int, PatternRules], ...] = ()
    """With each: characters of the path that are not for its patterns to see."""


class Chooser:
    """Says of each entry on the way down through a source whether it is left out, and keeps count.

    Args:
        choice: which files are wanted.
        read: the content of a folder's ``.uploadignore`` (its path relative to the source, empty or ending in
            ``/``); None where it has none.
        left: counts what is left out.
    """

    def __init__(self, choice: Choice, read: Callable[[str], bytes | None], left: LeftOut) -> None:
        self.choice = choice
        self.left = left
        self._read = read
        self._include = PatternRules(choice.include)
        self._exclude = PatternRules(choice.exclude)
        self._folders: dict[str, FolderPatterns | None] = {}

    def enter(self, folder: str, above: FolderPatterns) -> FolderPatterns:
        """The patterns of a folder, its own ``.uploadignore`` included.

        Args:
            folder: its path, empty or ending in ``/``.
            above: what holds in the folder above.

        Raises:
            UsageError: its patterns cannot be read.
        """
        content = self._read(folder)
        if content is None:
            return above
        rules = PatternRules(parse_patterns(content, folder + IGNORE_FILE))
        return FolderPatterns(((len(folder), rules), *above.levels)) if rules else above

    def why_not_folder(self, path: str, kept: FolderPatterns) -> tuple[WhyLeftOut, str] | None:
        """Why a folder is left out with all that is in it; None: it is not."""
        if path.rpartition("/")[2] == BOOKS:
            return "ours", "the books of a shared folder"
        return self._excluded(path, kept, is_folder=True)

    def why_not_file(self, path: str, kept: FolderPatterns) -> tuple[WhyLeftOut, str] | None:
        """Why a file is left out, as far as its name tells; None: it is not."""
        name = path.rpartition("/")[2]
        if name == IGNORE_FILE:
            return "in_use", "it says what is left out"
        if is_left_over(name):
            return "ours", "left of a file that was being written, or of a lock"
        if found := self._excluded(path, kept, is_folder=False):
            return found
        if self.choice.include and not self._include.matches_within(path):
            return "not_included", ""
        return None

    def _excluded(self, path: str, kept: FolderPatterns, *, is_folder: bool) -> tuple[WhyLeftOut, str] | None:
        verdict = self._exclude.verdict(path, is_folder=is_folder)
        for start, rules in kept.levels if verdict is None else ():
            verdict = rules.verdict(path[start:], is_folder=is_folder)
            if verdict is not None:
                break
        if verdict is None or not verdict[0]:
            return None
        return "excluded", f"{verdict[1].where}: {verdict[1].text.strip()}"

    # --- paths of a list ---

    def leaves_out(self, path: str) -> bool:
        """Whether a path of a list is left out; it is counted then, and so is each folder, once."""
        folder = path[: path.rfind("/") + 1]
        kept = self.folder(folder)
        if kept is None:
            return True
        found = self.why_not_file(path, kept)
        if found is not None:
            self.left.add(path, *found)
        return found is not None

    def folder(self, folder: str) -> FolderPatterns | None:
        """The patterns of a folder (its path empty or ending in ``/``); None: it is left out, and counted."""
        try:
            return self._folders[folder]
        except KeyError:
            pass
        above = FolderPatterns()
        if folder:
            outer = self.folder(folder[: folder.rfind("/", 0, -1) + 1])
            if outer is None:
                self._folders[folder] = None
                return None
            above = outer
            found = self.why_not_folder(folder[:-1], above)
            if found is not None:
                self.left.add(folder, *found)
                self._folders[folder] = None
                return None
        kept = self._folders[folder] = self.enter(folder, above)
        return kept
