"""Everything below a path: counted, listed, found to be stale, removed."""

# ruff: noqa: PTH108, PTH112, PTH114, PTH118, PTH120 - as in `upload_client.functions.data_sync.local`

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from upload_client.core.data_sync import Facts, Filters, Tree, TreeNode, is_marker, stale
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.base.handler import LambdaHandler
from upload_client.functions.data_sync.models import (
    GetDataPathStatsRequest,
    GetDataPathStatsResponse,
    ListDataPathsRequest,
    ListDataPathsResponse,
    OutdatedDataPathScannerRequest,
    OutdatedDataPathScannerResponse,
    PathStats,
    RemoveDataPathsRequest,
    RemoveDataPathsResponse,
)
from upload_client.functions.data_sync.paths import (
    LocalPlace,
    S3Place,
    efs_mounts,
    head_s3,
    list_s3,
    place_of,
    walk_local,
)
from upload_client.functions.data_sync.removal import delete_objects
from upload_client.functions.data_sync.run import several

_DAY = 86400.0


class _Below(NamedTuple):
    """Everything below a path: its tree, and how a node is named whole."""

    tree: Tree
    root: str
    is_file: bool

    def whole(self, node: TreeNode) -> str:
        """The whole path of a node; with ``/`` at its end for a folder."""
        return self.root if self.is_file else self.root + node.path


def _below(path: str, *, with_markers: bool = False) -> _Below:
    """Look what is below a path.

    Args:
        path: as it was given.
        with_markers: objects that stand for folders are there as well; they are no files.
    """
    place = place_of(path)
    if isinstance(place, S3Place):
        facts = head_s3(place)
        if facts is not None:
            return _Below(_one(facts), place.uri, is_file=True)
        folder = place.folder()
        files = (
            (key, facts.size, facts.modified)
            for key, facts in list_s3(folder.open())
            if key and (with_markers or not is_marker(key, facts.size))
        )
        return _Below(Tree(files), folder.uri, is_file=False)
    if place.is_folder or os.path.isdir(place.path) or not os.path.lexists(place.path):
        walked = walk_local(place.path) if os.path.isdir(place.path) else ()
        found = ((name, facts.size, facts.modified) for name, facts in walked)
        return _Below(Tree(found), place.given.rstrip("/") + "/", is_file=False)
    status = os.stat(place.path)  # noqa: PTH116
    return _Below(_one(Facts(status.st_size, status.st_mtime)), place.given, is_file=True)


def _one(facts: Facts) -> Tree:
    return Tree([("", facts.size, facts.modified)])


def _stats(tree: Tree, node: TreeNode) -> PathStats:
    size, count, last = tree.stats(node)
    return PathStats(
        size_bytes=size, object_count=count, last_modified=datetime.fromtimestamp(max(last, 0.0), UTC)
    )


class GetDataPathStatsHandler(LambdaHandler[GetDataPathStatsRequest, GetDataPathStatsResponse]):
    """Counts what is below a path, and what is below each thing directly in it."""

    def handle(self, request: GetDataPathStatsRequest) -> GetDataPathStatsResponse:
        """Count. A path that is not there has nothing below it."""
        below = _below(request.path)
        children: dict[str, PathStats] = {}
        for node in below.tree.children(below.tree.root) if not below.is_file else ():
            name = node.path.rstrip("/")
            children[node.path if name in children else name] = _stats(below.tree, node)
        return GetDataPathStatsResponse(
            path=below.root, path_stats=_stats(below.tree, below.tree.root), children=children
        )

    @classmethod
    def serialize_response(cls, response: GetDataPathStatsResponse) -> dict[str, Any]:
        """The JSON of a response.

        pydantic writes one and the same key for all names that are not UTF-8.
        """
        answer: dict[str, Any] = super().serialize_response(response.model_copy(update={"children": {}}))
        answer["children"] = {
            name: stats.model_dump(mode="json") for name, stats in response.children.items()
        }
        return answer


class ListDataPathsHandler(LambdaHandler[ListDataPathsRequest, ListDataPathsResponse]):
    """Lists what is below a path: the root, files and folders, folders with ``/`` at their end."""

    def handle(self, request: ListDataPathsRequest) -> ListDataPathsResponse:
        """List.

        Raises:
            ValueError: an expression is none.
        """
        filters = Filters(several(request.include), several(request.exclude))
        below = _below(request.path, with_markers=True)
        paths = [
            below.whole(node)
            for node in ((below.tree.root,) if below.is_file else below.tree.walk())
            if not filters or filters.matches_start(node.path)
        ]
        return ListDataPathsResponse.model_construct(paths=sorted(paths))


