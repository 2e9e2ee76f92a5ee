"""Whether a run told the truth: its exit code, words, events, CSV, receipt and log, held against the buckets.

It asks the store and reads what was written by itself, with nothing of the program that wrote it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from delivery.conftest import Delivery, Said

__all__ = ["lies"]

_BY_COUNTS = {0: "all valid", 3: "some invalid", 4: "some not transferred", 5: "some not judged"}
_AFTER_THE_RECEIPT = {1, 7, 12, 130}
"""Exit codes that a run may have although it has written the receipt: what went wrong came later."""


class _Sent(NamedTuple):
    upload: str
    size: int
    crc32: str
    etag: str


def lies(
    delivery: Delivery,
    said: Said,
    contents: Mapping[str, Collection[bytes]],
    *,
    meddled: Collection[str] = (),
) -> list[str]:
    """Each thing that a run said and that is not so; none where it told the truth.

    Args:
        delivery: of which it was a run.
        said: its exit code and what it printed.
        contents: by path each content that a file may have been delivered with.
        meddled: paths whose objects somebody else has touched meanwhile. A run that ends with 0 has to have
            noticed where that was before its final check; so only name what came later.
    """
    return list(_Held(delivery, said, contents, meddled).lies())


def _crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4)).decode()


class _Held:
    def __init__(
        self,
        delivery: Delivery,
        said: Said,
        contents: Mapping[str, Collection[bytes]],
        meddled: Collection[str],
    ) -> None:
        self.delivery, self.said, self.contents, self.meddled = delivery, said, contents, meddled
        sandbox = delivery.receiver.sandbox
        s3 = sandbox.client("s3")
        self.control: dict[str, bytes] = {}
        self.heads: dict[str, dict[str, Any]] = {}
        root = f"{delivery.dataset}/{delivery.delivery_id}/"
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=sandbox.control_bucket, Prefix=root):
            for each in page.get("Contents", ()):
                found = s3.get_object(Bucket=sandbox.control_bucket, Key=each["Key"])
                self.control[each["Key"].removeprefix(root)] = found["Body"].read()
        self.landed: dict[str, bytes] = {}
        where = {"Bucket": sandbox.landing_bucket}
        for page in s3.get_paginator("list_objects_v2").paginate(**where, Prefix=delivery.landing):
            for each in page.get("Contents", ()):
                path = each["Key"].removeprefix(delivery.landing)
                self.heads[path] = each
                self.landed[path] = s3.get_object(**where, Key=each["Key"])["Body"].read()
        self.ended = [event for event in said.events if event["kind"] == "summary"]
        self.started = [event for event in said.events if event["kind"] == "started"]

    def lies(self):
        """Everything that is not so."""
        code = self.said.exit_code
        if "Traceback" in self.said.stderr:
            yield f"there is a traceback: {self.said.stderr[-800:]}"
        if code < 0:
            return  # killed: it left no record of its end
        if len(self.ended) != 1 or self.said.events[-1]["kind"] != "summary":
            if code in {0, 3, 4, 5, 6, 12}:
                yield f"it exits with {code}, and its last event is no summary"
            return
        summary = self.said.summary
        if summary["exit_code"] != code:
            yield f"it exits with {code} and says {summary['exit_code']}"
        counts, n = summary["counts"], sum(summary["counts"].values())
        yield from self._headline(summary, n)
        if code in _BY_COUNTS and n and self._by_counts(counts) != code:
            yield f"it exits with {code}, {_BY_COUNTS[code]}, and counts {counts}"
        rows = self._rows(summary)
        if rows is not None:
            yield from self._csv(rows, counts)
            yield from self._files(rows)
        yield from self._receipt(summary)
        if code == 0:
            yield from self._complete(summary, rows)

    @staticmethod
    def _by_counts(counts: Mapping[str, int]) -> int:
        if counts["done"]:
            return 5
        if counts["ready"] or counts["pending"] or counts["transferring"] or counts["failed"]:
            return 4
        return 3 if counts["invalid"] else 0

    def _headline(self, summary: dict[str, Any], n: int):
        valid = f"{summary['counts']['valid']:,} of {n:,} file"
        if n and valid not in summary["headline"]:
            yield f"the headline {summary['headline']!r} does not say {valid!r}"

    def _rows(self, summary: dict[str, Any]) -> dict[str, dict[str, str]] | None:
        if summary["state_csv"] is None:
            return None
        with Path(summary["state_csv"]).open(newline="", encoding="utf-8") as file:
            return {row["relpath"]: row for row in csv.DictReader(file)}

    def _csv(self, rows: Mapping[str, dict[str, str]], counts: Mapping[str, int]):
        counted = Counter(row["state"] for row in rows.values())
        if counted != Counter({state: n for state, n in counts.items() if n}):
            yield f"the CSV counts {dict(counted)}, the summary {counts}"
        last = {event["relpath"]: event["state"] for event in self.said.events if event["kind"] == "file"}
        for path, state in last.items():
            if path in rows and rows[path]["state"] != state and state in {"valid", "invalid", "failed"}:
                yield f"{path} is {rows[path]['state']} in the CSV, its last event says {state}"

    def _counting(self, log: str) -> list[dict[str, Any]]:
        """The records of a log that count: none of a writer after a newer one has appended."""
        records: list[dict[str, Any]] = []
        highest = 0
        for key in sorted(key for key in self.control if key.startswith(log) and key.endswith(".jsonl")):
            header, *lines = self.control[key].splitlines()
            epoch = json.loads(header)["epoch"]
            if epoch >= highest:
                highest = epoch
                records += [json.loads(line) for line in lines if line.startswith(b"{")]
        return records

    def _files(self, rows: Mapping[str, dict[str, str]]):
        """A file that is valid in the CSV is so by the log, and lies there with that content."""
        sent = {
            each["path"]: _Sent(each["upload"], each["size"], each["crc32"], each["etag"])
            for each in self._counting("staging/log/client/")
            if each["kind"] == "transferred"
        }
        verdicts = {
            (each["path"], each["upload"]): each
            for each in self._counting("staging/log/validator/0000/")
            if each["kind"] == "verdict" and each["status"] != "error"
        }
        for path, row in rows.items():
            if row["state"] not in {"valid", "invalid", "done"}:
                continue
            one = sent.get(path)
            if one is None:
                if row["state"] != "done":
                    yield f"{path} is {row['state']}, and no log announces it"
                continue
            verdict = verdicts.get((path, one.upload))
            if row["state"] == "valid":
                if verdict is None or verdict["status"] != "ok":
                    yield f"{path} is valid, and its verdict is {verdict}"
                elif tuple(verdict["found"][name] for name in ("size", "crc32", "etag")) != one[1:]:
                    yield f"{path} is valid, announced as {one}, judged as {verdict}"
                if (row["checksum"], row["size"], row["etag"]) != (one.crc32, str(one.size), one.etag):
                    yield f"{path} is valid as {row}, and announced as {one}"
            if path in self.meddled or row["state"] == "invalid":
                continue
            if path not in self.landed or _crc32(self.landed[path]) != row["checksum"]:
                yield f"{path} is {row['state']} with {row['checksum']}, and not so in the bucket"

    def _receipt(self, summary: dict[str, Any]):
        """No receipt of a run that did not deliver everything."""
        epochs = {
            json.loads(body.splitlines()[0])["epoch"]
            for key, body in self.control.items()
            if key.startswith("staging/log/client/")
            and json.loads(body.splitlines()[0])["agent_id"] == (self.started or [{}])[-1].get("agent_id")
        }
        own = [f"staging/receipt/{epoch:08d}.json" for epoch in epochs]
        if self.said.exit_code not in {0, *_AFTER_THE_RECEIPT} and (
            summary["receipt"] or any(key in self.control for key in own)
        ):
            yield f"it exits with {self.said.exit_code}, and there is a receipt"

    def _complete(self, summary: dict[str, Any], rows: Mapping[str, dict[str, str]] | None):
        """Exit code 0: each file lies there as it was, and the receipt says so of exactly these."""
        if not summary["receipt"]:
            yield "it exits with 0, and names no receipt"
            return
        data = self.control.get(summary["receipt"])
        if data is None:
            yield f"it exits with 0, and {summary['receipt']} is not there"
            return
        if summary["receipt_sha256"] not in {None, hashlib.sha256(data).hexdigest()}:
            yield "the receipt has another SHA-256 than the summary says"
        if summary["receipt_file"] and Path(summary["receipt_file"]).read_bytes() != data:
            yield "the receipt in the folder is another one than that in the bucket"
        receipt = json.loads(data)
        named = {file["path"]: file for file in receipt["files"]}
        if set(named) != set(self.contents):
            yield f"the receipt names {sorted(named)}, delivered is {sorted(self.contents)}"
        if rows is not None and set(rows) != set(self.contents):
            yield f"the CSV names {sorted(rows)}, delivered is {sorted(self.contents)}"
        if (receipt["n_files"], receipt["n_bytes"]) != (len(named), sum(f["size"] for f in named.values())):
            yield "the totals of the receipt are not those of its files"
        for path, may_be in self.contents.items():
            if path in self.meddled:
                continue
            body = self.landed.get(path)
            if body not in may_be:
                yield f"{path} is delivered, and its object is {'not there' if body is None else 'another'}"
            elif path in named and (
                (named[path]["size"], named[path]["crc32"]) != (len(body), _crc32(body))
                or named[path]["etag"] != self.heads[path]["ETag"].strip('"')
            ):
                yield f"the receipt says {named[path]} of {path}, which is {self.heads[path]}"
        for named_as, log in (("client_log", "client"), ("validator_log", "validator/0000")):
            tail = receipt[named_as]
            key = f"staging/log/{log}/{tail['seq']:010d}.jsonl"
            if hashlib.sha256(self.control.get(key, b"")).hexdigest() != tail["sha256"]:
                yield f"the receipt names {key} with another SHA-256"
