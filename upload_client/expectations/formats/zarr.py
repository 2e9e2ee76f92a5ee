"""Chunks and shards of Zarr 2 and 3, unpacked as the metadata of their array says.

A chunk is a file without a name of its format, which nothing but the metadata beside it tells how to read.
https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html, …/v3/core/index.html, …/v3/codecs/index.html. The
codecs are numcodecs', but for those that would build Python's objects of what somebody else has written.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from upload_client.core.digests import Digests
from upload_client.core.text import for_log
from upload_client.expectations.findings import LibraryMissing, NotOpened
from upload_client.expectations.packaging.zarr import array_of, item_bytes_of
from upload_client.expectations.packed import (
    INFLATE_ERRORS,
    MODULES,
    Budget,
    Unpacked,
    decompressor,
    inflater,
)

MAX_CHUNK = 256 * 1024 * 1024
"""Bytes of the largest chunk that is unpacked; a shard may have many of them."""
_WHOLE = 64 * 1024 * 1024
"""Bytes of the largest shard whose chunks are unpacked."""
_PIECE = 256 * 1024
_NOWHERE = 2**64 - 1  # the place of a chunk in a shard that does not have it
_CODECS = {
    *("blosc", "lz4", "lzma", "shuffle", "delta", "fixedscaleoffset", "quantize", "bitround"),
    *("packbits", "astype", "crc32", "adler32", "fletcher32", "vlen-utf8", "vlen-bytes"),
}
"""Those of numcodecs that are used. Not among them is what runs or builds objects, such as pickle."""
OTHER_SIZE = {"astype", "packbits", "fixedscaleoffset", "quantize", "bitround", "delta"}
"""Those after which a chunk may have other bytes than its elements take by the type of the array."""


BY_ELEMENT = ("scale_offset", "cast_value")
"""Codecs that make other numbers of the elements, each by itself."""


Codecs = Sequence[tuple[str, Mapping[str, Any]]]
"""In the order in which they were applied, each by its name and with its settings."""


class Chunk(NamedTuple):
    """A chunk as it is unpacked; one of many, where they lie in a shard.

    Attributes:
        origin: of its first element in the file, along each axis.
        shape: of it.
        codecs: by which it was packed.
        data: all of it, bytes or a library's array of these; None: it is not in its shard, so its elements
            are the fill value.
    """

    origin: tuple[int, ...]
    shape: tuple[int, ...]
    codecs: Codecs
    data: Any | None


class _Unpacker(NamedTuple):
    """The form of a chunk.

    Attributes:
        shape: of it.
        due: bytes of it, unpacked; None: not known.
        codecs: the last one to be undone is the first.
        budget: what all of it may take.
    """

    shape: tuple[int, ...]
    due: int | None
    codecs: Codecs
    budget: Budget


def open_chunk(file: BinaryIO, size: int, budget: Budget, metadata: bytes) -> None:
    """Unpack a chunk, or all chunks of a shard; of a large one only the places of its chunks are looked at.

    Args:
        file: binary and seekable.
        size: of it, in bytes.
        budget: what it may take.
        metadata: of its array, ``.zarray`` or ``zarr.json``.

    Raises:
        ValueError: it is cut or damaged.
        NotOpened: it is of a kind that is not known here.
    """
    for _ in chunks_of(file, size, budget, metadata):
        pass


def chunks_of(
    file: BinaryIO,
    size: int,
    budget: Budget,
    metadata: bytes,
    *,
    all_of_it: bool = False,
    place: Sequence[int] | None = None,
) -> Iterator[Chunk]:
    """The chunk that a file is, or those of the shard that it is.

    Args:
        file: binary and seekable.
        size: of it, in bytes.
        budget: what it may take.
        metadata: of its array, ``.zarray`` or ``zarr.json``.
        all_of_it: also of a large shard; else of such only the places of its chunks are looked at.
        place: of the file in the grid of its array; None: it is not known.

    Raises:
        ValueError: it is cut or damaged.
        NotOpened: it is of a kind that is not known here.
    """
    try:
        content = json.loads(metadata)
        array = array_of(content)
        if array is None:
            raise NotOpened("its array is of a grid that is not known here")
        codecs = _codecs_of(content)
        is_any = any(array.edges) and place is None
        shape = array.chunk if place is None else array.extent(place)[1]
        item_bytes = _stored_bytes(codecs, array.item_bytes)
        due = None if item_bytes is None or is_any else math.prod(shape) * item_bytes
        unpacker = _Unpacker(shape, due, codecs, budget)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise NotOpened("the metadata of its array cannot be understood") from None
    if not size:
        raise ValueError("it is empty")
    if is_any and any(name == "sharding_indexed" or name.startswith("vlen-") for name, _ in codecs):
        raise NotOpened(
            "its array has chunks of different lengths, and which of them it is does not help here"
        )
    if unpacker.codecs and unpacker.codecs[-1][0] == "sharding_indexed":
        yield from _unpack_shard(file, size, unpacker, array.item_bytes, whole=all_of_it or size <= _WHOLE)
    elif size > MAX_CHUNK:
        raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
    else:
        file.seek(0)
        data = _unpack(file.read(size), unpacker)
        sizes = array.sizes() if is_any and not any(name in OTHER_SIZE for name, _ in codecs) else None
        if sizes is not None and item_bytes and _n_bytes(data) not in {n * item_bytes for n in sizes}:
            raise ValueError(
                f"it is damaged: it unpacks to {_n_bytes(data):,} bytes, as no chunk of its grid has"
            )
        yield Chunk((0,) * len(shape), shape, unpacker.codecs, data)


def _n_bytes(data: Any) -> int:  # noqa: ANN401 — bytes, or an array of a library
    return data.nbytes if hasattr(data, "nbytes") else len(data)


def _stored_bytes(codecs: Codecs, item_bytes: int | None) -> int | None:
    """Bytes of an element as it is stored; None: not known."""
    for name, how in codecs:
        if name == "cast_value":
            item_bytes = item_bytes_of(how["data_type"])
    return item_bytes


def _codecs_of(content: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The codecs of an array in the order in which they were applied, by numcodecs' names."""
    if content["zarr_format"] == 2:
        found = [one for one in (*(content.get("filters") or ()), content["compressor"]) if one is not None]
        if not all(isinstance(one["id"], str) for one in found):
            raise TypeError("the name of a codec is no text")
        return [(one["id"], one) for one in found]
    if content.get("storage_transformers"):
        raise NotOpened("its array has storage transformers, which are not known here")
    named: list[Any] = [({"name": one} if isinstance(one, str) else one) for one in content["codecs"]]
    return [(one["name"].removeprefix("numcodecs."), one.get("configuration") or {}) for one in named]


