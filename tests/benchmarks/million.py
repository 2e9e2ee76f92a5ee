"""How much a million files cost: to read and check their index and plan, to resume, and to take in verdicts.

    python tests/benchmarks/million.py [--files N] [--folder DIR] [--json FILE]

Makes N real files of a few bytes below DIR (kept there for the next run; by default in a temporary folder
that is removed), a store in a process of its own, and runs each phase in a fresh process. What is measured is
that process: CPU seconds (all threads), peak memory, and requests as the store counted them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from base64 import b64encode
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import boto3
from remembering import CONTROL, HIDDEN, LANDING, content_of, etag_of, name_of

from upload_client.core import records
from upload_client.core.layout import Layout, segment_key
from upload_client.core.record_encoding import encode
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.uploads import Upload

DATASET, DELIVERY = "survey", "d1"
LAYOUT = Layout(DATASET, DELIVERY, "staging", landing_prefix="{dataset}/{delivery_id}/{transfer_type}/")
AT = "2026-01-02T03:04:05.678Z"
MTIME = 1_767_323_045_123_456_789
PHASES = {
    "plan": "read, check and plan: nothing sent so far",
    "resume": "resume: all valid",
    "resume unjudged": "resume: all sent, none judged",
    "verdicts": "verdicts applied, state dumped (after the above)",
    "from checkpoint": "resume from the checkpoint that the above has left: all valid",
}
_FEW = "requests <= N/1000 + log segments"
GOALS = {"plan": "<= 10 s, <= 600 MB", "resume": _FEW, "from checkpoint": _FEW, "verdicts": "<= 10 s"}


def crc32(number: int) -> str:
    return b64encode(zlib.crc32(content_of(number)).to_bytes(4, "big")).decode()


def make_files(folder: Path, n_files: int) -> None:
    """The files, and their index beside the folder."""
    index = folder.with_suffix(".csv")
    if index.exists() and index.read_bytes().count(b"\n") == n_files + 1:
        return
    for number in range(n_files):
        path = folder / name_of(number)
        if number % 1000 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of(number))
        os.utime(path, ns=(MTIME, MTIME))
    with index.open("w", newline="") as file:
        file.write("path,checksum,size\n")
        file.writelines(f"{name_of(n)},{crc32(n)},{len(content_of(n))}\n" for n in range(n_files))


def segments(chain: LogChain, lines: Iterator[bytes], *, client_epoch: int | None = None) -> Iterator[bytes]:
    """A log, in segments as its writer would make them."""
    batch: list[bytes] = []

    def segment() -> bytes:
        header = chain.header(agent_id="benchmark", epoch=1, client_epoch=client_epoch)
        data = encode_segment(header, batch)
        chain.appended(header, data)
        batch.clear()
        return data

    n_bytes = 0
    for line in lines:
        if len(batch) == records.MAX_BATCH_RECORDS or n_bytes + len(line) > records.MAX_BATCH_BYTES:
            n_bytes = 0
            yield segment()
        batch.append(line)
        n_bytes += len(line)
    yield segment()


def client_log(n_files: int) -> Iterator[bytes]:
    yield encode(records.Init(AT, 1, "index", hashlib.sha256().hexdigest(), n_files, 0))
    for n in range(n_files):
        size = len(content_of(n))
        yield encode(
            records.Transferred(
                AT, name_of(n), Upload(1, n + 1, size, crc32(n), etag_of(n), mtime_ns=MTIME), 0
            )
        )


def validator_log(n_files: int) -> Iterator[bytes]:
    yield encode(records.ValidatorInit(AT, "benchmark", 2))
    for n in range(n_files):
        found = records.Found(len(content_of(n)), crc32(n), etag_of(n))
        yield encode(
            records.Verdict(AT, name_of(n), f"1-{n + 1}", 0, "ok", "", found, ("present", "same", "opens"))
        )


@contextlib.contextmanager
def store(n_landed: int) -> Iterator[str]:
    """A store of its own; its URL."""
    command = [sys.executable, str(Path(__file__).with_name("remembering.py"))]
    command += ["--landed", str(n_landed), "--landing", LAYOUT.landing]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["endpoint_url"]
        finally:
            process.terminate()


def fill(endpoint_url: str, n_files: int, *, judged: bool) -> int:
    """Put the logs of an earlier run there; how many segments they have."""
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    n_segments = 0
    hidden = "" if judged else HIDDEN
    for prefix, made in (
        (LAYOUT.root + LAYOUT.client_log(), segments(LogChain("client"), client_log(n_files))),
        (
            hidden + LAYOUT.root + LAYOUT.validator_log(),
            segments(LogChain("validator"), validator_log(n_files), client_epoch=2),
        ),
    ):
        for seq, data in enumerate(made):
            s3.put_object(Bucket=CONTROL, Key=segment_key(prefix, seq), Body=data)
            n_segments += 1
    requests(endpoint_url)
    return n_segments


def requests(endpoint_url: str) -> dict[str, int]:
    """Requests since this was last asked, by operation."""
    with urllib.request.urlopen(f"{endpoint_url}/requests") as answer:
        return json.load(answer)


# --- in the process that is measured ---


def peak() -> float:
    """Peak memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


