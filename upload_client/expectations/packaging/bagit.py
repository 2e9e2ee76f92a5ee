"""BagIt, RFC 8493: payload manifests, tag manifests, the declaration and the sum of all files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upload_client.core.manifests import DIGESTS, PAYLOAD, bagit_digest, parse_bagit_line
from upload_client.expectations.packaging.promises import Listing, Promise, Promised

__all__ = ["is_named", "promised"]

_TAGS = re.compile(r"tag(manifest-[a-z0-9]+\.txt)")
_TAG_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(?:\./)?(.+)", re.DOTALL)
_VERSION = re.compile(r"BagIt-Version: \d+\.\d+\s+Tag-File-Character-Encoding: \S+\s*")
_OXUM = re.compile(r"^Payload-Oxum\s*:\s*(\d{1,18})\.(\d{1,18})\s*$", re.MULTILINE)


def is_named(name: str) -> bool:
    """Whether a file of this name may be a part of a bag that says something of others."""
    return (
        name in ("bagit.txt", "bag-info.txt")
        or bagit_digest(name) is not None
        or _TAGS.fullmatch(name) is not None
    )


def promised(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The promises of a file of a bag; None: where it lies there is no bag.

    Raises:
        ValueError: it is not as the RFC has it.
    """
    folder, _, name = path.rpartition("/")
    top = f"{folder}/" if folder else ""
    if name != "bagit.txt" and listing.find(f"{top}bagit.txt") is None:
        return None
    text = data.decode("utf-8-sig")
    if name == "bagit.txt":
        if not _VERSION.fullmatch(text):
            raise ValueError("it is no declaration of a bag: BagIt-Version and Tag-File-Character-Encoding")
        manifests = [f"{top}manifest-{algorithm}.txt" for algorithm in DIGESTS]
        if listing.complete and not any(map(listing.find, manifests)):
            raise ValueError("there is no manifest beside it (manifest-sha256.txt, for example)")
        return Promised("bag", iter(()))
    if name == "bag-info.txt":
        oxum = _OXUM.search(text)
        if oxum is None:
            return Promised("bag info", iter(()))
        return Promised("bag info", iter(()), ((f"{top}{PAYLOAD}", int(oxum[2]), int(oxum[1])),))
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line]
    # Of a holey bag (section 2.2.3) files are fetched from elsewhere: they need not be there.
    whole = listing.find(f"{top}fetch.txt") is None
    notes = () if whole else ("files that are to be fetched may be missing",)
    tags = _TAGS.fullmatch(name)
    if tags is not None:
        algorithm = bagit_digest(tags[1])
        if algorithm is None:
            return Promised("tag manifest", iter(()), notes=("its algorithm is not known here",))
        return Promised("tag manifest", _of_tags(lines, top, algorithm), notes=notes)
    algorithm = bagit_digest(name)
    assert algorithm is not None
    payload = list(_of_payload(lines, top, algorithm, required=whole))
    counted = ((f"{top}{PAYLOAD}", len({one.path for one in payload}), None),) if whole else ()
    return Promised("BagIt manifest", iter(payload), counted, notes)


def _of_payload(lines: list[str], top: str, algorithm: str, *, required: bool) -> Iterator[Promise]:
    for number, line in enumerate(lines, 1):
        try:
            path, digest = parse_bagit_line(line, algorithm)
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from None
        yield Promise(top + path, sums=((algorithm, bytes.fromhex(digest)),), required=required)


def _of_tags(lines: list[str], top: str, algorithm: str) -> Iterator[Promise]:
    for number, line in enumerate(lines, 1):
        found = _TAG_LINE.fullmatch(line)
        if found is None or len(found[1]) != 2 * DIGESTS[algorithm]:
            raise ValueError(f"line {number} is no line of a tag manifest")
        yield Promise(top + found[2], sums=((algorithm, bytes.fromhex(found[1])),))
