"""Manifests among the files of a folder, held against the folder, with the checksums that they name.

The validator compares names and sizes with the index; here the content is at hand, and is read for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from upload_client.core.accidents import POINTER_BYTES, is_pointer
from upload_client.core.manifests import bagit_digest
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import Undecided, shown
from upload_client.expectations.packaging import (
    IN_VAIN,
    MAX_MANIFEST,
    Listed,
    TooLarge,
    judge,
    packaging_of,
    payloads,
)
from upload_client.support.local_file import FileRefused
from upload_client.transfer.dataroot import DataRoot

_BLOCK = 1024 * 1024
_MAX_COMPUTED = 500_000  # files of which checksums are kept until another manifest names them, too
POINTER = "it is only a pointer of Git LFS or git-annex: fetch the file itself (git lfs pull, datalad get)"
"""The sentence about a file that stands for another one."""


class _Folder:
    """The files of a folder, as a listing of a delivery."""

    def __init__(self, source: DataRoot, files: Mapping[str, int | None], *, complete: bool) -> None:
        self.complete = complete
        self.in_vain = IN_VAIN
        self._source = source
        self._files = files
        self._below: dict[str, tuple[int, int | None]] | None = None
        self._is_counted = False
        # All that are asked for in one bag or another are computed at once, and kept until they are: so a
        # file that three manifests name is read once.
        self._algorithms = {
            algorithm
            for name in {path.rpartition("/")[2] for path in manifests(files)}
            if (algorithm := bagit_digest(name.removeprefix("tag"))) is not None
        }
        self._computed: dict[str, dict[str, bytes]] = {}

    def find(self, path: str) -> Listed | None:
        return Listed(self._files[path]) if path in self._files else None

    def below(self, folder: str) -> tuple[int, int | None] | None:
        if not self._is_counted:
            self._below = payloads(self._files.items(), self._files.__contains__)
            self._is_counted = True
        return None if self._below is None else self._below.get(folder, (0, 0))

    def digests(self, path: str, algorithms: tuple[str, ...]) -> Mapping[str, bytes]:
        kept = self._computed.pop(path, {})
        if not kept.keys() >= set(algorithms):
            kept = self._read(path, self._algorithms.union(algorithms))
        left = {name: digest for name, digest in kept.items() if name not in algorithms}
        if left and len(self._computed) < _MAX_COMPUTED:
            self._computed[path] = left
        return {name: kept[name] for name in algorithms}

    def remember(self, _path: str, _sums: tuple[tuple[str, bytes], ...], _manifest: str) -> None:
        return  # what cannot be read here is told of otherwise

    def content(self, path: str, most: int) -> bytes | None:
        with self._source.open(path) as file:
            size = file.fingerprint.size
            if size > most:
                raise TooLarge(f"{shown(path)} has more than {most:,} bytes")
            return file.read(size, 0) if size else b""

    def _read(self, path: str, algorithms: Iterable[str]) -> dict[str, bytes]:
        made = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        with self._source.open(path) as file:
            at = 0
            while at < file.fingerprint.size:
                block = file.read(min(_BLOCK, file.fingerprint.size - at), at)
                for one in made.values():
                    one.update(block)
                at += len(block)
        return {name: one.digest() for name, one in made.items()}


def manifests(files: Mapping[str, int | None]) -> list[str]:
    """The files that may be manifests, by their names."""
    return [path for path in files if packaging_of(path) is not None]


def _pointers(source: DataRoot, files: Mapping[str, int | None]) -> Iterator[str]:
    """Files that stand for others, which were not fetched."""
    for path, size in files.items():
        if size is not None and 0 < size <= POINTER_BYTES:
            try:
                with source.open(path) as file:
                    n = min(size, file.fingerprint.size)
                    if n and is_pointer(file.read(n, 0)):
                        yield path
            except (OSError, FileRefused):
                continue  # others tell of it


def check_packages(
    root: Path,
    files: Mapping[str, int | None],
    *,
    follow: bool = False,
    complete: bool = True,
    expected: Expected | None = None,
    on_file: Callable[[], object] = lambda: None,
) -> Iterator[tuple[str, str, bool]]:
    """Hold each manifest against the folder, and look for pointers; files with checksums are read.

    Args:
        root: the directory that `files` are relative to.
        files: path and size in bytes of each file of the delivery.
        follow: files may lie outside of `root`, wherever symlinks lead.
        complete: False: this is a part of a delivery, so nothing is missing in it.
        expected: what is expected of the files.
        on_file: called before each file that is compared.

    Yields:
        Path of each manifest, and of what stands for another file (DataLad, Git LFS), what is to be said of
        it, and whether it is as it promises.
    """
    source = DataRoot(root, follow=follow)
    for path in _pointers(source, files):
        yield path, POINTER, False
    listing = _Folder(source, files, complete=complete)
    for path in manifests(files):
        rules = None if expected is None else expected.content(path)
        if rules is not None and rules.format == "opaque":
            continue
        try:
            with source.open(path) as file:
                size = file.fingerprint.size
                if size > MAX_MANIFEST:
                    continue  # the validator does not look at it either
                data = file.read(size, 0) if size else b""
            content = None if rules is None else rules.content
            judged = judge(path, data, listing, rules=content, go_on=on_file)
        except Undecided:
            continue  # what is not kept is told alone
        except (OSError, FileRefused) as error:
            yield path, f"it cannot be held against the files: {error}", False
            continue
        if judged is not None:
            is_kept = not judged.findings.n
            yield (
                path,
                judged.summary if is_kept else f"it does not go with the delivery: {judged.findings}",
                is_kept,
            )


def with_packages(
    wrong: Iterable[tuple[str, str]], packages: Iterable[tuple[str, str, bool]]
) -> list[tuple[str, str]]:
    """One sentence about each file that is not as it should be, with its path.

    Args:
        wrong: what is said of files by themselves.
        packages: as `check_packages` yields it.
    """
    found: dict[str, str] = {}
    for path, problem, is_kept in packages:
        if not is_kept:
            found.setdefault(path, problem)  # that it is a pointer comes first
    # It says more than that what is there does not open.
    alone = [(path, problem) for path, problem in wrong if found.get(path) != POINTER]
    named = {path for path, _ in alone}
    return alone + [(path, problem) for path, problem in found.items() if path not in named]
