"""Opens Parquet, FITS and ASDF files for the validator, in a process that may be killed.

Libraries in C that read untrusted files may need any memory and any time. So they run here, without
credentials and without a network: standard input and output lead to the validator, which hands in the
bytes that are asked for (`upload_client.validator.opening` is the other end).

From the validator, one JSON line for each file: ``{"kind": "fits", "size": bytes}``. To it, any number
of ``{"read": [offset, n]}``, each answered with exactly n bytes; then ``{"opens": true}`` or
``{"opens": false, "why": text}``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

__all__ = ["CPU_SECONDS", "MEMORY", "main"]

MEMORY = 2 * 1024**3
"""Bytes of memory one opener may take, where the system can see to it."""
CPU_SECONDS = 60
"""CPU time one file may take, where the system can see to it."""

_BLOCK = 256 * 1024
_MAX_WHY = 300
_FITS_BLOCK = 2880
_FITS_UNIT = b"XTENSION="
_ASDF_WHOLE = 16 * 1024**2
"""Files up to this size are read whole; of larger ones the tree and where their blocks are."""


class _Remote(io.RawIOBase):
    """The file as the libraries see it: each read is a question to the validator."""

    name = "the file"
    mode = "rb"

    def __init__(self, size: int, questions: BinaryIO, answers: BinaryIO) -> None:
        self._size = size
        self._questions = questions
        self._answers = answers
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        n = max(0, min(len(buffer), self._size - self._position))
        if n:
            self._questions.write(b'{"read": [%d, %d]}\n' % (self._position, n))
            self._questions.flush()
            data = self._answers.read(n)
            if len(data) < n:
                raise SystemExit(1)  # the validator is gone
            buffer[:n] = data
            self._position += n
        return n


def _open_parquet(file: BinaryIO, _size: int) -> None:
    import pyarrow.parquet  # noqa: PLC0415 — an extra, and slow to import

    with pyarrow.parquet.ParquetFile(file) as parquet:
        assert parquet.schema_arrow is not None


def _open_fits(file: BinaryIO, size: int) -> None:
    from astropy.io import fits  # noqa: PLC0415 — an extra, and slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=True) as units:
            end = 0
            for unit in units:
                place = unit.fileinfo()
                end = place["datLoc"] + place["datSpan"]
            # Padding to whole blocks of 2,880 bytes is often left out at the very end.
            if end - size >= _FITS_BLOCK:
                raise ValueError(f"the last {end - size} bytes are missing")
            # It stops at a unit that it cannot read, as other things may follow the last one.
            file.seek(end)
            if file.read(len(_FITS_UNIT)) == _FITS_UNIT:
                raise ValueError(f"the unit at byte {end} is damaged or cut")


def _open_asdf(file: BinaryIO, size: int) -> None:
    import asdf  # noqa: PLC0415 — an extra, and slow to import

    with warnings.catch_warnings():
        # Of tags whose extension is not installed here: the file opens all the same.
        warnings.simplefilter("ignore")
        with asdf.open(file, mode="r", lazy_load=size > _ASDF_WHOLE, memmap=False) as opened:
            assert opened.tree is not None


_OPEN: dict[str, Callable[[BinaryIO, int], None]] = {
    "parquet": _open_parquet,
    "fits": _open_fits,
    "asdf": _open_asdf,
}


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 — POSIX only

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 — POSIX only

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS + 1
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _outcome(kind: str, file: BinaryIO, size: int) -> dict[str, Any]:
    try:
        _OPEN[kind](file, size)
    except Exception as error:  # noqa: BLE001 — whatever a library raises means that it does not open
        return {"opens": False, "why": f"{type(error).__name__}: {error}"[:_MAX_WHY]}
    return {"opens": True}


def main() -> None:
    """Open files until standard input ends."""
    _limit_memory()
    answers = os.fdopen(os.dup(0), "rb", _BLOCK)
    questions = os.fdopen(os.dup(1), "wb")
    # What the libraries print must not be taken for an answer.
    os.dup2(2, 1)
    while line := answers.readline():
        order = json.loads(line)
        _limit_time()
        remote = io.BufferedReader(_Remote(order["size"], questions, answers), _BLOCK)
        outcome = _outcome(order["kind"], remote, order["size"])
        questions.write(json.dumps(outcome).encode() + b"\n")
        questions.flush()


if __name__ == "__main__":
    main()
