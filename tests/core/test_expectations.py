"""Which files belong in a delivery, judged by their names, their number and their size."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.expectations import (
    FileType,
    Range,
    Rules,
    Tally,
    glob_pattern,
    glob_problem,
)


@pytest.mark.parametrize(
    ("glob", "matched", "not_matched"),
    [
        ("*.fits", ["a.fits", "x/a.fits", "x/y/.fits"], ["a.fit", "a.fits/b", "a.fits.gz"]),
        ("a.csv", ["a.csv", "x/a.csv"], ["aXcsv", "ba.csv"]),
        ("x/*.csv", ["x/a.csv"], ["a.csv", "x/y/a.csv", "y/x/a.csv"]),
        ("x/**/*.csv", ["x/a.csv", "x/y/z/a.csv"], ["a.csv", "y/x/a.csv"]),
        ("**/x/*.csv", ["x/a.csv", "y/x/a.csv"], ["xx/a.csv"]),
        ("x/**/y/**/z", ["x/y/z", "x/a/y/b/c/z"], ["x/z", "x/y", "y/z"]),
        ("x/", ["x/a", "x/y/a"], ["x", "y/x/a"]),
        ("x/**", ["x/a", "x/y/a"], ["x"]),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["ba"]),
        ("?.csv", ["a.csv", "x/ä.csv"], [".csv", "ab.csv"]),
        ("a*b*c", ["abc", "aXbXc", "abbcc", "x/abcbc"], ["ab/c", "acb", "abcd"]),
        ("a**c", ["ac", "abc"], ["a/c"]),
        ("[x].csv", ["[x].csv"], ["x.csv"]),
        ("*\n.csv", ["a\n.csv"], ["a.csv"]),
        ("*/a", ["x/a"], ["a", "x/y/a"]),
        ("**", ["a", "x/a"], []),
    ],
)
def test_a_glob_stands_for_paths(glob, matched, not_matched):
    match = glob_pattern(glob).fullmatch
    assert [path for path in matched if not match(path)] == []
    assert [path for path in not_matched if match(path)] == []


names = st.text(st.sampled_from("ab*?."), min_size=1, max_size=8)


@given(names.filter(lambda glob: "**" not in glob), st.text(st.sampled_from("ab."), min_size=1, max_size=12))
def test_within_a_name_a_glob_matches_what_a_shell_matches(glob, name):
    assert bool(glob_pattern(glob).fullmatch(name)) == fnmatch.fnmatchcase(name, glob)


@given(
    st.lists(st.sampled_from(["**", "a", "b", "*"]), min_size=2, max_size=6),
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=8),
)
def test_folders_match_as_if_every_way_to_share_them_out_had_been_tried(glob, path):
    def matches(parts, names):
        if not parts:
            return not names
        if parts[0] == "**":
            if len(parts) == 1:
                return bool(names)
            return any(matches(parts[1:], names[n:]) for n in range(len(names) + 1))
        return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and matches(parts[1:], names[1:])

    # Two that follow each other say no more than one.
    once = [part for n, part in enumerate(glob) if n == 0 or (part, glob[n - 1]) != ("**", "**")]
    if once == ["**"]:
        once = ["**", "*"]
    assert bool(glob_pattern("/".join(glob)).fullmatch("/".join(path))) == matches(once, path)


def test_a_glob_made_to_take_for_ever_does_not():
    assert not glob_pattern("*a" * 60 + "b").fullmatch("a" * 1024)
    assert not glob_pattern("**/a/" * 60 + "b").fullmatch("a/" * 511 + "c")


@pytest.mark.parametrize("glob", ["", "/", "/a", "a//b", "../a", "a/./b", "a/.."])
def test_what_no_path_can_match_is_no_glob(glob):
    assert glob_problem(glob)


@pytest.mark.parametrize("glob", ["a", "a/", "**/*.fits", "..a"])
def test_other_texts_are_globs(glob):
    assert glob_problem(glob) is None


TABLES = FileType(
    "tables", ("*.csv", "x/*.tsv"), number=Range(1, 2), each=Range(1, 100), total=Range(10, 150)
)
RULES = Rules(
    [TABLES, FileType("rest of x", ("x/",))],
    number=Range(2, 3),
    total=Range(20, 200),
    required=["manifest.json", "x/*.csv"],
    forbidden=["*.tmp", ".*"],
)


def test_of_two_types_the_first_one_counts():
    assert RULES.type_of("x/a.csv") == 0
    assert RULES.type_of("x/a.bin") == 1
    assert RULES.type_of("a.bin") is None


@pytest.mark.parametrize(
    ("path", "size", "says"),
    [
        ("x/a.csv", 100, None),
        ("x/a.tmp", 1, "it is forbidden here: the expectations forbid '*.tmp'"),
        ("x/.DS_Store", 1, "it is forbidden here: the expectations forbid '.*'"),
        ("a.bin", 1, "no type of files that is expected here has such a name"),
        ("a.csv", 0, "it has 0 bytes, where there should be 1 byte at least (type 'tables')"),
        ("a.csv", 1101, "it has 1,101 bytes, where there should be 100 bytes at most (type 'tables')"),
    ],
)
def test_a_file_is_refused_by_name_or_size(path, size, says):
    assert RULES.refusal(path, size) == says


def test_a_type_may_be_told_by_what_matches_whole_paths_and_what_takes_some_out():
    rules = Rules(
        [FileType("a", ("*.csv",), matchers=(str.islower,), others=("b".__eq__,)), FileType("rest", ("*",))]
    )
    assert [rules.type_of(path) for path in ("a", "A.csv", "A", "b")] == [0, 0, 1, 1]


def test_other_files_may_be_allowed():
    assert Rules([TABLES], others=True).refusal("a.bin", 10**12) is None


def tally(*files, rules=RULES, complete=True):
    made = Tally(rules)
    for path, size in files:
        made.add(path, size)
    return made.problems(complete=complete)


def test_a_delivery_as_it_should_be_has_no_problem():
    assert tally(("manifest.json", 10), ("x/a.csv", 10)) == []


def test_an_empty_delivery_lacks_all_there_should_be():
    assert tally() == [
        "no file matches 'manifest.json', which is required",
        "no file matches 'x/*.csv', which is required",
        "the delivery has 0 files, where there should be 2 files at least",
        "the delivery has 0 bytes, where there should be 20 bytes at least",
        "type 'tables' has 0 files, where there should be 1 file at least",
        "type 'tables' has 0 bytes, where there should be 10 bytes at least",
    ]


def test_of_a_sample_nothing_is_missing():
    assert tally(complete=False) == []


def test_too_much_is_too_much_of_a_sample_too():
    files = [("manifest.json", 1), ("x/a.csv", 100), ("x/b.csv", 100), ("c.csv", 1)]
    assert tally(*files, complete=False) == [
        "the delivery has 4 files, where there should be 3 files at most",
        "the delivery has 202 bytes, where there should be 200 bytes at most",
        "type 'tables' has 3 files, where there should be 2 files at most",
        "type 'tables' has 201 bytes, where there should be 150 bytes at most",
    ]


def test_forbidden_files_are_named_some_of_them_and_safely():
    files = [(f"{n}\x1b.tmp", 1) for n in range(1234)]
    (first, *_) = tally(*files, rules=Rules(forbidden=["*.tmp"]))
    assert first == "0\\x1b.tmp, 1\\x1b.tmp, 2\\x1b.tmp and 1,231 more: forbidden by '*.tmp'"
    assert tally(("a.tmp", 1), rules=Rules(forbidden=["*.tmp"])) == ["a.tmp: forbidden by '*.tmp'"]


def test_where_sizes_are_not_known_nothing_is_said_to_be_too_small():
    assert tally(("manifest.json", None), ("x/a.csv", 10)) == []
    assert tally(("manifest.json", None), ("x/a.csv", 201))[0].startswith("the delivery has 201 bytes")