class Laps:
    """CPU and wall seconds between one moment and the next."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.monotonic()
        self.found: list[dict[str, object]] = []

    def lap(self, name: str, endpoint_url: str) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        self.found.append(
            {
                "phase": name,
                "cpu_s": round(cpu - self.cpu, 2),
                "wall_s": round(wall - self.wall, 2),
                "peak_rss_mb": round(peak()),
                "requests": requests(endpoint_url),
            }
        )
        self.cpu, self.wall = time.process_time(), time.monotonic()


def measured(phase: str, folder: Path, endpoint_url: str) -> list[dict[str, object]]:
    """Do it; what it cost."""
    laps = Laps()

    from upload_client import NothingToDoError, UploadClient
    from upload_client.delivery.loop import receive_verdicts
    from upload_client.index import read_files
    from upload_client.settings import load_settings

    settings = load_settings(
        flags={
            "region": "us-east-1",
            "endpoint_url": endpoint_url,
            "control_bucket": CONTROL,
            "landing_bucket": LANDING,
            "start_function": "start",
            "accept_unverified_store": True,  # it verifies nothing, and that is not measured
        },
        environ={},
    )
    client = UploadClient(
        dataset=DATASET,
        delivery_id=DELIVERY,
        file_index=read_files(folder.with_suffix(".csv")),
        transfer_type="staging",
        source=folder,
        settings=settings,
        session=boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"),
        n_threads=8,
        output_dir=folder.parent,
    )
    if phase == "plan":
        plan = client.plan()
        assert plan.n_to_send == len(client._run.source.index.paths)
        laps.lap(phase, endpoint_url)
        return laps.found
    try:
        client.connect()
    except NothingToDoError:
        assert phase == "resume"
        laps.lap(phase, endpoint_url)
        return laps.found
    assert phase == "resume unjudged"
    laps.lap(phase, endpoint_url)
    client.write_index()
    client.initiate_transfer()
    laps.lap("index written", endpoint_url)
    delivery = client._run.connected
    assert delivery is not None
    delivery.announce.clear()  # what it costs to announce them is not asked for here
    while not delivery.ledger.validation_complete:
        receive_verdicts(delivery)
        time.sleep(0.01)  # as `run` does between two looks
    client.dump_state()
    laps.lap("verdicts", endpoint_url)
    client.quit()
    return laps.found


def run(phase: str, folder: Path, endpoint_url: str) -> list[dict[str, object]]:
    """Measure a phase in a fresh process."""
    command = [
        sys.executable,
        __file__,
        "--measure",
        phase,
        "--folder",
        str(folder),
        "--endpoint",
        endpoint_url,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--phases", nargs="*", default=["plan", "resume", "resume unjudged"])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.folder, options.endpoint)))
        return
    found = []
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "files"
        make_files(folder, options.files)
        for phase in options.phases:
            landed = 0 if phase == "plan" else options.files
            with store(landed) as endpoint_url:
                n_segments = (
                    0 if phase == "plan" else fill(endpoint_url, options.files, judged=phase == "resume")
                )
                laps = run(phase, folder, endpoint_url)
                if phase == "resume unjudged":  # its end has left a checkpoint
                    laps += [
                        lap | {"phase": "from checkpoint"} for lap in run("resume", folder, endpoint_url)
                    ]
            for lap in laps:
                lap["log_segments"] = n_segments
                found.append(lap)
                n_requests = sum(lap["requests"].values())
                print(
                    f"{lap['phase']:16} {lap['cpu_s']:7.2f} s CPU {lap['wall_s']:7.2f} s"
                    f" {lap['peak_rss_mb']:5} MB {n_requests:6} requests {lap['requests']}"
                    f"  {GOALS.get(lap['phase'], '')}",
                    flush=True,
                )
    if options.json:
        result = {
            "files": options.files,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("upload-client", "boto3", "pandas")},
            "phases": found,
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
