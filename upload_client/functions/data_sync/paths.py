"""Places of data: an S3 URI, an EFS URI or a path of this machine, and what lies there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from upload_client.core.data_sync import Facts
from upload_client.core.own_files import is_left_over
from upload_client.errors import UsageError
from upload_client.functions.data_sync.access import client, open_bucket
from upload_client.s3.bucket import Bucket, repeat_while_lost
from upload_client.support.file_names import from_disk, on_disk

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from upload_client.functions.data_sync.models import S3Access

_EFS: Final = re.compile(r"efs://(fs-[0-9a-f]{8,40})(?::?/(.*)|:)?", re.DOTALL)
_MOUNTS: Final = "/proc/self/mounts"


class S3Place(NamedTuple):
    """A key, or all keys below one: `key` is empty or ends in ``/`` where it is a folder."""

    bucket: str
    key: str
    access: S3Access | None = None

    @property
    def uri(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_folder(self) -> bool:
        """Whether its name says that it is a folder."""
        return not self.key or self.key.endswith("/")

    def folder(self) -> S3Place:
        """The same as a folder."""
        return self if self.is_folder else self._replace(key=self.key + "/")

    def client(self) -> S3Client:
        """A client for it; see `upload_client.functions.data_sync.access.client`."""
        return client(self.access)

    def open(self) -> Bucket:
        """The bucket at this key."""
        return open_bucket(self.access, self.bucket, self.key)


class LocalPlace(NamedTuple):
    """A path of this machine: absolute, no ``/`` at its end; `given` is how it was named."""

    path: str
    given: str

    @property
    def uri(self) -> str:
        """The path as it was named, for filters, answers and people."""
        return self.given

    @property
    def is_folder(self) -> bool:
        """Whether its name says that it is a folder."""
        return self.given.endswith("/")


Place = S3Place | LocalPlace


def place_of(
    path: str,
    env: Mapping[str, str] | None = None,
    access: S3Access | None = None,
) -> Place:
    """Find what a path means.

    Args:
        path: ``s3://bucket/key``, ``efs://fs-…[:/]path`` or a path of this machine.
        env: the environment; None: this process's.
        access: the way to objects; None: that of everything else here.

    Raises:
        UsageError: it is no such thing, or its file system is not mounted here.
    """
    if path.startswith("s3://"):
        bucket, _, key = path[5:].partition("/")
        if not bucket:
            raise UsageError(f"{path!r} names no bucket", hint="Write s3://BUCKET/KEY.")
        return S3Place(bucket, key, access)
    if path.startswith("efs://"):
        return LocalPlace(_mounted(path, os.environ if env is None else env), path)
    if re.match(r"[a-z][a-z0-9+.-]+://", path):
        raise UsageError(
            f"{path!r} is no path that can be synced", hint="Write an s3:// or efs:// URI, or a local path."
        )
    return LocalPlace(os.path.abspath(on_disk(path)), path)  # noqa: PTH100 - keeps what is a text a text


def efs_mounts(env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """File systems of EFS that are mounted here: id, path in it, mount point; the deepest path first.

    ``EFS_MOUNT_POINTS`` is a JSON object, ``{"fs-0123456789abcdef0": "/mnt/efs", "fs-…:/shared": "/mnt/s"}``.
    Mounts of NFS by the name of the file system are found without it.

    Raises:
        UsageError: the variable is no such object.
    """
    found: list[tuple[str, str, str]] = []
    if text := env.get("EFS_MOUNT_POINTS"):
        hint = 'Write for example EFS_MOUNT_POINTS={"fs-0123456789abcdef0": "/mnt/efs"}.'
        try:
            given = json.loads(text)
        except ValueError:
            raise UsageError("EFS_MOUNT_POINTS is no JSON", hint=hint) from None
        if not isinstance(given, dict):
            raise UsageError("EFS_MOUNT_POINTS is no JSON object", hint=hint)
        for name, mount in given.items():
            match = _EFS.fullmatch(f"efs://{name}")
            if match is None or not isinstance(mount, str) or not mount.startswith("/"):
                raise UsageError(f"EFS_MOUNT_POINTS: {name!r} is not mounted at {mount!r}", hint=hint)
            found.append((match[1], (match[2] or "").strip("/"), mount.rstrip("/") or "/"))
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123 - of the system
            for line in mounts:
                device, mount, kind = ([*line.split(" ", 3), "", "", ""])[:3]
                host, _, inside = device.partition(":/")
                if kind in ("nfs4", "efs") and (match := re.match(r"(fs-[0-9a-f]{8,40})(?:\.|\Z)", host)):
                    mount = mount.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
                    found.append((match[1], inside.strip("/"), mount))
    except OSError:
        pass
    found.sort(key=lambda each: -len(each[1]))
    return found


def _mounted(path: str, env: Mapping[str, str]) -> str:
    match = _EFS.fullmatch(path)
    if match is None:
        raise UsageError(f"{path!r} is no path in EFS", hint="Write efs://fs-0123456789abcdef0:/folder/file.")
    name, inside = match[1], (match[2] or "").strip("/")
    if ".." in inside.split("/"):
        raise UsageError(f"{path!r} has '..' in it, which leaves its folder")
    for file_system, root, mount in efs_mounts(env):
        if file_system == name and (not root or inside == root or inside.startswith(root + "/")):
            return os.path.join(mount, inside[len(root) :].strip("/")).rstrip("/") or "/"  # noqa: PTH118
    raise UsageError(
        f"{name} is not mounted here",
        hint='Mount it, or say where it is: EFS_MOUNT_POINTS={"' + name + '": "/mnt/efs"}.',
    )


def list_s3(bucket: Bucket) -> Iterator[tuple[str, Facts]]:
    """The objects below the bucket's prefix: each key relative to it, and what the listing says."""
    for info in bucket.list():
        yield info.key, Facts(info.size, info.last_modified, info.etag)


def head_s3(place: S3Place) -> Facts | None:
    """The object of that very key; None: there is none."""
    if place.is_folder:
        return None
    whole = place._replace(key="").open()
    info = repeat_while_lost(lambda: whole.head(place.key, checksum=False))
    return None if info is None else Facts(info.size, info.last_modified, info.etag)


def walk_local(
    root: str, odd: list[str] | None = None, left: list[str] | None = None
) -> Iterator[tuple[str, Facts]]:
    """The files below a folder: each path relative to it, and what the system says.

    Files that symlinks lead to are files; folders that they lead to are not gone into. What is being written
    by this program is passed over.

    Args:
        root: absolute.
        odd: receives the paths of what is no file and no folder, of what leads nowhere, and of links to
            folders.
        left: receives, whole, the paths of what is being written, or was left so long ago that nobody does.
    """
    waiting = [("", root)]
    while waiting:
        prefix, folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            continue  # it was removed meanwhile
        for entry in entries:
            name = prefix + from_disk(entry.name)
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((name + "/", entry.path))
                    continue
                if entry.is_file():
                    status = entry.stat()
                    if not is_left_over(entry.name):
                        yield name, Facts(status.st_size, status.st_mtime)
                    elif left is not None:
                        left.append(entry.path)
                    continue
            except OSError:
                pass  # it leads in a circle, or was removed meanwhile
            if odd is not None:
                odd.append(name)
