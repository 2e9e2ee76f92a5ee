"""`DataRoot`: the source of files, a directory or a bucket, behind one interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.core.codes import FileCode
from upload_client.s3.bucket import Bucket
from upload_client.support.file_names import from_disk, on_disk
from upload_client.support.local_file import FileRefused, LocalFile, open_inside

if TYPE_CHECKING:
    from upload_client.core.files import ClientFile


class DataRoot:
    """The source of files: a directory of this machine, or a bucket (below its prefix).

    Args:
        source: A directory, or a `Bucket`.
        follow: Files of a directory may lie anywhere, wherever symlinks lead.

    Raises:
        TypeError: `source` is something else.
    """

    def __init__(self, source: Path | Bucket, *, follow: bool = False) -> None:
        self.follow = follow
        if isinstance(source, Path):
            self.path: Path | None = source
            self.bucket: Bucket | None = None
            self._real = os.path.realpath(source)
            self._inside = self._real.rstrip(os.sep) + os.sep
        elif isinstance(source, Bucket):
            self.path = None
            self.bucket = source
            self._real = self._inside = ""
        else:
            raise TypeError(f"a source is a pathlib.Path or a Bucket, not {type(source).__name__}")

    def __repr__(self) -> str:
        return f"DataRoot({self.path or self.bucket!r})"

    def open(self, path: str) -> LocalFile:
        """Open a local file by its absolute path, or by its path relative to the root.

        Raises:
            FileRefused: It is not a regular file, lies outside the root (unless `follow`), may not be read
                or is not there.
            OSError: The system could not open it for a reason that may pass (too many files open, …).
        """
        # Once per file: os.path.join takes longer than to open it, and Path ten times as long.
        path = on_disk(path)
        path = path if os.path.isabs(path) else self._inside + path  # noqa: PTH117
        return open_inside(path, "" if self.follow else self._inside)

    def cp(self, source: ClientFile, destination_bucket: Bucket) -> str | None:
        """Bring one file into a bucket, at its `relpath`: upload it, or have S3 copy it.

        Whatever is there under that key is replaced. The checksum S3 computes is compared with the file's.

        Returns:
            The ETag of the object, without quotes.

        Raises:
            FileRefused: The file itself cannot be sent, or is not what its checksum says.
            UploadClientError: S3 did not take it.
        """
        from upload_client.s3.errors import UploadClientError  # noqa: PLC0415 - errors are rare
        from upload_client.transfer import send_files  # noqa: PLC0415 - it imports this module

        existing = destination_bucket.head(source.relpath)
        outcome = next(
            send_files(
                [source],
                self,
                destination_bucket,
                n_threads=1,
                expect={source.relpath: existing.etag} if existing else None,
            )
        )
        if outcome.ok:
            return outcome.etag
        if outcome.again:
            raise UploadClientError(outcome.error)
        raise FileRefused(outcome.error or "", outcome.code or FileCode.UNEXPECTED)

    def ls(self, key: str | Path | None = None) -> tuple[str, ...]:
        """List a directory or prefix.

        Args:
            key: Relative to the root, ``/``-separated; None: the root itself.

        Returns:
            Names in a local directory, sorted, folders with a ``/`` at the end; or the keys below a
            prefix. All relative to the root.

        Raises:
            FileRefused: The directory is outside the root.
            OSError: It cannot be listed.
        """
        name = "" if key is None else (key.as_posix() if isinstance(key, Path) else key)
        if self.bucket is not None:
            return tuple(self.bucket.ls(name))
        folder = os.path.realpath(os.path.join(self._real, on_disk(name)))  # noqa: PTH118
        if not (folder + os.sep).startswith(self._inside):
            raise FileRefused("lies outside the source", FileCode.OUTSIDE_SOURCE)
        start = name.strip("/") + "/" if name.strip("/") not in ("", ".") else ""
        with os.scandir(folder) as entries:
            return tuple(sorted(start + from_disk(entry.name) + "/" * entry.is_dir() for entry in entries))
