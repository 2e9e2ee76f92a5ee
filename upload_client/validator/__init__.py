"""The receiving side: follows the client's log and judges what arrived.

`handlers.start` and `handlers.work` are the two Lambda entry points; `Validator` is one run of it, wherever
it runs. Nothing here imports the client.
"""

from __future__ import annotations

from upload_client.validator.settings import ValidatorSettings

__all__ = ["ValidatorSettings"]
