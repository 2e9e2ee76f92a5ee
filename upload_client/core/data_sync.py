"""Data sync: what is sent, what is removed, where it goes, and how a large tree is cut into batches.

Paths here are relative to a folder, components separated by ``/``, whatever lies at either side. Times are
Unix seconds. What a folder is: everything whose path begins with its path and a ``/``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from upload_client.core.paths import check_relpath, collisions

BATCH_BYTES: Final = 250 * 1024**3
"""Bytes of a batch where nobody has said how many."""

BATCH_OBJECTS: Final = 100_000
"""Files of a batch where nobody has said how many: at 200 a second they take some eight minutes.

A function of AWS Lambda has fifteen: https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
"""

_MD5 = re.compile(r"[0-9a-f]{32}")


class Facts(NamedTuple):
    """A file or object as a listing tells it: bytes, time of modification, ETag (local files have none)."""

    size: int
    modified: float
    etag: str = ""


class Decision(Enum):
    """The decision about one file."""

    SEND = "send"
    KEEP = "keep"
    COMPARE = "compare"
    """Only the content can tell."""


def decide(source: Facts, there: Facts | None, *, force: bool, size_only: bool) -> Decision:
    """Whether a file is sent: it is missing, forced, of another size, newer, or perhaps of other content.

    Args:
        source: the file.
        there: what is at the destination; None: nothing.
        force: send it, whatever is there.
        size_only: content of the same size is not compared.
    """
    if there is None or force or source.size != there.size or int(source.modified) > int(there.modified):
        return Decision.SEND
    if size_only or (source.etag and source.etag == there.etag):
        return Decision.KEEP
    return Decision.COMPARE


def same_content(here: Mapping[str, bytes], there: Mapping[str, bytes]) -> bool | None:
    """Whether two objects have the same content, by the checksums of the whole that a store says of each.

    Args:
        here: of one, by algorithm.
        there: of the other.

    Returns:
        True: each kind that is said of both agrees; False: one does not; None: no kind is said of both.
    """
    both = here.keys() & there.keys()
    return all(here[name] == there[name] for name in both) if both else None


def md5_of(etag: str) -> str | None:
    """The MD5 that an ETag looks like; None where it is one of parts, or something else.

    It is no MD5 where the object is encrypted with a key of KMS or of the client's own:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    return etag if _MD5.fullmatch(etag) else None


class Filters:
    """Which paths are synced: regular expressions that match all of a path. What is excluded stays out.

    Args:
        include: paths that match one of these; none: all.
        exclude: but not those that match one of these.

    Raises:
        ValueError: an expression is none; the text says which.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = tuple(map(_compiled, include))
        self._exclude = tuple(map(_compiled, exclude))

    def __bool__(self) -> bool:
        return bool(self._include or self._exclude)

    def keep(self, path: str) -> bool:
        """Whether a path is synced; it is relative to the root of the filters."""
        if any(pattern.fullmatch(path) for pattern in self._exclude):
            return False
        return not self._include or any(pattern.fullmatch(path) for pattern in self._include)

    def matches_start(self, path: str) -> bool:
        """The same for lists of paths, where an expression need only match the beginning."""
        if self._include and not any(pattern.match(path) for pattern in self._include):
            return False
        return not any(pattern.match(path) for pattern in self._exclude)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def relative_to(path: str, root: str) -> str:
    """A path as filters see it: below their root; its own name where it is the root; else as it is.

    Args:
        path: a URI or an absolute path.
        root: the same kind; ``/`` at its end or not.
    """
    root = root.rstrip("/")
    if not root:
        return path.lstrip("/")
    if path.rstrip("/") == root:
        return root.rpartition("/")[2]
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else path


def is_marker(path: str, size: int) -> bool:
    """Whether an object stands for a folder: empty, with a ``/`` at the end of its name."""
    return size == 0 and (not path or path.endswith("/"))


def local_problem(path: str) -> str | None:
    """Why a key cannot become a file below a folder; None if it can."""
    if problem := check_relpath(path):
        return problem
    if any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in path.split("/")):
        return "has a name of more than 255 bytes, which file systems do not take"
    return None


def local_problems(
    paths: Sequence[str], *, folds_case: bool, as_they_are: bool = False
) -> Iterator[tuple[str, str]]:
    """Keys that cannot all become files below one folder: each with the reason.

    Args:
        paths: sorted, all different.
        folds_case: the file system takes names for one that differ in case or Unicode form only.
        as_they_are: they are names of files already; whether they can all be in one folder is asked alone.
    """
    for path in () if as_they_are else paths:
        if problem := local_problem(path):
            yield path, problem
    known = set(paths)
    blocked: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in blocked:
            if folder in known:
                blocked.add(folder)
                yield folder, "is an object, and a folder of other objects as well"
            folder = folder.rpartition("/")[0]
    if folds_case:
        for row, other, kind in collisions(paths):
            how = "case" if kind == "case" else "the form of its Unicode"
            yield paths[row], f"differs from {paths[other]} in {how} only, and the file system sees one name"


# --------------------------------------------------------------------------------------------------- trees


class PathStats(NamedTuple):
    """Bytes and files below a path, and when the last of them was modified."""

    size_bytes: int
    object_count: int
    last_modified: float


class TreeNode(NamedTuple):
    """A file, or a folder with all that is in it.

    Attributes:
        path: relative to the root; with ``/`` at its end for a folder, empty for the root itself.
        start: of its files among the tree's, which are sorted.
        stop: behind the last of them.
    """

    path: str
    start: int
    stop: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, the root included."""
        return not self.path or self.path.endswith("/")


