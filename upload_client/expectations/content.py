"""Is the content of one file as its type expects: which library looks at it, and what its complaints mean.

It reads what somebody else wrote: call it where that may take a process down
(`upload_client.validator.reader_worker`).
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, BinaryIO, cast

from upload_client.core.text import for_log
from upload_client.expectations.findings import Findings, NotOpened, Undecided, reason_of
from upload_client.expectations.model import Custom
from upload_client.expectations.packaging import Part
from upload_client.expectations.packed import Budget, Unpacked

CHECKS = "upload_client.checks"
"""The group of entry points with checks of the receiver's own."""

Check = Callable[[BinaryIO, int, Mapping[str, Any]], Iterable[str]]
"""Gets the file, its size in bytes and the document's ``options``; gives a sentence for each thing amiss."""

LIBRARIES = {
    "csv": "pyarrow",
    "tsv": "pyarrow",
    "parquet": "pyarrow",
    "fits": "astropy",
    "asdf": "asdf",
    "json": "jsonschema_rs",
    "jsonl": "jsonschema_rs",
    "image": "PIL",
    "npy": "numpy",
    "npz": "numpy",
    "zarr": "numpy",
}
"""Which library judges what. All are in the extra ``formats``."""

_BLOCK = 256 * 1024
_MAX_WHY = 300


@cache
def is_installed(library: str) -> bool:
    """Whether a library can be imported here."""
    return importlib.util.find_spec(library) is not None


def judge(
    content: Any,  # noqa: ANN401 — any content
    file: BinaryIO,
    size: int,
    *,
    max_unpacked: int,
    part: Part | None = None,
) -> Findings:
    """Judge the content of a file.

    Args:
        content: what it should be, one of the classes in `upload_client.expectations.model.Content`.
        file: binary and seekable.
        size: of the file, in bytes.
        max_unpacked: bytes that a compressed file may unpack to.
        part: the part of a folder of Zarr that it is.

    Raises:
        NotOpened: it is of Zarr, was not looked into, and no rule wants that.
        Undecided: it cannot be judged here.
    """
    findings = Findings()
    name: str = content.format
    if name == "opaque":
        return findings
    if (why := lacking(content)) is not None:
        raise Undecided(why)
    check = _custom(content) if isinstance(content, Custom) else _built_in(name)
    try:
        if getattr(content, "compression", None) == "gzip":
            # The last four bytes tell the size modulo 4 GiB at best: it is counted.
            unpacked = Unpacked("gzip", file, size, Budget(max_unpacked))
            size = unpacked.read_on()
            unpacked.seek(0)
            file = cast("BinaryIO", io.BufferedReader(unpacked, _BLOCK))
        if name == "zarr":
            check(content, file, size, findings, part, Budget(max_unpacked))
        else:
            check(content, file, size, findings)
    except NotOpened as error:
        if name == "zarr":
            raise
        findings.add("", f"it does not open as {name}: {error}")
    except (Undecided, MemoryError):
        raise
    except ImportError as error:  # such as that of a compression's own library
        raise Undecided(f"a library for {name} is not installed here: {error}") from error
    except UnicodeDecodeError as error:
        findings.add("", f"it does not open as {name}: not UTF-8 ({error.reason})")
    except RecursionError:
        findings.add("", f"it does not open as {name}: nested too deeply")
    except Exception as error:  # noqa: BLE001 — whatever a library raises means that it does not open
        if "MemoryError" in type(error).__name__ or isinstance(error.__cause__, MemoryError):
            raise MemoryError from None  # numpy and pyarrow have their own
        findings.add("", for_log(f"it does not open as {name}: {reason_of(error)}", _MAX_WHY))
    return findings


def lacking(content: Any) -> str | None:  # noqa: ANN401 - one of the classes of Content
    """Why no file of such content can be judged here; None: what that needs is installed. Loads nothing.

    Args:
        content: what it should be, as for `judge`.
    """
    if isinstance(content, Custom):
        if entry_points(group=CHECKS, name=content.check):
            return None
        return f"the check {content.check!r} is not installed here (entry points {CHECKS!r})"
    library = LIBRARIES.get(content.format)
    if library is None or is_installed(library):
        return None
    return (
        f"judging {content.format} needs {library}, which is not installed here:"
        " pip install 'upload-client[formats]'"
    )


def _built_in(name: str) -> Callable[..., None]:
    try:
        return _judge_of(name)
    except (ImportError, MemoryError, OSError) as error:  # no fault of any file
        raise Undecided(f"judging {name}: {LIBRARIES[name]} cannot be loaded here: {error}") from error


def _judge_of(name: str) -> Callable[..., None]:
    """The function that judges a format. Each library is slow to import, and may be missing."""
    match name:
        case "csv" | "tsv":
            from upload_client.expectations.formats.tables import judge_csv  # noqa: PLC0415

            return judge_csv
        case "parquet":
            from upload_client.expectations.formats.parquet import judge_parquet  # noqa: PLC0415

            return judge_parquet
        case "fits":
            from upload_client.expectations.formats.fits import judge_fits  # noqa: PLC0415

            return judge_fits
        case "asdf":
            from upload_client.expectations.formats.asdf import judge_asdf  # noqa: PLC0415

            return judge_asdf
        case "json" | "jsonl":
            from upload_client.expectations.formats.json import judge_json  # noqa: PLC0415

            return judge_json
        case "image":
            from upload_client.expectations.formats.image import judge_image  # noqa: PLC0415

            return judge_image
        case "npy":
            from upload_client.expectations.formats.arrays import judge_npy  # noqa: PLC0415

            return judge_npy
        case "zarr":
            from upload_client.expectations.formats.zarr_rules import judge_zarr  # noqa: PLC0415

            return judge_zarr
        case _:
            from upload_client.expectations.formats.arrays import judge_npz  # noqa: PLC0415

            return judge_npz


def _custom(content: Custom) -> Callable[..., None]:
    try:
        check: Check = next(iter(entry_points(group=CHECKS, name=content.check))).load()
    except Exception as error:
        # Somebody else's module.
        raise Undecided(
            f"the check {content.check!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error

    def run(content: Custom, file: BinaryIO, size: int, findings: Findings) -> None:
        for sentence in check(file, size, content.options):
            findings.add("", str(sentence))

    return run
