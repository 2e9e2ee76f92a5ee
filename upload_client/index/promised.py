"""Checksums that manifests among the files name (BagIt, RO-Crate, PDS4 labels, …), as columns of the index.

So they are compared in the one read that sends a file, as those of a list are. A manifest that cannot be
understood says nothing here: its verdict says why.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from upload_client.expectations.packaging import MAX_MANIFEST, checksums_of, names_checksums
from upload_client.index.files import CheckedIndex
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

_MAX_BYTES = 512 * 1024 * 1024
"""All manifests together; those beyond are left to their verdicts."""
_MAX_MANIFESTS = 5_000
"""There may be a label beside each of a million files, and a run should begin to send within seconds."""
_PREFERRED = ("sha256", "sha512", "sha1", "md5")
"""The first of these is compared where a file has several: each costs a pass over all bytes."""


def with_promised(index: CheckedIndex, root: Path, *, follow: bool) -> CheckedIndex:
    """The index with the checksums that manifests among its files name, where it has none itself.

    Args:
        index: of a local source.
        root: the source.
        follow: files may lie outside of it, wherever symlinks lead.
    """
    # Metadata of Zarr names no checksum, and there may be many thousands of it.
    named = [path for path in index.paths if names_checksums(path)]
    if not named:
        return index
    bags = {path for path in named if path.rpartition("/")[2] == "bagit.txt"}
    promised: dict[str, tuple[str, bytes]] = {}
    for path, data in _read(named[:_MAX_MANIFESTS], DataRoot(root, follow=follow)):
        for file, sums in checksums_of(path, data, bags):
            known = dict(sums)
            algorithm = next((name for name in _PREFERRED if name in known), None)
            if algorithm is not None:
                promised.setdefault(file, (algorithm, known[algorithm]))
    if not promised:
        return index
    others: dict[str, list[str | None]] = {name: list(column) for name, column in index.others.items()}
    for row, path in enumerate(index.paths):
        found = promised.get(path)
        if found is not None and not any(column[row] for column in index.others.values()):
            algorithm, digest = found
            column = others.setdefault(algorithm, [None] * len(index.paths))
            column[row] = base64.b64encode(digest).decode("ascii")
    return index._replace(others=others)


def _read(named: Sequence[str], source: DataRoot) -> Iterator[tuple[str, bytes]]:
    left = _MAX_BYTES
    for path in named:
        try:
            with source.open(path) as file:
                size = file.fingerprint.size
                if size > min(MAX_MANIFEST, left):
                    continue
                left -= size
                yield path, file.read(size, 0) if size else b""
        except (OSError, FileRefused):
            continue  # it is told of when it is to be sent
