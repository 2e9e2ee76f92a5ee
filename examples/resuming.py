"""Pulling the plug: a run ends in the middle, and another one, perhaps on another machine, goes on.

Run it: ``python examples/resuming.py``. It needs the extra ``sandbox`` and no AWS account.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from upload_client import Settings, UploadClient
from upload_client.index import scan
from upload_client.sandbox import Sandbox, sample


def client_for(source: Path, settings: Settings, output_dir: Path) -> UploadClient:
    """A client for the same delivery each time: nothing of an earlier run is kept on this machine."""
    return UploadClient(
        dataset="weather",
        delivery_id="interrupted",
        file_index=scan(source),
        transfer_type="staging",
        source=source,
        n_threads=2,
        settings=settings,
        output_dir=output_dir,
    )


def main() -> int:
    """Send a third of the files, stop, go on; the exit code of the second run."""
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        source = Path(folder, "data")
        paths = sample(source, n_files=24)

        with client_for(source, sandbox.settings, Path(folder)) as client:
            client.connect()
            client.initiate_transfer()
            while client.counts["done"] + client.n_complete < len(paths) // 3:
                if client.next_file is not None and client.counts["pending"] == 0:
                    client.transfer_next_file()
                client.update()
        print(f"stopped: {client.counts}")

        client = client_for(source, sandbox.settings, Path(folder))
        plan = client.plan()
        for reason, n in plan.reasons.items():
            print(f"{n:3} files: {reason}")
        with client:
            outcome = client.run()
        print(outcome.headline)
        return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
