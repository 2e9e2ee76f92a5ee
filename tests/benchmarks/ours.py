"""Upload a directory with our own data plane, and say how long it took. A fresh process for each measurement.

python ours.py DIRECTORY ENDPOINT_URL [--threads N|auto] [--engine direct|boto3] [--unsigned] [--digest]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import boto3

from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket
from upload_client.transfer import DataRoot, TransferTask, send_files


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("endpoint_url")
    parser.add_argument("--threads", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--unsigned", action="store_true")
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()
    n_threads = options.threads if options.threads == "auto" else int(options.threads)

    class At:
        endpoint_url = options.endpoint_url
        endpoints: dict[str, str] = {}  # noqa: RUF012

    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    bucket = Bucket("bench", prefix="x/", client=clients.s3_client(session, At(), pool=64))
    paths = sorted(os.scandir(options.directory), key=lambda entry: entry.name)
    tasks = [
        TransferTask(
            row, entry.name, entry.path, entry.name, size=entry.stat().st_size, sha256=options.digest
        )
        for row, entry in enumerate(paths)
    ]
    began, cpu = time.perf_counter(), time.process_time()
    failed = 0
    for outcome in send_files(
        tasks,
        DataRoot(options.directory),
        bucket,
        n_threads=n_threads,
        engine=options.engine,
        unsigned_payload=options.unsigned,
    ):
        failed += not outcome.ok
    seconds = time.perf_counter() - began
    told = {"seconds": seconds, "transfer_cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**told, "files": len(tasks), "failed": failed}))


if __name__ == "__main__":
    main()
