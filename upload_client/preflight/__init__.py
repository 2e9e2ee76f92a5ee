"""Everything that can be found out before a delivery, without leaving a trace: `preflight`.

The names are imported when first asked for: what looks at local files alone needs none of what reaches AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.support.late_names import late_names

if TYPE_CHECKING:
    from upload_client.preflight.run import CheckRequest
    from upload_client.preflight.sequence import preflight

__all__ = ["CheckRequest", "preflight"]

__getattr__, __dir__ = late_names(__name__, {"CheckRequest": "run", "preflight": "sequence"})
