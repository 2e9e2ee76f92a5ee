"""Which files of a source are delivered: patterns, symlinks, and what belongs to this program."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from upload_client.core.own_files import STATE_COLUMNS
from upload_client.errors import InvalidIndex, UsageError
from upload_client.index import Choice, Files, check_index, left_out_of, scan, scan_listing
from upload_client.index.choosing import NAMED, LeftOut, Pattern, parse_patterns, typed_pattern
from upload_client.index.files import files_of
from upload_client.index.loading import select_from, take
from upload_client.index.selecting import select
from upload_client.support.in_use import InUse

posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX file system")


def make(folder: Path, *paths: str, **contents: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(contents.get(path, "x"))
    return folder


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def paths_of(index: pd.DataFrame | Files) -> list[str]:
    return index.paths if isinstance(index, Files) else index["path"].tolist()


def named(frame: pd.DataFrame) -> dict[str, str]:
    return dict(left_out_of(frame).named)


# ------------------------------------------------------------------------------------------------ patterns

TREE = (
    "a.csv", "b.txt", "d/a.csv", "d/e/x.csv", "d/e/f/y.txt", "d/b.txt", "e/a.csv", "e/d/b.txt", "x y/z.csv",
    "[k].csv", "d/#h", "!n", "f/f/f.csv", "d/e/f/f",
)  # fmt: skip
PIECES = (
    "a.csv", "b.txt", "d", "e", "f", "*", "**", "*.csv", "?", "[a-c]*", "x.csv", "[!a].csv", "x y", "\\!n",
    "\\#h", "f*", "y.txt", "\\[k\\].csv", "*.t?t",
)  # fmt: skip


def some_pattern(rng: random.Random) -> str:
    text = "/".join(rng.choice(PIECES) for _ in range(rng.choice([1, 1, 1, 2, 2, 3])))
    text = "/" * (rng.random() < 0.2) + text + "/" * (rng.random() < 0.25)
    return "!" * (rng.random() < 0.3) + text


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git, which is not here")
def test_patterns_mean_what_git_means(tmp_path):
    """In a file at the top, on the command line, and of a list that somebody brings."""
    make(tmp_path, *TREE)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    rng = random.Random(7)
    for _ in range(60):
        patterns = [some_pattern(rng) for _ in range(rng.randint(1, 4))]
        write(tmp_path, ".gitignore", *patterns)
        said = subprocess.run(
            ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(TREE).encode(),
            capture_output=True,
            check=False,
        )
        ignored = set(said.stdout.decode().split("\0")) - {""}
        expected = sorted(set(TREE) - ignored)
        write(tmp_path, ".uploadignore", *patterns)
        only = ["/.git/", "/.gitignore"]
        assert paths_of(scan(tmp_path, exclude=only, checksums=False)) == expected, patterns
        listed = Files(TREE)
        assert sorted(paths_of(select_from(listed, Choice(), tmp_path))) == expected, patterns
        (tmp_path / ".uploadignore").unlink()
        assert paths_of(scan(tmp_path, exclude=[*patterns, *only], checksums=False)) == expected, patterns


def test_patterns_in_a_folder_hold_in_it_and_below_and_the_innermost_counts(tmp_path):
    make(tmp_path, "a.tmp", "keep/a.tmp", "keep/b/c.tmp", "keep/b/d.csv", "top.csv", "keep/top.csv")
    write(tmp_path, ".uploadignore", "*.tmp", "/top.csv")
    write(tmp_path, "keep/.uploadignore", "!*.tmp", "/b/d.csv")
    frame = scan(tmp_path)
    assert paths_of(frame) == ["keep/a.tmp", "keep/b/c.tmp", "keep/top.csv"]
    assert named(frame) == {
        ".uploadignore": "it says what is left out",
        "keep/.uploadignore": "it says what is left out",
        "a.tmp": ".uploadignore line 1: *.tmp",
        "top.csv": ".uploadignore line 2: /top.csv",
        "keep/b/d.csv": "keep/.uploadignore line 2: /b/d.csv",
    }
    assert left_out_of(frame).counts == {"excluded": 3, "in_use": 2}


def test_what_is_typed_counts_for_more_than_what_lies_in_the_folder(tmp_path):
    make(tmp_path, "a.tmp", "b.csv")
    write(tmp_path, ".uploadignore", "*.tmp")
    assert paths_of(scan(tmp_path, exclude="!*.tmp")) == ["a.tmp", "b.csv"]
    assert paths_of(scan(tmp_path, exclude=["!*.tmp", "*"])) == []


def test_a_file_must_be_included_and_not_excluded(tmp_path):
    make(tmp_path, "a.csv", "raw/b.csv", "raw/c/d.csv", "e.txt")
    frame = scan(tmp_path, include=["*.csv"], exclude=["c/"])
    assert paths_of(frame) == ["a.csv", "raw/b.csv"]
    assert named(frame) == {"raw/c/": "exclude: c/", "e.txt": "not among what is included"}
    assert left_out_of(frame).counts == {"excluded": 1, "not_included": 1}
    assert left_out_of(frame).n_folders == 1
    assert paths_of(scan(tmp_path, include="raw/")) == ["raw/b.csv", "raw/c/d.csv"]


def test_a_pattern_that_is_typed_is_no_comment(tmp_path):
    make(tmp_path, "#a#", "b")
    assert paths_of(scan(tmp_path, exclude="#a#")) == ["b"]
    write(tmp_path, ".uploadignore", "#a#", "", "# b", "\\#a#  ")
    assert paths_of(scan(tmp_path)) == ["b"]


@pytest.mark.parametrize(
    "content",
    [b"*.tmp\r\ndrafts/\r\n", b"\xef\xbb\xbf*.tmp\ndrafts/", "*.tmp\r\ndrafts/\r\n".encode("utf-16")],
    ids=["CR LF", "byte order mark", "UTF-16"],
)
def test_patterns_may_be_saved_by_any_editor(content):
    assert [pattern.text for pattern in parse_patterns(content, "x") if pattern.text] == ["*.tmp", "drafts/"]


def test_patterns_that_cannot_be_read_are_told_by_file_and_line(tmp_path):
    make(tmp_path, "a")
    with pytest.raises(UsageError, match="x is not UTF-8"):
        parse_patterns(b"\xff", "x")
    write(tmp_path, "b/.uploadignore", "*.tmp", "[z-a]")
    with pytest.raises(UsageError, match=r"b/\.uploadignore line 2: '\[z-a\]' is no pattern"):
        scan(tmp_path)
    (tmp_path / "b" / ".uploadignore").unlink()
    (tmp_path / "b" / ".uploadignore").mkdir()  # a folder of that name says nothing
    assert paths_of(scan(tmp_path)) == ["a"]


def test_all_that_is_left_out_is_counted_and_the_first_are_named():
    left, more = LeftOut(), LeftOut()
    for n in range(NAMED + 5):
        left.add(f"{n}", "excluded")
    more.add("x/", "special", "a FIFO")
    more.update(left)
    assert more.n == NAMED + 6
    assert more.counts == {"excluded": NAMED + 5, "special": 1}
    assert len(more.named) == NAMED
    assert more.n_folders == 1


def test_the_books_of_a_shared_folder_are_no_data(tmp_path):
    make(tmp_path, ".S3/versions.csv", "a/.S3/x", "a/b")
    frame = scan(tmp_path)
    assert paths_of(frame) == ["a/b"]
    assert named(frame) == {".S3/": "the books of a shared folder", "a/.S3/": "the books of a shared folder"}
    listed = select_from(Files([".S3/versions.csv", "a/b"]), Choice(), tmp_path)
    assert paths_of(listed) == ["a/b"]


def test_a_bucket_is_chosen_from_as_a_folder_is():
    contents = {
        ".uploadignore": b"*.tmp\n",
        "d/.uploadignore": b"!*.tmp\n",
        "upload-client_x.csv": ",".join(STATE_COLUMNS).encode(),
        "upload-client_mine.csv": b"x,y\n",
        "index.csv": b"temperature\n",
    }
    keys = [*contents, "a.tmp", "d/a.tmp", "d/b", "raw/", "raw/c"]
    choice = Choice(exclude=(Pattern("raw/", "--exclude"),))
    frame = scan_listing(dict.fromkeys(keys, 1) | {"raw/": 0}, choice=choice, read=lambda key: contents[key])
    assert paths_of(frame) == ["d/a.tmp", "d/b", "index.csv", "upload-client_mine.csv"]
    assert left_out_of(frame).counts == {"excluded": 2, "ours": 1, "in_use": 2}


# ----------------------------------------------------------------------------------------- symlinks, FIFOs


def test_patterns_that_would_have_to_be_cut_are_refused(tmp_path):
    root = make(tmp_path / "data", "a.csv")
    (root / ".uploadignore").write_bytes(b"# x\n" * (1024 * 1024 // 4 + 1))
    with pytest.raises(UsageError, match="more than"):
        scan(root)


@pytest.fixture
def linked(tmp_path):
    """A folder with symlinks of every kind, and what lies outside."""
    root = make(tmp_path / "data", "a.csv", "b/c.csv")
    make(tmp_path / "outside", "x.csv", "deep/y.csv")
    (root / "in").symlink_to("a.csv")
    (root / "folder").symlink_to("b")
    (root / "out").symlink_to(tmp_path / "outside" / "x.csv")
    (root / "away").symlink_to(tmp_path / "outside")
    return root


@posix
def test_symlinks_that_lead_out_are_refused_followed_or_skipped(linked):
    with pytest.raises(InvalidIndex) as caught:
        scan(linked)
    assert sorted(caught.value.problems) == [
        "'away' leads out of the source, through a symlink",
        "'out' leads out of the source, through a symlink",
    ]
    assert "--symlinks skip" in caught.value.hint
    assert "upload-client index" not in caught.value.hint
    followed = scan(linked, symlinks="follow")
    assert paths_of(followed) == [
        "a.csv", "away/deep/y.csv", "away/x.csv", "b/c.csv", "folder/c.csv", "in", "out",
    ]  # fmt: skip
    follow = Choice.of(symlinks="follow")
    assert paths_of(check_index(followed, linked, choice=follow).frame) == paths_of(followed)
    with pytest.raises(InvalidIndex):
        check_index(followed, linked)
    skipped = scan(linked, symlinks="skip")
    assert paths_of(skipped) == ["a.csv", "b/c.csv"]
    assert left_out_of(skipped).counts == {"symlink": 4}
    of_list = select_from(files_of(followed), Choice.of(symlinks="skip"), linked)
    assert paths_of(of_list) == ["a.csv", "b/c.csv"]


@posix
def test_a_symlink_that_leads_nowhere_stops_nothing_that_is_asked_for_otherwise(linked):
    (linked / "nowhere").symlink_to("gone")
    (linked / "circle").symlink_to("circle")
    with pytest.raises(InvalidIndex) as caught:
        scan(linked, symlinks="follow")
    assert sorted(caught.value.problems) == [
        "'circle' cannot be looked at: Too many levels of symbolic links",
        "'nowhere' is a symlink that leads nowhere",
    ]
    assert len(scan(linked, symlinks="follow", exclude=["nowhere", "circle"])) == 7
    assert len(scan(linked, symlinks="skip")) == 2


@posix
def test_followed_symlinks_that_lead_back_end(tmp_path):
    make(tmp_path / "data", "a")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "outside")
    (tmp_path / "data" / "away").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidIndex, match="leads back to a folder it lies in"):
        scan(tmp_path / "data", symlinks="follow")


def test_what_becomes_of_symlinks_is_one_of_three():
    with pytest.raises(UsageError, match="refuse, follow, skip"):
        Choice.of(symlinks="keep")


@posix
def test_what_is_no_regular_file_is_left_out_and_told(tmp_path):
    make(tmp_path, "a")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    frame = scan(tmp_path)
    assert paths_of(frame) == ["a"]
    assert left_out_of(frame).counts == {"special": 2}
    assert named(frame)["fifo"] == "a FIFO"


# ------------------------------------------------------------------------------- files of this program's


def test_what_this_program_has_written_is_known_by_its_content_and_not_by_its_name(tmp_path):
    state = ",".join(STATE_COLUMNS) + "\r\n"
    ours = {
        "upload-client_D_Y_20260102T030405678Z.csv": state,
        "renamed.csv": state,
        "b/upload-client_D_Y_20260102T030405678Z.csv": state,
        "index.csv": "path,checksum,size\na,,1\n",
        "events.jsonl": '{"schema_version": 1, "kind": "message", "t": ""}\n',
        "profile.toml": 'region = "x"\nuser_pool_id = "eu_1"\n',
        "b/profile.toml": 'region = "x"\nuser_pool_id = "eu_1"\n',
        "x.receipt.json": '{"kind":"receipt","schema_version":1,',
        ".upload-client_0123456789abcdef.tmp": "",
    }
    theirs = {
        "upload-client_D_Y_20260102T030405679Z.csv": "x,y\n1,2\n",
        "b/index.csv": "path,checksum,size\na,,1\n",
        "a.csv": "x\n",
        "pyproject.toml": "[project]\n",
        "upload-client_notes.csv": "",
        "upload-client_x_report.html": "<!doctype html>\n",
    }
    for name, content in {**ours, **theirs}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    frame = scan(tmp_path)
    assert paths_of(frame) == sorted(theirs)
    assert left_out_of(frame).counts == {"ours": len(ours)}
    assert set(named(frame)) == set(ours)


def test_in_a_folder_with_very_many_tables_they_are_not_all_opened(tmp_path, monkeypatch):
    make(tmp_path, *(f"{n}.csv" for n in range(12)))
    monkeypatch.setattr("upload_client.index.own_files._MANY", 10)
    opened = []
    monkeypatch.setattr(
        "upload_client.index.own_files.ends_of", lambda path: opened.append(path) or (b"x", b"x")
    )
    assert len(scan(tmp_path, checksums=False)) == 12
    assert len(opened) == 10


def test_where_a_person_works_inside_of_the_source_is_looked_at_too(tmp_path, monkeypatch):
    make(tmp_path, "work/a.csv", "other/a.csv")
    for folder in ("work", "other"):
        write(tmp_path, f"{folder}/events.jsonl", '{"schema_version": 1, "kind": "x"}')
    monkeypatch.chdir(tmp_path / "work")
    assert paths_of(scan(tmp_path)) == ["other/a.csv", "other/events.jsonl", "work/a.csv"]


@posix
def test_what_other_runs_have_said_beside_what_this_one_says_is_known_as_ours(tmp_path):
    """As of ``--json > logs/$(date +%F).jsonl``: last night's lies beside tonight's."""
    make(tmp_path, "a.csv", "logs/mine.csv", "other/x.csv")
    for path in ("logs/1.jsonl", "logs/2.jsonl", "other/1.jsonl"):
        write(tmp_path, path, '{"schema_version": 1, "kind": "x"}')
    in_use = InUse([(str(tmp_path / "logs" / "2.jsonl"), "where standard output goes")])
    frame = scan(tmp_path, choice=Choice(in_use=in_use))
    assert paths_of(frame) == ["a.csv", "logs/mine.csv", "other/1.jsonl", "other/x.csv"]
    assert named(frame)["logs/1.jsonl"] == "the output of --json"


def test_the_log_of_a_run_is_known_in_any_folder(tmp_path):
    make(tmp_path, "a.csv", "deep/mine.log")
    write(tmp_path, "deep/down/run.log", "2026-01-02T03:04:05.678Z INFO upload_client: upload-client --json")
    assert paths_of(scan(tmp_path)) == ["a.csv", "deep/mine.log"]


@pytest.mark.parametrize("patterns", [{"exclude": "*"}, {"include": "*.fits"}])
def test_a_choice_that_leaves_nothing_is_told_as_that(tmp_path, patterns):
    make(tmp_path, "a", "b")
    with pytest.raises(InvalidIndex) as caught:
        check_index(scan(tmp_path, **patterns), tmp_path)
    assert tmp_path.name in caught.value.where
    assert "left out: 2" in caught.value.problems[0]
    assert "--exclude" in caught.value.hint
    assert "rows" not in caught.value.hint


def test_a_folder_without_files_is_no_faulty_list(tmp_path):
    with pytest.raises(InvalidIndex) as caught:
        check_index(scan(tmp_path), tmp_path)
    assert tmp_path.name in caught.value.where
    assert "--source" in caught.value.hint
    assert "rows" not in caught.value.hint


@posix
def test_a_file_in_use_is_never_delivered_whatever_it_is_called(tmp_path):
    make(tmp_path, "a", "profile", "b/c")
    (tmp_path / "b" / "other").hardlink_to(tmp_path / "profile")
    (tmp_path / "link").symlink_to("profile")
    in_use = InUse([(str(tmp_path / "profile"), "the profile")])
    frame = scan(tmp_path, choice=Choice(in_use=in_use))
    assert paths_of(frame) == ["a", "b/c"]
    assert named(frame) == dict.fromkeys(["profile", "b/other", "link"], "the profile")
    listed = pd.DataFrame({"path": ["a", "b/other", "profile", "link"]})
    with pytest.raises(InvalidIndex) as caught:
        check_index(listed, tmp_path, choice=Choice(in_use=in_use))
    assert caught.value.problems == (
        "row 1: 'b/other' cannot be delivered: it is the profile",
        "row 2: 'profile' cannot be delivered: it is the profile",
        "row 3: 'link' cannot be delivered: it is the profile",
    )


# ------------------------------------------------------------------------------------------------- lists


def test_a_list_keeps_its_rows_and_what_was_left_out_of_it_is_told(tmp_path):
    make(tmp_path, "data/a.csv", "data/b.tmp", "data/c.csv")
    write(tmp_path, "list.csv", "path", "a.csv", "b.tmp", "c.csv", "gone.csv", "../x")
    choice = Choice(exclude=(typed_pattern("*.tmp", "--exclude"), typed_pattern("a.csv", "--exclude")))
    frame = take(tmp_path / "data", tmp_path / "list.csv", choice)
    assert paths_of(frame) == ["c.csv", "gone.csv", "../x"]
    assert named(frame) == {"a.csv": "--exclude: a.csv", "b.tmp": "--exclude: *.tmp"}
    with pytest.raises(InvalidIndex) as caught:
        check_index(frame, tmp_path / "data")
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["row 5", "row 6"]


def test_a_list_that_nothing_is_left_out_of_is_the_same(tmp_path):
    files = Files(["a", 1, None, "/b", "../c"])
    assert select(files, Choice(), tmp_path, lambda _: None) is files
    other = Files(None)
    assert select(other, Choice(), tmp_path, lambda _: None) is other


def test_no_pattern_is_looked_for_outside_of_the_source(tmp_path):
    asked = []
    paths = ["a/b", "../x/y", "/etc/passwd", "a/../../z", "a/c"]
    select(Files(paths), Choice(), tmp_path, asked.append)
    assert asked == ["", "a/"]


def test_a_table_called_index_csv_is_data_unless_it_is_a_list(tmp_path):
    make(tmp_path, "a.csv")
    (tmp_path / "index.csv").write_text("temperature,wind\n1,2\n")
    told = []
    assert paths_of(take(tmp_path, None, Choice(), notify=told.append)) == ["a.csv", "index.csv"]
    assert told == []
    (tmp_path / "index.csv").write_text("path\na.csv\n")
    assert paths_of(take(tmp_path, None, Choice(), notify=told.append)) == ["a.csv"]
    assert told == [f"the list of files is {tmp_path / 'index.csv'}"]


def test_every_combination_of_ways_to_leave_a_file_out_agrees(tmp_path):
    """Whether by a scan, a list or a listing."""
    names = ["a.csv", "b/a.csv", "b/x.tmp", "c/d/e.csv"]
    make(tmp_path, *names)
    choices = [["*.csv"], ["b/"], ["c/d"], ["!b/"], ["/a.csv"]]
    for include, exclude in itertools.product([[], *choices], [[], *choices]):
        choice = Choice.of(include, exclude)
        found = paths_of(scan(tmp_path, choice=choice))
        assert paths_of(select_from(Files(names), choice, tmp_path)) == found
        assert paths_of(scan_listing(dict.fromkeys(names, 1), choice=choice)) == found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no FIFOs")
def test_patterns_in_a_pipe_are_refused_and_not_waited_for(tmp_path):
    write(tmp_path, "a.csv", "x")
    os.mkfifo(tmp_path / ".uploadignore")
    with pytest.raises(UsageError, match=r"'\.uploadignore' cannot be read: it is a FIFO"):
        scan(tmp_path)
    (tmp_path / ".uploadignore").unlink()
    (tmp_path / ".uploadignore").symlink_to(os.devnull)  # as people say that there are none
    assert scan(tmp_path)["path"].tolist() == ["a.csv"]