class OutdatedDataPathScannerHandler(
    LambdaHandler[OutdatedDataPathScannerRequest, OutdatedDataPathScannerResponse]
):
    """Finds what has not been used for long."""

    def handle(self, request: OutdatedDataPathScannerRequest) -> OutdatedDataPathScannerResponse:
        """Look for it."""
        below = _below(request.path)
        now = request.current_time
        found = stale(
            below.tree,
            now=(now if now.tzinfo else now.replace(tzinfo=UTC)).timestamp(),
            older_than=request.days_since_last_accessed * _DAY,
            keep_bytes=request.min_size_bytes_allowed,
            min_depth=request.min_depth,
            max_depth=request.max_depth,
        )
        return OutdatedDataPathScannerResponse(paths=sorted(below.whole(node) for node in found))


class RemoveDataPathsHandler(LambdaHandler[RemoveDataPathsRequest, RemoveDataPathsResponse]):
    """Removes files and folders."""

    def handle(self, request: RemoveDataPathsRequest) -> RemoveDataPathsResponse:
        """Remove them. All paths are looked at before the first one is removed.

        Raises:
            UsageError: a path is a whole bucket, the root of the file system, or has a whole file system of
                EFS at it or below it.
                (It is a `ValueError`.)
            OSError: it cannot be removed.
        """
        places = [(path, place_of(path)) for path in request.paths]
        mounts = efs_mounts(os.environ)
        for path, place in places:
            if (isinstance(place, S3Place) and not place.key) or (
                isinstance(place, LocalPlace) and _holds_all(place.path, mounts)
            ):
                raise UsageError(
                    f"{path} is not removed: it is all there is", hint="Name what is in it, folder by folder."
                )
        n_bytes = 0
        removed: list[str] = []
        for path, place in places:
            if isinstance(place, S3Place):
                if not request.allow_s3:
                    message = "%s stays: S3 paths are removed with allow_s3=true"
                    self.logger.warning(message, for_terminal(path))
                    continue
                size = _remove_objects(place)
            else:
                size = _remove_files(place)
            if size is None:
                self.logger.warning("%s is not there any more", for_terminal(path))
            else:
                n_bytes += size
                removed.append(path)
        return RemoveDataPathsResponse(size_bytes_removed=n_bytes, paths_removed=removed)


def _holds_all(path: str, mounts: Sequence[tuple[str, str, str]]) -> bool:
    """Whether a path is the root, or a whole file system of EFS is mounted there, or somewhere below it.

    Args:
        path: absolute. A symlink at its end is removed itself, not what it leads to.
        mounts: of EFS, as `efs_mounts` finds them.
    """
    folder, name = os.path.split(os.path.normpath(path))
    path = os.path.join(os.path.realpath(folder), name)
    return os.path.dirname(path) == path or any(
        f"{os.path.realpath(mount)}/".startswith(f"{path}/") for _, root, mount in mounts if not root
    )


def _remove_objects(place: S3Place) -> int | None:
    """Remove an object, or all below a folder; their bytes. None: there was nothing."""
    facts = head_s3(place)
    if facts is not None:
        whole = S3Place(place.bucket, "").open()
        delete_objects(whole, [place.key])
        return facts.size
    bucket = place.folder().open()
    n_bytes = n = 0
    objects: Iterator[tuple[str, Facts]] = list_s3(bucket)
    while batch := list(islice(objects, 1000)):
        delete_objects(bucket, [key for key, _ in batch])
        n += len(batch)
        n_bytes += sum(each.size for _, each in batch)
    return n_bytes if n else None


def _remove_files(place: LocalPlace) -> int | None:
    """Remove a file, a symlink or a folder; its bytes. None: there was none."""
    path = place.path
    if not os.path.lexists(path) or (place.is_folder and not os.path.isdir(path)):
        return None
    if os.path.isdir(path) and not os.path.islink(path):
        n_bytes = sum(facts.size for _, facts in walk_local(path))
        shutil.rmtree(path)
        return n_bytes
    n_bytes = os.lstat(path).st_size
    os.unlink(path)
    return n_bytes
