"""The rules by which a receipt differs from a folder, from buckets, from another receipt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias, get_args

from upload_client.core.receipt import Delivered
from upload_client.core.values import value

Kind: TypeAlias = Literal[
    "missing",
    "extra",
    "size",
    "content",
    "unreadable",
    "gone",
    "replaced",
    "added",
    "record missing",
    "record changed",
    "removed since",
    "added since",
    "changed since",
    "moved since",
]
DIFFERENCES: Final[Mapping[Kind, str]] = {
    "missing": "delivered, and not in the folder",
    "extra": "in the folder, and not delivered",
    "size": "of another size than delivered",
    "content": "of another content than delivered",
    "unreadable": "that cannot be read",
    "gone": "delivered, and no longer in the bucket",
    "replaced": "replaced in the bucket",
    "added": "in the bucket, and not in the receipt",
    "record missing": "of the delivery, no longer in the control bucket",
    "record changed": "of the delivery, not what the receipt says",
    "removed since": "not in the other any more",
    "added since": "in the other alone",
    "changed since": "of other content in the other",
    "moved since": "under another name in the other",
}
"""Kinds of difference, in the order of reporting; each goes on after "3 files " (or "records ")."""
assert tuple(DIFFERENCES) == get_args(Kind)


@value
class Difference:
    """Something that is not as the receipt says.

    Attributes:
        kind: what sort of difference.
        path: of the file, or the key of the record.
        message: more about it, or empty.
    """

    kind: Kind
    path: str
    message: str = ""


class Findings:
    """Differences, counted; the first ones of each kind are kept.

    Args:
        keep: how many of a kind; None: all.

    Attributes:
        counts: differences by kind, in the order of `DIFFERENCES`.
        first: those that are kept, the same.
    """

    def __init__(self, keep: int | None = 10) -> None:
        self._keep = keep
        self.counts: dict[Kind, int] = dict.fromkeys(DIFFERENCES, 0)
        self.first: dict[Kind, list[Difference]] = {kind: [] for kind in DIFFERENCES}

    def add(self, difference: Difference) -> None:
        """Count one, and keep it if it is among the first."""
        self.counts[difference.kind] += 1
        kept = self.first[difference.kind]
        if self._keep is None or len(kept) < self._keep:
            kept.append(difference)

    @property
    def n(self) -> int:
        """All there are."""
        return sum(self.counts.values())


def compare_size(each: Delivered, size: int) -> Difference | None:
    """The fault of a file of that many bytes, if there is one."""
    if size == each.size:
        return None
    return Difference("size", each.path, f"has {size} bytes; delivered were {each.size}")


def compare_content(each: Delivered, crc32: str, sha256: str | None = None) -> Difference | None:
    """The fault of a file of that CRC32 and that SHA-256 (hex; None: not known), if there is one."""
    if crc32 != each.crc32:
        return Difference("content", each.path, f"has CRC32 {crc32}; delivered was {each.crc32}")
    if sha256 is None or each.sha256 in (None, sha256):
        return None
    return Difference("content", each.path, f"has SHA-256 {sha256}; delivered was {each.sha256}")


def compare_listing(
    files: Iterable[Delivered], listed: Iterable[tuple[str, int, str]]
) -> Iterator[tuple[Delivered, Difference | None] | tuple[None, Difference]]:
    """Hold the files of a receipt against the listing of the bucket; both are in the order of their keys.

    Args:
        files: of the receipt.
        listed: path, size in bytes and ETag of each object below the landing place. The empty path, which
            consoles make of a folder, is passed over.

    Yields:
        Each file of which the bucket no longer has the very object, with a difference where that is certain;
        with None where the object has another ETag and only its checksum can tell whether the content is
        the same: the owner of a bucket may have written it anew. And None with the difference for each object
        that the receipt does not name.

    Raises:
        ValueError: the listing is not in order.
    """
    there = _in_order(listed)
    entry = next(there, None)
    for each in files:
        while entry is not None and entry[0] < each.path:
            yield None, Difference("added", entry[0], f"has {entry[1]} bytes")
            entry = next(there, None)
        if entry is None or entry[0] != each.path:
            yield each, Difference("gone", each.path)
            continue
        if entry[1] != each.size:
            yield each, Difference("replaced", each.path, f"has {entry[1]} bytes; delivered were {each.size}")
        elif entry[2] != each.etag:
            yield each, None
        entry = next(there, None)
    while entry is not None:
        yield None, Difference("added", entry[0], f"has {entry[1]} bytes")
        entry = next(there, None)


def compare_receipts(
    files: Iterable[Delivered], others: Iterable[tuple[str, int | None, str | None, str | None]]
) -> Iterator[Difference]:
    """Hold the files of a receipt against those of a later one, or of an index.

    Args:
        files: of the receipt.
        others: path, size in bytes, CRC32 (base64) and SHA-256 (hex) of each file of the other, in the order
            of their paths; None: not known.

    Yields:
        The differences: first those of files that are in both, then moves, then the rest by path. In memory
        are only the files that are in one of both.
    """
    gone: list[Delivered] = []
    come = _Come()
    other = iter(others)
    entry = next(other, None)
    for each in files:
        while entry is not None and entry[0] < each.path:
            come.add(*entry)
            entry = next(other, None)
        if entry is None or entry[0] != each.path:
            gone.append(each)
            continue
        if entry[2] not in (None, each.crc32) or entry[1] not in (None, each.size):
            what = f"has CRC32 {entry[2]} and {entry[1]} bytes there; here {each.crc32} and {each.size} bytes"
            yield Difference("changed since", each.path, what)
        elif not _may_be(each, entry[3]):
            what = f"has SHA-256 {entry[3]} there; here {each.sha256}"
            yield Difference("changed since", each.path, what)
        entry = next(other, None)
    while entry is not None:
        come.add(*entry)
        entry = next(other, None)
    moves = come.moves(gone)
    for at, path in sorted(moves.items()):
        yield Difference("moved since", gone[at].path, f"is {path} there")
    for at, each in enumerate(gone):
        if at not in moves:
            yield Difference("removed since", each.path)
    for path in sorted(come):
        yield Difference("added since", path)


_Same: TypeAlias = dict[str | None, deque[str]]


class _Come:
    """Files that only the other list has, by content; of a million of the same each is found at once."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int | None, str | None], _Same] = {}

    def __iter__(self) -> Iterator[str]:
        return (path for same in self._paths.values() for paths in same.values() for path in paths)

    def add(self, path: str, size: int | None, crc32: str | None, sha256: str | None) -> None:
        """Add a file."""
        self._paths.setdefault((size, crc32), {}).setdefault(sha256, deque()).append(path)

    def moves(self, gone: Sequence[Delivered]) -> dict[int, str]:
        """The paths of as many of these as may be: files of the same content, as far as that is known.

        First come those whose SHA-256 both know. Then whoever knows its own can only take one that is not
        known; what is left of both is for those that do not know theirs.

        Returns:
            The new path, by the place in `gone`.
        """
        moves: dict[int, str] = {}
        for all_of, sha256_of in (
            (True, lambda each: each.sha256),
            (True, lambda _: None),
            (False, None),
        ):
            for at, each in enumerate(gone):
                same = self._paths.get((each.size, each.crc32))
                if not same or at in moves or all_of is (each.sha256 is None):
                    continue
                if sha256_of is None:
                    sha256, paths = same.popitem()  # to look for the first is slow once many are gone
                else:
                    sha256 = sha256_of(each)
                    if sha256 not in same:
                        continue
                    paths = same.pop(sha256)
                moves[at] = paths.popleft()
                if paths:
                    same[sha256] = paths
        return moves


def _may_be(each: Delivered, sha256: str | None) -> bool:
    """Whether a file of that SHA-256 may have the same content, as far as both know theirs."""
    return each.sha256 is None or sha256 in (None, each.sha256)


def _in_order(listed: Iterable[tuple[str, int, str]]) -> Iterator[tuple[str, int, str]]:
    before = ""
    for entry in listed:
        if entry[0] > before:
            yield entry
        elif entry[0]:
            raise ValueError(f"the listing is not in order: {entry[0]!r} comes after {before!r}")
        before = entry[0]
