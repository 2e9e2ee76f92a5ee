"""A sync: what is sent, what is removed, where it goes, and what never happens."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from faults.proxy import Proxy, answer, corrupt_answer, cut_answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.core import checksums
from upload_client.core.data_sync import Facts
from upload_client.core.own_files import LOCK
from upload_client.errors import DeliveryError, UsageError
from upload_client.functions.data_sync import local, plan, removal, to_local, to_s3
from upload_client.functions.data_sync import run as sync_run
from upload_client.functions.data_sync import sides as both_sides
from upload_client.functions.data_sync import sync as module
from upload_client.functions.data_sync.file_system import ListDataPathsHandler
from upload_client.functions.data_sync.local import SyncFailed, hold_lock
from upload_client.functions.data_sync.operations import BatchDataSyncHandler, PrepareBatchDataSyncHandler
from upload_client.functions.data_sync.paths import LocalPlace, S3Place
from upload_client.support import atomic
from upload_client.transfer import download, partial_file, small_objects
from upload_client.transfer.bulk_requests import head_each, remove_each
from upload_client.transfer.small_objects import SmallObjects
from upload_client.transfer.temporary_files import TemporaryFiles

from .conftest import World

pytestmark = pytest.mark.parametrize("store", ["real"], indirect=True)

KINDS = ["files to objects", "objects to files", "objects to objects", "files to files"]


class Sides:
    """A source and a destination of one of the four kinds, filled and read alike."""

    def __init__(self, world: World, kind: str, name: str = "") -> None:
        self.world, self.name = world, name
        source, _, target = kind.partition(" to ")
        self.from_files, self.to_files = source == "files", target == "files"
        self.source = world.path(f"{name}src/") if self.from_files else world.uri(f"{name}src/")
        self.target = world.path(f"{name}dst/") if self.to_files else world.uri(f"{name}dst/", world.other)

    def have(self, files: dict[str, str]) -> None:
        for path, content in files.items():
            if self.from_files:
                self.world.write(f"{self.name}src/{path}", content)
            else:
                self.world.put(f"{self.name}src/{path}", content)

    def have_there(self, files: dict[str, str]) -> None:
        for path, content in files.items():
            if self.to_files:
                self.world.write(f"{self.name}dst/{path}", content)
            else:
                self.world.put(f"{self.name}dst/{path}", content, self.world.other)

    def there(self) -> dict[str, str]:
        below = f"{self.name}dst"
        return self.world.files(below) if self.to_files else self.world.objects(self.world.other, below + "/")

    def here(self) -> dict[str, str]:
        below = f"{self.name}src"
        return (
            self.world.files(below) if self.from_files else self.world.objects(self.world.bucket, below + "/")
        )

    def sync(self, **options):
        return self.world.sync(self.source, self.target, **options)


@pytest.fixture(params=KINDS)
def sides(world: World, request: pytest.FixtureRequest) -> Sides:
    return Sides(world, request.param)


FILES = {"a.txt": "one", "b/c.txt": "two", "b/d/e é +%.txt": "three", "empty": ""}


def test_everything_is_sent_once_and_then_nothing(sides: Sides) -> None:
    sides.have(FILES)
    began = time.time()
    counts = sides.sync()
    assert sides.there() == FILES
    assert (counts.files_transferred, counts.bytes_transferred) == (4, 11)
    again = sides.sync()
    assert (again.files_transferred, again.bytes_transferred, again.kept) == (0, 0, 4)
    assert sides.here() == FILES
    if sides.to_files:
        for path in Path(sides.target).rglob("*.txt"):
            assert path.stat().st_mtime >= began - 0.001
        assert not list(Path(sides.target).rglob(".upload-client*"))


def test_only_what_differs_is_sent_and_what_the_source_has_not_is_removed(sides: Sides) -> None:
    sides.have(FILES)
    sides.have_there({"a.txt": "one", "b/c.txt": "TWO", "old/x": "gone", "empty": "longer"})
    counts = sides.sync()
    assert sides.there() == FILES
    # Where the source is younger, equal content is sent all the same.
    assert counts.files_transferred in (3, 4)
    assert counts.removed == 1


def test_without_delete_and_with_size_only_the_destination_keeps_what_it_has(sides: Sides) -> None:
    sides.have({"a": "one", "b": "two"})
    sides.have_there({"a": "ONE", "old": "x"})
    if sides.to_files:
        os.utime(Path(sides.target, "a"), (time.time() + 60,) * 2)
    elif sides.from_files:
        os.utime(Path(sides.source, "a"), (0, 0))
    counts = sides.sync(delete=False, size_only=True)
    assert sides.there()["old"] == "x"
    assert sides.there()["b"] == "two"
    if sides.to_files or sides.from_files:
        assert sides.there()["a"] == "ONE"
        assert counts.files_transferred == 1
    assert sides.sync(force=True).files_transferred == 2
    assert sides.there() == {"a": "one", "b": "two"}


def test_filters_match_all_of_a_path_and_what_they_keep_out_is_removed_with_a_warning(sides: Sides) -> None:
    sides.have({"a.csv": "1", "b.txt": "2", "old/c.csv": "3"})
    sides.have_there({"b.txt": "2", "stray": "x"})
    counts = sides.sync(filter_config={"include": [r".*\.csv"], "exclude": "old/.*"})
    assert sides.there() == {"a.csv": "1"}
    assert (counts.files_transferred, counts.removed) == (1, 2)
    assert any("2 of the files that are removed" in line for line in sides.world.warnings)


def test_filters_that_keep_nothing_are_an_error_or_a_warning(sides: Sides) -> None:
    sides.have({"a.csv": "1"})
    sides.have_there({"b": "2"})
    with pytest.raises(ValueError, match="keep none of the 1 files"):
        sides.sync(filter_config={"include": "*.txt".replace("*", ".*x")})
    counts = sides.sync(filter_config={"include": "nothing"}, fail_if_missing=False)
    assert (counts.files_transferred, counts.removed) == (0, 0)
    assert sides.there() == {"b": "2"}


def test_an_empty_folder_on_a_disk_empties_no_destination_unless_that_is_meant(sides: Sides) -> None:
    """As that of a disk that is not mounted would; of a bucket a listing without objects is an answer."""
    there = {"a": "1", "b/c": "2"}
    sides.have_there(there)
    if not sides.from_files:
        sides.have({"": ""})  # an object that stands for the folder
        assert sides.sync().removed == 2
        return
    Path(sides.source, "in").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has no files, and all 2 of .* would be removed") as refused:
        sides.sync()
    assert "allow_empty_source=true" in refused.value.__notes__[0]
    assert (sides.sync(fail_if_missing=False).removed, sides.there()) == (0, there)
    assert any("nothing was done" in line for line in sides.world.warnings)
    assert (sides.sync(delete=False).removed, sides.there()) == (0, there)
    assert (sides.sync(allow_empty_source=True).removed, sides.there()) == (2, {})
    assert sides.sync().removed == 0  # nothing is lost by it any more


def test_a_source_that_is_not_there_is_an_error_or_a_warning(sides: Sides) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        sides.sync()
    assert sides.sync(fail_if_missing=False).files_transferred == 0
    assert len(sides.world.warnings) == 1


def test_a_piece_of_a_sync_is_filtered_as_the_whole(sides: Sides) -> None:
    sides.have({"a/x": "1", "a/y": "2", "b/x": "3"})
    counts = sides.world.sync(
        f"{sides.source}a/", f"{sides.target}a/", filter_config={"include": "a/x"}, filter_root=sides.source
    )
    assert counts.files_transferred == 1
    assert sides.there() == {"a/x": "1"}


def test_one_file_goes_under_the_name_it_is_given_or_into_a_folder(sides: Sides) -> None:
    sides.have({"a.txt": "one", "a.txt2": "other"})
    sides.have_there({"stays": "x"})
    for target in (f"{sides.target}new.txt", sides.target):
        counts = sides.world.sync(f"{sides.source}a.txt", target)
        assert (counts.files_transferred, counts.removed) == (1, 0)
    assert sides.there() == {"a.txt": "one", "new.txt": "one", "stays": "x"}
    assert sides.world.sync(f"{sides.source}a.txt", f"{sides.target}new.txt").files_transferred == 0


def test_a_folder_is_named_with_or_without_a_slash(sides: Sides) -> None:
    sides.have({"a/x": "1"})
    if not sides.from_files:
        sides.have({"ab": "2"})
    sides.world.sync(f"{sides.source}a", f"{sides.target}out")
    assert sides.there() == {"out/x": "1"}


def test_a_move_deletes_the_source_when_all_is_confirmed(sides: Sides) -> None:
    sides.have(FILES)
    sides.have_there({"a.txt": "one", "b/c.txt": "TWO"})
    if sides.from_files:
        for path in Path(sides.source).rglob("*.txt"):
            os.utime(path, (0, 0))
    counts = sides.sync(retain_source_data=False, size_only=True)
    if not (sides.to_files and not sides.from_files):
        # What is deleted has to be there by its content, whatever size_only says.
        assert sides.there() == FILES
    if sides.to_files and not sides.from_files:
        assert sides.here() == FILES
        assert "objects are not deleted" in sides.world.warnings[0]
    else:
        assert sides.here() == {}
        assert counts.files_transferred in (3, 4)


def test_a_move_without_a_source_is_an_error_unless_it_may_have_been_made_before(sides: Sides) -> None:
    move = {"retain_source_data": False}
    with pytest.raises(FileNotFoundError):  # it was never there
        sides.sync(**move)
    sides.have({"b/c": "two"})
    sides.sync(**move)
    if not sides.from_files and sides.to_files:
        return  # objects stay
    with pytest.raises(FileNotFoundError, match="fail_if_missing"):  # a name that is mistyped looks the same
        sides.sync(**move)
    counts = sides.sync(**move, fail_if_missing=False)
    assert (counts.files_transferred, counts.moved) == (0, 0)
    assert sides.there() == {"b/c": "two"}


@pytest.fixture
def alias(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another name of a bucket, as an access point has one."""
    name, open_it = "point-abc-s3alias", S3Place.open
    monkeypatch.setattr(
        S3Place,
        "open",
        lambda self: open_it(self._replace(bucket=world.bucket.name) if self.bucket == name else self),
    )
    return name


