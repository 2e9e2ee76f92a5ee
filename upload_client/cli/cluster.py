"""``--dask``: send from the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from upload_client.core.hints import install
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError

_PATIENCE = 10.0  # seconds
_AT_LEAST = 16  # batches out at once: a cluster may still be growing


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor that runs on a Dask cluster, and how many batches it can have at once.

    Args:
        address: of its scheduler, ``tcp://host:8786`` or ``tls://…``.

    Raises:
        UsageError: no scheduler answers there, or Dask is not installed.
    """
    try:
        import distributed  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise UsageError("--dask needs Dask, which is not installed", hint=install("dask")) from None
    if not address.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")):
        # Dask would say so only after a minute.
        raise UsageError(f"{for_terminal(address)!r} is no address of a Dask scheduler: tcp://host:8786")
    connect: Any = distributed.Client  # Dask is typed in part only
    try:
        client = connect(address, set_as_default=False, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {for_terminal(address)!r}: {error}") from None
    with client:
        yield client.get_executor(pure=False), max(_AT_LEAST, 2 * len(client.nthreads()))
