"""Syncs as functions: one, several one after the other, and one cut into many."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from upload_client.core.data_sync import (
    BATCH_BYTES,
    BATCH_OBJECTS,
    TreeNode,
    first_fit_decreasing,
    together,
)
from upload_client.core.paths import check_relpath
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.functions.base.handler import LambdaHandler
from upload_client.functions.data_sync.comparing import in_parallel
from upload_client.functions.data_sync.json_files import put_json, read_json
from upload_client.functions.data_sync.models import (
    BatchDataSyncRequest,
    BatchDataSyncResponse,
    BatchDataSyncResult,
    DataSyncRequest,
    DataSyncResponse,
    DataSyncResult,
    PrepareBatchDataSyncRequest,
    PrepareBatchDataSyncResponse,
)
from upload_client.functions.data_sync.paths import S3Place, place_of
from upload_client.functions.data_sync.sync import Counts, SelectedFiles, SyncFailed, listed, run_sync
from upload_client.functions.errors import InvalidRequest, code_of, mistakes_of, sentence_of

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

_PATHS: Final = ("source_path", "destination_path")
_TIMES: Final = 3


@functools.cache
def _requests() -> TypeAdapter[list[DataSyncRequest]]:
    return TypeAdapter(list[DataSyncRequest])


class _Sized(Protocol):
    @property
    def size_bytes(self) -> int: ...


NODE = TypeVar("NODE", bound=_Sized)


class DataSyncHandler(LambdaHandler[DataSyncRequest, DataSyncResponse]):
    """Syncs a source to a destination."""

    def handle(self, request: DataSyncRequest) -> DataSyncResponse:
        """Sync; raises as `upload_client.functions.data_sync.sync.run_sync`."""
        counts = run_sync(request, self.logger.warning)
        self.logger.info(
            "synced",
            extra={
                "files_transferred": counts.files_transferred,
                "bytes_transferred": counts.bytes_transferred,
                "files_kept": counts.kept,
                "files_removed": counts.removed,
                "files_moved": counts.moved,
            },
        )
        return DataSyncResponse(
            request=request,
            result=DataSyncResult(
                bytes_transferred=counts.bytes_transferred, files_transferred=counts.files_transferred
            ),
        )


class BatchDataSyncHandler(LambdaHandler[BatchDataSyncRequest, BatchDataSyncResponse]):
    """Syncs several sources, one after the other."""

    def handle(self, request: BatchDataSyncRequest) -> BatchDataSyncResponse:
        """Sync them all.

        Raises:
            InvalidRequest: what lies at the URI is no list of requests.
            Exception: the first error of a sync, unless `allow_partial_failure`.
        """
        requests = request.requests
        if isinstance(requests, str):
            where, content = requests, read_json(requests)
            content = [content] if isinstance(content, dict) else content
            try:
                requests = _requests().validate_python(content)
            except ValidationError as error:
                raise InvalidRequest(
                    f"{where} is no list of data sync requests: {mistakes_of(error)}"
                ) from None
        batch = _Batch(self.logger, len(requests), allow_partial_failure=request.allow_partial_failure)
        for group in _groups(requests):
            batch.sync(group)
        return BatchDataSyncResponse(result=batch.result, failed_requests=batch.failed)


class _Batch:
    """Requests, one after the other; single files of one folder at once."""

    def __init__(self, logger: Logger, n: int, *, allow_partial_failure: bool) -> None:
        self._logger = logger
        self._go_on = allow_partial_failure
        self.result = BatchDataSyncResult(total_requests_count=n)
        self.failed: list[DataSyncRequest] = []

    def sync(self, group: list[DataSyncRequest]) -> None:
        """Sync requests that may be done at once.

        Raises:
            Exception: the first error of a sync, unless one may fail.
        """
        found = together([(each.source_path, each.destination_path) for each in group])
        if found is None:
            left = group
        else:
            paths = dict(zip(found.paths, group, strict=True))
            folders = {"source_path": found.source, "destination_path": found.target}
            left = self._sync_files(group[0].model_copy(update=folders), paths)
        for each in left:
            try:
                counts = run_sync(each, self._logger.warning)
            except Exception as error:
                if not self._go_on:
                    raise
                self._note(each, error)
            else:
                self._count(counts, 1)

    def _sync_files(
        self, folder: DataSyncRequest, paths: dict[str, DataSyncRequest]
    ) -> list[DataSyncRequest]:
        """Sync single files of a folder at once. Those that have to be looked at one by one."""
        for _ in range(_TIMES):
            sync = SelectedFiles(folder, list(paths), self._logger.warning)
            try:
                sync.run()
            except Exception as error:
                self._count(sync.counts, 0)
                if not self._go_on:
                    raise
                if not isinstance(error, SyncFailed) or not error.paths:
                    break
                for path in error.paths:
                    self._note(paths.pop(path), error)
            else:
                left = [paths[path] for path in sync.others]
                self._count(sync.counts, len(paths) - len(left))
                return left
        return list(paths.values())

    def _count(self, counts: Counts, n: int) -> None:
        self.result.successful_requests_count += n
        self.result.bytes_transferred += counts.bytes_transferred
        self.result.files_transferred += counts.files_transferred

    def _note(self, request: DataSyncRequest, error: Exception) -> None:
        self.result.failed_requests_count += 1
        self.failed.append(request)
        message = sentence_of(error)
        if request.source_path not in message:
            message = f"{request.source_path}: {message}"
        self._logger.error("not synced: %s", for_terminal(message), extra={"code": code_of(error)})


def _groups(requests: Sequence[DataSyncRequest]) -> Iterator[list[DataSyncRequest]]:
    """Requests that follow one another: each by itself, or single files that differ in their paths alone."""
    group: list[DataSyncRequest] = []
    alike: dict[str, Any] = {}
    for each in requests:
        rest = {name: value for name, value in each if name not in _PATHS}
        single = (
            not each.source_path.endswith("/")
            and not each.destination_path.endswith("/")
            and not each.require_lock
            and not each.source_path_prefix
            and check_relpath(each.source_path.partition("://")[2] or each.source_path.lstrip("/")) is None
            and (each.filter_config is None or each.filter_root is not None)
        )
        if not single or rest != alike:
            if group:
                yield group
            group = []
        if single:
            group.append(each)
            alike = rest
        else:
            yield [each]
    if group:
        yield group


class PrepareBatchDataSyncHandler(LambdaHandler[PrepareBatchDataSyncRequest, PrepareBatchDataSyncResponse]):
    """Cuts a sync into batches that can be done at once, on several machines."""

    def handle(self, request: PrepareBatchDataSyncRequest) -> PrepareBatchDataSyncResponse:
        """List the source, cut it, and put the pieces into batches.

        Where the source is cut, `delete` of the pieces removes what is too much within each folder that goes
        as a whole, and nothing above.

        Raises:
            UsageError: filters keep nothing of the source, and `fail_if_missing`. (It is a `ValueError`.)
            StoreError: S3 refuses.
        """
        limit = request.batch_size_bytes_limit or BATCH_BYTES
        found = listed(request)
        if not found.tree.paths and found.n_seen:
            message = (
                f"the filters keep none of the {found.n_seen:,} files of {for_terminal(request.source_path)};"
                " they are regular expressions, matched with all of a path relative to the source"
            )
            if request.fail_if_missing:
                raise UsageError(message, hint="Correct include and exclude.")
            self.logger.warning(message)
        tree = found.tree
        most = request.batch_size_objects_limit or BATCH_OBJECTS
        nodes = tree.partition(limit, most) or [tree.root]
        counts = [max(node.stop - node.start, 1) for node in nodes]
        batches = first_fit_decreasing([tree.size(node) for node in nodes], limit, counts, most)
        pieces = _Pieces(
            request, found.source, found.target, is_file=found.is_file, is_missing=not found.tree.paths
        )
        ordered = [sorted(nodes[row] for row in batch) for batch in batches]
        where = request.temporary_request_payload_path
        if where is None:
            return PrepareBatchDataSyncResponse(
                requests=[
                    BatchDataSyncRequest.model_construct(
                        requests=[pieces.request(node) for node in batch], allow_partial_failure=False
                    )
                    for batch in ordered
                ]
            )
        folder = place_of(where)
        assert isinstance(folder, S3Place)  # the model takes no other
        folder = folder.folder()

        def write(numbered: tuple[int, Sequence[TreeNode]]) -> BatchDataSyncRequest:
            number, batch = numbered
            place = S3Place(folder.bucket, f"{folder.key}request_{number}.json")
            put_json(place, pieces.json(batch))
            return BatchDataSyncRequest(requests=place.uri)

        return PrepareBatchDataSyncResponse(requests=list(in_parallel(write, list(enumerate(ordered)))))

    @classmethod
    def build_node_batches(cls, nodes: Sequence[NODE], batch_size_bytes_limit: int) -> list[list[NODE]]:
        """Put nodes into batches first-fit decreasing; what is larger than the limit stands alone.

        Args:
            nodes: each with its bytes as `size_bytes`.
            batch_size_bytes_limit: bytes of a batch.
        """
        batches = first_fit_decreasing([node.size_bytes for node in nodes], batch_size_bytes_limit)
        return [[nodes[row] for row in batch] for batch in batches]


class _Pieces:
    """The requests for parts of a sync: all alike but for their paths."""

    def __init__(
        self,
        request: PrepareBatchDataSyncRequest,
        source: str,
        target: str,
        *,
        is_file: bool,
        is_missing: bool,
    ) -> None:
        own = {name: getattr(request, name) for name in DataSyncRequest.model_fields}
        # The destination of each piece follows from its path, behind the prefix that was cut off.
        own |= {"source_path_prefix": None, "filter_root": request.filter_root or request.source_path}
        stays = request.retain_source_data or (source.startswith("s3://") and not target.startswith("s3://"))
        if not stays and not is_missing:
            # A piece that is not there any more was moved, by a batch that ended before it could say so.
            own["fail_if_missing"] = False
        self._request = DataSyncRequest.model_construct(**own)
        self._source, self._target = source, target
        self._is_file = is_file
        self._plain: dict[str, Any] = self._request.model_dump(mode="json", exclude_none=True)

    def _paths(self, node: TreeNode) -> dict[str, str]:
        if self._is_file:
            return {"source_path": self._source, "destination_path": self._target}
        return {"source_path": self._source + node.path, "destination_path": self._target + node.path}

    def request(self, node: TreeNode) -> DataSyncRequest:
        """The request for a node."""
        return self._request.model_copy(update=self._paths(node))

    def json(self, nodes: Sequence[TreeNode]) -> bytes:
        """The requests for nodes, as JSON."""
        return json.dumps([{**self._plain, **self._paths(node)} for node in nodes]).encode()
