"""Two people and more, one prefix: what each sees, chooses, and finds in their folder afterwards."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from synchrony.conftest import answers, books_agree, posix_only, shared, versions

from upload_client.core.synchrony import Act, Change
from upload_client.errors import Locked, UsageError
from upload_client.synchrony import s3
from upload_client.synchrony.folder import Changed, Folder
from upload_client.transfer import download, partial_file, small_objects
from upload_client.transfer.object_reader import ObjectReader
from upload_client.transfer.small_objects import SmallObjects


def test_what_one_writes_the_other_gets(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("trees.csv", "oak\n")
    anna.write("maps/ä b.bin", b"\0\1")
    assert anna.sync().exit_code == 0
    assert bert.sync().exit_code == 0
    assert bert.files() == anna.files() == shared(bucket)
    assert {path: row.by for path, row in versions(bucket).items()} == {
        "trees.csv": "Anna",
        "maps/ä b.bin": "Anna",
    }
    assert books_agree(bucket)


def test_a_second_sync_does_nothing_and_writes_nothing(person, bucket):
    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    before = {info.key: (info.etag, info.last_modified) for info in bucket.list()}
    outcome = anna.sync()
    assert (outcome.exit_code, outcome.done, outcome.left) == (0, (), ())
    assert {info.key: (info.etag, info.last_modified) for info in bucket.list()} == before


def test_an_edit_and_a_deletion_reach_the_other_and_what_was_deleted_is_kept(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.write("folder/b", "2")
    anna.sync()
    bert.sync()
    bert.write("a", "1, corrected")
    bert.delete("folder/b")
    assert bert.sync().exit_code == 0
    assert anna.sync().exit_code == 0
    assert anna.files() == bert.files() == shared(bucket) == {"a": "1, corrected"}
    assert not (anna.folder / "folder").exists()
    [kept] = bucket.ls(".S3/deleted/")
    assert kept.startswith(".S3/deleted/folder/b.2")
    assert bucket.read(kept) == b"2"
    assert b"folder/b,Bert," in bucket.read(".S3/deletedS3.csv")
    assert books_agree(bucket)


@pytest.mark.parametrize("left", [(), ("of others.txt",)])
def test_a_prefix_that_was_emptied_with_its_tables_does_not_pass_for_one_from_which_all_was_deleted(
    person, bucket, left
):
    anna = person("Anna")
    anna.write("a", "1")
    anna.write("b/c", "2")
    anna.sync()
    for key in list(bucket.ls()):
        bucket.rm(key)
    for key in left:
        bucket.put(key, b"x")
    for how in ({}, {"on_conflict": "theirs"}):
        with pytest.raises(UsageError, match="do not pass for deleted"):
            anna.sync(**how)
    assert anna.files() == {"a": "1", "b/c": "2"}
    assert set(bucket.ls()) == set(left)


def test_deleted_twice_is_kept_twice(person, bucket):
    anna = person("Anna")
    for text in ("1", "2"):
        anna.write("a", text)
        anna.sync()
        anna.delete("a")
        anna.sync()
    assert sorted(bucket.read(key) for key in bucket.ls(".S3/deleted/")) == [b"1", b"2"]


def write_and_set_the_time_back(path, text):
    """As programs do that write into a file and keep its time: exiftool -P, say."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
