"""ASDF, by asdf: the tree as it is in the file, without what other packages would make of it.

ASDF standard, https://www.asdf-format.org/projects/asdf-standard. A file may name arrays and parts of its
tree in other files, which asdf would fetch from wherever it says: such a file is refused.
"""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import importlib
import io
import math
import re
import struct
import warnings
import zlib
from collections import UserString
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import asdf
import numpy as np
from asdf.tags.core import NDArrayType

from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.formats.scalars import check_scalar, kind_of
from upload_client.expectations.model import ANYWHERE, Asdf, Node, Step, parse_tree_path
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import ValueJudge, check_shape, index_place, is_of_type

MAX_ARRAY = 512 * 1024 * 1024
"""Bytes of the largest array whose values are judged: asdf reads it whole."""
_WHOLE = 16 * 1024 * 1024
"""Files up to this size are read with all their blocks, so that damage in one shows."""
_PIECE = 1024 * 1024
_BLOCK = b"\xd3BLK"  # in no text of UTF-8
_BLOCK_HEADER = struct.Struct(">I4sQQQ16s")
_OTHER_SUM = "does not match given checksum"
_MAX_DEPTH = 20
_MAX_WHY = 300
# In the words of asdf 3 to 6.
_TOO_NEW = re.compile(r"is not supported by asdf|Unsupported ASDF (?:file format|standard)")
# Of another version. Others that there were once (`core/column`, `core/table`) are other packages' now.
_UNKNOWN_CORE = re.compile(
    r"stsci\.edu:asdf/core/(?:asdf|complex|constant|extension_metadata|externalarray|history_entry|integer"
    r"|ndarray|software|subclass_metadata)-[\d.]+ is not recognized"
)
_DAMAGE = re.compile(r"might be corrupt|failed to convert")
MISSING = object()


@contextlib.contextmanager
def open_tree(file: BinaryIO, size: int) -> Iterator[Mapping[str, Any]]:
    """The tree of a file, its arrays unread where it is large.

    Raises:
        ValueError: it is no ASDF file, or one that leads elsewhere.
    """
    if file.read(5) != b"#ASDF":
        raise ValueError("it does not begin as ASDF does")
    with warnings.catch_warnings(record=True) as caught, asdf.config_context() as config:
        warnings.simplefilter("always")
        for extension in list(config.extensions):
            if extension.package_name not in (None, "asdf"):
                config.remove_extension(extension)
        file.seek(0)
        # It closes what it reads from.
        _refuse_external_references(asdf.util.load_yaml(_Open(file), tagged=True))
        try:
            with _opened(file, size) as opened:
                _refuse_warnings(caught)
                yield opened.tree
        except ValueError as error:
            if _TOO_NEW.search(str(error)):
                raise Undecided(f"asdf {asdf.__version__} is too old for it: {error}"[:_MAX_WHY]) from error
            raise


def _opened(file: BinaryIO, size: int) -> Any:  # noqa: ANN401 — asdf's
    """The file as asdf opens it; where it is small, with its blocks read and held against their checksums."""
    how = {"mode": "r", "lazy_load": size > _WHOLE, "memmap": False}
    file.seek(0)
    try:
        return asdf.open(_Open(file), validate_checksums=size <= _WHOLE, **how)
    except ValueError as error:
        if _OTHER_SUM not in str(error) or not _sums_are_of_content(file):
            raise
    file.seek(0)
    return asdf.open(_Open(file), **how)


def _sums_are_of_content(file: BinaryIO) -> bool:
    """Whether each block has the checksum it says, be it that of its bytes or of what these unpack to.

    The standard means the bytes as they are in the file; asdf before version 6 computed that of what they
    unpack to, and each version takes the files of the other for damaged.
    """
    file.seek(0)
    data = file.read()
    at = data.find(_BLOCK)
    while at >= 0 and data[at : at + 4] == _BLOCK:
        (length,) = struct.unpack_from(">H", data, at + 4)
        if length < _BLOCK_HEADER.size:
            return False
        flags, packing, allocated, used, _, md5 = _BLOCK_HEADER.unpack_from(data, at + 6)
        start = at + 6 + length
        if flags & 1:  # it goes on to the end of the file, and its checksum is not told
            return True
        stored = data[start : start + used]
        if any(md5) and hashlib.md5(stored, usedforsecurity=False).digest() != md5:
            unpacked = _unpacked_sum(packing, stored)
            if unpacked is not None and unpacked != md5:
                return False
        at = start + allocated
    return True


