"""Several people prepare one data set: each in a folder of their own, together through one S3 prefix.

```python
from upload_client import synchrony

synchrony.smart_sync(datafolder="Data", aws_bkt="bucket", aws_prfx="trees", name="Maria")
```

What differs is offered, and done as far as the person chooses; nothing that somebody wrote is lost without
that person or another choosing so. The public names, loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.support.late_names import late_names

if TYPE_CHECKING:
    from upload_client.synchrony.connection import DataPlatformConnection, SyncOutcome
    from upload_client.synchrony.platforms import (
        FolderConnection,
        S3Connection,
        get_supported_platforms,
        reset_all,
        smart_sync,
    )

__all__ = [
    "DataPlatformConnection",
    "FolderConnection",
    "S3Connection",
    "SyncOutcome",
    "get_supported_platforms",
    "reset_all",
    "smart_sync",
]

__getattr__, __dir__ = late_names(__name__, dict.fromkeys(__all__, "platforms"))
