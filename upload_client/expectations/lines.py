"""Lines of YAML as a person would write them: short mappings in braces, comments at the end."""

from __future__ import annotations

from typing import Any

import yaml

from upload_client.core.text import for_terminal

_MAX_COMMENT = 100


def flow(data: Any) -> str:  # noqa: ANN401 — plain values
    """Plain values on one line, in braces and brackets."""
    return text_of(data, default_flow_style=True, width=float("inf"))


def text_of(data: Any, **style: Any) -> str:  # noqa: ANN401 — plain values, PyYAML's options
    """YAML in letters people read, unless there are some that PyYAML takes for a line's end."""
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, **style)
    if not text.replace("\n", "").isprintable():
        text = yaml.safe_dump(data, sort_keys=False, **style)
    return text.strip()


def scalar(value: str | int) -> str:
    """A value as it stands behind a key."""
    return flow([value])[1:-1]


def noted(line: str, note: str) -> str:
    """A line with a comment, where there is one to be made."""
    note = for_terminal(note)
    return f"{line}  # {note[:_MAX_COMMENT]}" if note else line
