"""How long a function takes to its first answer, under AWS' own runtime client (awslambdaric).

``python tests/benchmarks/cold_start.py --home FOLDER``: packages the zips as `receiver package` does,
installs what the layers bring into an environment of its own, and starts each function as Lambda does: a new
process, our code not compiled before. In turns; medians. Seconds are those of this machine: what counts is
how the functions stand to each other. With ``--each`` it is every function of the package that answers, with
an event that it refuses: so nothing of AWS is asked, and all that it stands on is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LAYER = ["awslambdaric==4.2.2", "boto3", "pydantic", "aws-lambda-powertools"]
ROUTER = "upload_client.functions.handle"


def routed(name: str, event: dict) -> dict:
    return {"handler": f"upload_client.functions.{name}", "event": event}


CASES = {
    "validator: start": ("validator", "upload_client.validator.handlers.start", {"protocol": 0}),
    "router, notifications": (
        "functions",
        ROUTER,
        routed(
            "notifications.NotificationRouter", {"content": {"subject": "", "message": ""}, "targets": []}
        ),
    ),
    "router, list paths": (
        "functions",
        ROUTER,
        routed("data_sync.ListDataPathsHandler", {"path": "/var/empty-of-all"}),
    ),
    "router, data sync": (
        "functions",
        ROUTER,
        routed(
            "data_sync.DataSyncHandler",
            {"source_path": "/nowhere/", "destination_path": "/tmp/nowhere/", "fail_if_missing": False},
        ),
    ),
}


FUNCTIONS = (
    "notifications.NotificationRouter",
    "data_sync.GetJSONFromFileHandler",
    "data_sync.PutJSONToFileHandler",
    "data_sync.DataSyncHandler",
    "data_sync.BatchDataSyncHandler",
    "data_sync.PrepareBatchDataSyncHandler",
    "data_sync.GetDataPathStatsHandler",
    "data_sync.ListDataPathsHandler",
    "data_sync.OutdatedDataPathScannerHandler",
    "data_sync.RemoveDataPathsHandler",
    "batch.CreateDefinitionAndPrepareArgsHandler",
    "ecr.ImageReplicatorHandler",
    "demand.PrepareDemandScaffoldingHandler",
    "hand_over.HandOverHandler",
)
EACH = {name: ("functions", ROUTER, routed(name, {"of": "no such field"})) for name in FUNCTIONS}


class Runtime(BaseHTTPRequestHandler):
    """The API that a runtime asks for its next event."""

    protocol_version = "HTTP/1.1"
    event: bytes
    answered: threading.Event

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.answered.is_set():
            threading.Event().wait(30)  # there is no second one
        self.send_response(200)
        for name, value in {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "r",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.event)))
        self.end_headers()
        self.wfile.write(self.event)

    def do_POST(self):
        self.server.answer = (
            self.path.rpartition("/")[2],
            self.rfile.read(int(self.headers["Content-Length"])),
        )
        self.answered.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


def once(python: Path, folder: Path, handler: str, event: dict) -> tuple[float, float, float]:
    """Seconds, and CPU seconds, from the start of the process to its answer; MiB of its memory at most."""
    answered = threading.Event()
    runtime = type("One", (Runtime,), {"event": json.dumps(event).encode(), "answered": answered})
    server = ThreadingHTTPServer(("127.0.0.1", 0), runtime)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # the process is ended while it asks for more
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    settings = {"control_bucket": "c", "landing_bucket": "l", "worker_function": "w"}
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "UPLOAD_CLIENT_VALIDATOR": json.dumps(settings),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [python, "-m", "awslambdaric", handler],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        if not answered.wait(60):
            raise SystemExit(f"{handler}: no answer: {process.stderr.read1().decode()}")
        seconds = time.monotonic() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    finally:
        process.kill()
        process.communicate()
        server.shutdown()
        server.server_close()
    kind, body = server.answer
    if kind != "response" and json.loads(body).get("errorType") != "InvalidRequest":
        raise SystemExit(f"{handler}: {body.decode()}")
    return seconds, cpu, int(peak) / 1024


PACK = """
import sys
from upload_client.receiver.packaging import lambda_zip
sys.stdout.buffer.write(lambda_zip(sys.argv[1]))
"""


def unpacked(python: str, what: str, home: Path) -> tuple[Path, int]:
    """The zip as this Python's build makes it, unpacked; its size."""
    packed = subprocess.run([python, "-c", PACK, what], check=True, capture_output=True, cwd="/").stdout
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{what}.zip"
    path.write_bytes(packed)
    shutil.rmtree(home / what, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(home / what)
    return home / what, len(packed)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--home", type=Path, required=True)
    options.add_argument("--turns", type=int, default=9)
    options.add_argument("--boto3", metavar="VERSION", help="that of a runtime, such as 1.36.0")
    options.add_argument("--against", metavar="PYTHON", help="has another upload_client installed")
    options.add_argument("--each", action="store_true", help="every function of the package")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    python = given.home / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", given.home / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *LAYER], check=True)
    if given.boto3:
        subprocess.run([python, "-m", "pip", "install", "-q", f"boto3=={given.boto3}"], check=True)
    pythons = {"ours": sys.executable, **({"before": given.against} if given.against else {})}
    folders, sizes = {}, {}
    for who, build in pythons.items():
        for what in ("validator", "functions"):
            folders[who, what], sizes[f"{who}, {what}"] = unpacked(build, what, given.home.resolve() / who)
    cases = EACH if given.each else CASES
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {
        (who, name): [] for name in cases for who in pythons
    }
    for turn in range(given.turns + 1):
        for name, (what, handler, event) in cases.items():
            for who in sorted(pythons, reverse=bool(turn % 2)):
                figures = once(python, folders[who, what], handler, event)
                if turn:  # the first one reads the disk
                    found[who, name].append(figures)
    rows = {}
    first = next(iter(cases))
    for name in cases:
        ours = found["ours", name]
        row = rows[name] = {
            "seconds": statistics.median(seconds for seconds, _, _ in ours),
            "cpu_seconds": statistics.median(cpu for _, cpu, _ in ours),
            "mebibytes": statistics.median(peak for _, _, peak in ours),
            "to_first": statistics.median(
                a[0] / b[0] for a, b in zip(ours, found["ours", first], strict=True)
            ),
        }
        line = (
            f"{name:45} {row['seconds']:6.3f} s {row['cpu_seconds']:6.2f} CPU s {row['mebibytes']:4.0f} MiB"
        )
        line += f" {row['to_first']:6.2f} x {first}"
        if given.against:
            before = found["before", name]
            row["before_cpu_seconds"] = statistics.median(cpu for _, cpu, _ in before)
            pairs = list(zip(ours, before, strict=True))
            row["to_before"] = statistics.median(a[0] / b[0] for a, b in pairs)
            row["cpu_to_before"] = statistics.median(a[1] / b[1] for a, b in pairs)
            line += (
                f"; {row['to_before']:.2f} x the build before, of its {row['before_cpu_seconds']:.2f} CPU s"
            )
            line += f" {row['cpu_to_before']:.2f}"
        print(line)
    print("zips:", ", ".join(f"{what} {n:,} bytes" for what, n in sizes.items()))
    if given.out:
        given.out.write_text(json.dumps({"rows": rows, "zips": sizes}, indent=1))


if __name__ == "__main__":
    main()
