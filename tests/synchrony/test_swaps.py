"""Three people make folders of files and files of folders; clocks go back, syncs are killed: nothing is lost.

python -m pytest tests/synchrony/test_swaps.py -m long
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable

import pytest
from killed import run_in_fork
from synchrony.conftest import Person, books_agree, shared

from upload_client import Bucket
from upload_client.core.codes import FileCode

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks nothing"),
]

PATHS = ["x", "x/a", "x/b", "x/a/deep", "y", "y/z", "w.txt", "d/e.txt", "Ü/é"]


class Trio:
    """Three people, and what each of them has written and given up."""

    def __init__(self, person: Callable[[str], Person], bucket: Bucket, seed: int) -> None:
        self.bucket = bucket
        self.people = [person(name) for name in ("Anna", "Bert", "Cleo")]
        for one in self.people:
            one.folder.mkdir()
        self.random = random.Random(seed)
        self.written: list[str] = []
        self.given_up: set[str] = set()
        self.clocks = dict.fromkeys(("Anna", "Bert", "Cleo"), 0.0)
        self.seconds = 0.5

    def edit(self, who: Person) -> None:
        """Write a file, in the place of whatever is in its way; at times with the time of what was there."""
        file = who.folder / self.random.choice(PATHS)
        self.make_room(who, file.relative_to(who.folder).as_posix())
        before = file.stat() if file.exists() else None
        self.written.append(f"content {len(self.written):05} by {who.name}")  # all are of one size
        who.write(file.relative_to(who.folder).as_posix(), self.written[-1])
        if before is not None and self.random.random() < 0.5:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def make_room(self, who: Person, path: str) -> None:
        """Delete, by hand, the file itself, the folder of its name, or the file that a folder of its is."""
        for other, text in who.files().items():
            if other == path or other.startswith(f"{path}/") or path.startswith(f"{other}/"):
                self.given_up.add(text)
                if other != path:
                    who.delete(other)
        if (who.folder / path).is_dir():
            shutil.rmtree(who.folder / path)

    def delete(self, who: Person) -> None:
        files = who.files()
        if files:
            path = self.random.choice(sorted(files))
            self.given_up.add(files[path])
            who.delete(path)

    def sync(self, who: Person, seconds: float | None = None, **how: str) -> dict | None:
        """What a process of theirs did, and what it could not; None: it was killed after so many seconds."""

        def work() -> dict:
            skew, wall, wall_ns = self.clocks[who.name], time.time, time.time_ns
            time.time = lambda: wall() + skew
            time.time_ns = lambda: wall_ns() + int(skew * 1e9)
            outcome = who.sync(**how)
            failures = [(failure.path, str(failure.code)) for failure in outcome.failures]
            return {"code": int(outcome.exit_code), "done": len(outcome.done), "failures": failures}

        outcome, took = run_in_fork(work, seconds)
        if outcome is not None:
            self.seconds = max(took, 0.1)
        return outcome

    def check(self) -> None:
        aside = {self.bucket.read(key).decode() for key in self.bucket.ls(".S3/deleted/")}
        kept = aside | self.given_up | set(shared(self.bucket).values())
        for one in self.people:
            theirs = set(one.files().values())
            assert theirs <= set(self.written)  # none is half there
            kept |= theirs
        assert set(self.written) <= kept

    def go_on(self) -> None:
        who, what = self.random.choice(self.people), self.random.random()
        if what < 0.45:
            self.edit(who)
        elif what < 0.55:
            self.delete(who)
        elif what < 0.6:
            self.clocks[who.name] = self.random.choice([0.0, -300.0, -500.0, 300.0])
        else:
            killed = self.random.uniform(0, self.seconds) if self.random.random() < 0.4 else None
            self.sync(who, killed, on_conflict=self.random.choice(["both", "both", "later"]))
            self.check()

    def settle(self) -> None:
        """Sync in turn until nothing is left to do; what is in the way is deleted, as the message says."""
        for _ in range(14):
            quiet = True
            for one in self.people:
                outcome = self.sync(one, on_conflict="both")
                assert outcome is not None
                quiet = quiet and not outcome["done"] and outcome["code"] == 0
                for path, code in outcome["failures"]:
                    assert code == FileCode.NOT_A_FILE
                    self.make_room(one, path)
            self.check()
            if quiet:
                return
        raise AssertionError("it comes to no end")


@pytest.mark.parametrize("seed", range(6))
def test_files_become_folders_and_folders_files_and_nothing_is_lost(
    person: Callable[[str], Person], store, bucket: Bucket, seed: int
) -> None:
    trio = Trio(person, bucket, seed)
    for _ in range(trio.random.randrange(8, 24)):
        trio.go_on()
    trio.settle()
    there = shared(bucket)
    assert all(one.files() == there for one in trio.people)
    assert not there or books_agree(bucket)
