"""How a file was judged: opened as what, by which rule, or not opened, and why.

A validator's verdict lists what it has checked; the last check says it. Of a file that no format is known of
the list ends with what every store can tell, and so it does if the validator opens nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from upload_client.core.text import counted

NOT_OPENED: Final = "not opened: "
"""The beginning of the text about a file that was not opened; behind it stands why."""
_IN_CHECK: Final = " not opened: "
_ANYTHING: Final = "opaque as expected of "
_METADATA: Final = frozenset({"path", "size", "etag", "crc32", "sha256", "manifest", "expected"})
_ONLY_METADATA: Final = f"{NOT_OPENED}size and checksum alone were compared"
_MAX_LENGTH: Final = 200
_FEW: Final = 3


def opened_as(checks: Sequence[str]) -> str | None:
    """Say how a file was judged, by what its verdict says that was checked.

    Returns:
        ``fits``, ``csv as expected of 'tables'``; ``not opened: `` and why; None where nobody said anything.
    """
    if not checks:
        return None
    last = checks[-1]
    if _IN_CHECK in last:
        return f"{NOT_OPENED}{last.partition(_IN_CHECK)[2]}"[:_MAX_LENGTH]
    if last.startswith(_ANYTHING):
        return f"{NOT_OPENED}the receiver expects it to hold anything"
    return _ONLY_METADATA if last in _METADATA else last[:_MAX_LENGTH]


def opened_as_written(inner: str) -> str | None:
    """`opened_as` for checks as they stand in a record: JSON, without the brackets."""
    return opened_as(json.loads(f"[{inner}]"))


def not_opened(counts: Mapping[str, int]) -> dict[str, int]:
    """The files that were not opened, by what `opened_as` says: why, and how many; most first."""
    found = {
        text.removeprefix(NOT_OPENED): n for text, n in counts.items() if text.startswith(NOT_OPENED) and n
    }
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def sentence(why: Mapping[str, int]) -> str:
    """Those that were not opened in words; empty where all were."""
    if not why:
        return ""
    n = sum(why.values())
    first: Iterable[str] = list(why)[:_FEW]
    reasons = ", ".join(f"{one} ({why[one]:,})" for one in first) if len(why) > 1 else next(iter(why))
    more = f", and for {counted(len(why) - _FEW, 'more reason')}" if len(why) > _FEW else ""
    return f"{counted(n, 'file')} {'was' if n == 1 else 'were'} not opened: {reasons}{more}"
