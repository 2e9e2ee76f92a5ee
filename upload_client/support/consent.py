"""The consents of a provider to what profiles do: remembered by hash, in the config folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upload_client.core.text import for_terminal
from upload_client.core.trust import Ask
from upload_client.support.atomic import replacing

FILE = "consents.json"
"""In the config folder: an object, by the SHA-256 of what was allowed."""

_MOST = 1_000_000  # bytes


def is_given(folder: Path, ask: Ask) -> bool:
    """Whether exactly this was allowed before."""
    return ask.digest in _read(folder)


def remember(folder: Path, ask: Ask) -> None:
    """Note that it is allowed.

    Raises:
        OSError: it cannot be written; then it is asked again.
    """
    given = _read(folder)
    given[ask.digest] = {
        "allowed": for_terminal(ask.what),
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FILE) as file:
        file.write(json.dumps(given, indent=1) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    """The consents that are remembered; none, where the file is missing or is not ours."""
    try:
        with (folder / FILE).open(encoding="utf-8") as file:
            found = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
