"""Data sync: JSON files, syncs, batches of them, and what is below a path.

Each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.support.late_names import late_names

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

__getattr__, __dir__ = late_names(__name__, _HOMES)
