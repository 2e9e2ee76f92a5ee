"""A whole delivery in one script: a receiver on this machine, a data set, and every file's verdict.

Run it: ``python examples/quickstart.py``. It needs the extra ``sandbox`` and no AWS account.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from upload_client import UploadClient
from upload_client.index import scan
from upload_client.sandbox import Sandbox, sample


def main() -> int:
    """Deliver a sample data set to a sandbox; the exit code of the delivery."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        source = Path(folder, "data")
        sample(source, n_files=12)
        with UploadClient(
            dataset="weather",
            delivery_id="2025",
            file_index=scan(source),
            transfer_type="staging",
            source=source,
            n_threads=4,
            settings=sandbox.settings,
            output_dir=folder,
        ) as client:
            outcome = client.run()
        for file in client.files:
            print(f"{file.state:8} {file.relpath}")
    print(outcome.headline)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
