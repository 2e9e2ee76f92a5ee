"""The log of a run: a file that each delivery keeps, one that is asked for, and stderr with -vv."""

from __future__ import annotations

import contextlib
import copy
import logging
import logging.handlers
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from platformdirs import user_log_path

from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.support.atomic import check_free
from upload_client.support.in_use import note
from upload_client.ui.lines import Lines

try:
    import fcntl
except ImportError:  # Windows, where nobody deletes a file that is open
    fcntl = None  # type: ignore[assignment]

KEPT = 10
"""Log files of deliveries that are kept; the oldest goes when a new one comes, unless its run goes on."""

_MAX_BYTES = 16 * 1024**2  # then the file goes on as a second one, and the one before that is dropped
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z_.*\.log(?:\.1)?")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")

REPORTER_LOGGER = "upload_client.ui.logs"
"""The logger of what people read on stderr anyway."""

_root = logging.getLogger("upload_client")


def kept_logs() -> Path:
    """The folder of the logs that are kept: the platform's own for such files."""
    return user_log_path("upload-client", appauthor=False)


def log_into(path: Path) -> Callable[[], None]:
    """Write each step and request into this file from now on, until what is returned is called.

    Raises:
        UsageError: it cannot be written.
    """
    handler = _file(path)
    _add(handler, logging.DEBUG)
    return lambda: _remove(handler)


@contextlib.contextmanager
def logging_run(
    arguments: Sequence[str], names: Sequence[str], *, log_file: Path | None, on_stderr: bool
) -> Iterator[Path | None]:
    """Keep a log of what is done inside, and yield its path; None where none can be kept.

    Args:
        arguments: the command line, for the first line of the log.
        names: what the delivery is called, for the file's name.
        log_file: where each step and request goes; None: steps alone, into a file that is kept.
        on_stderr: each step and request goes to stderr, too.

    Raises:
        UsageError: `log_file` cannot be written.
    """
    handlers: list[logging.Handler] = []
    file = _kept(names) if log_file is None else _file(log_file)
    if file is not None:
        handlers.append(file)
        _add(file, logging.INFO if log_file is None and not on_stderr else logging.DEBUG)
    if on_stderr:
        handlers.append(_Stderr())
        _add(handlers[-1], logging.DEBUG)
    _root.info("%s", for_terminal(" ".join(arguments)))
    try:
        yield None if file is None else Path(file.baseFilename)
    finally:
        for handler in handlers:
            _remove(handler)


class _Formatter(logging.Formatter):
    """Lines that begin with the time in UTC, of text that cannot be taken for another line."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        text = f"{record.levelname} {record.name}: {super().format(record)}"
        return f"{when}Z {for_terminal(text, lines=True)}".replace("\n", "\n    ")


class _File(logging.handlers.RotatingFileHandler):
    """A log file that only its owner reads. Where the disk is full, the run goes on without its log."""

    def _open(self) -> TextIOWrapper:
        file = open(  # noqa: SIM115 - the handler closes it
            self.baseFilename,
            self.mode,
            encoding="utf-8",
            errors="backslashreplace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )
        assert isinstance(file, TextIOWrapper)
        _try_to_lock(file.fileno(), shared=True)  # for as long as it is open: see `_make_room`
        return file

    trouble: BaseException | None = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        self.trouble = self.trouble or sys.exc_info()[1]

    def close(self) -> None:
        """Close it, and tell, once, if not all of it could be written."""
        try:
            super().close()
        except OSError as error:
            self.trouble = self.trouble or error
        trouble, self.trouble = self.trouble, None
        if isinstance(trouble, OSError):
            name = for_terminal(self.baseFilename)
            Lines("stderr").write(f"warning: the log {name} is not complete: {trouble.strerror}")


class _Stderr(logging.Handler):
    """Writes to stderr, for as long as somebody reads it. Tracebacks are for the file, or for --debug."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = Lines("stderr")
        self.addFilter(lambda record: record.name != REPORTER_LOGGER)

    def emit(self, record: logging.LogRecord) -> None:
        record = copy.copy(record)
        record.exc_info = record.exc_text = None
        with contextlib.suppress(Exception):
            self._lines.write(self.format(record))


def _add(handler: logging.Handler, level: int) -> None:
    handler.setLevel(level)
    handler.setFormatter(_Formatter())
    _root.addHandler(handler)
    _root.setLevel(min(level, _root.level or level))


def _remove(handler: logging.Handler) -> None:
    _root.removeHandler(handler)
    handler.close()
    _root.setLevel(min((other.level for other in _root.handlers if other.level), default=logging.NOTSET))


def _file(path: Path, max_bytes: int = 0) -> _File:
    if not max_bytes:
        check_free(path, "log", hint="Name another file: a log is added to logs alone.")
        note(path, "the log of this run")
    try:
        return _File(path, maxBytes=max_bytes, backupCount=1 if max_bytes else 0)
    except OSError as error:
        raise UsageError(
            f"--log-file {path}: {error.strerror}", hint="Name a file in a folder that you may write to."
        ) from None


def _kept(names: Sequence[str]) -> _File | None:
    """A new file in the folder of logs; None where it cannot be made, which is no reason not to deliver."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = "_".join([stamp, *(_UNFIT.sub("_", name)[:63] for name in names), f"{os.getpid()}.log"])
    folder = kept_logs()
    with contextlib.suppress(OSError, UsageError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(folder)
        return _file(folder / name, _MAX_BYTES)
    return None


def _make_room(folder: Path) -> None:
    """Delete the logs written to longest ago, down to one less than `KEPT`, but for those in use."""
    found = sorted(
        (path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.suffix == ".log"),
        key=_written_at,
        reverse=True,
    )
    for path in found[KEPT - 1 :]:
        if _is_written(path):
            continue
        for each in (path, path.with_name(f"{path.name}.1")):
            with contextlib.suppress(OSError):
                each.unlink()


def _is_written(path: Path) -> bool:
    """Whether a process has this log open: it may have had nothing to write for hours."""
    try:
        with path.open("rb") as file:
            return not _try_to_lock(file.fileno(), shared=False)
    except OSError:
        return False


def _try_to_lock(fd: int, *, shared: bool) -> bool:
    """Lock an open file, for as long as it is open; False: somebody else holds it."""
    if fcntl is not None:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a disk without locks
    return True


def _written_at(path: Path) -> float:
    """When a log was written to, Unix seconds; of one that another process has just deleted, long ago."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
