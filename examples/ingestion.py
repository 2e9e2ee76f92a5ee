"""An ingestion script: the file index is a DataFrame of its own making, each file is sent step by step.

Run it: ``python examples/ingestion.py``. It needs the extra ``sandbox``; in real life leave the sandbox out,
and the settings come from the environment and the default profile.
"""

from __future__ import annotations

import base64
import sys
import tempfile
import time
import zlib
from pathlib import Path

import pandas as pd

from upload_client import NothingToDoError, Settings, UploadClient
from upload_client.sandbox import Sandbox, sample


def crc32(path: Path) -> str:
    """CRC32 as base64 of its 4 big-endian bytes, the way an index has it."""
    return base64.b64encode(zlib.crc32(path.read_bytes()).to_bytes(4, "big")).decode()


def catalogue(source: Path) -> pd.DataFrame:
    """What is to be delivered: here all CSV files; in real life perhaps a query to a database."""
    paths = sorted(source.rglob("*.csv"))
    return pd.DataFrame(
        {
            "path": [path.relative_to(source).as_posix() for path in paths],
            "checksum": [crc32(path) for path in paths],
            "size": [path.stat().st_size for path in paths],
        }
    )


def deliver(source: Path, settings: Settings, output_dir: Path) -> int:
    """Send file by file, and react to each verdict; the exit code of the delivery."""
    client = UploadClient(
        dataset="weather",
        delivery_id="catalogue-1",
        file_index=catalogue(source),
        transfer_type="staging",
        source=source,
        n_threads=4,
        settings=settings,
        output_dir=output_dir,
    )
    with client:
        try:
            client.connect()
        except NothingToDoError as error:
            print(error)
            return 0
        client.write_index()
        client.initiate_transfer()
        while not client.done:
            if client.next_file is not None:
                client.transfer_next_file()
            else:
                time.sleep(0.05)
            client.update()
    for file in client.files:
        if file.state == "invalid":
            print(f"to be fixed: {file.relpath}: {file.message}")
    assert client.outcome is not None
    print(client.outcome.headline)
    return client.outcome.exit_code


def main() -> int:
    """Deliver twice: the second time there is nothing to do."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        source = Path(folder, "data")
        sample(source)
        first = deliver(source, sandbox.settings, Path(folder))
        second = deliver(source, sandbox.settings, Path(folder))
    return first or second


if __name__ == "__main__":
    sys.exit(main())
