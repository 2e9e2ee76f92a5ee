"""Many files at once on the disk: by one call where that says how it went, else each by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upload_client.support import flushing
from upload_client.support.flushing import Flusher, type_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")


@pytest.fixture
def fds(tmp_path: Path) -> Iterator[list[int]]:
    """Six files that are written and open."""
    opened = [os.open(tmp_path / str(n), os.O_RDWR | os.O_CREAT) for n in range(6)]
    for fd in opened:
        os.write(fd, b"content")
    yield opened
    for fd in opened:
        os.close(fd)


class Disk:
    """What the system is asked for."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, kind: str = "ext4", release: str = "6.1.0"
    ) -> None:
        self.together: list[int] = []
        self.alone: list[int] = []
        self.broken: set[int] = set()
        self.all_well = True
        self.seconds = 0.0
        self.now = 0.0
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(flushing, "type_of", lambda _: kind)
        if release != "6.1.0":
            monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", release, "", "")))
        self.flusher = Flusher(lambda: self.now)
        if self.flusher._syncfs is not None:
            self.flusher._syncfs = self._syncfs

    def _fsync(self, fd: int) -> None:
        self.alone.append(fd)
        if fd in self.broken:
            raise OSError(5, "Input/output error")

    def _syncfs(self, fd: int) -> bool:
        self.together.append(fd)
        self.now += self.seconds
        return self.all_well


def test_one_call_brings_all_to_the_disk(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    assert disk.flusher.flush(fds) == [None] * 6
    assert (disk.together, disk.alone) == ([fds[0]], [])


def test_the_system_s_own_call_takes_what_is_open_and_refuses_what_is_not(fds: list[int]) -> None:
    call = flushing._syncfs()
    if call is None:
        pytest.skip("this system has none that says how it went")
    assert call(fds[0])
    assert not call(max(fds) + 100)
    assert Flusher().flush(fds) == [None] * 6


def test_where_something_could_not_be_written_each_says_by_itself_whether_it_is_there(
    fds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.all_well, disk.broken = False, {fds[2]}
    problems = disk.flusher.flush(fds)
    assert [each is not None for each in problems] == [False, False, True, False, False, False]
    assert disk.alone == fds
    disk.flusher.flush(fds)
    assert (disk.together, disk.alone) == ([fds[0]], [*fds, *fds])  # nor is it asked again


@pytest.mark.parametrize("kind", ["nfs4", "overlay", "fuse.sshfs", ""])
def test_a_file_system_whose_call_may_not_reach_the_disk_is_not_asked(
    fds: list[int], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    disk = Disk(monkeypatch, kind=kind)
    disk.flusher.flush(fds)
    assert (disk.together, disk.alone) == ([], fds)


@pytest.mark.parametrize("release", ["4.18.0-553.el8", "5.7.19", "5.15.0-91-generic"])
def test_a_kernel_whose_call_tells_not_all_errors_is_not_asked(
    fds: list[int], monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    disk = Disk(monkeypatch, release=release)
    assert not disk.flusher.takes(os.fstat(fds[0]).st_dev)
    disk.flusher.flush(fds)
    assert (disk.together, disk.alone) == ([], fds)


def test_a_python_without_ctypes_brings_them_there_one_by_one(
    fds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    disk = Disk(monkeypatch)
    disk.flusher.flush(fds)
    assert (disk.together, disk.alone) == ([], fds)


def test_few_files_do_not_wait_for_what_others_have_written(
    fds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.flusher.flush(fds[:3])
    assert (disk.together, disk.alone) == ([], fds[:3])


def test_where_the_call_takes_long_it_is_the_last(fds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.seconds = 2.5
    assert disk.flusher.flush(fds) == [None] * 6
    assert disk.alone == []
    disk.flusher.flush(fds)
    assert (disk.together, disk.alone) == ([fds[0]], fds)


def test_the_type_of_a_file_system_is_read_by_its_device(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
        "27 1 254:1 / / rw,relatime shared:1 master:2 - ext4 /dev/vda1 rw\n"
        "28 27 0:44 / /mnt/e\\040f rw - nfs4 fs-1.efs:/ rw\n"
        "a line that is cut\n",
        encoding="utf-8",
    )
    assert type_of(os.makedev(254, 1), str(mounts)) == "ext4"
    assert type_of(os.makedev(0, 44), str(mounts)) == "nfs4"
    assert type_of(os.makedev(9, 9), str(mounts)) == ""
    assert type_of(os.makedev(254, 1), str(tmp_path / "none")) == ""
