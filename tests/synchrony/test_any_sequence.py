"""Whatever up to four people do, in any order: nothing is lost, and in the end all have the same.

The rules alone are tried so in `core/test_synchrony.py`; here it is the whole of it, with files, through a
directory that all see.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client import synchrony
from upload_client.synchrony.books import table
from upload_client.synchrony.view import JsonView

PATHS = ["a.txt", "b c.txt", "d/e.txt"]
HOW = st.fixed_dictionaries(
    {
        "on_conflict": st.sampled_from(["mine", "theirs", "both", "both", "later"]),
        "push": st.booleans(),
        "pull": st.booleans(),
        "select": st.sampled_from(["", "", "a.txt", "*.txt"]),
    }
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["edit", "edit", "delete", "sync", "sync", "sync", "forget"]),
        st.sampled_from(PATHS),
        HOW,
    ),
    max_size=18,
)


class Group:
    def __init__(self, root: Path, n: int) -> None:
        self.shared = root / "shared"
        self.folders = [root / f"person {number}" for number in range(n)]
        for folder in self.folders:
            folder.mkdir()
        self.made = 0
        self.given_up: set[str] = set()

    def edit(self, who: int, path: str) -> None:
        file = self.folders[who] / path
        file.parent.mkdir(exist_ok=True)
        if file.exists():
            self.given_up.add(file.read_text())
        self.made += 1
        file.write_text(f"content {self.made:05}")

    def delete(self, who: int, path: str) -> None:
        file = self.folders[who] / path
        if file.exists():
            self.given_up.add(file.read_text())
            file.unlink()

    def forget(self, who: int) -> None:
        """Lose what is only there for speed, as a disk may."""
        (self.folders[who] / ".S3/cache").unlink(missing_ok=True)

    def sync(self, who: int, **how) -> synchrony.SyncOutcome:
        how = {name: value for name, value in how.items() if value}
        if how.get("on_conflict") in ("mine", "theirs"):
            # Of a conflict one side was chosen; nothing else that vanishes was given up by anybody.
            conflicts = self.run(who, **how, dry_run=True).conflicts
            sides = self.all_of(self.folders[who]), self.all_of(self.shared)
            replaced = {side[one.path] for one in conflicts for side in sides if one.path in side}
            outcome = self.run(who, **how)
            self.given_up |= replaced - {*self.all_of(self.folders[who]).values()}
        else:
            outcome = self.run(who, **how)
        assert outcome.exit_code in (0, 3)
        return outcome

    def run(self, who: int, **how) -> synchrony.SyncOutcome:
        connection = synchrony.FolderConnection(
            self.folders[who], self.shared, f"person {who}", yes=True, view=JsonView("there", str), **how
        )
        connection.establish_connection()
        return connection.synchronize()

    def all_of(self, folder: Path) -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in folder.rglob("*")
            if path.is_file() and ".S3" not in path.relative_to(folder).parts
        }

    def check(self) -> None:
        kept = {text for folder in (*self.folders, self.shared) for text in self.all_of(folder).values()}
        aside = self.shared / ".S3/deleted"
        kept |= {path.read_text() for path in aside.rglob("*") if path.is_file()}
        made = {f"content {number:05}" for number in range(1, self.made + 1)}
        assert made <= kept | self.given_up


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 4), STEPS)
def test_nothing_is_lost_and_in_the_end_all_have_the_same(n, steps):
    with tempfile.TemporaryDirectory() as root:
        group = Group(Path(root), n)
        for number, what, path, how in steps:
            who = number % n
            if what == "sync":
                group.sync(who, **how)
            elif what == "forget":
                group.forget(who)
            else:
                getattr(group, what)(who, path)
            group.check()
        for _ in range(2):
            for who in range(n):
                assert group.sync(who, on_conflict="both").exit_code == 0
        group.check()
        there = group.all_of(group.shared)
        assert all(group.all_of(folder) == there for folder in group.folders)
        for who in range(n):
            assert group.sync(who).done == ()
        if (group.shared / ".S3/versions.csv").exists():
            rows = table((group.shared / ".S3/versions.csv").read_bytes(), "it")
            md5s = {
                path: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
                for path, text in there.items()
            }
            assert {path: row.md5 for path, row in rows.items()} == md5s
