"""What becomes of a path that is one thing here and another there; and of whole groups of people."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upload_client.core import synchrony
from upload_client.core.paths import check_relpath
from upload_client.core.synchrony import (
    CONFLICTS,
    FROM_THERE,
    TO_THERE,
    Act,
    Change,
    Choice,
    acts,
    agreed,
    check_name,
    choices,
    decide,
    legal_name,
    name_aside,
    next_base,
    parse_answer,
)


@pytest.mark.parametrize(
    ("base", "here", "there", "change"),
    [
        (None, None, None, Change.NOTHING),
        ("a", "a", "a", Change.NOTHING),
        (None, "a", None, Change.NEW_HERE),
        ("a", "b", "a", Change.CHANGED_HERE),
        (None, None, "a", Change.NEW_THERE),
        ("a", "a", "b", Change.CHANGED_THERE),
        ("a", None, "a", Change.DELETED_HERE),
        ("a", "a", None, Change.DELETED_THERE),
        (None, "a", "a", Change.BOOKS),
        ("a", "b", "b", Change.BOOKS),
        ("a", None, None, Change.BOOKS),
        ("a", "b", "c", Change.BOTH_CHANGED),
        (None, "b", "c", Change.BOTH_CHANGED),
        ("a", None, "b", Change.DELETED_HERE_CHANGED_THERE),
        ("a", "b", None, Change.CHANGED_HERE_DELETED_THERE),
    ],
)
def test_three_states_decide_what_a_path_is_about(base, here, there, change):
    assert decide(base, here, there) is change


STATES = st.sampled_from([None, "a", "b", "c"])


@given(STATES, STATES, STATES)
def test_every_three_states_are_about_something(base, here, there):
    change = decide(base, here, there)
    assert (change is Change.NOTHING) == (here == there == base)
    assert (change is Change.BOOKS) == (here == there != base)
    assert (change in TO_THERE) == (here != there == base)
    assert (change in FROM_THERE) == (there != here == base)
    assert (change in CONFLICTS) == (here != there and base not in (here, there))


@given(STATES, STATES, STATES)
def test_from_the_other_side_it_is_the_same_the_other_way_round(base, here, there):
    one, other = decide(base, here, there), decide(base, there, here)
    assert (one in TO_THERE, one in CONFLICTS) == (other in FROM_THERE, other in CONFLICTS)


@pytest.mark.parametrize("change", [*TO_THERE, *FROM_THERE, *CONFLICTS])
def test_the_first_choice_is_the_usual_one_and_each_does_something(change):
    offered = choices(change)
    assert offered[0] is (Choice.THEIRS if change in FROM_THERE else Choice.MINE)
    assert all(acts(change, choice) for choice in offered)
    assert acts(change, Choice.LATER) == ()


def test_nothing_is_chosen_where_nothing_is_to_be_done():
    assert choices(Change.NOTHING) == choices(Change.BOOKS) == ()
    assert acts(Change.NEW_HERE, Choice.THEIRS) == ()  # a file that is nowhere else is not to be deleted


def test_a_base_is_what_both_have_or_else_what_they_had():
    assert next_base("a", "b", "b") == "b"
    assert next_base("a", None, None) is None
    assert next_base("a", "b", "c") == "a"


def test_what_a_folder_held_and_nobody_else_saw_was_never_agreed_on():
    assert agreed("a", "a") == "a"
    assert agreed("b", "a") is None
    assert agreed("b", None) is None


# --- answers ---


@pytest.mark.parametrize(
    ("text", "rows", "back"),
    [
        ("", [], []),
        ("none", [], []),
        ("all", [1, 2, 3, 4, 5], []),
        ("A", [1, 2, 3, 4, 5], []),
        ("1,3-5", [1, 3, 4, 5], []),
        (" 2 , 4 ", [2, 4], []),
        ("1 - 2 5", [1, 2, 5], []),
        ("1,r2", [1], [2]),
        ("R2-3", [], [2, 3]),
    ],
)
def test_an_answer_names_rows(text, rows, back):
    assert parse_answer(text, 5) == (frozenset(rows), frozenset(back))


@pytest.mark.parametrize("text", ["0", "6", "3-1", "x", "1;2", "1,r1", "1-", "-1"])
def test_an_answer_that_names_none_says_why(text):
    with pytest.raises(synchrony.InvalidAnswer, match=r"\w"):
        parse_answer(text, 5)


@given(st.text(max_size=20), st.integers(1, 30))
def test_whatever_is_typed_names_rows_that_there_are_or_is_refused(text, n):
    try:
        rows, back = parse_answer(text, n)
    except synchrony.InvalidAnswer:
        return
    assert rows | back <= set(range(1, n + 1))
    assert not rows & back


# --- names ---


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Maria", None),
        ("Jürgen von der Höhe", None),
        ("None", "empty"),
        ("", "empty"),
        ("a\nb", "printed"),
        (" Maria", "space"),
        ("=1+1", "formula"),
        ("x" * 101, "longer"),
    ],
)
def test_a_name_stands_in_a_table_that_others_read(name, why):
    said = check_name(name)
    assert (said is None) == (why is None)
    assert why is None or why in said


def test_both_versions_lie_side_by_side():
    path = name_aside("tables/trees.csv", "Maria", "2026-07-20 10:11:12", lambda _: False)
    assert path == "tables/trees (Maria 2026-07-20 10-11-12).csv"


def test_a_name_that_is_taken_is_counted_on():
    taken = {"a (M 1).csv", "a (M 1 2).csv"}
    assert name_aside("a.csv", "M", "1", taken.__contains__) == "a (M 1 3).csv"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a<b>.csv", "a-b-.csv"),
        ("what?", "what-"),
        ("a. ", "a"),
        ("con.txt", "_con.txt"),
        ("COM1", "_COM1"),
        ("...", "_"),
        ("a\x00\x1b[2Jb", "a--[2Jb"),
        ("u\u0308", "ü"),
        (" a", "a"),
    ],
)
def test_a_name_is_made_legal_everywhere(text, name):
    assert legal_name(text) == name


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: "/" not in name),
    st.text(),
    st.text(max_size=40),
)
@example("x" * 300, "Maria", "")
@example(".hidden", "\U0001f600" * 100, "then")
def test_what_is_put_beside_has_a_name_that_every_system_takes(name, who, when):
    made = name_aside("folder/" + name, who, when, lambda _: False)
    folder, last = made.split("/")
    assert folder == "folder"
    assert len(last.encode()) <= 255
    assert last.isprintable()
    assert not set('<>:"/\\|?*') & set(last)
    assert last[-1] not in ". "
    assert check_relpath(made) is None
    assert legal_name(last) == last


# --- people ---

PATHS = ["a", "b"]
STEP = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["edit", "delete", "sync", "sync", "sync"]),
    st.sampled_from(PATHS),
    st.sampled_from([*Choice, "usual", "usual"]),
)


class World:
    """People with a folder each, and what they share; contents are numbered as they are made."""

    def __init__(self, n: int) -> None:
        self.folders: list[dict[str, str]] = [{} for _ in range(n)]
        self.bases: list[dict[str, str]] = [{} for _ in range(n)]
        self.shared: dict[str, str] = {}
        self.deleted: set[str] = set()  # what was moved aside
        self.given_up: set[str] = set()  # what somebody chose not to keep
        self.made = 0

    def edit(self, who: int, path: str) -> None:
        self.made += 1
        if old := self.folders[who].get(path):
            self.given_up.add(old)
        self.folders[who][path] = str(self.made)

    def delete(self, who: int, path: str) -> None:
        if old := self.folders[who].pop(path, None):
            self.given_up.add(old)

    def sync(self, who: int, choice, only: str | None = None) -> int:
        folder, base = self.folders[who], self.bases[who]
        n = 0
        for path in sorted({*folder, *base, *self.shared}):
            here, there = folder.get(path), self.shared.get(path)
            change = decide(base.get(path), here, there)
            offered = choices(change)
            chosen = choice if choice in offered else None
            if choice == "usual" and offered:
                chosen = Choice.BOTH if Choice.BOTH in offered else offered[0]
            if chosen is not None and only in (None, path):
                for act in acts(change, chosen):
                    n += 1
                    self.do(act, who, path)
            here, there = folder.get(path), self.shared.get(path)
            if (agreed_on := next_base(base.get(path), here, there)) is None:
                base.pop(path, None)
            else:
                base[path] = agreed_on
        return n

    def do(self, act: Act, who: int, path: str) -> None:
        folder = self.folders[who]
        match act:
            case Act.SET_ASIDE:
                taken = {*folder, *self.shared}.__contains__
                name = name_aside(path, "x", "", taken)
                folder[name] = self.shared[name] = self.shared[path]
                self.bases[who][name] = folder[name]
            case Act.UPLOAD:
                if old := self.shared.get(path):
                    self.given_up.add(old)
                self.shared[path] = folder[path]
            case Act.DOWNLOAD:
                if old := folder.get(path):
                    self.given_up.add(old)
                folder[path] = self.shared[path]
            case Act.DELETE_THERE:
                self.deleted.add(self.shared.pop(path))
            case Act.DELETE_HERE:
                self.given_up.add(folder.pop(path))

    def kept(self) -> set[str]:
        return {*self.shared.values(), *(one for folder in self.folders for one in folder.values())}


@settings(max_examples=400)
@given(st.integers(2, 4), st.lists(STEP, max_size=25))
@example(
    2,
    [
        (0, "edit", "a", "usual"),
        (0, "sync", "a", "usual"),
        (1, "sync", "a", "usual"),
        (0, "edit", "a", "usual"),
        (1, "edit", "a", "usual"),
        (0, "sync", "a", "usual"),
        (1, "sync", "a", Choice.BOTH),
    ],
)
def test_nothing_is_lost_that_nobody_gave_up_and_in_the_end_all_have_the_same(n, steps):
    world = World(n)
    for number, what, path, choice in steps:
        who = number % n
        if what == "edit":
            world.edit(who, path)
        elif what == "delete":
            world.delete(who, path)
        else:
            world.sync(who, choice, only=path if choice == Choice.BOTH else None)
        made = {str(one) for one in range(1, world.made + 1)}
        assert made <= world.kept() | world.deleted | world.given_up
    for _ in range(2):
        for who in range(n):
            world.sync(who, "usual")
    for folder, base in zip(world.folders, world.bases, strict=True):
        assert folder == world.shared == base
    assert not any(world.sync(who, "usual") for who in range(n))


@settings(max_examples=200)
@given(st.lists(STEP, max_size=20))
def test_a_sync_in_which_nothing_is_chosen_changes_no_file(steps):
    world = World(3)
    for number, what, path, _ in steps:
        who = number % 3
        if what == "edit":
            world.edit(who, path)
        elif what == "delete":
            world.delete(who, path)
        else:
            before = [dict(folder) for folder in world.folders], dict(world.shared)
            assert world.sync(who, Choice.LATER) == 0
            assert ([dict(folder) for folder in world.folders], world.shared) == before
            world.sync(who, "usual")


@pytest.mark.parametrize("who", ["\u202e" * 60, "\U0001f333" * 60, "x" * 999])
@pytest.mark.parametrize("name", ["a.csv", "é" * 90 + ".csv"])
def test_a_name_beside_another_is_legal_whatever_the_books_say_of_who(who, name):
    made = name_aside(name, who, "2026-07-20 10:11:12", lambda _: False)
    assert len(made.encode()) <= 255
    assert made.endswith(").csv")
