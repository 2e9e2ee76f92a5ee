"""BagIt, RFC 8493: payload manifests, tag manifests, the declaration and the sum of all files."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from upload_client.core.manifests import DIGESTS, PAYLOAD, bagit_digest, bagit_path, split_bagit_line
from upload_client.expectations.packaging.promises import Listing, Promise, Promised

MAX_MANIFEST = 64 * 1024 * 1024
"""Bytes of the largest manifest that is looked at: a line for each of some 500,000 files."""
MAX_BAGS = 100_000
"""Bags of a delivery whose files are counted."""
_BLOCK = 1024 * 1024
_LINE = re.compile(rb"[^\r\n]+")
_OTHERS = (
    *("sha224", "sha384", "sha3224", "sha3256", "sha3384", "sha3512", "blake2b", "blake2s", "blake3"),
    *("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b512", "blake2b256", "sha512256"),
)
"""Algorithms by which others make manifests, and that are not compared yet."""

_TAGS = re.compile(r"tag(manifest-[a-z0-9]+\.txt)")
_TAG_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(?:\./)?(.+)", re.DOTALL)
_VERSION = re.compile(r"BagIt-Version *: \d+\.\d+\s+Tag-File-Character-Encoding: \S+\s*")
_BEFORE_1 = re.compile(rb"BagIt-Version *: 0\.")
_OXUM = re.compile(rb"^Payload-Oxum\s*:\s*(\d{1,18})\.(\d{1,18})\s*$", re.MULTILINE)


def is_named(name: str) -> bool:
    """Whether a file of this name may be a part of a bag that says something of others."""
    return (
        name in ("bagit.txt", "bag-info.txt")
        or bagit_digest(name) is not None
        or _TAGS.fullmatch(name) is not None
    )


def payloads(
    rows: Iterable[tuple[str, int | None]], is_there: Callable[[str], bool]
) -> dict[str, tuple[int, int | None]] | None:
    """The number of files below the payload folder of each bag, and their bytes, in one pass over all files.

    Args:
        rows: path and size of each file; a size that nobody knows makes the bytes unknown.
        is_there: whether something is the path of a file.

    Returns:
        By the path of the folder, with its ``/``; None: there are more bags than are counted.
    """
    counts: dict[str, tuple[int, int | None]] = {}
    last = ""  # the folder that was last found to be in no bag
    for path, size in rows:
        at = path.find(PAYLOAD)
        while at >= 0:
            end = at + len(PAYLOAD)
            folder = path[:end]
            if (not at or path[at - 1] == "/") and folder != last:
                known = counts.get(folder)
                if known is None and not is_there(f"{path[:at]}bagit.txt"):
                    last = folder
                else:
                    n, n_bytes = known or (0, 0)
                    counts[folder] = n + 1, None if n_bytes is None or size is None else n_bytes + size
                    if len(counts) > MAX_BAGS:
                        return None
            at = path.find(PAYLOAD, end)
    return counts


def promised(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The promises of a file of a bag; None: where it lies there is no bag.

    Raises:
        ValueError: it is not as the RFC has it.
    """
    folder, _, name = path.rpartition("/")
    top = f"{folder}/" if folder else ""
    if name == "bagit.txt":
        return _declaration(top, data, listing)
    if listing.find(f"{top}bagit.txt") is None:
        return None
    # Of a holey bag (section 2.2.3) files are fetched from elsewhere: they need not be there.
    whole = listing.find(f"{top}fetch.txt") is None
    notes = () if whole else ("files that are to be fetched may be missing",)
    if name == "bag-info.txt":
        oxum = _OXUM.search(data)
        if oxum is None or not whole:
            return Promised("bag info", iter(()), notes=notes)
        return Promised("bag info", iter(()), ((f"{top}{PAYLOAD}", int(oxum[2]), int(oxum[1])),))
    tags = _TAGS.fullmatch(name)
    what = "BagIt manifest" if tags is None else "tag manifest"
    if not _is_utf8(data):  # the declaration may name another encoding
        return Promised(what, iter(()), notes=("it is not in UTF-8, and was not looked at",))
    data = data.removeprefix(codecs.BOM_UTF8)
    if tags is not None:
        algorithm = bagit_digest(tags[1])
        if algorithm is None:
            return Promised(what, iter(()), notes=("its algorithm is not known here",))
        return Promised(what, _of_tags(data, top, algorithm, listing), notes=notes)
    algorithm = bagit_digest(name)
    assert algorithm is not None
    counted: list[tuple[str, int | None, int | None]] = []
    return Promised(what, _of_payload(data, top, algorithm, listing, counted, whole=whole), counted, notes)


