"""Several people, one data set: what becomes of a path that is one thing here and another on the other side.

Three states of each path decide, and never a clock: the *base*, on which both sides last agreed; *here*, the
folder of this person; *there*, what all of them share. A state is what tells contents apart (a checksum), or
None where there is no file. What nobody chooses stays as it is, and its base too, so it is offered again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from upload_client.core.text import for_terminal

State: TypeAlias = str | None
"""The mark that tells one content from another; None: there is no file."""


class Change(StrEnum):
    """The case of one path: changes on either side, or a conflict."""

    NOTHING = "nothing"
    BOOKS = "books"
    """Both sides are the same by now: only what is written down of it is old."""
    NEW_HERE = "new-here"
    CHANGED_HERE = "changed-here"
    DELETED_HERE = "deleted-here"
    NEW_THERE = "new-there"
    CHANGED_THERE = "changed-there"
    DELETED_THERE = "deleted-there"
    BOTH_CHANGED = "both-changed"
    """Conflict: on each side it is something else than before, and than on the other."""
    DELETED_HERE_CHANGED_THERE = "deleted-here-changed-there"
    CHANGED_HERE_DELETED_THERE = "changed-here-deleted-there"


class Choice(StrEnum):
    """The choice of a person about a path."""

    MINE = "mine"
    """As it is here."""
    THEIRS = "theirs"
    """As it is there."""
    BOTH = "both"
    """Mine under its name, theirs beside it."""
    LATER = "later"


class Act(StrEnum):
    """A step about a path; steps are taken in the order in which they stand here."""

    SET_ASIDE = "set-aside"
    """Theirs is put beside mine, under another name, on both sides."""
    UPLOAD = "upload"
    DOWNLOAD = "download"
    DELETE_THERE = "delete-there"
    DELETE_HERE = "delete-here"


TO_THERE: Final = (Change.NEW_HERE, Change.CHANGED_HERE, Change.DELETED_HERE)
"""Only this side has changed: offered is to bring it there."""
FROM_THERE: Final = (Change.NEW_THERE, Change.CHANGED_THERE, Change.DELETED_THERE)
"""Only the other side has changed: offered is to take it over."""
CONFLICTS: Final = (
    Change.BOTH_CHANGED,
    Change.DELETED_HERE_CHANGED_THERE,
    Change.CHANGED_HERE_DELETED_THERE,
)

_Since = Literal["same", "absent", "new", "changed", "deleted"]
"""The change of a side since both agreed."""

_TABLE: Final[Mapping[tuple[_Since, _Since], Change]] = {
    # here, there
    ("same", "same"): Change.NOTHING,
    ("absent", "absent"): Change.NOTHING,
    ("new", "absent"): Change.NEW_HERE,
    ("changed", "same"): Change.CHANGED_HERE,
    ("deleted", "same"): Change.DELETED_HERE,
    ("absent", "new"): Change.NEW_THERE,
    ("same", "changed"): Change.CHANGED_THERE,
    ("same", "deleted"): Change.DELETED_THERE,
    ("deleted", "deleted"): Change.BOOKS,
    ("new", "new"): Change.BOTH_CHANGED,
    ("changed", "changed"): Change.BOTH_CHANGED,
    ("deleted", "changed"): Change.DELETED_HERE_CHANGED_THERE,
    ("changed", "deleted"): Change.CHANGED_HERE_DELETED_THERE,
}
"""THE table. That both are new, or changed, *to the same* stands above it, in `decide`."""


def _since(base: State, now: State) -> _Since:
    if base is None:
        return "absent" if now is None else "new"
    if now is None:
        return "deleted"
    return "same" if now == base else "changed"


def decide(base: State, here: State, there: State) -> Change:
    """Find the case of a path.

    Args:
        base: what both sides last agreed on.
        here: the file in this person's folder.
        there: the file that all share.
    """
    if here is not None and here == there:
        return Change.NOTHING if base == here else Change.BOOKS
    return _TABLE[_since(base, here), _since(base, there)]


_ACTS: Final[Mapping[tuple[Change, Choice], tuple[Act, ...]]] = {
    (Change.NEW_HERE, Choice.MINE): (Act.UPLOAD,),
    (Change.CHANGED_HERE, Choice.MINE): (Act.UPLOAD,),
    (Change.CHANGED_HERE, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.DELETED_HERE, Choice.MINE): (Act.DELETE_THERE,),
    (Change.DELETED_HERE, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.NEW_THERE, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.CHANGED_THERE, Choice.MINE): (Act.UPLOAD,),
    (Change.CHANGED_THERE, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.DELETED_THERE, Choice.MINE): (Act.UPLOAD,),
    (Change.DELETED_THERE, Choice.THEIRS): (Act.DELETE_HERE,),
    (Change.BOTH_CHANGED, Choice.MINE): (Act.UPLOAD,),
    (Change.BOTH_CHANGED, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.BOTH_CHANGED, Choice.BOTH): (Act.SET_ASIDE, Act.UPLOAD),
    (Change.DELETED_HERE_CHANGED_THERE, Choice.MINE): (Act.DELETE_THERE,),
    (Change.DELETED_HERE_CHANGED_THERE, Choice.THEIRS): (Act.DOWNLOAD,),
    (Change.DELETED_HERE_CHANGED_THERE, Choice.BOTH): (Act.DOWNLOAD,),
    (Change.CHANGED_HERE_DELETED_THERE, Choice.MINE): (Act.UPLOAD,),
    (Change.CHANGED_HERE_DELETED_THERE, Choice.THEIRS): (Act.DELETE_HERE,),
    (Change.CHANGED_HERE_DELETED_THERE, Choice.BOTH): (Act.UPLOAD,),
}
"""The meaning of a choice. That a file is new on one side alone is no reason to delete it there: its other
version is none."""


def acts(change: Change, choice: Choice) -> tuple[Act, ...]:
    """The steps about a path; none where the choice is none that there is, or `Choice.LATER`."""
    return _ACTS.get((change, choice), ())


def choices(change: Change) -> tuple[Choice, ...]:
    """The choices about a path, the usual one first, without `Choice.LATER`, which always may."""
    found = tuple(choice for choice in Choice if (change, choice) in _ACTS)
    return tuple(reversed(found)) if change in FROM_THERE else found


def next_base(base: State, here: State, there: State) -> State:
    """The common base after a sync: what both sides have now, else what they had before."""
    return here if here == there else base


def agreed(held: State, seen: State) -> State:
    """The base of a folder that was in use elsewhere, where each side was written down by itself.

    What the folder held, and what was seen there, after its last sync: only where they are the same was it
    agreed on. An edit that was never brought there must not look like the version they had in common.

    Args:
        held: by ``versionsLocal.csv``.
        seen: by the local copy of ``versions.csv``.
    """
    return held if held == seen else None


# --- answers that a person types ---


class InvalidAnswer(ValueError):  # noqa: N818 - an answer that is none
    """An answer that names no rows; its text says why."""


_RANGE = re.compile(r"(r?)\s*([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?", re.IGNORECASE)


def parse_answer(text: str, n: int) -> tuple[frozenset[int], frozenset[int]]:
    """The rows that an answer names: ``1,3-5``, ``all``, or nothing for none.

    Args:
        text: as it was typed. ``r2`` means to go back to the other side's version in row 2.
        n: rows there are, counted from 1.

    Returns:
        The rows to do, and the rows to go back in, counted from 1.

    Raises:
        InvalidAnswer: it names none.
    """
    text = text.strip().lower()
    if text in {"", "n", "no", "none"}:
        return frozenset(), frozenset()
    if text in {"a", "all"}:
        return frozenset(range(1, n + 1)), frozenset()
    chosen: dict[bool, set[int]] = {False: set(), True: set()}
    for piece in re.split(r"[,\s]+(?![\s-])", re.sub(r"\s*-\s*", "-", text).strip(", ")):
        found = _RANGE.fullmatch(piece)
        if found is None:
            raise InvalidAnswer(
                f"{piece!r} is no number; type numbers such as 1,3-5, or all, or Enter for none"
            )
        back, first, last = found.groups()
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= n:
            raise InvalidAnswer(f"{piece}: there are rows 1 to {n}")
        chosen[bool(back)].update(range(low, high + 1))
    if both := chosen[False] & chosen[True]:
        raise InvalidAnswer(f"{min(both)} is named twice, to do and to go back in")
    return frozenset(chosen[False]), frozenset(chosen[True])


# --- names ---

MAX_NAME: Final = 255
"""Bytes a name in a folder may have, on nearly every system."""
_ILLEGAL = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|\Z)", re.IGNORECASE)
"""https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""
_MISSING: Final = frozenset(
    ("", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a", "na")
) | {"nan", "none", "null"}
"""Texts that readers of tables take for an empty cell (pandas, "na_values"); some lose a row with one."""


def check_name(name: str) -> str | None:
    """Why a person cannot be called this in the books; None if they can."""
    if name.strip().lower() in _MISSING:
        return "is what readers of tables take for an empty cell"
    if not name.isprintable():
        return "holds what cannot be printed"
    if name != name.strip():
        return "begins or ends with a space"
    if name[0] in "=+-@'\"\uff1d\uff0b\uff0d\uff20":
        return f"begins with {name[0]}, which a spreadsheet takes for a formula or a quote"
    return "is longer than 100 characters" if len(name) > 100 else None


def legal_name(text: str) -> str:
    """A name for one file or folder that every file system takes, as near to `text` as may be."""
    text = unicodedata.normalize("NFC", text)
    text = _ILLEGAL.sub("-", "".join(one if one.isprintable() else "-" for one in text)).rstrip(" .").lstrip()
    if not text or _DEVICES.match(text):
        text = f"_{text}"
    return text


def name_aside(path: str, who: str, when: str, taken: Callable[[str], bool]) -> str:
    """The path beside `path` for somebody else's version of it, named after who and when.

    Args:
        path: relative, components separated by ``/``.
        who: whose version it is.
        when: its time, as in the books.
        taken: whether a path is in use already, whatever its case.
    """
    folder, slash, name = path.rpartition("/")
    dot = name.rfind(".", 1)
    stem, ending = (name[:dot], name[dot:]) if dot > 0 and len(name) - dot <= 12 else (name, "")
    whose = for_terminal(" ".join((who[:60], when[:30].replace(":", "-"))).strip())
    # Escapes, and letters beyond ASCII, take more bytes than characters: room is left for the name itself.
    whose = whose.encode("utf-8", "replace")[:150].decode("utf-8", "ignore").strip()
    number = 1
    while True:
        mark = f" ({whose}{f' {number}' if number > 1 else ''})"
        kept = stem
        made = legal_name(kept + mark + ending)
        while kept and len(made.encode("utf-8", "replace")) > MAX_NAME:
            kept = kept[:-1]
            made = legal_name(kept + mark + ending)
        if not taken(folder + slash + made):
            return folder + slash + made
        number += 1
