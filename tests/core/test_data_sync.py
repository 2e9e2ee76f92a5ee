"""The rules of data sync: what is sent, what a path becomes, and how a tree is cut into batches."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.data_sync import (
    Decision,
    Facts,
    Filters,
    PathStats,
    Tree,
    TreeNode,
    decide,
    first_fit_decreasing,
    is_marker,
    local_problem,
    local_problems,
    md5_of,
    relative_to,
    same_content,
    stale,
    together,
)

A, B = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("source", "there", "force", "size_only", "decision"),
    [
        (Facts(1, 0.0), None, False, False, Decision.SEND),
        (Facts(1, 0.0, A), Facts(1, 9.0, A), True, False, Decision.SEND),
        (Facts(1, 0.0), Facts(2, 9.0), False, False, Decision.SEND),
        (Facts(1, 5.0), Facts(1, 4.9), False, True, Decision.SEND),
        (Facts(1, 5.9), Facts(1, 5.1), False, True, Decision.KEEP),  # the same second
        (Facts(1, 5.0), Facts(1, 6.0, B), False, True, Decision.KEEP),
        (Facts(1, 5.0, A), Facts(1, 6.0, A), False, False, Decision.KEEP),
        (Facts(1, 5.0, A), Facts(1, 6.0, B), False, False, Decision.COMPARE),
        (Facts(1, 5.0), Facts(1, 6.0), False, False, Decision.COMPARE),  # two files without an ETag
    ],
)
def test_a_file_is_sent_that_is_missing_forced_of_another_size_or_newer(
    source: Facts, there: Facts | None, force: bool, size_only: bool, decision: Decision
) -> None:
    assert decide(source, there, force=force, size_only=size_only) is decision


def test_contents_are_the_same_by_every_checksum_that_is_said_of_both() -> None:
    assert same_content({"crc32": b"1", "md5": b"2"}, {"crc32": b"1", "sha1": b"3"}) is True
    assert same_content({"crc32": b"1", "md5": b"2"}, {"crc32": b"1", "md5": b"3"}) is False
    assert same_content({"crc32": b"1"}, {"sha256": b"1"}) is None
    assert same_content({}, {}) is None


def test_an_etag_of_parts_is_no_md5() -> None:
    assert md5_of(A) == A
    assert md5_of(f"{A}-2") is None


def test_what_is_excluded_stays_out_even_if_it_is_included() -> None:
    filters = Filters([r".*\.csv"], [r"old/.*"])
    assert filters
    assert filters.keep("new/a.csv")
    assert not filters.keep("old/a.csv")
    assert not filters.keep("new/a.csv.gz")  # an expression matches all of the path
    assert filters.matches_start("new/a.csv.gz")
    assert not filters.matches_start("old/a.csv")
    assert not filters.matches_start("b.txt")
    assert not Filters()
    assert Filters().keep("anything")
    assert Filters().matches_start("anything")


def test_what_is_no_regular_expression_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'\*\.csv' is no regular expression"):
        Filters(["*.csv"])


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("s3://b/run1/a/x", "s3://b/run1/", "a/x"),
        ("s3://b/run1/a/x", "s3://b/run1", "a/x"),
        ("s3://b/run1", "s3://b/run1/", "run1"),
        ("s3://b/run10/x", "s3://b/run1", "s3://b/run10/x"),
        ("/data/x", "/", "data/x"),
    ],
)
def test_filters_see_a_path_below_their_root(path: str, root: str, found: str) -> None:
    assert relative_to(path, root) == found


def test_an_empty_object_with_a_slash_stands_for_a_folder() -> None:
    assert is_marker("a/", 0)
    assert is_marker("", 0)
    assert not is_marker("a/", 1)
    assert not is_marker("a", 0)


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a//b", "a/./b", "a\\b", "C:x", "a/" + "n" * 256])
def test_a_key_that_leaves_the_destination_is_refused(key: str) -> None:
    assert local_problem(key)
    assert [path for path, _ in local_problems([key], folds_case=False)] == [key]


def test_keys_that_become_one_file_are_told() -> None:
    assert local_problem("a/b.csv") is None
    paths = ["A", "a", "b", "b/c/d", "b/c/e"]
    told = dict(local_problems(paths, folds_case=False))
    assert set(told) == {"b"}
    assert "folder of other objects" in told["b"]
    folded = dict(local_problems(["A", "a", "e\u0301", "\u00e9"], folds_case=True))
    assert "case only" in folded["a"]
    assert "Unicode only" in folded["\u00e9"]


FILES = [("b/2", 5, 20.0), ("a", 1, 10.0), ("b/1", 4, 30.0), ("b/c/3", 2, 5.0), ("b.txt", 3, 1.0)]


def test_a_tree_is_made_of_paths_in_any_order() -> None:
    tree = Tree(FILES)
    assert len(tree) == 5
    assert tree.stats(tree.root) == PathStats(15, 5, 30.0)
    assert [node.path for node in tree.children(tree.root)] == ["a", "b.txt", "b/"]
    assert [node.path for node in tree.walk()] == ["", "a", "b.txt", "b/", "b/1", "b/2", "b/c/", "b/c/3"]
    folder = next(node for node in tree.walk() if node.path == "b/")
    assert tree.stats(folder) == PathStats(11, 3, 30.0)
    assert [node.path for node in tree.walk(folder)] == ["b/", "b/1", "b/2", "b/c/", "b/c/3"]
    assert not list(tree.children(TreeNode("a", 0, 1)))
    assert Tree([]).stats(TreeNode("", 0, 0)) == PathStats(0, 0, 0.0)


def test_the_object_that_stands_for_a_folder_is_not_in_it() -> None:
    tree = Tree([("a/", 0, 1.0), ("a/b", 2, 1.0)])
    assert [node.path for node in tree.walk()] == ["", "a/", "a/b"]


def test_a_folder_goes_as_a_whole_where_it_fits() -> None:
    tree = Tree(FILES)
    assert [node.path for node in tree.partition(15)] == [""]
    assert [node.path for node in tree.partition(11)] == ["a", "b.txt", "b/"]
    assert [node.path for node in tree.partition(4)] == ["a", "b.txt", "b/1", "b/2", "b/c/"]
    assert [node.path for node in tree.partition(15, 3)] == ["a", "b.txt", "b/"]
    assert [node.path for node in tree.partition(15, 2)] == ["a", "b.txt", "b/1", "b/2", "b/c/"]
    assert Tree([]).partition(1) == []


def test_a_folder_whose_own_object_has_content_is_not_cut() -> None:
    tree = Tree([("a/", 5, 1.0), ("a/b", 5, 1.0), ("c", 1, 1.0)])
    assert [node.path for node in tree.partition(4)] == ["a/", "c"]


PATHS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), unique=True)


def test_names_that_files_have_are_not_refused_for_files():
    names = ["a\\b", "caf\udce9", "x"]
    assert [path for path, _ in local_problems(names, folds_case=False)] == names[:2]
    assert list(local_problems(names, folds_case=False, as_they_are=True)) == []
    both = ["a", "a/b"]
    assert [path for path, _ in local_problems(both, folds_case=False, as_they_are=True)] == ["a"]


@example([f"a/{n}" for n in range(9)], 30, 5, random.Random(1))
@example([*(f"a/{n}" for n in range(5)), "b"], 0, 1, random.Random(1))
@given(PATHS, st.integers(0, 30), st.none() | st.integers(1, 5), st.randoms(use_true_random=False))
def test_a_partition_has_each_file_once_and_fits(
    paths: list[str], limit: int, most: int | None, dice: random.Random
) -> None:
    tree = Tree([(path, dice.randint(0, 9), 0.0) for path in paths])
    nodes = tree.partition(limit, most)
    rows = [row for node in nodes for row in range(node.start, node.stop)]
    assert sorted(rows) == list(range(len(paths)))
    for node in nodes:
        inside = tree.paths[node.start : node.stop]
        assert all(path.startswith(node.path) for path in inside)
        assert not node.is_folder or sum(path.startswith(node.path) for path in paths) == len(inside)
        assert not node.is_folder or (tree.size(node) <= limit and (most is None or len(inside) <= most))


def plainly(sizes: list[int], limit: int, counts: list[int], most: int) -> list[list[int]]:
    """First-fit decreasing as it is in books: each looks at all batches from the first."""
    batches: list[list[int]] = []
    filled: list[tuple[int, int]] = []
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    order.sort(key=lambda row: sizes[row] <= limit and counts[row] <= most)  # what stands alone comes first
    for row in order:
        for batch, (total, n) in enumerate(filled):
            if total + sizes[row] <= limit and n + counts[row] <= most:
                batches[batch].append(row)
                filled[batch] = (total + sizes[row], n + counts[row])
                break
        else:
            batches.append([row])
            filled.append((sizes[row], counts[row]))
    return batches


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12))), st.integers(0, 50), st.integers(1, 15))
def test_batches_are_those_of_the_plain_algorithm(
    nodes: list[tuple[int, int]], limit: int, most: int
) -> None:
    sizes, counts = [size for size, _ in nodes], [n for _, n in nodes]
    assert first_fit_decreasing(sizes, limit, counts, most) == plainly(sizes, limit, counts, most)
    ones = [1] * len(nodes)
    assert first_fit_decreasing(sizes, limit) == plainly(sizes, limit, ones, len(nodes))


def test_a_batch_has_no_more_files_than_it_may() -> None:
    assert first_fit_decreasing([3, 2, 1, 0], 10, None, 2) == [[0, 1], [2, 3]]
    assert first_fit_decreasing([3, 2, 1, 0], 10, [1, 9, 2, 1], 3) == [[1], [0, 2], [3]]
    assert first_fit_decreasing([5, 5, 5, 1], 10, [3, 1, 1, 2], 4) == [[0, 1], [2, 3]]
    # The first batch has places and no room, the second one room and no places.
    assert first_fit_decreasing([9, 5, 2], 10, [1, 3, 2], 4) == [[0], [1], [2]]
    assert first_fit_decreasing([4], 10) == [[0]]


def test_files_of_one_folder_are_synced_together() -> None:
    pairs = [(f"s3://a/x/{path}", f"s3://b/y/x/{path}") for path in ("r/b/1", "r/b/c/2")]
    assert together(pairs) == ("s3://a/x/r/b/", "s3://b/y/x/r/b/", ["1", "c/2"])
    assert together([("/d/1", "s3://b/1"), ("/d/2", "s3://b/2")]) == ("/d/", "s3://b/", ["1", "2"])


@pytest.mark.parametrize(
    "pairs",
    [
        [("s3://a/1", "s3://b/1")],  # one file
        [("s3://a/1", "s3://b/x"), ("s3://a/2", "s3://b/y")],  # other names
        [("s3://a/1", "s3://b/1"), ("s3://a/2", "s3://b/y")],
        [("s3://a/1", "s3://b/1"), ("s3://c/2", "s3://b/2")],  # of another bucket
        [("s3://a/1", "s3://b/1")] * 2,  # the same twice
        [("s3://a/x/1", "s3://a/1"), ("s3://a/x/2", "s3://a/2")],  # one within the other
        [("s3://a/1", "s3://b/1"), ("s3://a//2", "s3://b//2")],  # no name below a folder
        [("1", "s3://b/1"), ("2", "s3://b/2")],  # no folder
    ],
)
def test_what_is_not_of_one_folder_is_synced_by_itself(pairs: list[tuple[str, str]]) -> None:
    assert together(pairs) is None


def test_what_is_larger_than_the_limit_stands_alone() -> None:
    assert first_fit_decreasing([1, 30, 0, 9], 10) == [[1], [3, 0, 2]]
    assert first_fit_decreasing([], 10) == []


def test_the_oldest_are_named_until_the_rest_is_small_enough() -> None:
    tree = Tree(FILES)

    def paths(keep_bytes: int = 0, **depth: int) -> list[str]:
        found = stale(tree, now=31.0, older_than=2.0, keep_bytes=keep_bytes, **depth)
        return [node.path for node in found]

    assert paths() == ["a", "b.txt", "b/2", "b/c/"]
    assert paths(keep_bytes=12) == ["b.txt"]
    assert paths(keep_bytes=15) == []
    assert paths(max_depth=1) == ["a", "b.txt"]
    assert paths(min_depth=3) == ["a", "b.txt", "b/2", "b/c/3"]
    assert [node.path for node in stale(tree, now=99.0, older_than=2.0)] == [""]
    assert [node.path for node in stale(tree, now=99.0, older_than=2.0, min_depth=1)] == ["a", "b.txt", "b/"]