@pytest.mark.parametrize("options", [{"retain_source_data": False}, {"filter_config": {"exclude": "b"}}])
@pytest.mark.parametrize("key", ["", "a"])
def test_nothing_is_deleted_in_a_bucket_that_has_two_names(world: World, alias: str, options, key) -> None:
    content = {"a": "1", "b": "2"}
    for path, text in content.items():
        world.put(f"src/{path}", text)
    if not (key and "filter_config" in options):  # a single file has nothing beside it that is removed
        for pair in ((alias, world.bucket.name), (world.bucket.name, alias)):
            source, target = (f"s3://{bucket}/src/{key}" for bucket in pair)
            with pytest.raises(UsageError, match="may be one place under two names"):
                world.sync(source, target, **options)
    with pytest.raises(UsageError, match="overlap"):
        world.sync(f"s3://{alias}/src/", world.uri("src/below/"))
    assert world.objects(world.bucket, "src/") == content
    assert world.objects(world.bucket) == {f"src/{path}": text for path, text in content.items()}


@pytest.mark.parametrize("options", [{"retain_source_data": False}, {"filter_config": {"exclude": "b"}}])
@pytest.mark.parametrize("meanwhile", ["one comes", "one is replaced", "one goes"])
def test_nor_where_something_changes_between_both_listings(
    world: World, alias: str, options, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"a": "1", "b": "2", "c": "3"}
    for path, text in content.items():
        world.put(f"src/{path}", text)
    listed = module.there_at

    def there(run, target, *, is_file):
        found = listed(run, target, is_file=is_file)
        if meanwhile == "one is replaced":
            found["c"] = both_sides.packed([("c", Facts(1, time.time() + 5, "0" * 32))])["c"]
        elif meanwhile == "one goes":
            del found["c"]  # it comes after this listing, and before that of the source
        else:
            found |= both_sides.packed([("d", Facts(1, time.time(), "0" * 32))])
        return found

    monkeypatch.setattr(module, "there_at", there)
    with pytest.raises(UsageError, match="may be one place under two names"):
        world.sync(f"s3://{alias}/src/", world.uri("src/"), **options)
    assert world.objects(world.bucket, "src/") == content


@pytest.mark.parametrize("written", [1, 2])
def test_the_same_key_in_two_buckets_is_two_places(world: World, written: int) -> None:
    for bucket in (world.bucket, world.other)[:written]:  # where both are there, a look tells them apart
        world.put("src/a", "1", bucket)
    counts = world.sync(world.uri("src/"), world.uri("src/", world.other), retain_source_data=False)
    assert counts.moved == 1
    assert (world.objects(world.bucket), world.objects(world.other)) == ({}, {"src/a": "1"})


@pytest.mark.parametrize("ahead", [0, 600])
def test_what_another_sync_brings_meanwhile_is_not_removed(sides: Sides, ahead: int, monkeypatch) -> None:
    # The other clock is the store's, or that of whoever has the file system.
    monkeypatch.setattr(sync_run, "time", SimpleNamespace(time=lambda: time.time() + ahead))
    sides.have({"a": "1"})
    sides.have_there({"extra": "x"})
    failpoint = module.failpoints.reach

    def arrive(name: str) -> None:
        if name == "between:sync:sent":
            sides.have({"late": "2"})
        failpoint(name)

    listed = module.there_at

    def there(run, target, *, is_file):
        sides.have_there({"late": "2"})  # the destination is listed when the source has been
        return listed(run, target, is_file=is_file)

    monkeypatch.setattr(module.failpoints, "reach", arrive)
    monkeypatch.setattr(module, "there_at", there)
    counts = sides.sync()
    assert counts.removed == 1
    assert sides.there() == {"a": "1", "late": "2"}
    assert "meanwhile" in sides.world.warnings[-1]


def test_a_move_leaves_what_filters_keep_out(sides: Sides) -> None:
    sides.have({"a": "1", "b": "2"})
    sides.sync(retain_source_data=False, filter_config={"exclude": "b"})
    assert sides.there() == {"a": "1"}
    assert sides.here().get("b") == "2"


@pytest.mark.parametrize("kind", KINDS[:3])
def test_the_prefix_that_is_cut_off_says_where_it_goes(world: World, kind: str) -> None:
    sides = Sides(world, kind)
    sides.have({"run/a/x": "1"})
    sides.have_there({"run/other": "stays"})
    name = sides.source if sides.from_files else "src/"
    sides.world.sync(f"{sides.source}run/a/", sides.target, source_path_prefix=name)
    assert sides.there() == {"run/a/x": "1", "run/other": "stays"}
    with pytest.raises(ValueError, match="does not begin with the prefix"):
        sides.world.sync(f"{sides.source}run/a/", sides.target, source_path_prefix="elsewhere/")