def test_what_is_modified_and_has_its_time_set_back_is_sent_and_never_overwritten(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.write("linked", "1")
    for name in ("a", "linked"):
        os.utime(anna.folder / name, (1_784_542_272.5, 1_784_542_272.5))
    anna.sync()
    bert.sync()
    (anna.folder / "linked").chmod(0o600)
    write_and_set_the_time_back(anna.folder / "a", "2")
    assert [path for path, _ in anna.sync().done] == ["a"]
    assert shared(bucket)["a"] == "2"
    bert.sync()
    write_and_set_the_time_back(bert.folder / "a", "3")  # what was fetched a moment ago
    anna.write("a", "4")
    anna.sync()
    assert bert.sync().exit_code == 3
    assert bert.files()["a"] == "3"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
def test_nor_is_it_overwritten_if_that_happens_after_the_look(tmp_path):
    folder = Folder(tmp_path)
    path = tmp_path / "a"
    path.write_text("1")
    os.utime(path, (1_784_542_272.5, 1_784_542_272.5))
    found, _, fresh = folder.look({})
    assert not fresh
    path.chmod(0o600)
    folder.expect("a", found["a"])
    write_and_set_the_time_back(path, "2")
    with pytest.raises(Changed, match="changed meanwhile"):
        folder.expect("a", found["a"])


@pytest.mark.parametrize(
    ("how", "text", "others"),
    [
        ("mine", "Bert's", {}),
        ("theirs", "Anna's", {}),
        ("both", "Bert's", {"Anna's"}),
        ("later", "Anna's", {}),
    ],
)
def test_a_conflict_ends_as_was_chosen_and_in_the_end_all_have_the_same(person, bucket, how, text, others):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a.csv", "first")
    anna.sync()
    bert.sync()
    anna.write("a.csv", "Anna's")
    bert.write("a.csv", "Bert's")
    anna.sync()
    outcome = bert.sync(on_conflict=how)
    assert outcome.exit_code == (3 if how == "later" else 0)
    assert [offer.change for offer in outcome.conflicts] == [Change.BOTH_CHANGED] * (how == "later")
    assert shared(bucket)["a.csv"] == text
    assert bert.files()["a.csv"] == ("Bert's" if how == "later" else text)
    beside = {path: text for path, text in bert.files().items() if path != "a.csv"}
    assert set(beside.values()) == set(others)
    assert all(path.startswith("a (Anna 2") and path.endswith(").csv") for path in beside)
    if how != "later":
        anna.sync()
        assert anna.files() == bert.files() == shared(bucket)
        assert books_agree(bucket)
        assert not anna.sync().done
        assert not bert.sync().done


def test_a_conflict_is_told_with_who_when_how_large_and_what_differs(person):
    anna, bert = person("Anna"), person("Bert")
    anna.write("t.csv", "tree,height\noak,20\nfir,30\n")
    anna.sync()
    bert.sync()
    anna.write("t.csv", "tree,height\noak,21\nfir,30\n")
    anna.sync()
    bert.write("t.csv", "tree,height\noak,22\nfir,30\n")
    assert bert.sync().exit_code == 3
    [offer] = bert.told("offer")
    assert (offer["by"], offer["here"]["size"], offer["there"]["size"]) == ("Anna", 26, 26)
    assert offer["when"].startswith("20")
    assert offer["differences"] == ["row 2, height: yours '22', theirs '21'"]


@pytest.mark.parametrize(
    ("how", "left"), [("mine", set()), ("theirs", {"a"}), ("both", {"a"}), ("later", {"a"})]
)
def test_deleted_here_and_changed_there_is_a_conflict(person, bucket, how, left):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.sync()
    bert.sync()
    bert.delete("a")
    anna.write("a", "2")
    anna.sync()
    outcome = bert.sync(on_conflict=how)
    assert outcome.exit_code == (3 if how == "later" else 0)
    assert set(shared(bucket)) == left
    assert set(bert.files()) == (left if how != "later" else set())


@pytest.mark.parametrize(("how", "left"), [("mine", {"a"}), ("theirs", set()), ("both", {"a"})])
def test_changed_here_and_deleted_there_is_a_conflict(person, bucket, how, left):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.sync()
    bert.sync()
    bert.write("a", "2")
    anna.delete("a")
    anna.sync()
    assert bert.sync(on_conflict=how).exit_code == 0
    assert set(shared(bucket)) == set(bert.files()) == left


def test_the_same_edit_on_both_sides_is_none(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    for one in (anna, bert):
        one.write("a", "same")
    anna.sync()
    outcome = bert.sync()
    assert (outcome.exit_code, outcome.done) == (0, ())
    assert versions(bucket)["a"].by == "Anna"


# --- choosing ---


def test_what_is_not_chosen_stays_and_is_offered_again(person, bucket):
    anna = person("Anna")
    for name in "abcd":
        anna.write(name, name)
    prompt = answers("1, 3-4")
    outcome = anna.sync(yes=False, prompt=prompt)
    assert outcome.exit_code == 8
    assert [offer.path for offer in outcome.left] == ["b"]
    assert set(shared(bucket)) == {"a", "c", "d"}
    outcome = anna.sync(yes=False, prompt=answers(""))
    assert [offer.path for offer in outcome.left] == ["b"]
    assert anna.files().keys() == set("abcd")


def test_deletions_are_asked_about_once_more(person, bucket):
    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    anna.delete("a")
    prompt = answers("all", "")
    assert anna.sync(yes=False, prompt=prompt).exit_code == 8
    assert "Really delete a on S3" in prompt.asked[1]
    assert set(shared(bucket)) == {"a"}
    assert anna.sync(yes=False, prompt=answers("all", "y")).exit_code == 0
    assert shared(bucket) == {}


def test_going_back_to_the_other_sides_version_is_offered_in_each_direction(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    for name in ("a", "b"):
        anna.write(name, "1")
    anna.sync()
    bert.sync()
    anna.write("a", "2")
    anna.delete("b")
    assert anna.sync(yes=False, prompt=answers("r1", "r1")).exit_code == 0
    assert anna.files() == {"a": "1", "b": "1"}
    anna.write("a", "3")
    anna.sync()
    assert bert.sync(yes=False, prompt=answers("r1")).exit_code == 0
    assert shared(bucket)["a"] == bert.files()["a"] == "1"


def test_only_one_direction_and_only_some_files(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("a.csv", "1")
    anna.sync()
    bert.write("b.csv", "2")
    bert.write("b.tmp", "3")
    assert bert.sync(push=True, select="*.csv").exit_code == 0
    assert set(shared(bucket)) == {"a.csv", "b.csv"}
    assert set(bert.files()) == {"b.csv", "b.tmp"}
    assert bert.sync(pull=True).exit_code == 0
    assert set(bert.files()) == {"a.csv", "b.csv", "b.tmp"}


def test_a_dry_run_changes_nothing(person, bucket):
    anna = person("Anna")
    anna.write("a", "1")
    assert anna.sync(dry_run=True).exit_code == 8
    assert bucket.ls() == ()
    assert [path.name for path in anna.folder.iterdir()] == ["a"]


def test_where_nobody_can_choose_it_only_says(person, bucket):
    anna = person("Anna")
    anna.write("a", "1")
    assert anna.sync(yes=False).exit_code == 2
    assert [line["path"] for line in anna.told("offer")] == ["a"]
    assert bucket.ls() == ()


# --- what is left alone ---


def test_what_is_to_be_ignored_is_left_alone_on_both_sides(person, bucket):
    anna, bert = person("Anna"), person("Bert")
    for name in ("a b.csv", "x.tmp", "drafts/1", "[odd].csv"):
        anna.write(name, "1")
    anna.write(".S3/ignores3.txt", "a b.csv\n*.tmp\ndrafts/\n[odd].csv\n")
    anna.write("kept", "1")
    anna.sync()
    assert set(shared(bucket)) == {"kept"}
    bert.write("x.tmp", "2")
    bert.sync()
    assert anna.sync().done == ()
    assert set(shared(bucket)) == {"kept", "x.tmp"}


@posix_only()
def test_a_symlink_is_left_alone_and_nothing_is_written_through_it(person, bucket, tmp_path):
    anna, bert = person("Anna"), person("Bert")
    outside = tmp_path / "outside"
    outside.mkdir()
    bert.folder.mkdir()
    (bert.folder / "data").symlink_to(outside)
    (bert.folder / "file").symlink_to("/etc/hostname")
    anna.write("data/a", "1")
    anna.write("file", "2")
    anna.write("ok", "3")
    anna.sync()
    bert.sync()
    assert list(outside.iterdir()) == []
    assert (bert.folder / "file").readlink() == Path("/etc/hostname")
    assert (bert.folder / "ok").read_text() == "3"
    left_alone = {(line["path"], line["code"]) for line in bert.told("skipped")}
    assert left_alone == {("data", "not_a_file"), ("file", "not_a_file")}


@posix_only()
def test_what_cannot_be_read_does_not_pass_for_deleted(person, bucket):
    anna = person("Anna")
    anna.write("a/b", "1")
    anna.write("c", "1")
    anna.sync()
    (anna.folder / "a/b").unlink()
    (anna.folder / "a").rmdir()
    (anna.folder / "a").symlink_to("nowhere")
    (anna.folder / "c").unlink()
    os.mkfifo(anna.folder / "c")
    anna.sync()
    assert set(shared(bucket)) == {"a/b", "c"}


@pytest.mark.parametrize(
    "key",
    ["../out", "/etc/passwd", "a/../../out", "x\\..\\y", ".S3/tmp/../../../out", ".s3/ignores3.txt"],
)
def test_names_from_s3_never_lead_outside(person, store, bucket, tmp_path, key):
    if store.is_seaweedfs:
        pytest.skip("it has no such keys")
    anna = person("Anna")
    bucket.put(key, b"hostile")
    bucket.put(".S3/versions.csv", f"File,Edited By,Time Edited,Checksum\n{key},x,y,z\n".encode())
    bucket.put("ok", b"1")
    assert anna.sync().exit_code == 0
    assert anna.files() == {"ok": "1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Anna"]


def test_a_file_that_came_meanwhile_is_not_replaced(person, bucket, monkeypatch):
    """It is written between the look and the rename."""
    from upload_client.synchrony.folder import Folder

    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "Anna's")
    anna.sync()
    put = Folder.put

    def late(self, whole, path, here):
        if path == "a" and not (bert.folder / "a").exists():
            bert.write("a", "Bert's, just now")
        return put(self, whole, path, here)

    monkeypatch.setattr(Folder, "put", late)
    outcome = bert.sync()
    assert outcome.exit_code == 3
    assert bert.files()["a"] == "Bert's, just now"
    assert shared(bucket)["a"] == "Anna's"


def test_a_large_file_goes_on_in_the_next_sync_where_the_last_was_cut_off(person, bucket, monkeypatch):
    sizes = (partial_file, "RANGE", 2**16), (download, "LARGE", 2**18), (s3, "LARGE", 2**18)
    for room, name, size in sizes:
        monkeypatch.setattr(room, name, size)
    anna, bert = person("Anna"), person("Bert")
    content = os.urandom(2**19)
    anna.write("large", content)
    anna.sync()
    real, asked = ObjectReader.range, []

    def some(fetching, task, fd, index):
        if index >= 3:
            raise OSError(errno.EIO, "the disk is broken")
        return real(fetching, task, fd, index)

    def noted(fetching, task, fd, index):
        asked.append(index)
        return real(fetching, task, fd, index)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectReader, "range", some)
        assert bert.sync().exit_code == 4
    assert bert.files() == {}
    monkeypatch.setattr(ObjectReader, "range", noted)
    assert bert.sync().exit_code == 0
    assert sorted(asked) == [3, 4, 5, 6, 7]
    assert (bert.folder / "large").read_bytes() == content
    assert not [
        path for path in (bert.folder / ".S3/tmp").rglob("*") if path.is_file() and path.name != "lock"
    ]
    assert bert.sync().done == ()


def test_where_no_room_is_left_no_more_files_are_tried_and_the_next_sync_brings_them(
    person, bucket, monkeypatch
):
    anna, bert = person("Anna"), person("Bert")
    for n in range(30):
        anna.write(f"{n:02}", f"content {n}")
    anna.sync()
    tried, ended = [], threading.Event()
    put_down, close = SmallObjects._put_down, download._Fetching.close

    def full(fd, data, offset):
        tried.append(fd)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def put_some_down(fetching, batch):
        if tried:
            assert ended.wait(30), "nobody ends it"
        return put_down(fetching, batch)

    def noticed(fetching):
        ended.set()
        close(fetching)

    with monkeypatch.context() as patch:
        patch.setattr(partial_file, "write_all", full)
        patch.setattr(SmallObjects, "_put_down", put_some_down)
        patch.setattr(download._Fetching, "close", noticed)
        patch.setattr(small_objects.Flusher, "takes", lambda *_: True)
        outcome = bert.sync()
    assert outcome.exit_code == 4
    assert len(tried) < 30
    assert len(outcome.failures) == 30
    whys = {failure.why for failure in outcome.failures}
    assert whys == {"cannot be written here: No space left on device", "not tried: no room is left"}
    assert {failure.code for failure in outcome.failures} == {"out_of_resources"}
    assert bert.sync().exit_code == 0
    assert bert.files() == anna.files()


def test_a_race_for_one_file_is_seen_and_nothing_is_overwritten(person, bucket, monkeypatch):
    from upload_client.synchrony.s3 import S3Remote

    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.sync()
    bert.sync()
    bert.write("a", "Bert's")
    send = S3Remote.send

    def late(self, files, root):
        if shared(bucket)["a"] == "1":
            bucket.put("a", b"Anna's")
        return send(self, files, root)

    monkeypatch.setattr(S3Remote, "send", late)
    outcome = bert.sync()
    assert outcome.exit_code == 3
    assert [offer.change for offer in outcome.conflicts] == [Change.BOTH_CHANGED]
    assert shared(bucket)["a"] == "Anna's"
    assert bert.files()["a"] == "Bert's"
    assert bert.sync(on_conflict="both").exit_code == 0
    assert sorted(shared(bucket).values()) == ["Anna's", "Bert's"]


def test_a_deletion_that_comes_too_late_deletes_nothing(person, bucket, monkeypatch):
    from upload_client.synchrony.s3 import S3Remote

    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    anna.delete("a")
    remove = S3Remote.remove

    def late(self, files, warn):
        bucket.put("a", b"new")
        return remove(self, files, warn)

    monkeypatch.setattr(S3Remote, "remove", late)
    outcome = anna.sync()
    assert outcome.exit_code == 3
    assert shared(bucket) == {"a": "new"}


def test_the_tables_of_others_are_not_overwritten(person, bucket, monkeypatch):
    """Another has written to the table between our reading and our writing: both rows are in it."""
    from upload_client.synchrony.s3 import S3Remote

    anna, bert = person("Anna"), person("Bert")
    anna.write("a", "1")
    anna.sync()
    write_book = S3Remote.write_book
    once = []

    def late(self, name, data, expect):
        if name == "versions.csv" and not once:
            once.append(1)
            bert.write("b", "2")
            bert.sync()
        return write_book(self, name, data, expect)

    monkeypatch.setattr(S3Remote, "write_book", late)
    anna.write("c", "3")
    anna.sync()
    assert set(versions(bucket)) == {"a", "b", "c"}
    assert books_agree(bucket)


def test_one_folder_is_synchronised_by_one_process_at_a_time(person):
    from upload_client.synchrony.locking import hold

    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    with hold(anna.folder / ".S3/tmp/lock") as held:
        assert held
        with pytest.raises(Locked, match="another sync"):
            anna.sync()


# --- what is remembered ---


def test_place_and_name_are_remembered_and_another_place_is_refused(person, bucket, session):
    from upload_client.synchrony import S3Connection

    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    again = S3Connection(anna.folder, session=session, yes=True, endpoint_url=bucket.client.meta.endpoint_url)
    again.establish_connection()
    anna.write("b", "2")
    assert again.synchronize().done == (("b", Act.UPLOAD),)
    assert versions(bucket)["b"].by == "Anna"
    other = S3Connection(anna.folder, "elsewhere", "x", session=session)
    with pytest.raises(UsageError, match="is shared with"):
        other.establish_connection()


def test_a_reset_deletes_the_books_and_no_file(person, bucket):
    from upload_client.synchrony import reset_all

    anna = person("Anna")
    anna.write("a", "1")
    anna.sync()
    options = {
        "datafolder": anna.folder,
        "aws_bkt": bucket.name,
        "aws_prfx": bucket.prefix,
        "session": anna.session,
        "endpoint_url": bucket.client.meta.endpoint_url,
    }
    assert reset_all("S3", prompt=answers("no"), **options) is False
    assert (anna.folder / ".S3").exists()
    assert reset_all("S3", prompt=answers("yes"), **options) is True
    assert not (anna.folder / ".S3").exists()
    assert set(bucket.ls()) == {"a"}
    outcome = anna.sync()
    assert (outcome.exit_code, outcome.done) == (0, ())
    assert books_agree(bucket)


def test_a_file_becomes_a_folder_and_a_folder_a_file(person, store, bucket):
    anna, bert = person("Anna"), person("Bert")
    anna.write("x", "1")
    anna.write("y/z", "2")
    anna.write("deep/er/z", "2")
    anna.write("deep/another/time", "2")
    anna.sync()
    anna.delete("deep/another/time")
    assert anna.sync().files == 3
    bert.sync()
    anna.delete("deep/er/z")
    (anna.folder / "deep" / "er").rmdir()
    (anna.folder / "deep" / "another").rmdir()
    (anna.folder / "deep").rmdir()
    anna.write("deep", "5")
    anna.delete("x")
    anna.write("x/inner", "3")
    anna.delete("y/z")
    (anna.folder / "y").rmdir()
    anna.write("y", "4")
    outcome = anna.sync()
    assert outcome.exit_code == 0  # on SeaweedFS, too, which keeps empty folders where nothing can be made
    assert bert.sync().exit_code == 0
    assert bert.files() == anna.files() == shared(bucket)
    assert bert.files()["x/inner"] == "3"
    assert bert.sync().done == anna.sync().done == ()
