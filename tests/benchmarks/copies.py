"""How many requests a delivery from bucket to bucket takes, from login to receipt: each attempt counts.

    python tests/benchmarks/copies.py [--objects N] [--out FILE.json]

The delivery runs against the sandbox, validator included. What is counted is what the client sends, by
operation and bucket, as botocore sends it; the store's own record of copies has to agree with that. Two
figures: what is asked about the objects (copies, listings of both buckets), which the goal is about; and
everything, with lock, log and polls of the validator's log, of which there are more the longer it takes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pandas as pd
from run import machine

from upload_client import UploadClient
from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings


def count(n_objects: int) -> dict[str, object]:
    sent: Counter[str] = Counter()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        s3 = sandbox.client("s3")
        s3.create_bucket(Bucket="source")
        names = [f"field{n // 100:03d}/tile{n % 100:02d}.csv" for n in range(n_objects)]
        for name in names:
            s3.put_object(Bucket="source", Key=f"in/{name}", Body=f"id\n{name}\n".encode())
        session = boto3.Session("sandbox", "sandbox", region_name="us-east-1")

        def sends(request, event_name, **_):
            bucket = urlsplit(request.url).path.split("/")[1].partition("-")[0]
            operation = event_name.removeprefix("before-send.")
            sent[f"{operation} {bucket}" if operation.startswith("s3.") else operation] += 1

        session.events.register("before-send", sends)
        settings = load_settings(profile=sandbox.profile).model_copy(update={"auth": "aws"})
        before = len(sandbox.requests)
        with UploadClient(
            dataset="bench",
            delivery_id="copies",
            transfer_type="staging",
            file_index=pd.DataFrame({"path": names}),
            source="s3://source/in/",
            n_threads=8,
            settings=settings,
            session=session,
            output_dir=Path(folder),
        ) as client:
            outcome = client.run()
        assert outcome.exit_code == 0, outcome
        arrived = [r for r in sandbox.requests[before:] if r.method == "PUT" and "/tile" in r.path]
        assert len(arrived) == sent["s3.CopyObject landing"], (len(arrived), sent)
    objects = sum(n for what, n in sent.items() if what.endswith((" source", " landing")))
    return {
        "goal": "S3 to S3: requests per object",
        "at_most": 1.05,
        "objects": n_objects,
        "per_object": objects / n_objects,
        "per_object_with_lock_and_log": sum(sent.values()) / n_objects,
        "by_operation": dict(sent.most_common()),
        "machine": machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report = count(options.objects)
    for operation, n in report["by_operation"].items():
        print(f"{operation:40} {n:6}")
    print(f"{'requests per object':40} {report['per_object']:6.3f}  (at most {report['at_most']})")
    print(f"{'… with lock, log and polls':40} {report['per_object_with_lock_and_log']:6.3f}")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