def test_large_files_go_in_parts_and_ranges(world: World) -> None:
    content = os.urandom(21 * 2**20 + 7)
    world.write("src/large", content)
    world.sync(world.path("src/"), world.uri("up/"))
    world.sync(world.uri("up/"), world.uri("copy/", world.other))
    counts = world.sync(world.uri("copy/", world.other), world.path("dst/"))
    assert counts.bytes_transferred == len(content)
    assert Path(world.folder, "dst/large").read_bytes() == content
    for source, target in (
        (world.path("src/"), world.uri("up/")),
        (world.uri("up/"), world.uri("copy/", world.other)),
        (world.uri("copy/", world.other), world.path("dst/")),
    ):
        assert world.sync(source, target).files_transferred == 0


def test_folders_that_objects_stand_for_are_no_files(world: World) -> None:
    world.bucket.client.put_object(Bucket=world.bucket.name, Key="src/empty/", Body=b"")
    world.put("src/a/x", "1")
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 1
    assert world.files("dst") == {"a/x": "1"}


@pytest.mark.parametrize("kind", ["objects to files", "files to files"])
def test_a_file_takes_the_place_of_a_folder_and_the_other_way_round(world: World, kind: str) -> None:
    sides = Sides(world, kind)
    sides.have({"a": "1", "b/c": "2"})
    sides.have_there({"a/x/y": "old", "b": "old"})
    with pytest.raises(SyncFailed, match="2 of 2 files"):
        sides.sync(delete=False)
    assert sides.there() == {"a/x/y": "old", "b": "old"}
    assert sides.sync().removed == 2
    assert sides.there() == {"a": "1", "b/c": "2"}


@pytest.mark.parametrize("target", ["src/", "src/in/it/", "src/a"])
def test_a_folder_is_not_synced_into_itself(world: World, target: str) -> None:
    world.write("src/a/x", "1")
    world.put("src/a/x", "1")
    with pytest.raises(UsageError, match="overlap"):
        world.sync(world.path("src/"), world.path(target))
    with pytest.raises(UsageError, match="overlap"):
        world.sync(world.uri("src/"), world.uri(target))
    with pytest.raises(UsageError, match="overlap"):  # all that is beside it would be removed
        world.sync(world.path("src/a"), world.path("src/"))
    assert world.files("src") == {"a/x": "1"}


def test_links_lead_to_files_and_not_into_folders(world: World) -> None:
    world.write("elsewhere/file", "x")
    world.write("src/a", "1")
    Path(world.folder, "src/link").symlink_to(world.folder / "elsewhere/file")
    Path(world.folder, "src/folder").symlink_to(world.folder / "elsewhere")
    Path(world.folder, "src/broken").symlink_to("nowhere")
    world.sync(world.path("src/"), world.uri("dst/"))
    assert world.objects(world.bucket, "dst/") == {"a": "1", "link": "x"}
    assert any("passed over" in line and "2" in line for line in world.warnings)


@pytest.mark.parametrize("to", ["the same disk", "another disk", "S3"])
def test_a_move_takes_links_along_whatever_is_moved_first(
    world: World, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    files = {f"a/{n}": f"{n}" for n in range(12)}
    for path, content in files.items():
        world.write(f"src/{path}", content)
        link = Path(world.path(f"src/{'b' if int(content) % 2 else '0'}/{content}"))
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../{path}")
        files = {**files, f"{link.parent.name}/{content}": content}
    if to == "another disk":
        devices = iter(range(100))
        monkeypatch.setattr(to_local, "device_of", lambda _: next(devices))
    target = world.uri("dst/") if to == "S3" else world.path("dst/")
    counts = world.sync(world.path("src/"), target, retain_source_data=False)
    assert (counts.files_transferred, counts.moved, world.warnings) == (24, 24, [])
    assert (world.objects(world.bucket, "dst/") if to == "S3" else world.files("dst")) == files
    assert not any(each.is_symlink() for each in Path(world.path("dst")).rglob("*"))
    assert not Path(world.path("src")).exists()


def test_a_move_in_which_a_link_cannot_be_copied_has_moved_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("src/a", "1")
    Path(world.path("src/link")).symlink_to("a")

    def full(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(to_local, "copy_file", full)
    with pytest.raises(SyncFailed, match="1 of 2 files were not sent"):
        world.sync(world.path("src/"), world.path("dst/"), retain_source_data=False)
    assert world.files("src") == {"a": "1", "link": "1"}


def test_a_link_whose_file_another_batch_has_moved_is_an_error_and_not_a_move_that_was_made(
    world: World, context
) -> None:
    world.write("src/a", "1")
    Path(world.path("src/link")).symlink_to("a")
    event = {
        "source_path": world.path("src/"),
        "destination_path": world.uri("dst/"),
        "retain_source_data": False,
        "batch_size_objects_limit": 1,
    }
    batches = PrepareBatchDataSyncHandler.get_handler()(event, context)["requests"]
    (first, second) = sorted(batches, key=lambda batch: batch["requests"][0]["source_path"])
    run = BatchDataSyncHandler.get_handler()
    assert run(first, context)["result"]["files_transferred"] == 1
    with pytest.raises(FileNotFoundError, match="src/link is a link that leads to nothing"):
        run(second, context)
    answer = run({**second, "allow_partial_failure": True}, context)
    assert [each["source_path"] for each in answer["failed_requests"]] == [world.path("src/link")]
    assert world.objects(world.bucket, "dst/") == {"a": "1"}


def as_nobody(program: str, folder: Path, *words: str) -> str:
    """Run a program of Python as a user who may not read everything; what it prints."""
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if become and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    done = subprocess.run(
        [*become, sys.executable, "-c", program, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if become and "Permission denied" in done.stderr and not done.stdout:
        pytest.skip("nobody may not read this Python, or this folder")
    assert done.returncode == 0, done.stderr
    return done.stdout


DARK = """
import os, sys
from upload_client.functions.data_sync.models import DataSyncRequest
from upload_client.functions.data_sync.sync import run_sync
kind, goal, keep = sys.argv[1:]
os.makedirs("src/b")
for name in ("a", "b/c"):
    open(f"src/{name}", "w").write(name)
os.chmod("src/a" if kind == "file" else "src/b", 0)
request = DataSyncRequest(
    source_path=os.path.abspath("src") + "/", destination_path=goal, retain_source_data=keep == "keep"
)
try:
    run_sync(request)
    print("done")
except Exception as error:
    print(type(error).__name__, error)
os.chmod("src/a", 0o600)
os.chmod("src/b", 0o700)
print(sorted(os.path.join(at, name) for at, _, names in os.walk("src") for name in names))
"""


@pytest.mark.skipif(os.name != "posix", reason="others have other permissions")
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("keep", ["keep", "move"])
def test_what_may_not_be_read_ends_a_sync_and_nothing_is_removed(
    world: World, tmp_path: Path, kind: str, keep: str
) -> None:
    folder = tmp_path / "nobody"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        shared = Path(tempfile.gettempdir()).resolve()  # what is above it is not ours to open
        for each in folder.resolve().parents:
            if shared in each.parents:
                each.chmod(each.stat().st_mode | 0o011)
    said, left = as_nobody(DARK, folder, kind, world.uri("dst/"), keep).splitlines()
    if kind == "file":
        assert "1 of 2 files were not sent" in said
        assert "a: may not be read: permission denied" in said
        assert world.objects(world.bucket, "dst/") == {"b/c": "b/c"}
    else:
        assert said.startswith("PermissionError")
        assert "src/b" in said
        assert world.objects(world.bucket, "dst/") == {}  # which files there are is not known
    assert left == "['src/a', 'src/b/c']"


# ------------------------------------------------------------------------------------------------- hostile


def test_a_key_that_leaves_the_destination_is_refused_before_anything_is_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/good", "1")
    listing = both_sides.list_s3

    def hostile(bucket):
        yield from listing(bucket)
        for key in ("../outside", "/etc/absolute", "a/../../x", "a\\b"):
            yield key, Facts(1, 0.0, "0" * 32)

    monkeypatch.setattr(both_sides, "list_s3", hostile)
    with pytest.raises(UsageError, match=r"4 names of .* nothing was sent") as caught:
        world.sync(world.uri("src/"), world.path("dst/"))
    assert "leaves its folder" in str(caught.value)
    assert not Path(world.folder, "dst").exists()


def test_keys_that_a_file_system_takes_for_one_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "1")
    world.put("src/A", "2")
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 2
    monkeypatch.setattr(plan, "folds_case", lambda _: True)
    with pytest.raises(UsageError, match="in case only"):
        world.sync(world.uri("src/"), world.path("other/"))


@pytest.mark.parametrize("kind", ["objects to files", "files to files"])
def test_nothing_is_written_through_a_link_at_the_destination(world: World, kind: str) -> None:
    sides = Sides(world, kind)
    sides.have({"a": "1", "b/c/d": "2"})
    Path(world.path("elsewhere/c")).mkdir(parents=True)
    Path(world.path("dst")).mkdir()
    Path(world.path("dst/b")).symlink_to(world.path("elsewhere"))
    with pytest.raises(UsageError, match="b/ is a symbolic link at the destination"):
        sides.sync()
    assert world.files("elsewhere") == {}
    assert world.files("dst") == {}
    # The destination itself may be one: that is where it is named to be.
    Path(world.path("link")).symlink_to(world.path("elsewhere"))
    assert world.sync(sides.source, world.path("link/")).files_transferred == 2
    assert world.files("elsewhere") == {"a": "1", "b/c/d": "2"}


def test_a_full_disk_is_told_before_anything_is_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "12345")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4))
    with pytest.raises(OSError, match="5 bytes are to come, and 4 are free") as caught:
        world.sync(world.uri("src/"), world.path("dst/"))
    assert caught.value.errno == errno.ENOSPC


