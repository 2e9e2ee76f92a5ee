"""How the data plane scales: over requests at once, over the size of files, over latency. And what it costs.

    python tests/benchmarks/curves.py [--home DIR] [--seconds S] [--out FILE.json]

Files are sent to the sink of `sink.py`, over plain HTTP with signed content; each point is one fresh process
of about so many seconds. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from run import Case, sink

HERE = Path(__file__).resolve().parent
MIB = 1024**2

DELAYS = (0.0, 0.03, 0.1)
THREADS = ("1", "8", "64", "512", "auto")
SIZES = (1024, 16 * 1024, 256 * 1024, 4 * MIB, 64 * MIB)

# Dollars for 1,000 requests, us-east-1, S3 Standard: https://aws.amazon.com/s3/pricing/
WRITE, READ = 0.005, 0.0004


def measure(data: Path, url: str, threads: str) -> dict[str, float]:
    command = [sys.executable, str(HERE / "ours.py"), str(data), url, "--threads", threads]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(said.splitlines()[-1])


def likely(size: int, threads: str, delay: float, seconds: float) -> int:
    """Files that take about so many seconds to send."""
    at_once = 1024 if threads == "auto" else int(threads)
    rate = 5_000 if not delay else min(5_000, at_once / delay)
    return max(1, int(seconds * min(rate, 300 * MIB / size)))


def over_threads(home: Path, seconds: float) -> list[dict[str, object]]:
    points = []
    for delay in DELAYS:
        with sink("--delay", str(delay)) as url:
            for threads in THREADS:
                n = likely(4096, threads, delay, seconds)
                data, _ = Case("curve", n, 4096, 4096).make(home / "data")
                rate = n / measure(data, url, threads)["seconds"]
                points.append({"delay": delay, "threads": threads, "files_per_second": rate})
    return points


def over_sizes(home: Path, seconds: float) -> list[dict[str, object]]:
    points = []
    with sink() as url:
        for size in SIZES:
            n = likely(size, "8", 0.0, seconds)
            data, n_bytes = Case("curve", n, size, size).make(home / "data")
            took = measure(data, url, "8")["seconds"]
            points.append({"size": size, "files_per_second": n / took, "mb_per_second": n_bytes / took / 1e6})
    return points


def cost(n_files: int) -> dict[str, float]:
    """Requests and dollars for a delivery of small files, by what makes them.

    One PutObject a file; log segments of up to 5,000 records on both sides, each read by the other; one
    LIST of 1,000 keys at the beginning and at the end; the validator's HeadObject and GetObject.
    """
    writes = n_files + 2 * -(-n_files // 5_000) + 2 * -(-n_files // 1_000)  # S3 counts LIST as a write
    reads = 2 * n_files + 2 * -(-n_files // 5_000)
    return {"writes": writes, "reads": reads, "dollars": writes / 1000 * WRITE + reads / 1000 * READ}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache" / "upload-client-benchmarks")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    report = {
        "threads": over_threads(options.home, options.seconds),
        "sizes": over_sizes(options.home, options.seconds),
        "cost": cost(1_000_000),
    }
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    print("Files a second (4 KiB each), by requests at once and latency of the store:\n")
    print("| at once | " + " | ".join(f"{delay * 1000:.0f} ms" for delay in DELAYS) + " |")
    print("|---" * (len(DELAYS) + 1) + "|")
    for threads in THREADS:
        row = [point["files_per_second"] for point in report["threads"] if point["threads"] == threads]
        print(f"| {threads} | " + " | ".join(f"{rate:,.0f}" for rate in row) + " |")
    print("\nBy size of files, 8 requests at once:\n\n| size | files/s | MB/s |\n|---|---|---|")
    for point in report["sizes"]:
        size = f"{point['size'] // 1024:,} KiB"
        print(f"| {size} | {point['files_per_second']:,.0f} | {point['mb_per_second']:,.0f} |")
    paid = report["cost"]
    requests = f"{paid['writes']:,} requests that write or list, {paid['reads']:,} that read"
    print(f"\nA million small files: {requests}; {paid['dollars']:.2f} dollars.")


if __name__ == "__main__":
    main()