class Tree:
    """Files below a root as a tree, some tens of bytes a file: a folder is a range of sorted paths.

    Args:
        files: path, bytes and time of modification of each, in any order; paths differ.
    """

    def __init__(self, files: Iterator[tuple[str, int, float]] | Sequence[tuple[str, int, float]]) -> None:
        paths: list[str] = []
        sizes, modified = array("q"), array("d")
        in_order = True
        last = ""
        for path, size, when in files:
            in_order = in_order and (path >= last)
            last = path
            paths.append(path)
            sizes.append(size)
            modified.append(when)
        if not in_order:
            order = sorted(range(len(paths)), key=paths.__getitem__)
            paths = [paths[row] for row in order]
            sizes = array("q", (sizes[row] for row in order))
            modified = array("d", (modified[row] for row in order))
        self.paths = paths
        self._modified = modified
        total = 0
        self._before = array("q", (0,))
        for size in sizes:
            total += size
            self._before.append(total)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def root(self) -> TreeNode:
        """All of it."""
        return TreeNode("", 0, len(self.paths))

    def size(self, node: TreeNode) -> int:
        """Bytes of all files in it."""
        return self._before[node.stop] - self._before[node.start]

    def stats(self, node: TreeNode) -> PathStats:
        """Bytes, files, and the last modification (0: nothing in it)."""
        last = max(self._modified[node.start : node.stop], default=0.0)
        return PathStats(self.size(node), node.stop - node.start, last)

    def children(self, node: TreeNode) -> Iterator[TreeNode]:
        """Files and folders directly in it, in the order of their paths."""
        if not node.is_folder:
            return
        paths, start, skip = self.paths, node.start, len(node.path)
        if start < node.stop and paths[start] == node.path:
            start += 1  # an object that stands for the folder
        while start < node.stop:
            slash = paths[start].find("/", skip)
            if slash < 0:
                yield TreeNode(paths[start], start, start + 1)
                start += 1
                continue
            folder = paths[start][: slash + 1]
            stop = self._end(folder, start, node.stop)
            yield TreeNode(folder, start, stop)
            start = stop

    def walk(self, node: TreeNode | None = None) -> Iterator[TreeNode]:
        """A node and everything in it, folders before what is in them."""
        waiting = [self.root if node is None else node]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(list(self.children(node))))

    def partition(self, limit: int, most: int | None = None) -> list[TreeNode]:
        """Cut the tree into as few paths as fit the limits; a file that does not stands alone.

        Args:
            limit: bytes of each.
            most: files of each; None: any number.
        """
        if most is None:
            most = len(self.paths)
        found: list[TreeNode] = []
        waiting = [self.root] if self.paths else []
        while waiting:
            node = waiting.pop()
            fits = self.size(node) <= limit and node.stop - node.start <= most
            if fits or not node.is_folder or self._has_content(node):
                found.append(node)
            else:
                waiting.extend(self.children(node))
        found.sort()
        return found

    def _has_content(self, node: TreeNode) -> bool:
        """Whether the object that stands for a folder is not empty: no path means it, and not the rest."""
        return self.paths[node.start] == node.path and self._before[node.start + 1] > self._before[node.start]

    def _end(self, folder: str, start: int, stop: int) -> int:
        """Behind the last path that begins with `folder`: searched in steps that double, then halved."""
        paths, step = self.paths, 1
        while start + step < stop and paths[start + step].startswith(folder):
            step *= 2
        low, high = start + step // 2, min(start + step, stop)
        while low < high:
            middle = (low + high) // 2
            if paths[middle].startswith(folder):
                low = middle + 1
            else:
                high = middle
        return low


