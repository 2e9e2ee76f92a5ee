"""The meaning of a string given as a source of data: a URL, a file, or the text itself.

The mistake that must not happen is that ``/data/customers.csv`` is delivered as nineteen characters because
the file is not there. So a string that looks like a path is a path, or an error.
"""

from __future__ import annotations

import re
from typing import Literal

SCHEMES = ("http", "https", "s3", "ftp", "ftps", "file")
"""Schemes of the URLs that can be read."""

SourceKind = Literal["url", "file", "text"]

_URL = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://[^\n]*\s*")
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^?#]*)(.*)", re.DOTALL)
_STARTS_LIKE_PATH = re.compile(r"(?:/|~|\.{1,2}[/\\]|\\\\|[A-Za-z]:[/\\])")
# A name with an extension at the end. One that begins with a digit is part of a number.
_ENDS_LIKE_FILE = re.compile(r"\S\.[A-Za-z][A-Za-z0-9]{0,9}\Z")
_MAX_PATH = 4096


def kind_of(text: str, *, is_file: bool) -> SourceKind:
    """Tell what a string means.

    Args:
        text: the string.
        is_file: whether it is the path of a file that is there.

    Raises:
        ValueError: it is a URL of a kind that cannot be read, or looks like the path of a file and is none.
    """
    if found := _URL.fullmatch(text):
        if found[1].lower() not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"{shown_url(text.strip())} is a URL that cannot be read; there are {known}")
        if re.search(r"\s", text):
            raise ValueError(
                f"{shown_url(text.strip())} looks like a URL, and none has blanks or line ends in it"
            )
        return "url"
    if is_file:
        return "file"
    if looks_like_path(text):
        raise ValueError(f"{text[:200]!r} looks like the path of a file, and there is no such file")
    return "text"


def looks_like_path(text: str) -> bool:
    """Whether a person would take a string for the path of a file: one line, and formed like one."""
    line = text.strip()
    if not line or len(line) > _MAX_PATH or "\n" in line or "\r" in line or "\0" in line:
        return False
    if _STARTS_LIKE_PATH.match(line) or _ENDS_LIKE_FILE.search(line):
        return True
    # `outbox/today`, but not `10 km/h` nor `yes / no`.
    return not re.search(r"\s", line) and bool(re.search(r"[^/\\][/\\][^/\\]", line))


def shown_url(url: str) -> str:
    """A URL as it may be told: without name and password, and without the query, which may be a key to it."""
    found = _PARTS.match(url)
    if found is None:
        return "…"
    scheme, place, rest = found.groups()
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" + ("?…" if rest else "")