FULL = [errno.ENOSPC, errno.EDQUOT]


class Filling:
    """A disk that has room for so many writes; who closes what fetches is waited for after that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, number: int) -> None:
        self.room, self.number, self.tried = room, number, 0
        self.closing = threading.Event()
        close = download._Fetching.close

        def noticed(fetching) -> None:
            self.closing.set()
            close(fetching)

        monkeypatch.setattr(download._Fetching, "close", noticed)

    def take(self) -> None:
        self.tried += 1
        if self.tried > self.room:
            raise OSError(self.number, os.strerror(self.number))

    def wait_if_full(self) -> None:
        if self.tried > self.room:
            assert self.closing.wait(30), "nobody ends it"


@pytest.mark.parametrize("number", FULL)
def test_small_files_that_find_no_room_end_a_sync_which_goes_on_when_there_is_some(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for n in range(100):
        world.put(f"src/{n:03}", f"content {n}")
    with monkeypatch.context() as patch:
        disk = Filling(patch, 10, number)
        write, put_down = partial_file.write_all, SmallObjects._put_down

        def write_all(*given) -> None:
            disk.take()
            write(*given)

        def put_some_down(*given):
            disk.wait_if_full()
            return put_down(*given)

        patch.setattr(partial_file, "write_all", write_all)
        patch.setattr(SmallObjects, "_put_down", put_some_down)
        patch.setattr(small_objects.Flusher, "takes", lambda *_: True)
        with pytest.raises(SyncFailed, match=os.strerror(number)) as told:
            world.sync(world.uri("src/"), world.path("dst/"), max_concurrency=4)
    assert disk.tried < 60
    assert "of 100 files were brought there, and no more were tried" in str(told.value)
    assert "Make room there" in told.value.hint
    there = len(world.files("dst"))
    assert there <= 10
    assert list(Path(world.path("dst")).glob(".*")) == []
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 100 - there
    assert world.files("dst") == {f"{n:03}": f"content {n}" for n in range(100)}


def test_larger_files_that_find_no_room_end_a_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(40):
        world.put(f"src/{n:02}", bytes([n]) * (300 * 1024))
    disk = Filling(monkeypatch, 5, errno.ENOSPC)
    write = partial_file.write_all

    def write_all(*given) -> None:
        disk.wait_if_full()
        disk.take()
        write(*given)

    monkeypatch.setattr(partial_file, "write_all", write_all)
    with pytest.raises(SyncFailed, match=r"no room is left for .*No space left on device"):
        world.sync(world.uri("src/"), world.path("dst/"))
    assert disk.tried <= 5 + 2 * download._FETCHERS
    assert list(Path(world.path("dst")).glob(".*")) == []


def test_files_that_are_copied_and_find_no_room_end_a_sync(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(200):
        world.write(f"src/{n:03}", str(n))
    disk = Filling(monkeypatch, 10, errno.ENOSPC)
    copy = to_local.copy_file

    def copy_file(*given):
        disk.take()
        return copy(*given)

    monkeypatch.setattr(to_local, "copy_file", copy_file)
    with pytest.raises(SyncFailed, match=r"no room is left for .*10 of 200 files were brought there"):
        world.sync(world.path("src/"), world.path("dst/"))
    assert disk.tried <= 10 + 8
    assert len(world.files("dst")) == 10


@pytest.fixture
def bad_network(world: World, store, monkeypatch: pytest.MonkeyPatch):
    with Proxy(store.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.mark.parametrize("size", [4096, 600_000, 1_300_000], ids=["small", "at once", "in ranges"])
@pytest.mark.parametrize(
    "fault", [corrupt_answer(1000), cut_answer(700), answer(503, "SlowDown")], ids=["wrong", "cut", "busy"]
)
def test_what_comes_damaged_is_fetched_again(
    world: World, bad_network: Proxy, fault, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(size)
    monkeypatch.setattr(download, "LARGE", 2**20)
    monkeypatch.setattr(partial_file, "RANGE", 2**19)
    world.put("src/a", content)
    bad_network.on(fault, method="GET", path="/src/a$", nth=1)
    try:
        counts = world.sync(world.uri("src/"), world.path("dst/"))
    except SyncFailed:
        # A range has no checksum of its own: only the whole tells, and then it is fetched by another sync.
        assert size > 2**20
        counts = world.sync(world.uri("src/"), world.path("dst/"))
    assert counts.files_transferred == 1
    assert Path(world.folder, "dst/a").read_bytes() == content
    assert [path.name for path in Path(world.folder, "dst").iterdir()] == ["a"]


def test_what_a_network_cuts_each_time_is_fetched_in_ranges(
    world: World, bad_network: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(600_000)
    monkeypatch.setattr(partial_file, "RANGE", 2**18)
    world.put("src/a", content)
    bad_network.on(cut_answer(300_000), method="GET", path="/src/a$", times=None)
    with monkeypatch.context() as patch:
        patch.setattr(download._Fetching, "_check_whole", lambda *_: 1 / 0)
        with pytest.raises(SyncFailed):
            world.sync(world.uri("src/"), world.path("dst/"))
    assert len(list(Path(world.folder, "dst").iterdir())) == 2  # the ranges, and what is known of them
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 1
    assert Path(world.folder, "dst/a").read_bytes() == content
    assert [path.name for path in Path(world.folder, "dst").iterdir()] == ["a"]


@pytest.mark.parametrize("size", [10, 600_000, 1_300_000])
def test_an_object_that_is_replaced_between_list_and_get_is_told_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    world.put("src/a", b"x" * size)
    monkeypatch.setattr(download, "LARGE", 2**20)
    fetch = to_local.fetch_files

    def replaced(*args, **options):
        world.put("src/a", b"y" * size)
        return fetch(*args, **options)

    monkeypatch.setattr(to_local, "fetch_files", replaced)
    with pytest.raises(SyncFailed, match="replaced since it was listed"):
        world.sync(world.uri("src/"), world.path("dst/"))
    assert world.files("dst") == {}


@pytest.mark.parametrize(
    "sizes", [[10], [300_000], [1_300_000], [5 * 2**20, 1], [6 * 2**20, 5 * 2**20, 1]], ids=str
)
def test_an_object_in_parts_is_fetched_and_found_equal_where_its_store_says_no_checksum(
    world: World, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    """Programs that stream write small objects in one part; and parts may be of any sizes."""
    monkeypatch.setattr(download, "LARGE", 2**20)
    contents = [os.urandom(size) for size in sizes]
    client, where = world.bucket.client, {"Bucket": world.bucket.name, "Key": "src/a"}
    where["UploadId"] = client.create_multipart_upload(**where)["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": client.upload_part(**where, PartNumber=n, Body=content)["ETag"]}
        for n, content in enumerate(contents, 1)
    ]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    info = world.bucket.head("src/a")
    assert info is not None
    assert (info.etag[-2:], info.crc32) == (f"-{len(parts)}", None)
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 1
    assert Path(world.folder, "dst/a").read_bytes() == b"".join(contents)
    same = len(sizes) < 3  # where they are of different sizes, the ETag does not tell
    assert world.sync(world.uri("src/"), world.path("dst/")).kept == same


def test_a_source_is_not_deleted_when_one_file_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("src/a", "1")
    world.write("src/b", "2")
    world.put("dst/old", "x")
    Path(world.folder, "src/b").chmod(0)
    if os.access(world.folder / "src/b", os.R_OK):  # as root
        Path(world.folder, "src/b").chmod(0o600)
        real = to_s3.send_files

        def failing(*args, **options):
            for outcome in real(*args, **options):
                yield outcome if outcome.row == 0 else outcome._replace(ok=False, error="refused")

        monkeypatch.setattr(to_s3, "send_files", failing)
    with pytest.raises(SyncFailed, match="1 of 2 files were not sent"):
        world.sync(world.path("src/"), world.uri("dst/"), retain_source_data=False)
    assert sorted(path.name for path in Path(world.folder, "src").iterdir()) == ["a", "b"]
    assert world.objects(world.bucket, "dst/")["old"] == "x"


@pytest.mark.parametrize("later", ["later", "2"])
def test_a_file_that_changes_while_it_is_moved_stays(
    world: World, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = world.write("src/a", "1"), world.write("src/b", "1")
    now = int(time.time()) + 3600  # a file system that tells whole seconds, in which both changes fall
    real = to_s3.send_files

    def changing(*args, **options):
        yield from real(*args, **options)
        files[0].write_text(later)
        os.utime(files[0], (now, now))

    for file in files:
        os.utime(file, (now, now))
    monkeypatch.setattr(to_s3, "send_files", changing)
    world.sync(world.path("src/"), world.uri("dst/"), retain_source_data=False)
    assert world.files("src") == {"a": later}
    assert any("changed meanwhile" in line for line in world.warnings)


@pytest.mark.parametrize("to", ["s3", "disk", "another disk"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("one", [True, False])
def test_a_move_deletes_no_file_that_is_modified_again_at_the_same_time(
    world: World, to: str, kept: bool, one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = "a" if one else ""
    source, target = world.path(f"src/{end}"), (world.uri if to == "s3" else world.path)(f"dst/{end}")
    file = world.write("src/a", "1")
    now = int(time.time()) + 3600  # a file system that tells whole seconds, in which both changes fall
    if kept:
        world.sync(source, target)
        now -= 4000  # not newer than what is there
        monkeypatch.setattr(sync_run, "time", SimpleNamespace(time=lambda: now + 1.5))
    os.utime(file, (now, now))
    if to == "another disk":
        monkeypatch.setattr(to_local, "device_of", lambda path: hash(Path(path).name))
    real = module.remove_source

    def later(*args, **options):
        file.write_text("2")
        os.utime(file, (now, now))
        real(*args, **options)

    monkeypatch.setattr(module, "remove_source", later)
    counts = world.sync(source, target, retain_source_data=False)
    assert (counts.files_transferred, counts.moved) == (0 if kept else 1, 0)
    assert world.files("src") == {"a": "2"}
    assert any("changed meanwhile" in line for line in world.warnings)
    monkeypatch.setattr(module, "remove_source", real)
    assert world.sync(source, target, retain_source_data=False).moved == 1
    assert world.files("src") == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
def test_a_file_that_is_modified_while_it_is_copied_is_no_mixture_though_its_time_is_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.write("src/a", "1" * 3_000_000)
    real, left = checksums.crc32, ["once"]

    def reading(block, crc=0):
        if left:
            left.clear()
            before = file.stat()
            file.write_text("2" * 3_000_000)
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        return real(block, crc)

    monkeypatch.setattr(checksums, "crc32", reading)
    with pytest.raises(SyncFailed, match="changed while it was copied"):
        world.sync(world.path("src/"), world.path("dst/"))
    assert world.files("dst") == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
@pytest.mark.parametrize("to", ["s3", "another disk"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_move_deletes_no_file_that_is_modified_and_whose_time_is_set_back(
    world: World, to: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = world.path("src/"), (world.uri if to == "s3" else world.path)("dst/")
    file, linked = world.write("src/a", "1"), world.write("src/linked", "1")
    long_ago = int(time.time()) - 4000.123
    if kept:
        world.sync(source, target)
    for path in (file, linked):
        os.utime(path, (long_ago, long_ago))
    if to == "another disk":
        monkeypatch.setattr(to_local, "device_of", lambda path: hash(Path(path).name))
    real = module.remove_source

    def later(*args, **options):
        before = file.stat()
        file.write_text("2")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        linked.chmod(0o600)  # its content is the same
        real(*args, **options)

    monkeypatch.setattr(module, "remove_source", later)
    assert world.sync(source, target, retain_source_data=False).moved == 1
    assert world.files("src") == {"a": "2"}
    assert any("changed meanwhile" in line for line in world.warnings)


def test_a_move_never_deletes_what_its_destination_has_but_a_link_to(world: World) -> None:
    file = world.write("src/a", "1")
    os.utime(file, (time.time() + 3600,) * 2)  # so that nobody lets it be of now
    Path(world.folder, "dst").mkdir()
    Path(world.folder, "dst/a").symlink_to(file)
    world.sync(world.path("src/"), world.path("dst/"), retain_source_data=False)
    assert world.files("dst") == {"a": "1"}
    assert any("nothing but a link to the source" in line for line in world.warnings)


@pytest.mark.skipif(os.name != "posix", reason="no folder can be opened")
def test_a_move_to_another_disk_deletes_nothing_before_the_new_names_are_on_that_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a": "1", "b/c": "2", "b/d/e": "3"}
    for path, content in files.items():
        world.write(f"src/{path}", content)
    monkeypatch.setattr(to_local, "device_of", lambda path: hash(Path(path).name))
    real, on_disk, broken = local.Flusher.flush, set(), [OSError(errno.EIO, "the disk is broken")]

    def flush(flusher: local.Flusher, fds: list[int]) -> list[OSError | None]:
        assert world.files("dst") == files
        on_disk.update(os.fstat(fd).st_ino for fd in fds)
        return real(flusher, fds) if not broken else [broken[0], *[None] * (len(fds) - 1)]

    monkeypatch.setattr(local.Flusher, "flush", flush)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is broken"):
            world.sync(world.path("src/"), world.path("dst/"), retain_source_data=False)
        assert world.files("src") == files  # also those that were kept, as equal, the second time
    broken.clear()
    on_disk.clear()
    counts = world.sync(world.path("src/"), world.path("dst/"), retain_source_data=False)
    assert counts.moved == 3
    assert not Path(world.path("src")).exists()
    assert on_disk == {Path(world.path(each)).stat().st_ino for each in (".", "dst", "dst/b", "dst/b/d")}


def test_two_that_need_the_lock_wait_for_each_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("src/a", "1")
    monkeypatch.setenv("DATA_SYNC_LOCK_ROOT", world.path("locks"))
    place = LocalPlace(world.path("dst"), world.path("dst"))
    held = hold_lock(place, world.warnings.append)
    held.__enter__()
    monkeypatch.setattr("upload_client.functions.data_sync.local._LOCK_WAIT", 0.01)
    with pytest.raises(SyncFailed, match="locked by another sync"):
        world.sync(world.uri("src/"), world.path("dst"), require_lock=True)
    held.__exit__(None, None, None)
    assert world.sync(world.uri("src/"), world.path("dst"), require_lock=True).files_transferred == 1
    monkeypatch.delenv("DATA_SYNC_LOCK_ROOT")
    assert world.sync(world.uri("src/"), world.path("dst"), require_lock=True).kept == 1


def test_the_file_that_is_locked_beside_a_destination_is_nobodys_data(world: World, context) -> None:
    world.put("src/a", "1")
    world.write("all/mine", "2")
    name = "x" * 255  # as long as a name may be
    world.sync(world.uri("src/"), world.path(f"all/{name}/"), require_lock=True)
    (lock,) = Path(world.path("all")).glob(".*")
    files = {f"{name}/a": "1", "mine": "2"}
    assert world.sync(world.path("all/"), world.uri("up/")).files_transferred == 2
    assert world.objects(world.bucket, "up/") == files
    assert world.sync(world.path("all/"), world.path("copy/")).files_transferred == 2
    assert world.files("copy") == files
    listed = ListDataPathsHandler.get_handler()({"path": world.path("all/")}, context)["paths"]
    assert not [path for path in listed if lock.name in path]
    world.sync(world.uri("up/"), world.path("all/"), delete=True)
    assert lock.exists()  # somebody may hold it


@pytest.mark.parametrize("size", [3, 300_000, 600_000, 40 * 2**20])
@pytest.mark.parametrize("place", ["beside", "elsewhere"])
def test_a_folder_that_another_sync_removes_as_empty_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int, place: str
) -> None:
    world.put("src/a/b/file", b"x" * size)
    folder = Path(world.path("dst/a/b"))
    removed = []
    real_claim, real_replace = atomic.claimed, os.replace

    def emptied() -> None:
        if not removed and folder.is_dir() and not any(folder.iterdir()):
            os.removedirs(folder)
            removed.append(folder)

    def claim(path: str):
        if place == "beside":
            emptied()
        return real_claim(path)

    def replace(here: str, there: str) -> None:
        if place == "elsewhere":
            emptied()
        real_replace(here, there)

    monkeypatch.setattr(atomic, "claimed", claim)
    monkeypatch.setattr(small_objects, "claimed", claim)
    monkeypatch.setattr(os, "replace", replace)
    world.write("dst/other", "stays")
    config = {"use_custom_tmp_dir": place == "elsewhere", "custom_tmp_dir": world.path("tmp")}
    counts = world.sync(world.uri("src/"), world.path("dst/"), delete=False, remote_to_local_config=config)
    assert (counts.files_transferred, removed) == (1, [folder])
    assert (folder / "file").stat().st_size == size


@pytest.mark.parametrize("moves", [False, True])
def test_so_is_one_into_which_files_are_copied_or_moved(
    world: World, monkeypatch: pytest.MonkeyPatch, moves: bool
) -> None:
    world.write("src/a/file", "1")
    folder = Path(world.path("dst/a"))
    removed = []
    real = to_local.in_folder

    def in_folder(do, path):
        if not removed:
            removed.append(folder)
            folder.rmdir()
        return real(do, path)

    monkeypatch.setattr(to_local, "in_folder", in_folder)
    counts = world.sync(world.path("src/"), world.path("dst/"), retain_source_data=not moves)
    assert (counts.files_transferred, world.files("dst"), removed) == (1, {"a/file": "1"}, [folder])


@pytest.mark.parametrize("size", [3, 300_000, 600_000])
def test_no_file_is_closed_twice_where_one_cannot_get_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Its number may be another file's by then, which another thread writes into."""
    monkeypatch.setattr(download, "LARGE", 500_000)
    world.put("src/a", b"x" * size)
    world.write("dst/a/b", "a folder is there")
    wrong = []
    real = os.close

    def noting(fd: int) -> None:
        try:
            real(fd)
        except OSError as error:
            wrong.append(error)
            raise

    monkeypatch.setattr(os, "close", noting)
    with pytest.raises(SyncFailed, match="1 of 1 files"):
        world.sync(world.uri("src/"), world.path("dst/"), delete=False)
    assert wrong == []
    there = world.files("dst")
    assert there.pop("a/b") == "a folder is there"
    assert bool(there) == (size > download.LARGE)  # of which the next sync need not fetch it again