def _unpack(data: Any, unpacker: _Unpacker) -> Any:  # noqa: ANN401 — bytes, or an array of a library
    """Undo all codecs of one chunk but for the order of its axes, and look at how much comes out."""
    due = unpacker.due
    if due is not None and due > MAX_CHUNK:
        raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
    n_objects = None
    for name, how in reversed(unpacker.codecs):
        unpacker.budget.spend()
        if name in ("bytes", "transpose", *BY_ELEMENT):
            continue
        if name in OTHER_SIZE:
            due = None
        data = undone(name, how, data, unpacker.budget)
        unpacker.budget.take(_n_bytes(data))
        if name.startswith("vlen-"):
            due, n_objects = None, len(data)
    n_bytes = _n_bytes(data)
    if due is not None and n_bytes != due:
        raise ValueError(f"it is damaged: it unpacks to {n_bytes:,} bytes where a chunk has {due:,}")
    if n_objects not in (None, math.prod(unpacker.shape)):
        raise ValueError(f"it is damaged: it holds {n_objects:,} elements where a chunk has others")
    return data


def undone(name: str, how: Mapping[str, Any], data: Any, budget: Budget) -> Any:  # noqa: ANN401 — see above
    """Undo one codec.

    Raises:
        ValueError: what it has made is cut or damaged.
        NotOpened: it is not known here.
    """
    packed = memoryview(data).cast("B") if not hasattr(data, "dtype") else data
    match name:
        case "gzip" | "zstd" | "bz2":
            if name == "zstd":
                _library(MODULES["zstd"], "backports.zstd")
            with contextlib.suppress(Exception):  # told below
                at_once = decompressor("bzip2" if name == "bz2" else name)
                found = at_once.decompress(packed, MAX_CHUNK + 1)
                if at_once.eof and not at_once.unused_data:
                    return _bounded(found)
            whole = Unpacked("bzip2" if name == "bz2" else name, io.BytesIO(packed), len(packed), budget)
            found = cast("BinaryIO", io.BufferedReader(whole, _PIECE)).read(MAX_CHUNK + 1)
            return _bounded(found)
        case "zlib":
            inner = inflater()
            try:
                found = _bounded(inner.decompress(packed, MAX_CHUNK + 1))
            except INFLATE_ERRORS as error:
                raise ValueError(f"it is damaged: {error}") from None
            if not inner.eof or inner.unused_data:
                raise ValueError("it is cut" if not inner.eof else "bytes stand behind its end")
            return found
        case "crc32c":
            return _without_crc32c(packed)
    if name not in _CODECS:
        raise NotOpened(f"it is packed with {for_log(name, 40)}, which is not known here")
    declared = None
    if name == "blosc":  # its header: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
        if len(packed) < 16 or (declared := int.from_bytes(packed[12:16], "little")) != len(packed):
            raise ValueError(
                f"it is cut or damaged: it has {len(packed):,} bytes where its header says {declared or 16:,}"
            )
        declared = int.from_bytes(packed[4:8], "little")
    elif name == "lz4":
        declared = int.from_bytes(packed[:4], "little")
    if declared is not None and declared > MAX_CHUNK:
        raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
    library = _library("numcodecs", "numcodecs")
    if name == "blosc":
        library.blosc.use_threads = False
    try:
        codec = library.get_codec({"id": name, **{key: value for key, value in how.items() if key != "id"}})
    except (ValueError, TypeError, KeyError, AttributeError, ImportError):
        raise NotOpened(f"its codec {for_log(name, 40)} is not understood here") from None
    try:
        return codec.decode(packed)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 — each of its libraries has its own
        raise ValueError(for_log(f"it is damaged: {name}: {error}", 200)) from None


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_CHUNK:
        raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
    return data


