"""Syncs of random trees, killed at random moments: nothing is lost, the next one ends it, one more does none.

python -m pytest tests/functions/data_sync/test_kills.py -m long
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from killed import run_in_fork

from upload_client import Bucket
from upload_client.core.own_files import LOCK, is_left_over
from upload_client.functions.data_sync.models import DataSyncRequest
from upload_client.functions.data_sync.sync import run_sync
from upload_client.transfer import download, partial_file

from .conftest import World

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks nothing"),
]

KINDS = ["files to S3", "S3 to files", "S3 to S3", "files to files"]
MB = 2**20
NAMES = [f"{folder}{n:02}" for folder in ("", "d/", "d e/ü/", "z/") for n in range(9)]


class Side:
    """The source or the destination, whatever it is."""

    def __init__(self, world: World, name: str, bucket: Bucket | None) -> None:
        self.world, self.name, self.bucket = world, name, bucket
        self.path = world.path(f"{name}/") if bucket is None else world.uri(f"{name}/", bucket)
        (world.folder / name).mkdir(exist_ok=True)

    def put(self, path: str, content: bytes) -> None:
        if self.bucket is None:
            self.world.write(f"{self.name}/{path}", content)
        else:
            self.world.put(f"{self.name}/{path}", content, self.bucket)

    def all(self) -> dict[str, bytes]:
        if self.bucket is not None:
            below = f"{self.name}/"
            found = {info.key.removeprefix(below): info.key for info in self.bucket.list(below)}
            return {path: self.bucket.read(key) for path, key in found.items() if not path.endswith("/")}
        root = self.world.folder / self.name
        files = [path for path in root.rglob("*") if path.is_file() and not is_left_over(path.name)]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    def left(self) -> list[str]:
        """All that is not whole there."""
        if self.bucket is not None:
            listed = self.bucket.client.list_multipart_uploads(
                Bucket=self.bucket.name, Prefix=f"{self.name}/"
            )
            return [upload["Key"] for upload in listed.get("Uploads", ())]
        root = self.world.folder / self.name
        suffix = Path(LOCK).suffix
        return [path.name for path in root.rglob(".*") if is_left_over(path.name) and path.suffix != suffix]


class Story:
    """One tree, one request, and what has to be true of both sides at any moment."""

    def __init__(self, world: World, kind: str, seed: int) -> None:
        self.random = random.Random(f"{kind} {seed}")
        here, _, there = kind.partition(" to ")
        self.source = Side(world, "src", world.bucket if here == "S3" else None)
        self.target = Side(world, "dst", world.other if there == "S3" else None)
        moves = self.random.random() < 0.5
        self.moves = moves and kind != "S3 to files"
        self.request = {
            "source_path": self.source.path,
            "destination_path": self.target.path,
            "retain_source_data": not moves,
            "fail_if_missing": not moves,
            "delete": self.random.random() < 0.5,
            "max_concurrency": self.random.choice([1, 4, 25]),
            "require_lock": there == "files" and self.random.random() < 0.3,
        }
        names = self.random.sample(NAMES, self.random.randrange(3, len(NAMES)))
        self.wanted = {path: self.content() for path in names}
        self.others = {f"{path}x": self.content() for path in names[:2]}
        before = {path: self.content() for path in names[2:] if self.random.random() < 0.2}
        self.ever = {path: {content} for path, content in {**self.wanted, **self.others}.items()}
        for path, content in (*before.items(), *self.others.items()):
            self.target.put(path, content)
            self.ever[path].add(content)
        for path, content in self.wanted.items():
            self.source.put(path, content)
        self.is_replaced = False
        self.seconds = 0.5

    def content(self) -> bytes:
        least, most = self.random.choice([(0, 50), (0, 50), (0, 50), (200_000, 400_000), (2 * MB, 5 * MB)])
        return self.random.randbytes(self.random.randrange(least, most))

    def sync(self, seconds: float | None = None) -> list[int] | None:
        """Files sent, moved and removed by a process; None: it was killed after so many seconds."""

        def work() -> list[int]:
            counts = run_sync(DataSyncRequest(**self.request), lambda _: None)
            return [counts.files_transferred, counts.moved, counts.removed]

        counts, took = run_in_fork(work, seconds)
        if counts is not None:
            self.seconds = max(took, 0.05)
        return counts

    def check(self) -> None:
        here, there = self.source.all(), self.target.all()
        for path, content in self.wanted.items():
            assert here.get(path) == content or (self.moves and there.get(path) == content), path
        assert all(content in self.ever[path] for path, content in there.items())  # none is half there
        if not self.moves:
            assert here == self.wanted
        if self.moves or not self.request["delete"]:
            assert self.others.items() <= there.items()

    def edit(self) -> None:
        """Somebody goes on with a file of the source, if it is there still."""
        path = self.random.choice(sorted(self.wanted))
        if not self.moves or (path in self.source.all() and path not in self.target.all()):
            self.wanted[path] = self.content()
            self.ever[path].add(self.wanted[path])
            self.source.put(path, self.wanted[path])
            self.is_replaced = True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_whenever_it_is_killed_nothing_is_lost_and_the_next_sync_ends_it(
    world: World, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGE", MB)
    monkeypatch.setattr(partial_file, "RANGE", MB)
    story = Story(world, kind, seed)
    for _ in range(story.random.randrange(1, 5)):
        story.sync(story.random.uniform(0, story.seconds))
        story.check()
        if story.random.random() < 0.4:
            story.edit()
    assert story.sync() is not None
    story.check()
    there = story.target.all()
    assert story.wanted.items() <= there.items()
    if story.moves:
        assert not story.source.all()
    elif story.request["delete"]:
        assert there == story.wanted
    if not story.is_replaced:
        assert not story.target.left()
    assert story.sync() == [0, 0, 0]
