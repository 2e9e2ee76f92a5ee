"""How fast text files are looked into: MB a CPU second, this build and another one in turns.

    python tests/benchmarks/texts.py [--against PYTHON] [--rounds N] [--mb N] [--out FILE.json]

`--against` names a Python that has another `upload_client` installed: an older checkout. The files are in
memory. JSON is measured with objects of several sizes, since what costs is a lexeme, not a byte.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path


def files(n_bytes: int) -> dict[str, tuple[str, bytes]]:
    """Name, kind and content."""
    chance = random.Random(1)

    def value(number: int) -> dict[str, object]:
        return {
            "id": number,
            "name": f"station {number % 97}",
            "value": round(chance.random(), 4),
            "ok": True,
        }

    def feature(number: int) -> dict[str, object]:
        ring = [[round(100 * chance.random(), 5), round(50 * chance.random(), 5)] for _ in range(12)]
        return {
            "type": "Feature",
            "properties": {"n": number, "name": "ü" * 3},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }

    def as_json(what: object, indent: int | None = None) -> bytes:
        return json.dumps(what, indent=indent).encode()

    values = [value(number) for number in range(n_bytes // 65)]
    row = "2026-01-01T00:00Z,ridge,1.25\n"
    return {
        "JSON, tiny objects": ("json", b"[" + b",".join([b'{"a":1}'] * (n_bytes // 8)) + b"]"),
        "JSON, small objects": ("json", as_json(values)),
        "JSON, the same with indents": ("json", as_json(values[: len(values) // 2], 2)),
        "GeoJSON": ("json", as_json({"features": [feature(number) for number in range(n_bytes // 350)]})),
        "JSON, one array of numbers": ("json", as_json([chance.random() for _ in range(n_bytes // 20)])),
        "JSON lines": ("jsonl", b"".join(as_json(one) + b"\n" for one in values)),
        "CSV": ("csv", b"time,station,value\n" + row.encode() * (n_bytes // 30)),
        "CSV, not ASCII": ("csv", b"time,station,value\n" + row.replace("i", "ü").encode() * (n_bytes // 31)),
        "CSV, much of it in quotes": (
            "csv",
            b"time,station,remark\n" + b'2026-01-01,"ridge, north","it said ""no"""\n' * (n_bytes // 43),
        ),
        "CSV, a field in plain quotes": (
            "csv",
            b"time,station,value,n,remark\n"
            + b'2026-01-01T12:00Z,ridge-17,0.838601,92,"896712450"\n' * (n_bytes // 50),
        ),
        "TSV": ("tsv", b"time\tstation\tvalue\n" + row.replace(",", "\t").encode() * (n_bytes // 30)),
        "CSV of 4 KB": ("csv", b"time,station,value\n" + row.encode() * 140),
        "JSON of 4 KB": ("json", as_json(values[:60])),
    }


def measure(n_bytes: int) -> dict[str, float]:
    """MB a CPU second for each."""
    from upload_client.validator.content import check_text

    made = files(n_bytes)
    found = {}
    for name, (kind, data) in made.items():
        times = max(1, n_bytes // len(data) // 8)
        check_text(kind, io.BytesIO(data))  # loads what it needs, once for each process
        began = time.process_time()
        for _ in range(times):
            check_text(kind, io.BytesIO(data))
        found[name] = times * len(data) / 1e6 / (time.process_time() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mb", type=int, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.mb * 1_000_000)))
        return
    pythons = {"ours": sys.executable, **({"before": options.against} if options.against else {})}
    rounds: list[dict[str, dict[str, float]]] = []
    for n in range(options.rounds):
        rounds.append({})
        for who in sorted(pythons, reverse=bool(n % 2)):
            command = [pythons[who], __file__, "--measure", "--mb", str(options.mb)]
            said = subprocess.run(command, check=True, capture_output=True, cwd="/").stdout
            rounds[-1][who] = json.loads(said)
    print("| file | MB a CPU second | before | ratio: median (lowest-highest) |")
    print("|---|---|---|---|")
    for name in rounds[0]["ours"]:
        ours = statistics.median(one["ours"][name] for one in rounds)
        line = f"| {name} | {ours:.0f} |"
        if options.against:
            before = statistics.median(one["before"][name] for one in rounds)
            ratios = [one["ours"][name] / one["before"][name] for one in rounds if one["before"][name]]
            line += f" {before:.0f} |"
            if ratios:
                line += f" {statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f}) |"
        print(line)
    if options.out:
        options.out.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
