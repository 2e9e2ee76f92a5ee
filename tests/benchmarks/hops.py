"""The way of one file through the client, in functions: those that are called once more for each file more.

    python tests/benchmarks/hops.py

Two deliveries to the sandbox, of 100 and of 200 small files, each in this process under `sys.setprofile` in
every thread. A function of the package whose calls grow by at least one for each file more is a hop; the
threads in which hops are made say who handles each file by itself. Told as a table: thread, function, calls
for a file.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import boto3

FEW, MANY = 100, 200


def calls_of(n_files: int, folder: Path) -> Counter[tuple[str, str]]:
    """Calls of each function of the package, by thread and name, in a delivery of so many files."""
    from upload_client import UploadClient
    from upload_client.index import scan
    from upload_client.sandbox import Sandbox

    source = folder / f"data{n_files}"
    source.mkdir()
    for n in range(n_files):
        (source / f"{n:04}.csv").write_text(f"a,b\n{n},{n + 1}\n")
    calls: Counter[tuple[str, str]] = Counter()

    def note(frame, event: str, _argument) -> None:
        code = frame.f_code
        if event == "call" and "/upload_client/" in code.co_filename:
            where = code.co_filename.rpartition("/upload_client/")[2].removesuffix(".py").replace("/", ".")
            calls[
                threading.current_thread().name.split("-")[0].rstrip("_0123456789"),
                f"{where}:{code.co_qualname}",
            ] += 1

    with Sandbox() as sandbox:
        client = UploadClient(
            dataset="hops",
            delivery_id=f"of-{n_files}",
            file_index=scan(source),
            transfer_type="staging",
            source=source,
            settings=sandbox.settings,
            session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
            n_threads=2,
            output_dir=folder,
            reporter=Silent(),
        )
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            with client:
                outcome = client.run()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        assert outcome.exit_code == 0, outcome
    return calls


class Silent:
    """A reporter that shows nothing."""

    def handle(self, event: object) -> None:
        """Pass over it."""

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = calls_of(FEW, Path(folder)), calls_of(MANY, Path(folder))
    hops = {which: (many[which] - few[which]) / (MANY - FEW) for which in many}
    hops = {which: n for which, n in hops.items() if n >= 1}
    for (thread, function), n in sorted(hops.items()):
        print(f"{thread:24} {function:70} {n:5.1f}")
    print(
        f"{len({function for _, function in hops})} functions, {len({thread for thread, _ in hops})} threads"
    )


if __name__ == "__main__":
    main()
