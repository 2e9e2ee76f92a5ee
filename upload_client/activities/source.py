"""`DataSource`: something that can be read, again and again, in bounded memory."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from upload_client.activities import readers
from upload_client.core.sources import SCHEMES, kind_of, shown_url
from upload_client.errors import UsageError

if TYPE_CHECKING:
    from upload_client.activities.s3 import S3Client

_LEAVE_NO_DOUBT = (
    "Put the file there, or say what is meant: DataSource.text, .file, .url and .call (in a schedule"
    " `text`, `file`, `url` and `call`) leave no doubt."
)
_ROWS = 10_000
"""Rows of a DataFrame that become CSV at once."""


class DataSource:
    """Something that can be read.

    Args:
        source: A callable, which gives a str (written in UTF-8), bytes, a file object, an iterator of
            bytes, or a pandas DataFrame (which becomes CSV in UTF-8 with a header line, and with its index if
            that is more than the numbers of the rows); a `Path`; or a string: a URL (http, https, s3, ftp,
            ftps, file), the path of a file that is there, else the text itself.

    Raises:
        UsageError: it is none of these; or a string that looks like a path, where no such file is.
    """

    def __init__(self, source: object) -> None:
        made: DataSource
        self._open: Callable[[], BinaryIO]
        self._name: str
        if isinstance(source, str):
            made = _of_string(source)
        elif isinstance(source, Path):
            made = DataSource.file(source)
        elif callable(source):
            made = DataSource.call(source)
        else:
            raise UsageError(
                f"a {type(source).__name__} is no source of data",
                hint="A source is a callable, a Path, or a string: a URL, the path of a file, a text.",
            )
        self._open, self._name = made._open, made._name  # noqa: SLF001 - its own kind

    @classmethod
    def _of(cls, name: str, opens: Callable[[], BinaryIO]) -> DataSource:
        self = cls.__new__(cls)
        self._name, self._open = name, opens
        return self

    @classmethod
    def text(cls, text: str) -> DataSource:
        """The text itself, in UTF-8."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"the text is not valid Unicode (character {error.start})") from None
        return cls._of(f"text of {len(text):,} characters", lambda: io.BytesIO(data))

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> DataSource:
        """A local file. It need not be there before it is read."""
        path = Path(path)
        return cls._of(str(path), lambda: readers.read_file(path))

    @classmethod
    def url(
        cls,
        url: str,
        *,
        password: str | Callable[[], str] | None = None,
        s3_client: S3Client | None = None,
    ) -> DataSource:
        """Open what is behind a URL: http, https, s3, ftp, ftps (FTP with TLS on the same port) or file.

        Args:
            url: the URL. A name and a password in it are used, and never shown.
            password: of the user in it, or a function that gives it; None: the one in it.
            s3_client: for ``s3://``; None: with the credentials that boto3 finds.

        Raises:
            UsageError: it is no such URL.
        """
        name = shown_url(url)
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - raises where it is no number
        except ValueError as error:
            raise UsageError(f"{name} is no URL: {error}") from None
        if parts.scheme not in SCHEMES or (parts.scheme != "file" and not parts.hostname):
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise UsageError(f"{name} is no URL that can be read; there are {known}")
        if parts.scheme == "file":
            if parts.netloc not in {"", "localhost"}:
                raise UsageError(f"{name} names another machine's file", hint="Write file:///path.")
            return cls.file(url2pathname(parts.path))
        if parts.scheme in {"http", "https"}:
            return cls._of(name, lambda: readers.read_http(url, name, password))
        if parts.path in {"", "/"}:
            raise UsageError(f"{name} names no file")
        if parts.scheme == "s3":
            return cls._of(name, lambda: readers.read_s3(parts.netloc, parts.path[1:], s3_client))
        path = unquote(parts.path[1:])  # RFC 1738, 3.2.2: relative to where the login leads; %2F is the root
        return cls._of(name, lambda: readers.read_ftp(parts, path, password))

    @classmethod
    def call(cls, function: Callable[[], object] | str) -> DataSource:
        """Open the result of a callable, which is called anew for each reading.

        Args:
            function: a callable without arguments, or its name: ``mypackage.render``.

        Raises:
            UsageError: there is none of this name.
        """
        called = find_callable(function) if isinstance(function, str) else function
        name = function if isinstance(function, str) else getattr(function, "__qualname__", repr(function))
        return cls._of(f"{name}()", lambda: _reader_of(called(), name))

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"DataSource({self._name!r})"

    def get_reader(self) -> BinaryIO:
        """Begin to read, from the beginning. The reader is closed by whoever asked for it.

        Returns:
            A binary file object that holds little in memory.

        Raises:
            NotDelivered: it cannot be read; also raised later, by reading.
            UsageError: it can never be.
        """
        return self._open()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Read all of it, as text."""
        with self.get_reader() as reader:
            return reader.read().decode(encoding)


def _of_string(text: str) -> DataSource:
    try:
        is_file = Path(text).is_file()
        is_folder = not is_file and Path(text).is_dir()
    except (OSError, ValueError):  # too long for a path, or not one at all
        is_file = is_folder = False
    if is_folder and text:
        raise UsageError(f"{text!r} is a folder", hint=_LEAVE_NO_DOUBT)
    try:
        kind = kind_of(text, is_file=is_file)
    except ValueError as error:
        raise UsageError(str(error), hint=_LEAVE_NO_DOUBT) from None
    match kind:
        case "url":
            return DataSource.url(text)
        case "file":
            return DataSource.file(text)
        case "text":
            return DataSource.text(text)


def find_callable(name: str) -> Callable[[], object]:
    """The callable of a name such as ``mypackage.render`` or ``mypackage.module:Maker.render``.

    Raises:
        UsageError: there is none; it says how far it was found.
    """
    if not re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[^\W\d]\w*(?:\.[^\W\d]\w*)*)?", name):
        raise UsageError(f"{name!r} names no callable", hint="Write package.module.function.")
    path, _, inside = name.partition(":")
    attributes = inside.split(".") if inside else []
    modules = path.split(".")
    if not inside:
        attributes = [modules.pop()] if len(modules) > 1 else []
    while True:
        module_name = ".".join(modules)
        try:
            found: Any = import_module(module_name)
            break
        except ModuleNotFoundError as error:
            # One that the module itself asks for is another trouble than that it is not there.
            missing = error.name or ""
            if not (module_name == missing or module_name.startswith(f"{missing}.")):
                raise UsageError(f"{name}: its import fails: {error}") from error
            if inside or len(modules) == 1:
                raise UsageError(
                    f"{name}: there is no module {module_name!r}",
                    hint="It is looked for beside the schedule's file, and where Python finds packages.",
                ) from None
            attributes.insert(0, modules.pop())
        except Exception as error:
            raise UsageError(f"{name}: its import fails: {type(error).__name__}: {error}") from error
    for attribute in attributes:
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise UsageError(f"{name}: {module_name} has no {attribute!r}") from None
    if not callable(found):
        raise UsageError(f"{name} cannot be called: it is of type {type(found).__name__}")
    return cast("Callable[[], object]", found)


def _reader_of(given: object, name: str) -> BinaryIO:
    """A reader of what a callable has given."""
    if isinstance(given, str):
        return DataSource.text(given).get_reader()
    if isinstance(given, bytes | bytearray | memoryview):
        return io.BytesIO(given)
    if _is_frame(given):
        return readers.read_blocks(_csv(given), name)
    if isinstance(given, io.TextIOBase):
        return readers.read_blocks(_texts(given), name, close=given.close)
    if hasattr(given, "read"):
        return readers.read_object(given, name)
    if isinstance(given, Iterable) and not isinstance(given, dict):
        return readers.read_blocks(iter(given), name)
    raise UsageError(
        f"{name} has given something of type {type(given).__name__}",
        hint="It has to give a str, bytes, a file object, an iterator of bytes, or a DataFrame.",
    )


def _is_frame(given: object) -> bool:
    # By its class alone: another thread may be importing pandas this moment.
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"
        for kind in type(given).__mro__
    )


def _csv(frame: Any) -> Iterator[bytes]:  # noqa: ANN401 - a DataFrame, without importing pandas for the type
    import pandas as pd  # noqa: PLC0415 - it is imported already

    index = not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None)
    for start in range(0, max(len(frame), 1), _ROWS):
        rows = frame.iloc[start : start + _ROWS]
        yield rows.to_csv(index=index, header=start == 0, lineterminator="\n").encode()


def _texts(file: io.TextIOBase) -> Iterator[bytes]:
    while text := file.read(65_536):
        yield text.encode()