def test_a_file_is_closed_when_none_of_its_ranges_is_under_way_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", os.urandom(4 * 2**18))
    monkeypatch.setattr(partial_file, "RANGE", 2**18)
    monkeypatch.setattr(download, "LARGE", 2**19)
    begun, failed, closing, wrote = threading.Event(), threading.Event(), threading.Event(), []
    real_write, real_do = partial_file.FileSink.came, download._Fetching._do

    def write(sink: partial_file.FileSink, n: int) -> None:
        if sink._offset == 0:
            assert begun.wait(30)
            failed.set()
            raise download.FetchFailed("refused", download.FileCode.UNEXPECTED)
        begun.set()
        assert failed.wait(30)
        closing.wait(0.2)  # as long as it would take to close the file, if nobody waited
        wrote.append(os.fstat(sink._fd).st_size)
        real_write(sink, n)

    def do(*args) -> None:
        real_do(*args)
        closing.set()

    monkeypatch.setattr(partial_file.FileSink, "came", write)
    monkeypatch.setattr(download._Fetching, "_do", do)
    with pytest.raises(SyncFailed, match="refused"):
        world.sync(world.uri("src/"), world.path("dst/"), max_concurrency=4)
    assert wrote
    assert set(wrote) == {4 * 2**18}
    assert world.files("dst") == {}


