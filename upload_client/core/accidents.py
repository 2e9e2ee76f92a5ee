"""Files that look as if they were among the data by accident: a warning before they are sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from upload_client.core.text import counted

WARNING: Final = "this may lie there by accident (--exclude leaves it out): "
"""The beginning of a `sentence`."""
RECENT_SECONDS: Final = 10.0
"""A file that was modified less long ago may be being written still."""

POINTER_BYTES: Final = 1024
"""A file that is a pointer has at most so many bytes."""
_NAMED: Final = 3  # files of each kind

# The name of a file, in small letters; and what has left it there.
_FILES: Final = (
    (r"\.ds_store|\._.*", "left by macOS"),
    (r"thumbs\.db|ehthumbs\.db|desktop\.ini", "left by Windows"),
    (r"~\$.*|\.~lock\..*#", "locks of an office program"),
    (
        r".*\.(part|partial|crdownload|filepart|download|aria2)|\..+\.(?=[a-z0-9]*[0-9])[a-z0-9]{6}",
        "unfinished downloads or copies",
    ),
    (r".*\.(tmp|temp)", "temporary files"),
    (r".*~|#.*#|\.#.*|.*\.(swp|swo|bak)", "left by an editor"),
    (r".*-checkpoint\.[^.]*", "checkpoints of a notebook"),
    (r".*\.py[co]", "compiled programs"),
    (r"\.nfs[0-9a-f]+|\.fuse_hidden[0-9a-f]+", "deleted while they were in use"),
    (r"nohup\.out|slurm-[0-9_]+\.out", "output of a job"),
    (r"\.env|\.netrc|\.pgpass|id_(rsa|dsa|ecdsa|ed25519)|.*\.pem|credentials", "perhaps secrets"),
)
_FOLDERS: Final = {
    ".git": "version control",
    ".hg": "version control",
    ".svn": "version control",
    ".ipynb_checkpoints": "checkpoints of a notebook",
    "__pycache__": "compiled programs",
    "__macosx": "left by macOS",
    ".appledouble": "left by macOS",
    ".spotlight-v100": "left by macOS",
    ".trashes": "left by macOS",
    ".fseventsd": "left by macOS",
    "$recycle.bin": "left by Windows",
    "system volume information": "left by Windows",
    ".ssh": "perhaps secrets",
    ".aws": "perhaps secrets",
}
_KINDS: Final = tuple((re.compile(pattern, re.DOTALL), what) for pattern, what in _FILES)
# What every name above has: so that nearly all others are cleared at once.
_SUFFIXES: Final = frozenset(
    [
        "part",
        "partial",
        "crdownload",
        "filepart",
        "download",
        "aria2",
        "tmp",
        "temp",
        "swp",
        "swo",
        "bak",
        "pyc",
        "pyo",
        "pem",
        "db",
        "ini",
        "out",
    ]
)
_ODD_NAMES: Final = frozenset({"credentials", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})

_SCRIPTS: Final = frozenset(
    [
        "sh",
        "bash",
        "zsh",
        "fish",
        "ksh",
        "sbatch",
        "slurm",
        "pbs",
        "job",
        "qsub",
        "bat",
        "cmd",
        "ps1",
        "py",
        "ipynb",
        "r",
        "rmd",
        "jl",
        "nf",
        "smk",
        "mk",
    ]
)


class Accident(NamedTuple):
    """Files of one kind.

    Attributes:
        what: they are, or who has left them.
        n: how many.
        named: the first of them.
    """

    what: str
    n: int
    named: tuple[str, ...]


def accidents(paths: Sequence[str]) -> list[Accident]:
    """The files of a delivery whose names look like an accident.

    Args:
        paths: ``/``-separated.
    """
    found: dict[str, list[str]] = {}
    folders: dict[str, str | None] = {}
    for path in paths:
        cut = path.rfind("/") + 1
        folder, name = path[:cut], path[cut:]
        try:
            what = folders[folder]
        except KeyError:
            what = folders[folder] = _of_folder(folder)
        if what is None and _may_be(name):
            what = _of_name(name.lower())
        if what is not None:
            found.setdefault(what, []).append(path)
    return [Accident(what, len(those), tuple(those[:_NAMED])) for what, those in found.items()]


def _of_folder(folder: str) -> str | None:
    return next((_FOLDERS[part] for part in folder.lower().split("/") if part in _FOLDERS), None)


def _may_be(name: str) -> bool:
    suffix = name[name.rfind(".") + 1 :].lower()
    return (
        name[:1] in ".~#"
        or name[-1:] in "~#"
        or suffix in _SUFFIXES
        or "-checkpoint." in name
        or suffix in _ODD_NAMES
    )


def _of_name(name: str) -> str | None:
    return next((what for kind, what in _KINDS if kind.fullmatch(name)), None)


def is_script(name: str) -> bool:
    """Whether a file may be a script, by its name: one that calls this program hardly belongs to the data."""
    suffix = name[name.rfind(".") + 1 :].lower()
    return suffix in _SCRIPTS or suffix in {"makefile", "snakefile"}


def is_pointer(head: bytes) -> bool:
    """Whether a small file stands for another one, which was not fetched: as git-annex and Git LFS have it.

    https://git-annex.branchable.com/internals/pointer_file, https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md

    Args:
        head: what it begins with.
    """
    return head.startswith((b"/annex/objects/", b"version https://git-lfs.github.com/spec/"))


def is_recent(modified: float, now: float) -> bool:
    """Whether a file was modified so lately that it may be being written still.

    Args:
        modified: when, in seconds since the Unix epoch; by another machine's clock, perhaps.
        now: likewise.
    """
    return abs(now - modified) < RECENT_SECONDS


def still_growing(n: int, named: Sequence[str]) -> str:
    """The sentence about files that `is_recent`; empty where there are none.

    Args:
        n: how many.
        named: the first of them; not yet safe for a terminal.
    """
    if not n:
        return ""
    more = f" and {n - len(named):,} more" if n > len(named) else ""
    return (
        f"{counted(n, 'file')} modified within the last {RECENT_SECONDS:.0f} seconds, perhaps being"
        f" written still: {', '.join(named)}{more}"
    )


def sentence(found: Iterable[Accident]) -> str:
    """The sentence about them, with names that are not escaped yet; empty where there is nothing."""
    clauses = []
    for accident in found:
        names = ", ".join(accident.named)
        more = f" and {accident.n - len(accident.named):,} more" if accident.n > len(accident.named) else ""
        clauses.append(f"{accident.what}: {names}{more}")
    return "; ".join(clauses)
