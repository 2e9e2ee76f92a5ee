"""Five people as processes on one prefix, who edit, delete and are killed, over a network that fails.

python -m pytest tests/synchrony/test_crowd.py -m long
python tests/synchrony/test_crowd.py ENDPOINT SECONDS SEED RATE
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import proxy as net
from synchrony.conftest import Person, books_agree, shared

NAMES = ("Anna", "Bert", "Çelik", "Dóra", "Eun-ji")
PATHS = [f"{folder}{name}.txt" for folder in ("", "a b/", "ü/x/") for name in range(6)]


class Crowd:
    """Five folders, and what was written into them."""

    def __init__(self, folder: Path, bucket, session, url: str, seed: int) -> None:
        self.bucket = bucket
        self.people = [Person(folder / name, name, bucket, session) for name in NAMES]
        self.url = url
        self.random = random.Random(seed)
        self.made = 0
        self.written: dict[str, str] = {}
        """Each content there ever was, and its path."""
        self.given_up: set[str] = set()
        """What its own author, or whoever had it, replaced or deleted by hand."""
        self.running: dict[str, subprocess.Popen] = {}
        self.codes: dict[int, int] = {}
        self.kills = 0

    def edit(self, person: Person) -> None:
        path = self.random.choice(PATHS)
        file = person.folder / path
        if file.exists():
            self.given_up.add(file.read_text())
        if file.exists() and self.random.random() < 0.25:
            file.unlink()
            return
        self.made += 1
        text = f"{self.made} by {person.name}"
        self.written[text] = path
        person.write(path, text)

    def start(self, person: Person, **env: str) -> None:
        how = self.random.choice(["both", "both", "later"])
        place = f"s3://{self.bucket.name}/{self.bucket.prefix.rstrip('/')}"
        command = [sys.executable, "-m", "upload_client", "sync", str(person.folder), "--to", place]
        command += ["--name", person.name, "--yes", "--on-conflict", how]
        self.running[person.name] = subprocess.Popen(
            command,
            env={**os.environ, "AWS_ENDPOINT_URL": self.url, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def go_on(self, *, kill: float) -> None:
        """Each person who is not synchronising edits and begins to; some are killed."""
        for person in self.people:
            process = self.running.get(person.name)
            if process is not None and process.poll() is None:
                if self.random.random() < kill:
                    process.send_signal(signal.SIGKILL)
                    self.kills += 1
                elif self.random.random() < 0.3:
                    self.edit(person)  # people do not wait for a program
                continue
            if process is not None:
                self.ended(process)
            for _ in range(self.random.randint(0, 3)):
                self.edit(person)
            self.start(person)

    def ended(self, process: subprocess.Popen) -> None:
        _, said = process.communicate()
        code = process.returncode
        assert code in (0, 3, 4, 7, 8, -signal.SIGKILL), said.decode()
        assert b"Traceback" not in said, said.decode()
        self.codes[code] = self.codes.get(code, 0) + 1

    def settle(self) -> None:
        """All end what they have begun, and then sync in turn until nothing is left to do."""
        for process in self.running.values():
            self.ended(process)
        for _ in range(6):
            outcomes = [person.sync(on_conflict="both") for person in self.people]
            if not any(outcome.done for outcome in outcomes):
                break
        assert {outcome.exit_code for outcome in outcomes} == {0}

    def check(self) -> None:
        there = shared(self.bucket)
        for person in self.people:
            assert person.files() == there
        assert books_agree(self.bucket)
        aside = {self.bucket.read(key).decode() for key in self.bucket.ls(".S3/deleted/")}
        lost = set(self.written) - set(there.values()) - aside - self.given_up
        assert not lost, {text: self.written[text] for text in lost}


def storm(crowd: Crowd, seconds: float, *, kill: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crowd.go_on(kill=kill)
        time.sleep(0.2)  # the pace of people: what is tested does not depend on it
    crowd.settle()
    crowd.check()


def trouble(proxy: net.Proxy, rate: float) -> None:
    """A store that is slow, and too busy for some requests."""
    dice = random.Random(1)
    busy = net.answer(503, "SlowDown")

    def act(exchange: net.Exchange) -> None:
        time.sleep(dice.uniform(0, 0.05))
        if dice.random() < rate:
            busy(exchange)
        else:
            exchange.send(exchange.forward().raw)

    proxy.on(act, times=None)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
@pytest.mark.parametrize("rate", [0.0, 0.3], ids=["quiet", "busy"])
def test_five_people_at_once_lose_nothing(tmp_path, real_bucket, session, rate):
    with net.Proxy(real_bucket.client.meta.endpoint_url) as proxy:
        if rate:
            trouble(proxy, rate)
        crowd = Crowd(tmp_path, real_bucket, session, proxy.url, seed=int(rate * 10))
        storm(crowd, 60, kill=0.02)
    assert crowd.made > 20


def main() -> None:
    import boto3

    from upload_client import Bucket
    from upload_client.s3.clients import S3Endpoint, s3_client

    url, seconds, seed, rate = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    session = boto3.Session()
    client = s3_client(session, S3Endpoint(url), pool=64)
    bucket = Bucket(f"crowd-{os.getpid()}", prefix="team/trees/", client=client)
    client.create_bucket(Bucket=bucket.name)
    with tempfile.TemporaryDirectory() as folder, net.Proxy(url) as proxy:
        if rate:
            trouble(proxy, rate)
        crowd = Crowd(Path(folder), bucket, session, proxy.url, seed)
        storm(crowd, seconds, kill=0.02)
        kept = len(bucket.ls(".S3/deleted/"))
        print(
            f"{crowd.made} edits, exit codes {crowd.codes}, {crowd.kills} kills, {len(shared(bucket))} files,"
            f" {kept} kept when deleted: nothing lost, all the same, the tables agree"
        )


if __name__ == "__main__":
    main()
