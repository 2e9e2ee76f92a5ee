"""A whole delivery's transfer phase against our own ceiling: the same sockets without ledger and log.

    python tests/benchmarks/delivery.py [--files N] [--rounds N] [--out FILE.json]

Ceiling and delivery run in turns, each in a fresh process, against a fresh sink. The phase is measured from
the first file that begins to the last one that is done, with lock, log and ledger at work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Watch:
    """A reporter that takes the time; when the last file is done, nothing more is to be seen."""

    def __init__(self, n_files: int) -> None:
        self.left = n_files
        self.began = 0.0
        self.cpu = 0.0

    def handle(self, event) -> None:
        state = getattr(event, "state", None)
        if state == "transferring" and not self.began:
            self.began, self.cpu = time.perf_counter(), time.process_time()
        elif state == "done":
            self.left -= 1
            if not self.left:
                seconds, cpu = time.perf_counter() - self.began, time.process_time() - self.cpu
                print(json.dumps({"seconds": seconds, "cpu_seconds": cpu}), flush=True)
                os._exit(0)
        elif state == "failed":
            print(event, file=sys.stderr)

    def close(self) -> None:
        pass


def deliver(folder: str, url: str) -> None:
    import boto3
    import pandas as pd

    from upload_client import UploadClient
    from upload_client.core.store_profile import Observation, StoreProfile, TrialResult
    from upload_client.core.times import timestamp
    from upload_client.s3 import clients
    from upload_client.settings import load_settings

    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    index = pd.DataFrame(
        {"path": [entry.name for entry in entries], "size": [entry.stat().st_size for entry in entries]}
    )
    settings = load_settings(
        flags={
            "auth": "aws",
            "region": "us-east-1",
            "endpoint_url": url,
            "control_bucket": "control",
            "landing_bucket": "landing",
            "start_function": "start",
        },
        environ={},
    )
    client = UploadClient(
        dataset="bench",
        delivery_id="d1",
        transfer_type="staging",
        file_index=index,
        source=folder,
        n_threads="auto",
        settings=settings,
        session=boto3.Session("a", "b", region_name="us-east-1"),
        reporter=Watch(len(entries)),
        output_dir=tempfile.gettempdir(),
    )
    # The sink keeps to nothing, and would be refused: a profile that says otherwise is there already.
    profile = StoreProfile(url, "", timestamp(time.time()), dict.fromkeys(Observation, TrialResult.KEPT))
    s3 = clients.s3_client(boto3.Session("a", "b", region_name="us-east-1"), settings)
    s3.put_object(Bucket="control", Key="bench/d1/probe/store", Body=profile.encode())
    print(client.run(), file=sys.stderr)


def run(*words: str) -> dict[str, float]:
    sink = subprocess.Popen(
        [sys.executable, str(HERE / "sink.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        url = json.loads(sink.stdout.readline())["endpoint_url"]
        said = subprocess.run(
            [sys.executable, *words, url],
            check=True,
            capture_output=True,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        if not said.stdout:
            raise SystemExit(said.stderr)
        return json.loads(said.stdout.splitlines()[-1])
    finally:
        sink.stdin.close()
        sink.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--deliver", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.deliver:
        deliver(*options.deliver)
        return
    with tempfile.TemporaryDirectory() as folder:
        for row in range(options.files):
            Path(folder, f"{row:06d}.bin").write_bytes(row.to_bytes(8, "big") * 512)
        ratios = []
        for _ in range(options.rounds):
            ceiling = run(str(HERE / "ours.py"), folder)["seconds"]
            whole = run(str(HERE / "delivery.py"), "--deliver", folder)["seconds"]
            ratios.append(ceiling / whole)
            rates = options.files / ceiling, options.files / whole
            print(f"alone {rates[0]:7.0f} files/s, in a delivery {rates[1]:7.0f} files/s: {ratios[-1]:.2f}")
    report = {
        "goal": "small files/s, a delivery / the data plane alone",
        "at_least": 0.7,
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }
    print(f"median {report['ratio']:.2f} (at least {report['at_least']})")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
