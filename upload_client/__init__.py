"""Deliver data sets to someone else's bucket.

The public names, loaded when they are first asked for: the command line's ``--help`` needs none of what they
stand on.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

# Botocore asks once, when it is first imported, whether to sign through awscrt, and awscrt takes the body
# of a plain-HTTP request in steps of 4 KiB: 2.8 times slower for large ones. Set to "false" it is used.
os.environ.setdefault("BOTO_DISABLE_CRT", "true")

# Silent, unless the program that uses this package asks for its log.
from upload_client.support.late_names import late_names

logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from upload_client.client import UploadClient
    from upload_client.core.files import ClientFile, TransferType
    from upload_client.delivery.outcome import Outcome
    from upload_client.delivery.plan import Plan
    from upload_client.errors import DeliveryError, NothingToDoError
    from upload_client.events import (
        Connected,
        FileChanged,
        Health,
        InFlight,
        Message,
        Phase,
        Planned,
        Problem,
        Progress,
        Reporter,
        Summary,
    )
    from upload_client.s3.bucket import Bucket
    from upload_client.s3.errors import UploadClientError
    from upload_client.settings import Settings, load_settings
    from upload_client.transfer import TransferOutcome, send_files
    from upload_client.transfer.dataroot import DataRoot
    from upload_client.ui.logs import LoggingReporter
    from upload_client.ui.notebook import NotebookReporter

__all__ = [
    "Bucket",
    "ClientFile",
    "Connected",
    "DataRoot",
    "DeliveryError",
    "FileChanged",
    "Health",
    "InFlight",
    "LoggingReporter",
    "Message",
    "NotebookReporter",
    "NothingToDoError",
    "Outcome",
    "Phase",
    "Plan",
    "Planned",
    "Problem",
    "Progress",
    "Reporter",
    "Settings",
    "Summary",
    "TransferOutcome",
    "TransferType",
    "UploadClient",
    "UploadClientError",
    "load_settings",
    "send_files",
]

_HOMES = {
    "Bucket": "s3.bucket",
    "ClientFile": "core.files",
    "Connected": "events",
    "DataRoot": "transfer.dataroot",
    "DeliveryError": "errors",
    "FileChanged": "events",
    "Health": "events",
    "InFlight": "events",
    "LoggingReporter": "ui.logs",
    "Message": "events",
    "NotebookReporter": "ui.notebook",
    "NothingToDoError": "errors",
    "Outcome": "delivery.outcome",
    "Phase": "events",
    "Plan": "delivery.plan",
    "Planned": "events",
    "Problem": "events",
    "Progress": "events",
    "Reporter": "events",
    "Settings": "settings",
    "Summary": "events",
    "TransferOutcome": "transfer",
    "TransferType": "core.files",
    "UploadClient": "client",
    "UploadClientError": "s3.errors",
    "load_settings": "settings",
    "send_files": "transfer",
}

__getattr__, __dir__ = late_names(__name__, _HOMES)
