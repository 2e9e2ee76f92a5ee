"""How the data plane scales: over requests at once, latency and size of files. And what a million files cost.

    python tests/benchmarks/curves.py [--home DIR] [--seconds S] [--charts DIR] [--out FILE.json]

Files are sent to the sink of `sink.py` over plain HTTP, with signed content; each point is one fresh process
of about so many seconds. Prints tables in Markdown, and draws them as SVG below ``--charts``.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from run import MIB, Case, machine, sink

HERE = Path(__file__).resolve().parent

DELAYS = (0.0, 0.03, 0.1)
THREADS = ("1", "4", "16", "64", "256", "1024", "auto")
FEWER_THREADS = ("1", "4", "16", "64", "auto")
SIZES = (1024, 16 * 1024, 256 * 1024, 4 * MIB, 64 * MIB)
SMALL, LARGE = 4096, 8 * MIB

# Dollars for 1,000 requests: us-east-1, S3 Standard, as quoted in November 2026.
WRITE, READ = 0.005, 0.0004


def send(home: Path, url: str, size: int, threads: str, delay: float, seconds: float) -> dict[str, object]:
    """Send as many files of a size as may take so many seconds."""
    at_once = 256 if threads == "auto" else int(threads)
    most = min(5_000, 300 * MIB / size)  # files a second
    n = max(1, int(seconds * (min(most, at_once / delay) if delay else most)))
    data, n_bytes = Case("curve", n, size, size).make(home / "data")
    command = [sys.executable, str(HERE / "ours.py"), str(data), url, "--threads", threads]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took = json.loads(said.splitlines()[-1])["seconds"]
    rates = {"files_per_second": n / took, "mb_per_second": n_bytes / took / 1e6}
    return {"size": size, "threads": threads, "delay": delay, "files": n} | rates


def cost(n_files: int) -> dict[str, float]:
    """Requests and dollars for a delivery of small files, by what makes them.

    One PutObject a file; log segments of up to 5,000 records on both sides, each read by the other; one LIST
    of 1,000 keys at the beginning and at the end; the validator's HeadObject and GetObject.
    """
    segments, pages = -(-n_files // 5_000), -(-n_files // 1_000)
    writes = n_files + 2 * segments + 2 * pages  # S3 counts LIST as a write
    reads = 2 * n_files + 2 * segments
    ours = n_files + segments + 2 * pages, segments
    return {
        "writes": writes,
        "reads": reads,
        "dollars": (writes * WRITE + reads * READ) / 1000,
        "dollars_of_the_client": (ours[0] * WRITE + ours[1] * READ) / 1000,
    }


Line = tuple[str, Sequence[tuple[float, float]]]
STYLE = 'font-family="sans-serif" font-size="12" fill="#333" role="img"'
COLOURS = ("#2b7bba", "#d9762b", "#3a9a5c", "#8a5fb0")


def chart(
    title: str, x_title: str, y_title: str, ticks: Sequence[tuple[float, str]], lines: list[Line]
) -> str:
    """Lines over logarithmic axes, as SVG."""
    width, height, left, bottom, top, right = 640, 360, 64, 48, 40, 110
    xs = [math.log(x) for x, _ in ticks]
    values = [y for _, points in lines for _, y in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x_at(x: float) -> float:
        return left + (math.log(x) - xs[0]) / (xs[-1] - xs[0]) * (width - left - right)

    def y_at(y: float) -> float:
        return height - bottom - (math.log10(y) - low) / (high - low) * (height - bottom - top)

    def text(x: float, y: float, said: str, anchor: str = "middle", more: str = "") -> str:
        return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{more}>{said}</text>'

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {STYLE}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(left, 22, title, "start", ' font-size="15" font-weight="bold"'),
        text((left + width - right) / 2, height - 8, x_title),
        text(14, (top + height - bottom) / 2, y_title, more=f' transform="rotate(-90 14 {height / 2:.0f})"'),
    ]
    for power in range(low, high + 1):
        y = y_at(10**power)
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(text(left - 6, y + 4, f"{10**power:,}", "end"))
    for x, name in ticks:
        out.append(text(x_at(x), height - bottom + 18, name))
    last = float("inf")
    for (name, points), colour in sorted(
        zip(lines, COLOURS, strict=False), key=lambda line: line[0][1][-1][1]
    ):
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        last = min(y_at(points[-1][1]) + 4, last - 14)  # names do not lie over each other
        out.append(text(width - right + 8, last, name, "start", f' fill="{colour}"'))
    return "\n".join([*out, "</svg>", ""])


def table(title: str, head: Sequence[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def over_threads(points: list[dict[str, object]], figure: str, threads: Sequence[str]) -> list[list[str]]:
    rates = {(point["threads"], point["delay"]): point[figure] for point in points}
    return [[each, *(f"{rates[each, delay]:,.0f}" for delay in DELAYS)] for each in threads]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache" / "upload-client-benchmarks")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--charts", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    small, large, sizes = [], [], []
    for delay in DELAYS:
        with sink("--delay", str(delay)) as url:
            more = (delay, options.seconds)
            small += [send(options.home, url, SMALL, threads, *more) for threads in THREADS]
            large += [send(options.home, url, LARGE, threads, *more) for threads in FEWER_THREADS]
            sizes += [send(options.home, url, size, "auto", *more) for size in SIZES]
    report = {"machine": machine(), "small": small, "large": large, "sizes": sizes, "cost": cost(1_000_000)}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    if options.charts:
        draw(report, options.charts)
    delays = [f"{delay * 1000:.0f} ms" for delay in DELAYS]
    rows = over_threads(small, "files_per_second", THREADS)
    table("Files a second, 4 KiB each", ("requests at once", *delays), rows)
    rows = over_threads(large, "mb_per_second", FEWER_THREADS)
    table("MB a second, files of 8 MiB", ("requests at once", *delays), rows)
    rows = []
    for size in SIZES:
        found = {point["delay"]: point for point in sizes if point["size"] == size}
        rates = [(found[delay]["files_per_second"], found[delay]["mb_per_second"]) for delay in DELAYS]
        rows.append([f"{size // 1024:,} KiB", *(f"{rate[0]:,.0f} / {rate[1]:,.1f}" for rate in rates)])
    table("Files a second / MB a second by size, as many at once as bring more", ("size", *delays), rows)
    paid = report["cost"]
    requests = f"{paid['writes']:,} requests that write or list, {paid['reads']:,} that read"
    print(f"\nA million small files: {requests}; {paid['dollars']:.2f} dollars,", end=" ")
    print(f"{paid['dollars_of_the_client']:.2f} of them the client's.")


def draw(report: dict[str, list[dict[str, object]]], folder: Path) -> None:
    """The charts of a report."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, title, y_title, figure, threads in (
        ("small", "Files of 4 KiB", "files a second", "files_per_second", THREADS[:-1]),
        ("large", "Files of 8 MiB", "MB a second", "mb_per_second", FEWER_THREADS[:-1]),
    ):
        lines = [
            (
                f"{delay * 1000:.0f} ms",
                [
                    (int(point["threads"]), point[figure])
                    for point in report[name]
                    if point["delay"] == delay and point["threads"] != "auto"
                ],
            )
            for delay in DELAYS
        ]
        ticks = [(int(each), each) for each in threads]
        drawn = chart(title, "requests at once", y_title, ticks, lines)
        (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
    lines = [
        (
            f"{delay * 1000:.0f} ms",
            [(point["size"], point["mb_per_second"]) for point in report["sizes"] if point["delay"] == delay],
        )
        for delay in DELAYS
    ]
    ticks = [(size, f"{size // 1024:,} KiB" if size < MIB else f"{size // MIB} MiB") for size in SIZES]
    drawn = chart("As many requests at once as bring more", "size of files", "MB a second", ticks, lines)
    (folder / "sizes.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
