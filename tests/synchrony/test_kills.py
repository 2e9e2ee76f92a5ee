"""kill -9 at every place a sync passes: nothing is lost, nothing is half, and the next sync ends it.

All places there are: ``python -m pytest tests/synchrony/test_kills.py -m long``
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from synchrony.conftest import Person, books_agree, shared

from upload_client.core.own_files import is_left_over

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")

PLACES = [
    "after:PutObject:landing:1",
    "after:GetObject:landing:1",
    "between:fetch:file:1",
    "between:put:file:1",
    "after:delete:file:1",
    "after:DeleteObject:landing:1",
    "between:write:.csv:1",
    "between:write:cache:1",
    "between:write:sending:1",
]
"""One of each kind, where the most is at stake."""


class Scene:
    """Anna and Bert have agreed, then both have gone on; Bert's next sync has all there is to do."""

    def __init__(self, tmp_path: Path, bucket, session) -> None:
        self.bucket = bucket
        self.anna = Person(tmp_path / "Anna", "Anna", bucket, session)
        self.bert = Person(tmp_path / "Bert", "Bert", bucket, session)
        for name in ("same", "mine", "theirs", "clash", "gone here", "gone/there"):
            self.anna.write(name, f"{name}, first")
        self.anna.sync()
        self.bert.sync()
        self.anna.write("theirs", "theirs, second")
        self.anna.write("clash", "clash, Anna's")
        self.anna.write("new there", "new there")
        self.anna.delete("gone/there")
        self.anna.sync()
        self.bert.write("mine", "mine, second")
        self.bert.write("clash", "clash, Bert's")
        self.bert.write("new here", "new here")
        self.bert.delete("gone here")
        self.written = {
            *self.anna.files().values(),
            *self.bert.files().values(),
            "gone here, first",
            "gone/there, first",
        }

    def run(self, **env: str) -> int:
        """Bert's sync as a process; its exit code."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "upload_client",
                *f"sync {self.bert.folder} --yes --on-conflict both".split(),
            ],
            env={**os.environ, "AWS_ENDPOINT_URL": self.bucket.client.meta.endpoint_url, **env},
            capture_output=True,
            check=False,
        ).returncode

    def kept(self) -> set[str]:
        """Every content that is anywhere."""
        aside = {self.bucket.read(key).decode() for key in self.bucket.ls(".S3/deleted/")}
        folders = {*self.anna.files().values(), *self.bert.files().values()}
        return aside | folders | set(shared(self.bucket).values())


def check_that_nothing_is_lost(scene: Scene) -> None:
    # What was replaced by a later version of the same person is not looked for.
    replaced = {"mine, first", "theirs, first", "clash, first"}
    assert scene.written - replaced <= scene.kept()


def check_the_end(scene: Scene) -> None:
    for one in (scene.bert, scene.anna, scene.bert):
        assert one.sync(on_conflict="both").exit_code == 0
    assert scene.bert.files() == scene.anna.files() == shared(scene.bucket)
    assert books_agree(scene.bucket)
    assert {"clash, Anna's", "clash, Bert's"} <= set(shared(scene.bucket).values())
    assert shared(scene.bucket)["mine"] == "mine, second"
    assert shared(scene.bucket)["theirs"] == "theirs, second"
    assert not {"gone here", "gone/there"} & set(shared(scene.bucket))
    left = [path.name for path in (scene.bert.folder / ".S3").rglob("*")]
    assert not [name for name in left if name.endswith(".part") or is_left_over(name)]
    for one in (scene.anna, scene.bert):
        assert one.sync().done == ()


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_loses_nothing_and_the_next_sync_ends_it(tmp_path, real_bucket, session, place):
    scene = Scene(tmp_path, real_bucket, session)
    assert scene.run(UPLOAD_CLIENT_FAILPOINT=place) == -signal.SIGKILL
    check_that_nothing_is_lost(scene)
    check_the_end(scene)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_kill_at_any_place_loses_nothing(tmp_path, real_bucket, session):
    scene = Scene(tmp_path / "all", real_bucket, session)
    log = tmp_path / "places"
    assert scene.run(UPLOAD_CLIENT_FAILPOINT_LOG=str(log)) == 0
    check_the_end(scene)
    seen: dict[str, int] = {}
    places = []
    for name in log.read_text().splitlines():
        seen[name] = seen.get(name, 0) + 1
        places.append(f"{name}:{seen[name]}")
    assert len(places) > 40
    died = 0
    for number, place in enumerate(places):
        for key in real_bucket.ls():
            real_bucket.rm(key)
        folder = tmp_path / str(number)
        scene = Scene(folder, real_bucket, session)
        died += scene.run(UPLOAD_CLIENT_FAILPOINT=place) == -signal.SIGKILL
        check_that_nothing_is_lost(scene)
        check_the_end(scene)
        shutil.rmtree(folder)
    assert died > len(places) * 0.8  # threads do not always pass places in the same order
