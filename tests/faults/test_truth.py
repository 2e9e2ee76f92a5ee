"""Whatever goes wrong, what a run says at its end is so: random deliveries, held against buckets and logs.

An hour of them, or one again:

    TRUTH_SECONDS=3600 python -m pytest tests/faults/test_truth.py -m long -s
    SEED=17 TRUTH_SECONDS=1 python -m pytest tests/faults/test_truth.py -m long -s
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver, Said, content
from faults import proxy as net
from faults.conftest import BEST, PART, Network, start
from faults.proxy import Exchange, Fault
from faults.truth import lies

pytestmark = pytest.mark.parametrize("calm", BEST, indirect=True)

_ERRORS = [
    (503, "SlowDown"),
    (500, "InternalError"), (409, "ConditionalRequestConflict"), (412, "PreconditionFailed"),
    (404, "NoSuchKey"), (404, "NoSuchUpload"), (403, "AccessDenied"), (400, "RequestTimeout"),
    (403, "InvalidObjectState"),
    (400, "KMS.DisabledException"), (409, "OperationAborted"), (501, "NotImplemented"),
]  # fmt: skip
_WHERE = [
    ("PUT", "/owned$"),
    ("PUT", "/log/client/"), ("PUT", "landing-"), ("POST", "landing-"), ("PUT", "/receipt/"),
    ("PUT", "/index/"), ("GET", "landing-[0-9a-f]*/?$"), ("GET", "control-[0-9a-f]*/?$"), ("GET", "/log/"),
    ("GET", "/owned$"), ("HEAD", None), ("GET", None), ("DELETE", None), (None, None),
]  # fmt: skip


def error_in_a_yes(x: Exchange) -> None:
    """200, and in its body an error: so S3 answers where it has begun to answer before it knows."""
    body = b"<Error><Code>InternalError</Code><Message>made by the proxy</Message></Error>"
    x.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


def said_twice(x: Exchange) -> None:
    """The answer, and once more the answer: the next request on the connection finds it."""
    x.send(x.forward().raw * 2)


def _with_body(x: Exchange, change: Callable[[bytes], bytes], header: bytes = b"") -> None:
    answered = x.forward()
    head = re.sub(rb"(?im)^(content-length|transfer-encoding):.*\r\n", b"", answered.head)[:-2]
    body = change(answered.body)
    x.send(head + header + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def packed(x: Exchange) -> None:
    """The answer as an intermediary packs it, whoever has not asked for that."""
    _with_body(x, gzip.compress, b"Content-Encoding: gzip\r\n")


def shorter(x: Exchange) -> None:
    """Half of the body, and a head that says so."""
    _with_body(x, lambda body: body[: len(body) // 2])


def empty_yes(x: Exchange) -> None:
    """200, and nothing was done."""
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def another_crc32(x: Exchange) -> None:
    """An answer with the checksum of something else."""
    answered = x.forward()
    head = re.sub(rb"(?im)^(x-amz-checksum-crc32: ?)[^\r]*", rb"\1AAAAAA==", answered.head)
    x.send(head + answered.body)


def another_etag(x: Exchange) -> None:
    """An answer with the ETag of something else."""
    answered = x.forward()
    x.send(re.sub(rb'(?im)^(etag: ?"?)[0-9a-f]{4}', rb"\g<1>0bad", answered.head) + answered.body)


class Story:
    """One delivery in some runs, whose source, bucket and network are meddled with by a seed."""

    def __init__(self, seed: int, delivery: Delivery, network: Network, folder: Path) -> None:
        self.dice, self.delivery, self.network = random.Random(seed), delivery, network
        self.folder, self.told = folder, [f"SEED={seed}"]
        self.unnoticed: dict[str, list[bytes]] = {}
        """What files were whose times were set back since: a later run takes them for unchanged."""
        folder.mkdir(parents=True)
        names = [
            "a.csv",
            "b/c.csv",
            "b/d.txt",
            "A.CSV",
            "same1.csv",
            "same2.csv",
            "x%2Fy.csv",
            "\u00e9.csv",
            "e\u0301.csv",
        ]
        for name in self.dice.sample(names, self.dice.randrange(3, len(names))):
            self.write(name, b"a,b\n1,2\n" if name.startswith("same") else self.rows())
        self.write("empty.dat", b"")
        if self.dice.random() < 0.3:
            self.write("large.bin", self.dice.randbytes(2 * PART + 999))

    def rows(self) -> bytes:
        return b"a,b\n" + b"".join(
            b"%d,%d\n" % (i, self.dice.randrange(99)) for i in range(self.dice.randrange(40))
        )

    def write(self, name: str, body: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)

    def contents(self) -> dict[str, list[bytes]]:
        """By path each content that a file may be delivered with."""
        return {name: [body, *self.unnoticed.get(name, ())] for name, body in content(self.folder).items()}

    def fault(self) -> Fault:
        dice = self.dice
        return dice.choice([
            net.swallow_answer(), net.cut_answer(), net.cut_answer(dice.randrange(1, 800)),
            net.delay(2 * dice.random()),
            net.cut_request(dice.randrange(500)), net.reset(), net.reset(forward=False),
            net.half_close(dice.randrange(300), 1.0),
            net.answer(*dice.choice(_ERRORS), forward=dice.random() < 0.5),
            net.corrupt_request(dice.randrange(5000)), net.corrupt_answer(dice.randrange(5000)),
            error_in_a_yes, said_twice, packed, shorter, empty_yes, another_crc32, another_etag,
        ])  # fmt: skip

    def meddle_with_source(self, may_be: dict[str, list[bytes]]) -> None:
        """Have a file change while it is sent."""
        name, how = (
            self.dice.choice(sorted(may_be)),
            self.dice.choice(["grow", "set back", "replace", "delete"]),
        )
        self.told.append(f"{how} {name}")

        def change(x: Exchange) -> None:
            path = self.folder / name
            with contextlib.suppress(OSError):
                before, body = path.stat(), path.read_bytes()
                new = body + b"3,4\n" if how == "grow" else bytes(byte ^ 1 for byte in body)
                may_be[name].append(new)
                if how == "delete":
                    path.unlink()
                elif how == "replace":
                    path.with_name("new").write_bytes(new)
                    path.with_name("new").replace(path)
                else:
                    path.write_bytes(new)
                if how == "set back":
                    self.unnoticed.setdefault(name, []).append(body)
                    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            x.send(x.forward().raw)

        self.network.s3.on(change, method="PUT", nth=self.dice.choice([1, 5, 9, 14]))

    def meddle_with_bucket(self, meddled: dict[str, int], names: list[str]) -> None:
        """Have an object vanish, or be another one, in mid run."""
        sandbox = self.delivery.receiver.sandbox
        name, gone = self.dice.choice(names), self.dice.random() < 0.5
        self.told.append(f"the object of {name} is {'removed' if gone else 'replaced'}")
        where = {"Bucket": sandbox.landing_bucket, "Key": self.delivery.landing + name}

        def change(x: Exchange) -> None:
            s3 = sandbox.client("s3")
            s3.delete_object(**where) if gone else s3.put_object(**where, Body=b"another")
            meddled[name] = len(self.network.s3.requests)
            x.send(x.forward().raw)

        method, path = self.dice.choice(_WHERE)
        self.network.s3.on(change, method=method, path=path, nth=self.dice.choice([1, 2, 3, 5, 9]))

    def run(self) -> tuple[Said, list[str]]:
        """One run: what it said, and what of that is not so."""
        s3, dice = self.network.s3, self.dice
        s3.calm()
        s3.requests.clear()
        may_be = self.contents()
        meddled: dict[str, int] = {}
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            (method, path), fault = dice.choice(_WHERE), self.fault()
            self.told.append(f"{fault.__qualname__.split('.')[0]} {method} {path}")
            s3.on(
                fault,
                method=method,
                path=path,
                nth=dice.choice([1, 1, 2, 3, 5, 8]),
                times=dice.choice([1, 1, 2]),
            )
        if dice.random() < 0.4:
            self.meddle_with_source(may_be)
        if dice.random() < 0.4:
            self.meddle_with_bucket(meddled, sorted(may_be))
        lives = dice.choice([None] * 5 + [1 + 4 * dice.random()])
        said = self.delivered(lives)
        self.told.append(f"exit {said.exit_code}")
        listings = (q.number for q in list(s3.requests) if re.search("/landing-[0-9a-f]*/?$", q.path))
        looked = max(listings, default=0)
        late = [name for name, number in meddled.items() if said.exit_code or number > looked]
        return said, lies(self.delivery, said, may_be, meddled=late)

    def delivered(self, lives: float | None) -> Said:
        """Deliver as a person would, who may kill it after so many seconds."""
        arguments = ("--source", self.folder, "--patience", "15")
        if lives is None:
            return self.delivery.run(*arguments, env=self.network.env)
        running = start(self.delivery, *arguments, env=self.network.env)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(lives)
        running.kill()
        stdout, stderr = running.communicate(timeout=60)
        events = [json.loads(line) for line in stdout.splitlines(keepends=True) if line.endswith("\n")]
        return Said(running.returncode, stdout, stderr, events)

    def between_two_runs(self) -> None:
        names = sorted(content(self.folder))
        if not names:
            return
        name, other = self.dice.choice(names), self.dice.choice(names)
        what = self.dice.choice(["nothing", "nothing", "edit", "swap"])
        self.told.append(f"{what} {name}")
        if what == "edit":
            self.write(name, self.rows())
        elif what == "swap" and name != other:
            (self.folder / name).rename(self.folder / "between")
            (self.folder / other).rename(self.folder / name)
            (self.folder / "between").rename(self.folder / other)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_run_says_is_so(receiver: Receiver, network: Network, tmp_path: Path, seed: int) -> None:
    tell(Story(seed, receiver.new_delivery(), network, tmp_path / "data"))


def test_a_lie_is_told(receiver: Receiver, data: Path) -> None:
    """Each promise of a sound run, broken behind its back, is noticed by what holds it against the bucket."""
    delivery, sandbox = receiver.new_delivery(), receiver.sandbox
    said = delivery.run("--source", data)
    bodies = {name: [body] for name, body in content(data).items()}
    assert lies(delivery, said, bodies) == []
    name = min(bodies)
    assert any("another" in lie for lie in lies(delivery, said, {**bodies, name: [b"other"]}))
    assert any("the receipt names" in lie for lie in lies(delivery, said, {**bodies, "more.csv": [b""]}))
    worse = [
        *said.events[:-1],
        {**said.summary, "counts": {**said.summary["counts"], "valid": 11, "done": 1}},
    ]
    assert any("the CSV counts" in lie for lie in lies(delivery, replace(said, events=worse), bodies))
    assert any("there is a receipt" in lie for lie in lies(delivery, Said(3, "", "", said.events), bodies))
    s3 = sandbox.client("s3")
    s3.delete_object(Bucket=sandbox.landing_bucket, Key=delivery.landing + name)
    assert any(f"{name} is delivered" in lie for lie in lies(delivery, said, bodies))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_what_a_thousand_runs_say_is_so(receiver: Receiver, network: Network, tmp_path: Path) -> None:
    first = int(os.environ.get("SEED", secrets.randbits(31)))
    until = time.monotonic() + float(os.environ.get("TRUTH_SECONDS", "900"))
    broken = []
    for seed in itertools.count(first):
        story = Story(seed, receiver.new_delivery(), network, tmp_path / str(seed))
        try:
            tell(story)
        except AssertionError as error:
            broken.append(seed)
            print(error, file=sys.stderr)
        if time.monotonic() > until:
            break
    assert not broken


def tell(story: Story) -> None:
    """Some runs, and a last one that nobody meddles with."""
    for _ in range(story.dice.randrange(1, 4)):
        _, wrong = story.run()
        assert not wrong, f"{story.told} {wrong}"
        story.between_two_runs()
    story.network.s3.calm()
    may_be = story.contents()
    said = story.delivered(None)
    story.told.append(f"exit {said.exit_code}")
    assert not (wrong := lies(story.delivery, said, may_be)), f"{story.told} {wrong}"
