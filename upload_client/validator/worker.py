"""`work`: the validator's second Lambda function, which `upload_client.validator.handlers.start` invokes."""

from __future__ import annotations

import gc
import sys
from typing import Any

from upload_client.core.text import for_log
from upload_client.errors import Locked
from upload_client.validator.handlers import Context, layout_of
from upload_client.validator.serving import serve
from upload_client.validator.settings import ValidatorSettings


def work(event: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 — `start` made it
    """Run the validator, until it has to stop.

    Args:
        event: made by `start`.
        context: Lambda's.

    Returns:
        ``{"outcome": …}``, for the receiver's eyes; the client looks into the log.
    """
    if not gc.get_freeze_count():
        gc.freeze()  # what is imported stays: to look through it for garbage is a ninth of the computing
    settings = ValidatorSettings.from_environment()
    layout = layout_of(event, settings)
    try:
        outcome = serve(
            settings,
            layout,
            validator_id=event["validator_id"],
            client_epoch=event["epoch"],
            shard=event.get("shard", 0),
            shards=event.get("shards", 1),
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        )
    except Locked as error:
        # Another one serves, or is still leaving: of two that were started, one is right.
        sys.stderr.write(f"{for_log(str(error))}\n")
        return {"outcome": "locked"}
    return {"outcome": outcome}
