"""Several people prepare one data set: each in a folder of their own, together through one S3 prefix.

```python
from upload_client import synchrony

synchrony.smart_sync(datafolder="Data", aws_bkt="bucket", aws_prfx="trees", name="Maria")
```

What differs is offered, and done as far as the person chooses; nothing that somebody wrote is lost without
that person or another choosing so. The public names, loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upload_client.synchrony.connection import (
        DataPlatformConnection,
        FolderConnection,
        Outcome,
        S3Connection,
        get_supported_platforms,
        reset_all,
        smart_sync,
    )

__all__ = [
    "DataPlatformConnection",
    "FolderConnection",
    "Outcome",
    "S3Connection",
    "get_supported_platforms",
    "reset_all",
    "smart_sync",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.connection"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
