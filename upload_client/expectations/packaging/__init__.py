"""Packagings: files that promise others, held against the delivery they are in.

One mechanism for all: the name of a file says what it may be (`packaging_of`); its promises are held
against a `Listing` of the delivery (`judge`). The validator's listing is the index that the client has
written, so that a manifest is judged when it arrives, whatever else has: each file of the index gets a
verdict of its own. A provider's listing is the folder, where checksums are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from upload_client.core.text import counted
from upload_client.expectations.findings import Findings, shown
from upload_client.expectations.packaging import bagit, descriptions, headers, pds4, zarr
from upload_client.expectations.packaging.bagit import MAX_MANIFEST, payloads
from upload_client.expectations.packaging.promises import (
    IN_VAIN,
    Listed,
    Listing,
    NoIndex,
    Promise,
    Promised,
    TooLarge,
)
from upload_client.expectations.packaging.zarr import (
    MAX_METADATA,
    Part,
    is_block,
    is_chunk,
    metadata_places,
    part_of,
)

__all__ = [
    "IN_VAIN",
    "MAX_MANIFEST",
    "MAX_METADATA",
    "Judged",
    "Listed",
    "Listing",
    "NoIndex",
    "Part",
    "Promise",
    "TooLarge",
    "checksums_of",
    "is_block",
    "is_chunk",
    "judge",
    "may_promise",
    "metadata_places",
    "names_checksums",
    "packaging_of",
    "part_of",
    "payloads",
]

_MAX_PROMISES: Final = 1_000_000
_PACKAGINGS: Final = {"BagIt": bagit, "JSON": descriptions, "PDS4": pds4, "Zarr": zarr, "header": headers}


_SUFFIXES: Final = (
    ".txt",
    ".json",
    ".xml",
    ".lblx",
    ".XML",
    ".LBLX",
    ".zarray",
    ".zattrs",
    ".zgroup",
    ".zmetadata",
    ".hdr",
    ".mhd",
    ".nhdr",
    ".vhdr",
    ".imzML",
    ".imzml",
)


class ManifestJudgement(NamedTuple):
    """The judgement on a manifest.

    Attributes:
        findings: what is not as it promises.
        summary: for people, what it is and what was looked at.
        is_held: False: it was not held against the delivery; `summary` says why.
    """

    findings: Findings
    summary: str
    is_held: bool = True


def packaging_of(path: str) -> str | None:
    """The packaging of which a file may be a manifest, by its name; None: of none."""
    if not path.endswith(_SUFFIXES):  # there are millions of others
        return None
    name = path.rpartition("/")[2]
    return next((packaging for packaging, module in _PACKAGINGS.items() if module.is_named(name)), None)


def names_checksums(path: str) -> bool:
    """Whether a file may be a manifest that names checksums of others, by its name."""
    packaging = packaging_of(path)
    return packaging not in (None, "Zarr") and (packaging != "header" or path.lower().endswith(".imzml"))


def may_promise(path: str, data: bytes | bytearray) -> bool:
    """Whether this content may be that of a manifest: a look, without reading it."""
    packaging = packaging_of(path)
    return packaging is not None and (packaging != "PDS4" or pds4.is_meant(data))


def judge(
    path: str,
    data: bytes,
    listing: Listing,
    *,
    rules: Any = None,  # noqa: ANN401 — of any content
    go_on: Callable[[], object] = lambda: None,
) -> ManifestJudgement | None:
    """Hold a manifest against the delivery.

    Args:
        path: of it.
        data: its content.
        listing: the delivery.
        rules: for the content of the file, where a document has some; those for Zarr tell of other files.
        go_on: called before each file; what it raises ends the judging.

    Returns:
        None: by its content it is no manifest.
    """
    packaging = packaging_of(path)
    if packaging is None:
        return None
    findings = Findings()
    try:
        promised: Promised | None = _PACKAGINGS[packaging].promised(path, data, listing)
        if promised is None:
            return None
        tally = _Tally(path, listing, findings)
        for number, promise in enumerate(promised.promises):
            if number >= _MAX_PROMISES:
                raise TooLarge(f"it promises more than {_MAX_PROMISES:,} files")  # noqa: TRY301 - reported below
            go_on()
            tally.add(promise)
        if packaging == "Zarr" and listing.complete and getattr(rules, "format", "") == "zarr":
            zarr.hold(path, data, listing, rules, findings, go_on)
    except TooLarge as error:
        sentence = f"{packaging} manifest not held against the delivery: {error}"
        return ManifestJudgement(findings, sentence, is_held=False)
    except (ValueError, RecursionError) as error:
        findings.add("", str(error) if type(error) is ValueError else f"it cannot be read: {error}")
        return ManifestJudgement(findings, f"{packaging} manifest")
    for folder, n_files, n_bytes in promised.counted if listing.complete else ():
        below = listing.below(folder)
        if below is None:
            continue
        there, size = below
        if n_files is not None and there > n_files and n_bytes is None:
            verb = "is" if there - n_files == 1 else "are"
            findings.add(
                "", f"{counted(there - n_files, 'file')} below {shown(folder)} {verb} not named in it"
            )
        elif n_bytes is not None and size is not None and (there, size) != (n_files, n_bytes):
            findings.add(
                "",
                f"{n_files:,} files with {n_bytes:,} bytes should be below {shown(folder)},"
                f" and there are {there:,} with {size:,}",
            )
    return ManifestJudgement(findings, "; ".join((f"{promised.what}{tally.summary}", *promised.notes)))


class _Bags:
    """A delivery of which nobody knows more than where its bags are."""

    complete = False
    in_vain = 0

    def __init__(self, bags: Container[str]) -> None:
        self._bags = bags

    def find(self, path: str) -> Listed | None:
        return Listed(None) if path in self._bags else None

    def below(self, _folder: str) -> None:
        return None

    def content(self, _path: str, _most: int) -> None:
        return None

    def digests(self, _path: str, _algorithms: tuple[str, ...]) -> Mapping[str, bytes]:
        return {}

    def remember(self, _path: str, _sums: tuple[tuple[str, bytes], ...], _manifest: str) -> None:
        return


def checksums_of(
    path: str, data: bytes, bags: Container[str]
) -> Iterator[tuple[str, tuple[tuple[str, bytes], ...]]]:
    """The checksums that a manifest names: path of a file in the delivery, and by the names of algorithms.

    They end where it cannot be understood, which is for `judge` to say.

    Args:
        path: of the manifest.
        data: its content.
        bags: the paths of all files of the delivery that are called ``bagit.txt``.
    """
    packaging = packaging_of(path)
    if packaging is None or not names_checksums(path):
        return
    try:
        promised: Promised | None = _PACKAGINGS[packaging].promised(path, data, _Bags(bags))
        for promise in islice(() if promised is None else promised.promises, _MAX_PROMISES):
            if promise.sums:
                yield promise.path, promise.sums
    except (ValueError, RecursionError, TooLarge):
        return


class _Tally:
    """Holds promises against a listing, and counts."""

    def __init__(self, manifest: str, listing: Listing, findings: Findings) -> None:
        self._manifest = manifest
        self._listing = listing
        self._findings = findings
        self._n = self._n_sums = self._n_unknown = 0

    def add(self, promise: Promise) -> None:
        """Hold one promise against the listing."""
        found = self._listing.find(promise.path)
        if found is None:
            if promise.required and self._listing.complete:
                self._findings.add("", f"{shown(promise.path)} is not in the delivery")
            return
        self._n += 1
        size = found.size
        if size is not None and promise.size is not None and size != promise.size:
            self._findings.add("", f"{shown(promise.path)} has {size:,} bytes where it says {promise.size:,}")
            return
        if size is not None and size < promise.least:
            self._findings.add(
                "", f"{shown(promise.path)} has {size:,} bytes where it needs {promise.least:,} at least"
            )
            return
        if promise.sums:
            self._compare(promise)

    def _compare(self, promise: Promise) -> None:
        known = self._listing.digests(promise.path, tuple(algorithm for algorithm, _ in promise.sums))
        for algorithm, digest in promise.sums:
            if known.get(algorithm, digest) != digest:
                self._findings.add("", f"{shown(promise.path)} has another {algorithm} than it says")
        if not known:
            self._listing.remember(promise.path, promise.sums, self._manifest)
        self._n_sums += bool(known)
        self._n_unknown += not known

    @property
    def summary(self) -> str:
        """The numbers of files and checksums, in words."""
        if not self._n:
            return ""
        text = f": {counted(self._n, 'file')} there"
        if self._n_sums:
            text += f", {counted(self._n_sums, 'checksum')} compared"
        if self._n_unknown:
            text += f", {counted(self._n_unknown, 'checksum')} not compared yet"
        return text
