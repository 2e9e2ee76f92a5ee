"""Deliveries to make reports of: from records, or a real one in a sandbox (``python example.py FILE``)."""

from __future__ import annotations

import json
import sys
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

from upload_client.core.delivery_status import Evidence
from upload_client.core.history import DeliveryHistory
from upload_client.core.observed import IndexRows, file_states
from upload_client.core.records import (
    Failed,
    Found,
    Init,
    SegmentHeader,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import Records, Segment
from upload_client.core.status import status_of
from upload_client.core.times import timestamp
from upload_client.core.uploads import Upload, parse_upload_id
from upload_client.reports.html import render

IMG = "<img src=x onerror=alert(1)>.csv"
END = "</script><script>alert(2)</script>\u2028<!--<script>.csv"
BIDI = "fdp\u202egnp.exe"
LONG = "x" * 180 + ".csv"
HOSTILE = (IMG, END, BIDI, LONG, "'\"&amp;<b>.json", "\x1b[31mred.txt", "__proto__", "\U0001f600/\u00e4.csv")
BEGAN = 1_795_000_000
CRC, ETAG = "yH2GHg==", "ab" * 16


def at(seconds: float) -> str:
    return timestamp(BEGAN + seconds)


def made(n_files: int, *, message: str = "it does not open as csv: line {n}: 3 fields") -> str:
    """The page of a delivery of two runs, a night between: of ten files one is invalid and one given up."""
    history = DeliveryHistory()
    names = [*HOSTILE, *(f"site-{n % 7}/exposure_{n:07}.csv" for n in range(len(HOSTILE), n_files))]

    def client(epoch: int, *records: object) -> None:
        history.add_client(Segment(SegmentHeader(1, 0, f"agent{epoch}", epoch, None), Records(records), ""))

    def validator(epoch: int, *records: object) -> None:
        history.add_validator(
            Segment(SegmentHeader(1, 0, f"judge{epoch}", epoch, None, epoch), Records(records), "")
        )

    sent: dict[int, list[object]] = {1: [], 2: []}
    judged: dict[int, list[object]] = {1: [], 2: []}
    for n, name in enumerate(names):
        epoch = 1 if n < n_files // 2 else 2
        seconds = (0 if epoch == 1 else 50_000) + 3600 * n / n_files
        if n % 10 == 8:
            sent[epoch].append(Failed(at(seconds), name, "permission denied", 0))
            continue
        upload = f"{epoch}-{n}"
        sent[epoch].append(
            Transferred(at(seconds), name, Upload(*parse_upload_id(upload), 1000 * n, CRC, ETAG), 0)
        )
        bad = n % 10 == 3 or n < len(HOSTILE)
        why = message.format(n=n) if bad else ""
        found = Found(1000 * n, CRC, ETAG)
        judged[epoch].append(
            Verdict(at(seconds + n % 40), name, upload, 0, "failure" if bad else "ok", why, found)
        )
    for epoch in (1, 2):
        client(epoch, Init(at(50_000 * (epoch - 1)), epoch, "", "0" * 64, n_files, 0), *sent[epoch])
        validator(epoch, ValidatorInit(at(0), f"judge{epoch}", epoch), *judged[epoch])
    client(2, Stop(at(54_000), "complete"))
    index = IndexRows(names, array("q", [0] * n_files), bytearray(n_files))
    seen = Evidence(now=BEGAN + 54_100, history=history, index=index, any_trace=True)
    status = status_of(seen, dataset="survey7", delivery_id="2026-11", transfer_type="staging")
    return "".join(render(status, file_states(history, index, live=False), history))


def embedded(text: str) -> dict:
    """The data in a page."""
    _, _, rest = text.partition('<script type="application/json" id="data">')
    return json.loads(rest.partition("</script>")[0])


def spoil(folder: Path, n_files: int = 60) -> None:
    """Write a data set of which several files are invalid, each kind for a reason of its own."""
    from upload_client.sandbox.samples import sample

    paths = sample(folder, n_files=n_files)
    torn = [path for path in paths if path.endswith(".json")][:3]
    foreign = [path for path in paths if path.endswith(".csv")][:4]
    for path in torn:
        (folder / path).write_text('{"station": "ridge", "readings": [1.5, 2.')
    for path in foreign:
        (folder / path).write_bytes((folder / path).read_bytes()[:800] + b"12:00Z,b\xfcro,11.0,2.1,\r\n")
    (folder / "moor" / "notes <draft>.csv").write_text(
        "time,note\r\n2025-01-01T00:00Z,calm\r\n2025-01-02T00:00Z\r\n"
    )


def delivered(folder: Path, target: Path) -> Iterator[str]:
    """Deliver that data set to a sandbox of its own, and write the report of it."""
    import boto3
    import pandas as pd

    from upload_client import UploadClient
    from upload_client.cli.report import write_report
    from upload_client.sandbox import Sandbox

    spoil(folder / "data")
    paths = sorted(path.relative_to(folder / "data").as_posix() for path in (folder / "data").rglob("*.*"))
    with Sandbox(dataset="weather", delivery_id="2025") as sandbox:
        client = UploadClient(
            dataset="weather",
            delivery_id="2025",
            file_index=pd.DataFrame({"path": paths}),
            transfer_type="staging",
            source=folder / "data",
            settings=sandbox.settings.model_copy(update={"max_rate": 40_000}),  # there is something to see
            session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
            output_dir=folder,
        )
        with client:
            yield client.run().headline
        assert client.buckets is not None
        status = write_report(client.buckets.control, client.buckets.layout, target)
        assert status is not None
        yield status.headline


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_here:
        for line in delivered(Path(made_here), Path(sys.argv[1])):
            print(line)