def _named_by_other_manifests(top: str, algorithm: str, listing: Listing) -> Iterator[str]:
    """The files that the other manifests of a bag name, where it is of a version that lets them share them.

    Up to 0.97 each file is named in one of them at least; from 1.0 on each manifest names all (RFC 8493,
    section 2.1.3).
    """
    names = (f"{top}manifest-{other}.txt" for other in (*DIGESTS, *_OTHERS) if other != algorithm)
    others = [name for name in names if listing.find(name) is not None]
    declared = listing.content(f"{top}bagit.txt", _BLOCK) if others else None
    if declared is None or not _BEFORE_1.match(declared.removeprefix(codecs.BOM_UTF8)):
        return
    for other in others:
        data = listing.content(other, MAX_MANIFEST)
        if data is None or not _is_utf8(data):
            continue
        for _, line in _lines(data.removeprefix(codecs.BOM_UTF8)):
            found = _TAG_LINE.fullmatch(line)
            if found is not None:
                yield _place(top, found[2], listing)


def _declaration(top: str, data: bytes, listing: Listing) -> Promised:
    if not _VERSION.fullmatch(data.decode("utf-8-sig")):
        raise ValueError("it is no declaration of a bag: BagIt-Version and Tag-File-Character-Encoding")
    manifests = (f"{top}manifest-{algorithm}.txt" for algorithm in (*DIGESTS, *_OTHERS))
    if listing.complete and not any(map(listing.find, manifests)):
        raise ValueError("there is no manifest beside it (manifest-sha256.txt, for example)")
    return Promised("bag", iter(()))


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(data), _BLOCK):  # as a whole it would take four times as much memory
            decoder.decode(data[at : at + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    return enumerate((found[0].decode() for found in _LINE.finditer(data)), 1)


def _place(top: str, written: str, listing: Listing) -> str:
    """The path of a file in the delivery.

    Some libraries write percent signs as they are, and some file systems change how a letter with an accent
    is composed: of what may be meant it is the first that is there.
    """
    path = top + bagit_path(written)
    if "%" in written or not path.isascii():
        meant = (path, top + written, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
        return next((one for one in dict.fromkeys(meant) if listing.find(one) is not None), path)
    return path


def _of_payload(
    data: bytes,
    top: str,
    algorithm: str,
    listing: Listing,
    counted: list[tuple[str, int | None, int | None]],
    *,
    whole: bool,
) -> Iterator[Promise]:
    seen: set[int] = set()
    for number, line in _lines(data):
        try:
            written, digest = split_bagit_line(line, algorithm)
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from None
        path = _place(top, written, listing)
        seen.add(hash(path))
        yield Promise(path, sums=((algorithm, bytes.fromhex(digest)),), required=whole)
    if not whole:
        return
    folder = f"{top}{PAYLOAD}"
    below = listing.below(folder) if listing.complete else None
    if below is not None and below[0] > len(seen):
        seen.update(map(hash, _named_by_other_manifests(top, algorithm, listing)))
    counted.append((folder, len(seen), None))


def _of_tags(data: bytes, top: str, algorithm: str, listing: Listing) -> Iterator[Promise]:
    for number, line in _lines(data):
        found = _TAG_LINE.fullmatch(line)
        if found is None or len(found[1]) != 2 * DIGESTS[algorithm]:
            raise ValueError(f"line {number} is no line of a tag manifest")
        path = _place(top, found[2], listing)
        yield Promise(path, sums=((algorithm, bytes.fromhex(found[1])),))
