"""What a validator's log costs the client that hears it if its writer means harm: memory, lines of output.

    python hostile_log.py [--verdicts N] [--kind KIND]

Segments are made one by one, read and heard by the client's own code, and forgotten. It prints a line for
each tenth of them. Memory is this process's largest so far, in MB, above what it took at the start.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.notice_limit import NoticeLimit
from upload_client.core.record_encoding import encode
from upload_client.core.records import Found, Verdict
from upload_client.core.segments import LogChain, Segment, encode_segment
from upload_client.delivery.loop import receive_verdicts

T = "2026-01-02T03:04:05.678Z"
FOUND = Found(9, "yH2GHg==", "ab" * 16)
BATCH = 1000
LONG = "x" * 3900
KINDS = {
    "unknown": lambda n: Verdict(T, f"no/such/file_{n}.csv", "1-1", 0, "ok", "", FOUND, ("csv",)),
    "unknown, with reasons": lambda n: Verdict(T, f"file_{n}.csv", "1-1", 0, "failure", f"{n}{LONG}"),
    "never issued": lambda n: Verdict(T, "a.csv", f"1-{n + 1}", 0, "ok", "", FOUND),
    "never issued, the same": lambda n: Verdict(
        T, "a.csv", "1-7", 0, ("ok", "failure")[n % 2], f"{n}", FOUND
    ),
    "unreadable": lambda n: encode(Verdict(T, "a.csv", "1-1", 0, "ok")).replace(b"a.csv", b"%07d" % n * 200),
    "lives": None,
}


def segments(kind: str, n: int) -> Iterator[Segment]:
    """As many of them as `n` verdicts need; of lives, one each."""
    chain = LogChain("validator")
    make = KINDS[kind]
    for first in range(0, n, 1 if make is None else BATCH):
        epoch = 1 + first if make is None else 1
        header = chain.header(agent_id=f"agent{epoch}", epoch=epoch, client_epoch=1)
        said = [] if make is None else map(make, range(first, min(first + BATCH, n)))
        yield chain.accept(chain.next_seq, encode_segment(header, map(as_line, said)))


def as_line(said: Verdict | bytes) -> bytes:
    """A line of a log; whoever means harm need not write what `encode` would."""
    return said if isinstance(said, bytes) else encode(said)


def memory() -> float:
    """This process's largest, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def measure(kind: str, n: int) -> None:
    """Hear so much of a kind."""
    ledger = FileLedger(["a.csv", "b.csv"], abspaths="/")
    history = DeliveryHistory(ledger.rows)
    told: list[str] = []
    run = SimpleNamespace(
        clock=SimpleNamespace(monotonic=time.monotonic),
        strange=NoticeLimit(),
        tell=lambda text, _: told.append(text),
        notify=told.append,
    )
    heard = segments(kind, n)
    done, began, start = 0, time.monotonic(), memory()
    for _ in range(10):
        batch = itertools.islice(heard, max(1, n // (10 * (1 if KINDS[kind] is None else BATCH))))
        connected = SimpleNamespace(
            run=run,
            notify_file=lambda _: told.append("a file"),
            ledger=ledger,
            history=history,
            lock=SimpleNamespace(epoch=1),
            validation=SimpleNamespace(listen=lambda batch=batch: ((0, segment) for segment in batch)),
        )
        receive_verdicts(connected)
        done += n // 10
        print(
            f"{kind:24} {done:9,} {memory() - start:8.0f} MB {len(told):5} lines"
            f" {time.monotonic() - began:7.1f} s, {history.n_passed_over:,} passed over",
            flush=True,
        )


def main() -> None:
    """Measure one kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=int, default=600_000)
    parser.add_argument("--kind", choices=KINDS, default="unknown")
    given = parser.parse_args()
    measure(given.kind, given.verdicts)


if __name__ == "__main__":
    main()
