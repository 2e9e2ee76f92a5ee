"""Moving files: `send_files`, the data plane alone; `TransferEngine`, which a delivery drives; `DataRoot`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Unpack

from upload_client.support.late_names import late_names
from upload_client.support.local_file import FileRefused, Fingerprint, LocalFile
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine
from upload_client.transfer.task import TransferOptions, TransferOutcome, TransferTask

if TYPE_CHECKING:
    from upload_client.core.files import ClientFile
    from upload_client.s3.bucket import Bucket
    from upload_client.transfer.executor import BucketAddress, CoordinatorLock, ExecutorEngine
else:
    # Only where another machine sends: loading it takes as long as fetching fifty files.
    _HOME = dict.fromkeys(("ExecutorEngine", "CoordinatorLock", "BucketAddress"), "executor")
    __getattr__, __dir__ = late_names(__name__, _HOME)

__all__ = [
    "BucketAddress",
    "CoordinatorLock",
    "DataRoot",
    "ExecutorEngine",
    "FileRefused",
    "Fingerprint",
    "LocalFile",
    "TransferEngine",
    "TransferOptions",
    "TransferOutcome",
    "TransferTask",
    "send_files",
]

WINDOW = 4096
"""Files handed to the engine ahead of their turn: enough to sort by size, few enough to hold in memory."""


def send_files(
    files: Iterable[ClientFile | TransferTask],
    source: DataRoot,
    destination: Bucket,
    *,
    executor: Executor | None = None,
    on_progress: Callable[[int], None] | None = None,
    expect: Mapping[str, str] | None = None,
    **options: Unpack[TransferOptions],
) -> Iterator[TransferOutcome]:
    """Transfer files, without lock, log or retries: the data plane alone.

    Args:
        files: What to transfer. A `ClientFile` goes to its ``relpath`` below the destination's prefix.
        source: Where they come from.
        destination: Where they go.
        executor: Where to run, in batches; None: here. See `ExecutorEngine`.
        on_progress: Called with the bytes sent since its last call.
        expect: The ETag (without quotes) of what is there already, by relpath; anything else that is there
            is found out and replaced.
        **options: Of the engine: `n_threads`, requests under way at once, and others.

    Yields:
        One outcome for each file, in the order in which they end.
    """
    expected = expect or {}
    tasks = (
        file
        if isinstance(file, TransferTask)
        else TransferTask(
            row,
            file.relpath,
            file.abspath if source.bucket is None else file.relpath,
            file.relpath,
            checksum=file.checksum,
            expect_etag=expected.get(file.relpath),
        )
        for row, file in enumerate(files)
    )
    running: TransferEngine | ExecutorEngine
    if executor is None:
        running = TransferEngine(source, destination, **options)
    else:
        from upload_client.transfer.executor import ExecutorEngine as BatchExecutor  # noqa: PLC0415 - see above

        running = BatchExecutor(executor, source, destination, **options)
    try:
        more = True
        reported = 0
        while True:
            while more and running.in_flight < WINDOW:
                task = next(tasks, None)
                if task is None:
                    more = False
                else:
                    running.submit(task)
            if not more and not running.in_flight:
                return
            outcomes = running.poll(1.0)[1]
            if on_progress is not None and running.bytes_sent > reported:
                sent = running.bytes_sent
                on_progress(sent - reported)
                reported = sent
            yield from outcomes
    finally:
        running.close()
