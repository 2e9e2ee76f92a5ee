"""Data sync: JSON files, syncs, batches of them, and what is below a path.

Each name is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upload_client.functions.data_sync.file_system import (
        GetDataPathStatsHandler,
        ListDataPathsHandler,
        OutdatedDataPathScannerHandler,
        RemoveDataPathsHandler,
    )
    from upload_client.functions.data_sync.json_files import (
        GetJSONFromFileHandler,
        PutJSONToFileHandler,
        get_s3_scratch_key,
    )
    from upload_client.functions.data_sync.operations import (
        BatchDataSyncHandler,
        DataSyncHandler,
        PrepareBatchDataSyncHandler,
    )

__all__ = [
    "BatchDataSyncHandler",
    "DataSyncHandler",
    "GetDataPathStatsHandler",
    "GetJSONFromFileHandler",
    "ListDataPathsHandler",
    "OutdatedDataPathScannerHandler",
    "PrepareBatchDataSyncHandler",
    "PutJSONToFileHandler",
    "RemoveDataPathsHandler",
    "get_s3_scratch_key",
]

_HOMES = {
    "BatchDataSyncHandler": "operations",
    "DataSyncHandler": "operations",
    "GetDataPathStatsHandler": "file_system",
    "GetJSONFromFileHandler": "json_files",
    "ListDataPathsHandler": "file_system",
    "OutdatedDataPathScannerHandler": "file_system",
    "PrepareBatchDataSyncHandler": "operations",
    "PutJSONToFileHandler": "json_files",
    "RemoveDataPathsHandler": "file_system",
    "get_s3_scratch_key": "json_files",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