def first_fit_decreasing(
    sizes: Sequence[int], limit: int, counts: Sequence[int] | None = None, most: int | None = None
) -> list[list[int]]:
    """Put sizes into batches of at most `limit` bytes: the largest first, each into the first that has room.

    What is larger than a limit stands alone, before all others. The room of all batches is kept as the leaves
    of a tree of maxima, so that finding the first one takes about as many steps as the number of batches has
    digits.

    Args:
        sizes: bytes of each, not negative.
        limit: bytes of a batch.
        counts: files of each, one or more; None: one.
        most: files of a batch; None: any number.

    Returns:
        Positions in `sizes`, for each batch.
    """
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    files: Sequence[int] = [1] * len(sizes) if counts is None else counts
    if most is None:
        most = sum(files)
    batches = [[row] for row in order if sizes[row] > limit or files[row] > most]
    alone = len(batches)
    rest = [row for row in order if sizes[row] <= limit and files[row] <= most] if alone else order
    # Of any two batches one after the other, the first is full, in bytes or files, to more than what the
    # second was opened for.
    pairs = sum(sizes[row] for row in rest) // max(limit, 1) + sum(files[row] for row in rest) // max(most, 1)
    leaves = 1 << max(0, min(len(rest), 2 * pairs + 2) - 1).bit_length()
    room = [limit] * (2 * leaves)
    places = [most] * (2 * leaves)
    for row in rest:
        size, n = sizes[row], files[row]
        at = 1
        while True:
            if room[at] < size or places[at] < n:  # not here: what comes next in order
                while at & 1:
                    at >>= 1
                at += 1
            elif at < leaves:
                at *= 2
            else:
                break
        places[at] -= n
        room[at] = room[at] - size if places[at] else -1  # full is full, for what has no bytes as well
        batch = alone + at - leaves
        if batch == len(batches):
            batches.append([row])
        else:
            batches[batch].append(row)
        while at > 1:
            other = at ^ 1
            most_room = max(room[at], room[other])
            most_places = max(places[at], places[other])
            at >>= 1
            if room[at] == most_room and places[at] == most_places:
                break
            room[at], places[at] = most_room, most_places
    return batches


class Together(NamedTuple):
    """Single files that can be synced in one go.

    Attributes:
        source: the folder that all sources lie in, ``/`` at its end.
        target: the same of the destinations.
        paths: of each file, the same below both.
    """

    source: str
    target: str
    paths: list[str]


def together(pairs: Sequence[tuple[str, str]]) -> Together | None:
    """Single files that go from one folder into another, each to the same path below it; None: they do not.

    Args:
        pairs: source and destination of each: URIs or paths, none of them with ``/`` at its end.
    """
    if len(pairs) < 2:
        return None
    here, there = (_split(path) for path in pairs[0])
    n = 0
    while n < min(len(here), len(there)) - 1 and here[-n - 1] == there[-n - 1]:
        n += 1
    if not n:
        return None
    source, target = ("/".join(parts[:-n]) + "/" for parts in (here, there))
    paths: list[str] = []
    for one, other in pairs:
        path = one[len(source) :]
        if not one.startswith(source) or other != target + path or check_relpath(path) is not None:
            return None
        paths.append(path)
    if len(set(paths)) < len(paths):
        return None
    first, last = min(paths).split("/"), max(paths).split("/")
    n = 0
    while n < min(len(first), len(last)) - 1 and first[n] == last[n]:
        n += 1
    above = "".join(f"{part}/" for part in first[:n])
    source, target = source + above, target + above
    if source.startswith(target) or target.startswith(source):
        return None
    return Together(source, target, [path[len(above) :] for path in paths])


def _split(path: str) -> list[str]:
    """The components of a path; scheme and bucket of a URI are one."""
    scheme, found, rest = path.rpartition("://")
    first, *others = rest.split("/")
    return [f"{scheme}{found}{first}", *others]


def stale(
    tree: Tree,
    *,
    now: float,
    older_than: float,
    keep_bytes: int = 0,
    min_depth: int | None = None,
    max_depth: int | None = None,
) -> list[TreeNode]:
    """Find what has not been used for long: the oldest first, until the rest is no more than is to be kept.

    Args:
        tree: its times are those of the last use.
        now: Unix seconds.
        older_than: seconds since the last use above which a path is stale. A folder is as old as the
            youngest file in it.
        keep_bytes: nothing more is named once no more than so many bytes are left.
        min_depth: no folder above this depth is named as a whole; the root has depth 0.
        max_depth: below this depth nothing is looked at.

    Returns:
        The nodes, sorted by their paths.
    """
    found: list[tuple[float, TreeNode]] = []
    waiting = [(tree.root, 0)]
    while waiting:
        node, depth = waiting.pop()
        last = tree.stats(node).last_modified
        if now - last > older_than:
            if min_depth is None or depth >= min_depth or not node.is_folder:
                found.append((last, node))
                continue
        elif max_depth is not None and depth >= max_depth:
            continue
        waiting += ((child, depth + 1) for child in tree.children(node))
    found.sort()
    left = tree.size(tree.root)
    named: list[TreeNode] = []
    for _, node in found:
        if left <= keep_bytes:
            break
        named.append(node)
        left -= tree.size(node)
    return sorted(named)
