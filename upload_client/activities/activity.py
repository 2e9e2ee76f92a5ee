"""`Activity`: a piece of work that succeeds as a whole, or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol, cast

from upload_client.activities.source import DataSource
from upload_client.errors import Interrupted, UsageError
from upload_client.support.arguments import can


class Writer(Protocol):
    """Writes the content of a reader to its destination.

    It may have a method ``check`` as well, which is called with the metadata before anything is read.
    """

    def write(self, reader: BinaryIO, metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Write all of it, or nothing under its final name.

        Args:
            reader: read to its end, not closed.
            metadata: names the destination; its fields are also used in notifications.

        Returns:
            Facts about what was written, such as ``link``, for notifications; None: there are none.
        """
        ...


class Activity:
    """A piece of work that succeeds as a whole, or fails with an exception.

    Args:
        metadata: facts about it, for notifications. Each activity has a dict of its own.
    """

    def __init__(self, metadata: Mapping[str, Any] | None = None) -> None:
        if metadata is not None and not isinstance(metadata, Mapping):
            raise UsageError(
                f"metadata is of the type {type(metadata).__name__}: it is a dict of names and values"
            )
        self._metadata: dict[str, Any] = dict(metadata or {})
        self._stopping = threading.Event()

    @property
    def metadata(self) -> dict[str, Any]:
        """The facts about it, for notifications. May be changed."""
        return self._metadata

    def start(self) -> None:
        """Do it. It may be started again after it has ended."""
        raise NotImplementedError

    def check_stopped(self) -> None:
        """Raise `Interrupted` if it is to stop.

        Raises:
            Interrupted: it was stopped.
        """
        if self._stopping.is_set():
            raise Interrupted

    def stop(self) -> None:
        """Stop it soon and in order: `start` raises `Interrupted`. May be called from any thread."""
        self._stopping.set()


class DeliveryActivity(Activity):
    """Reads a source and writes it.

    Args:
        data_source: what is read; what is no `DataSource` is made one.
        writer: where it goes.
        metadata: names the destination; its fields are also used in notifications. What the writer returns is
            added to it, such as ``link``.
    """

    def __init__(
        self,
        data_source: DataSource | object,
        writer: Writer,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(metadata)
        self.data_source = data_source if isinstance(data_source, DataSource) else DataSource(data_source)
        can("writer", writer, ("write",), "an object with a method `write`, such as an S3FileWriter")
        self.writer = writer

    def start(self) -> None:
        """Read and write, once.

        Raises:
            Interrupted: it was stopped.
            NotDelivered: it could not be read, or not be written.
            UsageError: the arguments are not valid.
        """
        self.check_stopped()
        if (check := getattr(self.writer, "check", None)) is not None:
            check(self.metadata)
        with self.data_source.get_reader() as reader:
            until_stopped = cast("BinaryIO", _UntilStopped(reader, self.check_stopped))
            written = self.writer.write(until_stopped, dict(self.metadata))
        self.metadata.update(written or {})


class _UntilStopped:
    """A reader that ends with `Interrupted` once the activity is stopped, even if its source is slow."""

    def __init__(self, reader: BinaryIO, check_stopped: Callable[[], None]) -> None:
        self._reader = reader
        self._check_stopped = check_stopped

    def read(self, size: int = -1) -> bytes:
        self._check_stopped()
        read1 = getattr(self._reader, "read1", None)
        if read1 is None or size < 0:
            return self._reader.read(size)
        # A buffered reader waits until it has as much as it was asked for, which may take hours.
        blocks: list[bytes] = []
        while size > 0 and (data := read1(size)):
            blocks.append(data)
            size -= len(data)
            self._check_stopped()
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a file has
        return getattr(self._reader, name)
