"""How much it costs to sign the receipt of a million files, and to verify it with its signature.

    python tests/benchmarks/signing.py [--files N] [--json FILE]

A store in a process of its own holds logs, index and receipt of a delivery that is complete, and lists its
files. Each phase runs in a fresh process; what is measured is that process: CPU seconds (all threads), peak
memory above that after imports. A receipt is read alone first: what signing and verifying cost is beyond it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from million import AT, LAYOUT, Laps, client_log, crc32, fill, peak, segments, store, validator_log
from remembering import CONTROL, LANDING, content_of, etag_of, name_of

from upload_client import Bucket
from upload_client.core.history import DeliveryHistory
from upload_client.core.opened import opened_as
from upload_client.core.receipt import Delivered, IndexNamed, LogTail, ReceiptHead, encode_receipt
from upload_client.core.segments import LogChain

PHASES = ("read", "sign", "verify", "verify with key")


def buckets(endpoint_url: str) -> tuple[Bucket, Bucket]:
    """Control and landing, as a validator has them."""
    from types import SimpleNamespace

    from upload_client.s3.clients import s3_client

    session = boto3.Session("x", "x", region_name="us-east-1")
    s3 = s3_client(session, SimpleNamespace(endpoint_url=endpoint_url, endpoints={}))
    return Bucket(CONTROL, prefix=LAYOUT.root, client=s3), Bucket(LANDING, prefix=LAYOUT.landing, client=s3)


def write_receipt(endpoint_url: str, n_files: int, path: Path) -> None:
    """Index and receipt, into the store; the receipt into a file as well."""
    from upload_client.receipts.store import put_receipt, runs

    control, landing = buckets(endpoint_url)
    index = "path,checksum,size,will_transfer\n" + "".join(
        f"{name_of(n)},{crc32(n)},{len(content_of(n))},true\n" for n in range(n_files)
    )
    control.put(LAYOUT.index(2), index.encode())
    ends = {}
    for writer, lines in (("client", client_log(n_files)), ("validator", validator_log(n_files))):
        chain = LogChain(writer)
        made = list(segments(chain, lines, client_epoch=None if writer == "client" else 2))
        ends[writer] = LogTail(len(made) - 1, hashlib.sha256(made[-1]).hexdigest())
    # Who took part: as the first segments say.
    history = DeliveryHistory()
    for writer, add in (("client", history.add_client), ("validator", history.add_validator)):
        chain = LogChain(writer)
        lines = (client_log if writer == "client" else validator_log)(0)
        (only,) = segments(chain, lines, client_epoch=None if writer == "client" else 2)
        add(LogChain(writer).accept(0, only))
    clients, validators = runs(history)
    head = ReceiptHead(
        *(LAYOUT.dataset, LAYOUT.delivery_id, "staging", 2, "benchmark", AT),
        *(n_files, sum(len(content_of(n)) for n in range(n_files)), str(landing), str(control)),
        IndexNamed(LAYOUT.index(2), hashlib.sha256(index.encode()).hexdigest()),
        *(ends["client"], (ends["validator"],), clients, validators),
    )
    said = opened_as(("present", "same", "opens"))  # as the validator's log has it
    files = (
        Delivered(
            *(name_of(n), len(content_of(n)), crc32(n), etag_of(n), None, f"1-{n + 1}", AT, AT, "benchmark"),
            opened=said,
        )
        for n in range(n_files)
    )
    with path.open("wb") as copy:
        put_receipt(
            control,
            LAYOUT.receipt(2),
            (line for line in encode_receipt(head, files) if copy.write(line)),
        )


def most() -> float:
    """Peak memory of this process alone, MB: what ``getrusage`` says begins with that of its parent."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return peak()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def measured(phase: str, endpoint_url: str, receipt: Path) -> dict[str, object]:
    """Do it; what it cost."""
    from upload_client.cli.app import main
    from upload_client.receipts.signing import open_key
    from upload_client.receipts.verify import read_receipt
    from upload_client.validator.countersigning import countersign

    key = receipt.with_name("receiver.key")
    control, landing = buckets(endpoint_url)
    opened, before = open_key(str(key)), most()
    laps = Laps()
    match phase:
        case "read":
            read_receipt(receipt)
        case "sign":
            countersign(control, landing, LAYOUT, opened, 2)
        case "verify":
            assert main(["verify", str(receipt)]) == 0
        case _:
            signature = control.get(LAYOUT.signature(2)).body
            receipt.with_name("receipt.sig.json").write_bytes(signature)
            trusted = ["--key", str(receipt.with_name("receiver.pub.pem")), "--require-signature"]
            assert main(["verify", str(receipt), *trusted]) == 0
    laps.lap(phase, endpoint_url)
    return {**laps.found[0], "more_mb": round(most() - before)}


def main() -> None:
    """Measure each phase in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--phase", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.phase:
        phase, url, receipt = given.phase
        print(json.dumps(measured(phase, url, Path(receipt))))
        return
    from upload_client.receipts.signing import make_key

    found = []
    with tempfile.TemporaryDirectory() as folder, store(given.files) as url:
        began = time.monotonic()
        receipt = Path(folder, "receipt.json")
        public = make_key(receipt.with_name("receiver.key"))
        receipt.with_name("receiver.pub.pem").write_text(public.pem)
        fill(url, given.files, judged=True)
        write_receipt(url, given.files, receipt)
        size, took = receipt.stat().st_size, time.monotonic() - began
        print(f"{given.files:,} files, {size:,} bytes, made in {took:.0f} s")
        for phase in PHASES:
            command = [sys.executable, __file__, "--phase", phase, url, str(receipt)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            one = found[-1]
            print(
                f"{phase:16} {one['cpu_s']:6} s of CPU  {one['wall_s']:6} s  {one['more_mb']:5} MB more",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
