"""The hand-over of a complete delivery into an archive, with proof: `work` does it, `handler` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upload_client.functions.hand_over.handler import HandOverHandler

__all__ = ["HandOverHandler"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from upload_client.functions.hand_over import handler  # noqa: PLC0415 - loads what functions stand on

    value = globals()[name] = getattr(handler, name)
    return value