def _library(module: str, package: str) -> Any:  # noqa: ANN401 — a module
    try:
        return importlib.import_module(module)
    except ImportError:
        raise LibraryMissing(f"{package} is not installed") from None


def _without_crc32c(packed: memoryview) -> memoryview:
    digests = Digests(("crc32c",))
    digests.update(packed[:-4])
    if len(packed) < 4 or digests.crc("crc32c") != int.from_bytes(packed[-4:], "little"):
        raise ValueError("it is damaged: its CRC-32C is another")
    return packed[:-4]


def _unpack_shard(
    file: BinaryIO,
    size: int,
    unpacker: _Unpacker,
    item_bytes: int | None,
    *,
    whole: bool,
) -> Iterator[Chunk]:
    """Look at the index of a shard, and unpack its chunks (v3/codecs/sharding-indexed)."""
    if len(unpacker.codecs) > 1:
        raise NotOpened("its shards are packed again, in a way that is not known here")
    how = unpacker.codecs[0][1]
    try:
        inner = tuple(how["chunk_shape"])
        codecs = _codecs_of({"zarr_format": 3, "codecs": how["codecs"]})
        of_index = _codecs_of({"zarr_format": 3, "codecs": how["index_codecs"]})
        index_codecs = [name for name, _ in of_index]
        order: Literal["big", "little"] = "big" if of_index[0][1].get("endian") == "big" else "little"
        grid = [outer // n for outer, n in zip(unpacker.shape, inner, strict=True)]
        at_start = how.get("index_location", "end") == "start"
        item_bytes = _stored_bytes(codecs, item_bytes)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError):
        raise NotOpened("the metadata of its array cannot be understood") from None
    if not all(type(n) is int and n > 0 for n in inner):
        raise NotOpened("the metadata of its array cannot be understood")
    if index_codecs not in (["bytes"], ["bytes", "crc32c"]):
        raise NotOpened("the index of its shards is packed in a way that is not known here")
    n = math.prod(grid)
    length = 16 * n + 4 * len(index_codecs[1:])
    if length > size:
        raise ValueError(f"it is cut: it has {size:,} bytes, and the index of a shard {length:,}")
    file.seek(0 if at_start else size - length)
    index = memoryview(file.read(length))
    if len(index_codecs) > 1:
        try:
            index = _without_crc32c(index)
        except ValueError:
            raise ValueError("it is cut or damaged: the CRC-32C of its index is another") from None
    due = None if item_bytes is None else math.prod(inner) * item_bytes
    one = _Unpacker(inner, due, codecs, unpacker.budget)
    for number in range(n):
        unpacker.budget.spend()
        offset, count = (int.from_bytes(index[at : at + 8], order) for at in (16 * number, 16 * number + 8))
        at = _place(number, grid)
        origin = tuple(one * length for one, length in zip(at, inner, strict=True))
        if offset == count == _NOWHERE:
            yield Chunk(origin, inner, codecs, None)
            continue
        if offset + count > size:
            raise ValueError(f"it is cut or damaged: chunk {number:,} in it should end behind its end")
        if not whole:
            continue
        if count > MAX_CHUNK:
            raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
        file.seek(offset)
        try:
            data = _unpack(file.read(count), one)
        except ValueError as error:
            raise ValueError(f"chunk {number:,} in it: {error}") from None
        yield Chunk(origin, inner, codecs, data)
        del data  # not two at once


def _place(number: int, grid: Sequence[int]) -> tuple[int, ...]:
    """The place of a chunk in a grid by its number, the last axis the fastest."""
    at: list[int] = []
    for length in reversed(grid):
        number, one = divmod(number, length)
        at.append(one)
    return tuple(reversed(at))