def _unpacked_sum(packing: bytes, data: bytes) -> bytes | None:
    """The checksum of what a block unpacks to; None where that cannot be determined here."""
    digest, left = hashlib.md5(usedforsecurity=False), MAX_ARRAY
    try:
        for piece in _UNPACKERS.get(packing, _unpack_not)(data):
            digest.update(piece)
            left -= len(piece)
            if left < 0:
                return None
    except ImportError:
        return None  # as asdf will say
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error):
        return b""
    return digest.digest() if packing in _UNPACKERS else b""


def _unpack_not(_data: bytes) -> Iterator[bytes]:
    yield b""


def _unpack_zlib(data: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    while piece := unpacker.decompress(data, _PIECE):
        yield piece
        data = unpacker.unconsumed_tail


def _unpack_bzip2(data: bytes) -> Iterator[bytes]:
    unpacker = bz2.BZ2Decompressor()
    while not unpacker.eof and (piece := unpacker.decompress(data, _PIECE)):
        yield piece
        data = b""


def _unpack_lz4(data: bytes) -> Iterator[bytes]:
    decompress: Callable[[bytes], bytes] = importlib.import_module("lz4.block").decompress  # not in the extra
    at = 0
    while at < len(data):
        (n,) = struct.unpack_from(">I", data, at)
        yield decompress(data[at + 4 : at + 4 + n])
        at += 4 + n


_UNPACKERS: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {
    b"zlib": _unpack_zlib,
    b"bzp2": _unpack_bzip2,
    b"lz4\0": _unpack_lz4,
}


def _refuse_warnings(caught: list[warnings.WarningMessage]) -> None:
    """Refuse what asdf passes over with a warning: damage, or a file that it is too old for.

    Not so a tag whose extension is not installed here: the file opens all the same.
    """
    for one in caught:
        text = str(one.message)
        if _UNKNOWN_CORE.search(text):
            raise Undecided(f"asdf {asdf.__version__} is too old for it: {text}"[:_MAX_WHY])
        if _DAMAGE.search(text) or isinstance(one.message, asdf.exceptions.AsdfBlockIndexWarning):
            raise ValueError(text[:_MAX_WHY])


class _Open(io.RawIOBase):
    """The file under a name of its own, so that closing it leaves the file open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def read(self, n: int = -1) -> bytes:
        return self._file.read(n)  # at once, without the copy that it would be made of

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        if isinstance(self._file, (io.BufferedIOBase, io.RawIOBase)):  # without a copy
            return self._file.readinto(buffer) or 0
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _refuse_external_references(tree: object) -> None:
    seen: set[int] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if id(node) in seen or not isinstance(node, (dict, list)):
            continue  # by identity: aliases make a small tree endless
        seen.add(id(node))
        tag = str(getattr(node, "_tag", ""))
        if isinstance(node, dict):
            external = "core/externalarray" in tag or (
                "core/ndarray" in tag and isinstance(node.get("source"), str)
            )
            if external:
                raise ValueError("an array of it lies in another file")
            refers_to = node.get("$ref")
            if isinstance(refers_to, str) and not refers_to.startswith("#"):
                raise ValueError("a part of its tree lies in another file")
            stack.extend(node.values())
        else:
            stack.extend(node)


def plain(value: object) -> object:
    """A value without the tag that asdf has left on a text, such as a unit or a time."""
    return str(value) if isinstance(value, UserString) else value


def is_array(value: object) -> bool:
    """Whether it is an array."""
    return isinstance(value, (NDArrayType, np.ndarray))


def array_type(array: Any) -> str:  # noqa: ANN401 — asdf's or numpy's
    """The plain name of an array's type."""
    kind = array.dtype.kind
    return "string" if kind in "SU" else "structured" if kind == "V" else str(array.dtype.newbyteorder("="))


def values_of(array: Any) -> Any:  # noqa: ANN401 — asdf's, numpy's
    """All values of an array, in a row and in this machine's order of bytes."""
    flat = np.asarray(array).reshape(-1)
    return flat.astype(flat.dtype.newbyteorder("="), copy=False)


def step_into(value: object, step: Step) -> object:
    """The value one step further down a tree; `MISSING` where there is nothing."""
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    if not isinstance(value, list):
        return MISSING
    if isinstance(step, int):
        return value[step] if step < len(value) else MISSING
    name, wanted = step
    return next(
        (one for one in value if isinstance(one, dict) and str(one.get(name, MISSING)) == wanted), MISSING
    )


def _anywhere(tree: object, key: Step) -> list[object]:
    """All that has this key, wherever it is in a tree; at its top alone where it is there."""
    top = step_into(tree, key)
    if top is not MISSING:
        return [top]
    found: list[object] = []
    seen: set[int] = set()
    stack = [tree]
    while stack:
        value = stack.pop()
        if id(value) in seen or not isinstance(value, (dict, list)):
            continue
        seen.add(id(value))
        below = step_into(value, key) if isinstance(value, dict) else MISSING
        if below is not MISSING:
            found.append(below)
        stack.extend(value.values() if isinstance(value, dict) else value)
    return found


_OWN = ("asdf_library", "history")
_PLAIN_KEY = re.compile(r"[^.\[\]]+")
_PLAIN_VALUE = re.compile(r"[^\[\]]+")


def leaves(tree: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Path, kind and value of what a tree holds, but for what asdf itself has written there.

    Elements of a list have paths of their own where a name distinguishes them; else the list is one value.
    """
    seen: set[int] = set()
    yield from _leaves({key: value for key, value in tree.items() if key not in _OWN}, "", seen)


def _leaves(value: object, path: str, above: set[int]) -> Iterator[tuple[str, str, Any]]:
    if is_array(value):
        yield path, "array", value
        return
    if not isinstance(value, (dict, list)):
        value = plain(value)
        yield path, kind_of(value), value
        return
    if id(value) in above or len(above) > _MAX_DEPTH:
        return
    above = above | {id(value)}
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str) and _PLAIN_KEY.fullmatch(key):
                yield from _leaves(inner, f"{path}.{key}" if path else key, above)
        return
    names = [one.get("name") for one in value if isinstance(one, dict)]
    named = [name for name in names if isinstance(name, str) and _PLAIN_VALUE.fullmatch(name)]
    if value and len(set(named)) == len(value):
        for one, name in zip(value, named, strict=True):
            yield from _leaves(
                {key: inner for key, inner in one.items() if key != "name"}, f"{path}[name={name}]", above
            )
    else:
        yield path, "list", None


def judge_asdf(content: Asdf, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge an ASDF file."""
    with open_tree(file, size) as tree:
        for node in content.tree:
            value: object = tree if isinstance(tree, dict) else dict(tree)
            steps = parse_tree_path(node.path)
            if steps[0] == ANYWHERE:
                found = _anywhere(value, steps[1])
                if len(found) > 1:
                    findings.add(node.path, f"it is there {len(found):,} times, where it can be once")
                    continue
                value, steps = found[0] if found else MISSING, steps[2:]
            for step in steps:
                value = step_into(value, step)
            value = plain(value)
            if value is MISSING:
                if node.required:
                    findings.add(node.path, "it is missing")
            elif isinstance(value, list) and node.type == "list" and node.shape is not None:
                check_shape(findings, node.path, (len(value),), node.shape)
            elif is_array(value):
                _judge_array(node, value, findings)
            elif node.type == "array" or node.dtype != "any" or node.shape is not None:
                findings.add(node.path, f"{kind_of(value)} where an array is expected")
            else:
                check_scalar(findings, node.path, value, node, node.type)


def _judge_array(node: Node, array: Any, findings: Findings) -> None:  # noqa: ANN401 — asdf's
    if node.type not in ("any", "array"):
        findings.add(node.path, f"array where a {node.type} is expected")
        return
    found = array_type(array)
    if not is_of_type(node.dtype, found):
        findings.add(node.path, f"{found} where {node.dtype} is expected")
    shape = tuple(int(n) for n in array.shape)
    if node.shape is not None:
        check_shape(findings, node.path, shape, node.shape)
    if not node.judges_values:
        return
    if found == "structured":
        raise Undecided(f"{node.path}: values of a structured array cannot be judged")
    if math.prod(shape) * array.dtype.itemsize > MAX_ARRAY:
        raise Undecided(f"{node.path}: values in an array of more than {MAX_ARRAY:,} bytes cannot be judged")
    data = np.asarray(array)
    mask = getattr(array, "mask", None)
    missing = None if mask is None or mask is np.ma.nomask else np.broadcast_to(mask, shape).reshape(-1)
    flat = data.reshape(-1)
    judge = ValueJudge(node, node.path, index_place(shape))
    for start in range(0, len(flat), _PIECE):
        piece = flat[start : start + _PIECE]
        judge.feed(
            piece.astype(piece.dtype.newbyteorder("=")),
            None if missing is None else missing[start : start + _PIECE],
            start,
        )
    judge.close(findings)


def open_asdf(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open an ASDF file: its tree, and up to 16 MiB its blocks."""
    with open_tree(file, size) as tree:
        assert tree is not None