@pytest.mark.parametrize("together", [True, False])
def test_no_small_file_has_its_name_before_it_is_on_the_disk(
    world: World, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    for n in range(40):
        world.put(f"src/{n:02}", f"content {n}")
    there = Path(world.path("dst"))
    on_disk: set[bytes] = set()

    def bring(fds: list[int]) -> list[OSError | None]:
        problems: list[OSError | None] = []
        for fd in fds:
            content = os.pread(fd, 100, 0)
            on_disk.add(content)
            problems.append(OSError(errno.EIO, "the disk is broken") if content == b"content 7" else None)
        return problems

    def rename(temporary: str, path: str) -> None:
        content = Path(temporary).read_bytes()
        assert content in on_disk
        assert not Path(path).exists()
        real(temporary, path)

    real = os.replace
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(small_objects, "flush_one", lambda fd: bring([fd])[0])
    monkeypatch.setattr(small_objects.Flusher, "takes", lambda *_: together)
    monkeypatch.setattr(small_objects.Flusher, "flush", lambda _, fds, devices: bring(fds))
    with pytest.raises(SyncFailed, match=r"1 of 40 files.*07: cannot be written here: the disk is broken"):
        world.sync(world.uri("src/"), world.path("dst/"))
    # Of the one that is not on the disk, nothing is left.
    assert {path.name for path in there.iterdir()} == {f"{n:02}" for n in range(40)} - {"07"}
    assert len(on_disk) == 40


@pytest.mark.parametrize("together", [True, False])
def test_more_small_files_than_may_be_open_at_once_all_come(
    world: World, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    for n in range(60):
        world.put(f"src/{n:02}", f"content {n}")
    monkeypatch.setattr(download, "_TOGETHER", 2 * small_objects._BATCH)
    monkeypatch.setattr(small_objects, "_WRITERS", 1)
    monkeypatch.setattr(small_objects.Flusher, "takes", lambda *_: together)
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 60
    assert world.files("dst") == {f"{n:02}": f"content {n}" for n in range(60)}


def test_small_files_are_received_while_others_are_brought_to_the_disk_and_named_by_who_receives(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(60):
        world.put(f"src/{n:02}", f"content {n}")
    all_came, named_by = threading.Event(), set()
    put_down, real, came = SmallObjects._put_down, os.replace, []

    def put_some_down(fetching, batch):
        done = put_down(fetching, batch)
        came.append(len(batch))
        if sum(came) == 60:
            all_came.set()
        return done

    def flush(_, fds, devices) -> list[OSError | None]:
        assert all_came.wait(30), "receiving waits for the disk"
        return [None] * len(fds)

    def rename(temporary: str, path: str) -> None:
        named_by.add(threading.current_thread().name)
        real(temporary, path)

    monkeypatch.setattr(SmallObjects, "_put_down", put_some_down)
    monkeypatch.setattr(small_objects.Flusher, "takes", lambda *_: True)
    monkeypatch.setattr(small_objects.Flusher, "flush", flush)
    monkeypatch.setattr(os, "replace", rename)
    assert world.sync(world.uri("src/"), world.path("dst/"), max_concurrency=4).files_transferred == 60
    assert named_by == {"transfer-multiplexer"}


def test_a_fault_while_small_files_are_brought_to_the_disk_ends_the_sync_and_leaves_nothing_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(60):
        world.put(f"src/{n:02}", f"content {n}")

    def flush(*_: object) -> None:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(download, "_TOGETHER", 16)
    monkeypatch.setattr(small_objects.Flusher, "takes", lambda *_: True)
    monkeypatch.setattr(small_objects.Flusher, "flush", flush)
    with pytest.raises(DeliveryError, match="nobody foresaw it"):
        world.sync(world.uri("src/"), world.path("dst/"))
    assert not any(thread.name.startswith("fetch") for thread in threading.enumerate())


@pytest.mark.usefixtures("store")
def test_a_file_at_the_root_is_written_there_and_not_where_the_process_is() -> None:
    files = TemporaryFiles("s3://bucket/", 0.0, threading.Event())
    task = download.FetchTask(0, "key", 1, "etag", "/data.bin")
    assert Path(files.name(task)).parent == Path("/")


def test_only_a_move_asks_about_copies_that_their_etag_proves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("src/a", "one")
    asked: list[bool] = []
    real = to_s3.send_files

    def send(*given, **options):
        asked.append(options["md5_proves"])
        return real(*given, **options)

    monkeypatch.setattr(to_s3, "send_files", send)
    world.sync(world.uri("src/"), world.uri("dst/", world.other))
    world.sync(world.uri("src/"), world.uri("moved/", world.other), retain_source_data=False)
    assert asked == [True, False]
    assert world.objects(world.other) == {"dst/a": "one", "moved/a": "one"}


_FETCH_WITH_FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (72, 72))
from upload_client.functions.data_sync.models import DataSyncRequest
from upload_client.functions.data_sync.sync import run_sync
print(run_sync(DataSyncRequest(source_path=sys.argv[1], destination_path=sys.argv[2])).files_transferred)
"""


def test_where_few_files_may_be_open_small_objects_all_come_as_well(world: World) -> None:
    pytest.importorskip("resource")
    for n in range(300):
        world.put(f"src/{n}", "some content")
    command = [sys.executable, "-c", _FETCH_WITH_FEW_FILES, world.uri("src/"), world.path("dst/")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "300\n", done.stderr
    assert len(world.files("dst")) == 300


_FETCH_ALL_SIZES_WITH_FEW_FILES = """
import resource, sys, time
from upload_client.functions.data_sync.models import DataSyncRequest
from upload_client.functions.data_sync.sync import run_sync
from upload_client.support import atomic
from upload_client.transfer import download, small_objects, temporary_files
real = small_objects.flush_one
def slowly(fd):
    time.sleep(0.02)
    return real(fd)
small_objects.flush_one = temporary_files.flush_one = slowly
download.SMALL, download.partial_file.RANGE, download.LARGE = 100, 1000, 4000
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
print(run_sync(DataSyncRequest(source_path=sys.argv[1], destination_path=sys.argv[2])).files_transferred)
"""


def test_where_few_files_may_be_open_objects_of_all_sizes_come_as_well(world: World) -> None:
    pytest.importorskip("resource")
    contents = {f"{n}-{size}": "x" * size for size in (10, 900, 9000) for n in range(40)}
    for path, content in contents.items():
        world.put(f"src/{path}", content)
    command = [sys.executable, "-c", _FETCH_ALL_SIZES_WITH_FEW_FILES, world.uri("src/"), world.path("dst/")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "120\n", done.stderr
    assert world.files("dst") == contents


def test_objects_are_deleted_on_their_etags_and_whoever_was_replaced_is_asked_about_by_name(
    world: World,
) -> None:
    for n in range(20):
        world.put(f"src/{n} ü", f"{n}")
    objects = [(info.key, info.etag) for info in world.bucket.list("src/")]
    other = (objects.pop()[0], "0" * 32)
    asked = []

    def slowly(key: str, etag: str) -> bool:
        asked.append((key, etag))
        return removal.delete_on(world.bucket, key, etag)

    missing = ("src/nothing", "1" * 32)
    gone = dict(remove_each([*objects, other], world.bucket, slowly))
    assert all(gone[each] for each in objects)
    if world.objects(world.bucket, "src/"):  # else the store passes over the condition
        assert not gone[other]
        # LocalStack has no such condition: there, each is looked at and then deleted by its name.
        assert asked == [other] or (len(asked) == 20 and other in asked)
    assert dict(remove_each([missing], world.bucket, slowly)) == {missing: True}


def test_who_is_not_there_is_asked_about_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder that is sent for the first time the destination has nothing."""
    world.put("src/a", "1")

    def twice(*_: object) -> None:
        raise AssertionError("it is asked about twice")

    monkeypatch.setattr(type(world.bucket), "head", twice)
    found = dict(head_each(["src/a", *(f"src/none {n}" for n in range(20))], world.bucket))
    assert [path for path, info in found.items() if info is not None] == ["src/a"]
    assert len(found) == 21


# ------------------------------------------------------------------------------------------------- killed


def killed(world: World, source: str, target: str, failpoint: str) -> None:
    code = (
        "import sys; from upload_client.functions.data_sync.models import DataSyncRequest;"
        "from upload_client.functions.data_sync.sync import run_sync;"
        "from upload_client.transfer import download; download.LARGE = download.partial_file.RANGE = 2**20;"
        "run_sync(DataSyncRequest(source_path=sys.argv[1], destination_path=sys.argv[2], max_concurrency=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, target],
        env={**os.environ, "UPLOAD_CLIENT_FAILPOINT": failpoint},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()


def test_a_killed_sync_goes_on_without_what_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(5 * 2**20 + 1)
    world.put("src/large", content)
    monkeypatch.setattr(download, "LARGE", 2**20)
    monkeypatch.setattr(partial_file, "RANGE", 2**20)
    killed(world, world.uri("src/"), world.path("dst/"), "between:fetch:range:4")
    assert not Path(world.folder, "dst/large").exists()
    fetched = []
    real = to_local.fetch_files

    def noted(*args, **options):
        for outcome in real(*args, **options):
            fetched.append(outcome.bytes_fetched)
            yield outcome

    monkeypatch.setattr(to_local, "fetch_files", noted)
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 1
    assert Path(world.folder, "dst/large").read_bytes() == content
    assert fetched[0] <= 3 * 2**20
    assert [path.name for path in Path(world.folder, "dst").iterdir()] == ["large"]


def test_what_a_killed_sync_has_begun_of_an_object_that_has_changed_since_goes_a_day_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def left() -> list[Path]:
        return sorted(path for path in Path(world.folder, "dst").iterdir() if path.name != "large")

    world.put("src/large", os.urandom(3 * 2**20))
    monkeypatch.setattr(download, "LARGE", 2**20)
    monkeypatch.setattr(partial_file, "RANGE", 2**20)
    killed(world, world.uri("src/"), world.path("dst/"), "between:fetch:range:2")
    begun = left()
    assert begun
    world.put("src/large", "another")
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 1
    assert left() == begun  # somebody may be about to go on with it
    for path in begun:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    lock = Path(world.folder, "dst", LOCK.format("0" * 16))
    lock.touch()
    os.utime(lock, (0, 0))
    held = os.open(begun[0], os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 0
    assert left() == sorted([begun[0], lock])  # one that another process is writing, or is locked
    os.close(held)
    world.sync(world.uri("src/"), world.path("dst/"))
    assert left() == [lock]


def test_of_many_small_files_a_killed_sync_leaves_whole_ones_and_the_next_brings_the_others(
    world: World,
) -> None:
    files = {f"{n:02}": f"content {n}" for n in range(40)}
    for name, content in files.items():
        world.put(f"src/{name}", content)
    killed(world, world.uri("src/"), world.path("dst/"), "between:fetch:file:9")
    there = {name: content for name, content in world.files("dst").items() if not name.startswith(".")}
    assert len(there) == 8
    assert there.items() <= files.items()
    assert world.sync(world.uri("src/"), world.path("dst/")).files_transferred == 32
    assert world.files("dst") == files


def test_the_md5_of_what_is_fetched_is_told_of_each_size_where_it_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SMALL", 2**16)
    monkeypatch.setattr(download, "LARGE", 2**20)
    monkeypatch.setattr(partial_file, "RANGE", 2**18)
    contents = {"empty": b"", "small": os.urandom(100), "middle": os.urandom(2**18 + 1)}
    contents |= {"large": os.urandom(2**20 + 1)}
    for key, content in contents.items():
        world.put(key, content)
    infos = list(world.bucket.list())

    def fetch(**asked: bool) -> dict[str, str]:
        tasks = [
            download.FetchTask(row, info.key, info.size, info.etag, world.path(f"dst/{info.key}"))
            for row, info in enumerate(infos)
        ]
        return {infos[each.row].key: each.md5 for each in download.fetch_files(tasks, world.bucket, **asked)}

    assert fetch(md5=True) == {key: hashlib.md5(content).hexdigest() for key, content in contents.items()}
    assert fetch() == dict.fromkeys(contents, "")


def test_a_fetch_that_is_stopped_in_good_order_keeps_the_ranges_that_have_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGE", 2**20)
    monkeypatch.setattr(partial_file, "RANGE", 2**18)
    content = os.urandom(2**20)
    world.put("large", content)
    world.put("small", "1")
    tasks = [
        download.FetchTask(row, info.key, info.size, info.etag, world.path(f"dst/{info.key}"))
        for row, info in enumerate(world.bucket.list())
    ]
    come, real_reach, real_came = (
        threading.Semaphore(0),
        download.failpoints.reach,
        partial_file.FileSink.came,
    )

    def reach(name: str) -> None:
        real_reach(name)
        if name == "between:fetch:range":
            come.release()

    def came(sink: partial_file.FileSink, n: int) -> None:
        if sink._offset >= 2**19:
            assert sink._stopped.wait(60)
        real_came(sink, n)

    with monkeypatch.context() as patch:
        patch.setattr(partial_file.FileSink, "came", came)
        patch.setattr(download.failpoints, "reach", reach)
        fetching = download.fetch_files(tasks, world.bucket)
        assert next(fetching).ok
        for _ in range(2):
            assert come.acquire(timeout=60)
        fetching.close()
    (outcome,) = download.fetch_files(tasks[:1], world.bucket)
    assert (outcome.ok, outcome.bytes_fetched) == (True, 2**19)
    assert Path(world.folder, "dst/large").read_bytes() == content


def test_a_move_that_is_killed_before_it_deletes_has_lost_nothing(world: World) -> None:
    world.write("src/a", "1")
    killed(world, world.path("src/"), world.uri("dst/"), "between:sync:sent")
    assert world.files("src") == {"a": "1"}
    counts = world.sync(world.path("src/"), world.uri("dst/"), retain_source_data=False)
    assert (counts.files_transferred, counts.moved) == (0, 1)
    assert world.files("src") == {}


def test_a_move_that_ended_while_it_deleted_goes_on_and_loses_nothing_that_it_has_moved(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sides.to_files and not sides.from_files:
        pytest.skip("nothing is moved from S3 into files")
    sides.have({"a": "1", "b": "2", "c": "3"})
    sides.sync()
    if sides.from_files:  # as far as the first run came
        Path(sides.source, "a").unlink()
    else:
        sides.world.bucket.rm("src/a")
    counts = sides.sync(retain_source_data=False)
    assert sides.there() == {"a": "1", "b": "2", "c": "3"}
    assert sides.here() == {}
    assert (counts.moved, counts.removed) == (2, 0)
    assert any("a move removes none there" in line for line in sides.world.warnings)


# ------------------------------------------------------------------------------------------------- any tree

NAMES = st.lists(st.sampled_from(["a", "b", "ä", "x y"]), min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(NAMES, st.sampled_from(["", "1", "22", "33"]), max_size=5).filter(
    lambda tree: not any(f"{one}/" in other for one in tree for other in tree)
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=TREES, there=TREES, kind=st.sampled_from(KINDS))
def test_after_a_sync_the_destination_is_the_source(
    world: World, here: dict[str, str], there: dict[str, str], kind: str
) -> None:
    sides = Sides(world, kind, f"{secrets.token_hex(4)}/")  # a store may keep empty folders
    sides.have(here)
    if not sides.to_files and any(
        f"{a}/" in f"{b}/"
        for one, other in ((here, there), (there, here))
        for a in one
        for b in other
        if a != b
    ):
        there = {}  # the store is a tree of folders
    sides.have_there(there)
    try:
        counts = sides.sync(fail_if_missing=False)
    except DeliveryError as error:
        raise AssertionError(str(error)) from error
    assert sides.there() == (here or there)
    assert counts.files_transferred <= len(here)
