"""Zarr 2 and 3, a folder: what the metadata of an array or a group says of the files below it.

A chunk that is not there is the fill value, by both specifications: how many are not there is told, and no
fault. https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html, …/v3/core/index.html.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from upload_client.core.text import counted
from upload_client.expectations.findings import Findings, shown
from upload_client.expectations.packaging.promises import (
    Listing,
    Promise,
    Promised,
    TooLarge,
    bounded,
    wrong,
)

if TYPE_CHECKING:
    from upload_client.expectations.model import Zarr, ZarrArray

MAX_METADATA = 1024 * 1024
"""Bytes of the metadata of an array by which chunks are unpacked."""

MAX_CHUNKS = 100_000
"""Chunks of an array that are looked for; of more the first ones."""
_MAX_LOOKED_FOR = 1_000_000
"""The same where a document has rules for them."""
MAX_IN_VAIN = 10_000
"""So many in a row that are not there end the search."""
_ALWAYS = 16
"""Chunks that are looked for also where there was much in vain before."""
_MAX_BYTES = 32 * 1024 * 1024
_MAX_VALUES = 2_000_000
_MAX_AXES, _MAX_LENGTH = 64, 2**63
_MOST_MISSING = 1_000
"""Chunks that are missing end the search for more of them."""
_FEW = 3
_MAX_SIZES = 1_000
_NAMES = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
_NUMBER = re.compile(r"0|[1-9]\d{0,17}")
_CHUNK = re.compile(r"c|(?:c\.)?\d+(?:\.\d+)*")
_DTYPE = re.compile(r"[<>|][biufcmMSUV](\d{1,6})(?:\[.*\])?")
_DATA_TYPES = re.compile(r"(?:u?int|float|complex)(8|16|32|64|128)|bool|r(\d{1,6})")
_EIGHT_BYTES = ("numpy.datetime64", "numpy.timedelta64")
_OF_BYTES = ("null_terminated_bytes", "raw_bytes", "fixed_length_utf32")


class Array(NamedTuple):
    """An array, as its metadata describes it.

    Attributes:
        shape: of it.
        chunk: the shape of a chunk; where chunks lie in shards, of a shard.
        item_bytes: bytes of an element; None: not known.
        is_packed: whether its chunks may have other bytes than their elements.
        prefix: what the keys of its chunks begin with.
        separator: in these.
        edges: for each axis the lengths of the chunks along it, None where they are alike; empty: they are
            along each.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    item_bytes: int | None
    is_packed: bool
    prefix: str
    separator: str
    edges: tuple[tuple[int, ...] | None, ...] = ()

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        counts = [-(-n // size) if n else 0 for n, size in zip(self.shape, self.chunk, strict=True)]
        for axis, lengths in enumerate(self.edges):
            if lengths is not None:  # the last ones may lie behind the array
                ends = list(accumulate(lengths))
                counts[axis] = bisect_left(ends, self.shape[axis]) + 1 if self.shape[axis] else 0
        return tuple(counts)

    def extent(self, place: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where a chunk begins in the array, and its shape, by its place in the grid."""
        start = [at * n for at, n in zip(place, self.chunk, strict=True)]
        shape = list(self.chunk)
        for axis, lengths in enumerate(self.edges):
            if lengths is not None:
                start[axis], shape[axis] = sum(lengths[: place[axis]]), lengths[place[axis]]
        return tuple(start), tuple(shape)

    def sizes(self) -> set[int] | None:
        """The numbers of elements that a chunk may have; None: they are too many to be told."""
        found = {1}
        for axis, n in enumerate(self.chunk):
            lengths = self.edges[axis] if self.edges else None
            found = {one * length for one in found for length in ({n} if lengths is None else {*lengths})}
            if len(found) > _MAX_SIZES:
                return None
        return found

    @property
    def chunk_bytes(self) -> int | None:
        """Bytes of each file that is there; None: they differ."""
        if self.is_packed or self.item_bytes is None or any(self.edges):
            return None
        return math.prod(self.chunk) * self.item_bytes

    def place(self, key: str) -> tuple[int, ...] | None:
        """The place of a chunk in the grid, by its key; None: no chunk of the array is called so."""
        lead = self.prefix + self.separator * bool(self.prefix and self.grid)
        if not key.startswith(lead):
            return None
        numbers = key[len(lead) :].split(self.separator) if self.grid else []
        if not self.grid and key != (self.prefix or "0"):
            return None
        if len(numbers) != len(self.grid) or not all(_NUMBER.fullmatch(one) for one in numbers):
            return None
        return tuple(map(int, numbers))


class Part(NamedTuple):
    """A file as a part of a folder of Zarr.

    Attributes:
        array: the path of the array, or group, that it is of, from the folder.
        key: the rest of its path.
        metadata: of its array, where it is a chunk; empty: it is none, or no array is above it.
    """

    array: str
    key: str
    metadata: bytes = b""


def is_chunk(path: str) -> bool:
    """Whether a file may be a chunk of an array, by its name, in a folder that is called ``….zarr``."""
    return ".zarr/" in path and _CHUNK.fullmatch(path.rpartition("/")[2]) is not None


def is_block(path: str) -> bool:
    """Whether a file may be a block of an array of N5, by its name, in a folder that is called ``….n5``."""
    return ".n5/" in path and _NUMBER.fullmatch(path.rpartition("/")[2]) is not None


def metadata_places(path: str) -> Iterator[str]:
    """The places where the metadata of a chunk's array may be: beside it, and in the folders above."""
    folder = path
    names = ("attributes.json",) if is_block(path) else (".zarray", "zarr.json")
    while folder and not folder.endswith((".zarr", ".n5")):
        folder = folder.rpartition("/")[0]
        if folder:
            yield from (f"{folder}/{name}" for name in names)


def part_of(path: str, place: str = "", metadata: bytes = b"") -> Part | None:
    """A file as a part of the folder of Zarr that it lies in; None: it lies in none.

    Args:
        path: of it.
        place: the path of the metadata of its array, where it is a chunk.
        metadata: this metadata.
    """
    top, folder, inner = path.partition(".zarr/")
    if not folder:
        return None
    if not place:
        array, _, key = inner.rpartition("/")
        return Part(array, key)
    above = place.rpartition("/")[0]
    return Part(above[len(top) + len(folder) :], path[len(above) + 1 :], metadata)


def is_named(name: str) -> bool:
    """Whether a file of this name is metadata of Zarr."""
    return name in _NAMES


def promised(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The promises of metadata.

    Raises:
        ValueError: they are none, or say what cannot be.
        TooLarge: they have more values than are looked at.
    """
    folder, _, name = path.rpartition("/")
    top = f"{folder}/" if folder else ""
    bounded(data, _MAX_BYTES, b",:[{", _MAX_VALUES)
    content = json.loads(data)
    if not isinstance(content, dict):
        raise wrong("it is no JSON object")
    try:
        match name:
            case ".zgroup":
                return Promised(f"Zarr {_format(content, 2)} group", iter(()))
            case ".zattrs":
                return Promised("Zarr 2 attributes", iter(()))
            case ".zmetadata":
                keys = [f"{top}{key}" for key in content["metadata"]]
                return Promised("Zarr 2 metadata of all", (Promise(key) for key in keys))
            case ".zarray":
                _format(content, 2)
                return _of_array("Zarr 2 array", top, _second(content), listing)
        _format(content, 3)
        if content["node_type"] == "group":
            inner = (content.get("consolidated_metadata") or {}).get("metadata", {})
            keys = [f"{top}{key}/zarr.json" for key in inner]
            return Promised("Zarr 3 group", (Promise(key) for key in keys))
        array = _third(content)
        if array is None:
            return Promised(
                "Zarr 3 array", iter(()), notes=("its chunks are of a grid that is not known here",)
            )
        return _of_array("Zarr 3 array", top, array, listing)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"it lacks what it should have ({error})") from None


def _format(content: dict[str, Any], due: int) -> int:
    if content.get("zarr_format") != due:
        raise ValueError(f"its zarr_format is {str(content.get('zarr_format'))[:20]}, and not {due}")
    return due


def array_of(content: dict[str, Any]) -> Array | None:
    """The array that metadata describes; None: its chunks are not of a regular grid, or named otherwise.

    Raises:
        ValueError: it cannot be.
        KeyError, TypeError, AttributeError, IndexError: it lacks what it should have.
    """
    return _second(content) if content["zarr_format"] == 2 else _third(content)


def _check_grid(shape: Any, chunk: Any) -> None:  # noqa: ANN401 — from metadata
    if len(shape) != len(chunk) or not all(
        isinstance(n, int) and not isinstance(n, bool) for n in (*shape, *chunk)
    ):
        raise ValueError("its shape and that of its chunks do not go together")
    if len(shape) > _MAX_AXES or any(not 0 <= n < _MAX_LENGTH for n in (*shape, *chunk)):
        raise ValueError("its shape, or that of its chunks, cannot be")
    if not all(size or not n for n, size in zip(shape, chunk, strict=True)):
        raise ValueError("its chunks hold nothing, which cannot be")


def _second(content: dict[str, Any]) -> Array:
    shape, chunk = content["shape"], content["chunks"]
    _check_grid(shape, chunk)
    dtype = content["dtype"]
    match = _DTYPE.fullmatch(dtype) if isinstance(dtype, str) else None
    n = None if match is None else int(match[1]) * (4 if dtype[1] == "U" else 1)
    is_packed = content["compressor"] is not None or bool(content.get("filters"))
    separator = content.get("dimension_separator", ".")
    return Array(tuple(shape), tuple(chunk), n, is_packed, "", separator)


def _third(content: dict[str, Any]) -> Array | None:
    grid = content["chunk_grid"]
    keys = content["chunk_key_encoding"]
    if isinstance(keys, str):  # in short, where it needs no configuration
        keys = {"name": keys}
    if grid["name"] not in ("regular", "rectilinear") or keys["name"] not in ("default", "v2"):
        return None
    shape, edges = content["shape"], cast("tuple[tuple[int, ...] | None, ...]", ())
    if grid["name"] == "regular":
        chunk = grid["configuration"]["chunk_shape"]
    else:
        found = _edges(grid["configuration"], shape)
        if found is None:
            return None
        chunk, edges = found
    _check_grid(shape, chunk)
    codecs = [one["name"] if isinstance(one, dict) else one for one in content["codecs"]]
    n = item_bytes_of(content["data_type"])
    usual = "/" if keys["name"] == "default" else "."
    separator = (keys.get("configuration") or {}).get("separator", usual)
    prefix = "c" if keys["name"] == "default" else ""
    return Array(tuple(shape), tuple(chunk), n, codecs != ["bytes"], prefix, separator, edges)


def _edges(
    how: dict[str, Any],
    shape: Any,  # noqa: ANN401 — from metadata
) -> tuple[list[int], tuple[tuple[int, ...] | None, ...]] | None:
    """The longest chunk along each axis, and the lengths of all where they differ; None: they are too many.

    https://github.com/zarr-developers/zarr-extensions/tree/main/chunk-grids/rectilinear
    """
    if how["kind"] != "inline" or len(how["chunk_shapes"]) != len(shape):
        raise ValueError("its shape and that of its chunks do not go together")
    chunk: list[int] = []
    edges: list[tuple[int, ...] | None] = []
    for n, sizes in zip(shape, how["chunk_shapes"], strict=True):
        if not isinstance(sizes, list):
            chunk.append(sizes)
            edges.append(None)
            continue
        runs = [one if isinstance(one, list) else [one, 1] for one in sizes]
        if not runs or not all(type(length) is type(k) is int and length > 0 < k for length, k in runs):
            raise ValueError("its chunks hold nothing, which cannot be")
        if sum(k for _, k in runs) > _MAX_LOOKED_FOR:
            return None
        lengths = tuple(length for length, k in runs for _ in range(k))
        if sum(lengths) < n:
            raise ValueError("its chunks do not reach to its end")
        chunk.append(max(lengths))
        edges.append(lengths)
    return chunk, tuple(edges)


def item_bytes_of(kind: Any) -> int | None:  # noqa: ANN401 — from metadata
    """Bytes of an element of a type of version 3; None: not known."""
    if isinstance(kind, dict):
        name, length = kind.get("name"), (kind.get("configuration") or {}).get("length_bytes")
        if name in _EIGHT_BYTES:
            return 8
        return length if name in _OF_BYTES and type(length) is int and 0 < length < _MAX_LENGTH else None
    match = _DATA_TYPES.fullmatch(kind) if isinstance(kind, str) else None
    return None if match is None else int(match[1] or match[2] or 8) // 8


def hold(
    path: str, data: bytes, listing: Listing, rules: Zarr, findings: Findings, go_on: Callable[[], object]
) -> None:
    """Hold what is expected of a folder of Zarr against the delivery: the arrays and chunks that are there.

    Args:
        path: of a file with metadata.
        data: its content, which can be.
        listing: the delivery, the whole of it.
        rules: for the folder.
        findings: get what is wrong.
        go_on: called now and then; what it raises ends the search.

    Raises:
        TooLarge: there are more chunks than are looked for.
        Undecided: the fill value cannot be judged here.
    """
    part = part_of(path)
    if part is None or part.key not in ("zarr.json", ".zarray", ".zgroup"):
        return
    folder = path[: -len(part.key)]
    content = json.loads(data)
    rule = rules.array(part.array)
    if not part.array:
        for one in rules.arrays:
            there = any(listing.find(f"{folder}{one.name}/{name}") for name in ("zarr.json", ".zarray"))
            if one.required and one.name and not there:
                findings.add(f"array {shown(one.name)}", "it is missing")
    attributes = rule.all_attributes if rule is not None else () if part.array else rules.attributes
    if part.key != "zarr.json" and not listing.find(f"{folder}.zattrs"):
        for entry in attributes:
            if entry.required:
                findings.add(f"attribute {shown(entry.key)}", "it is missing")
    array = None if rule is None or "shape" not in content else array_of(content)
    if array is None or rule is None or not (rule.complete or rule.judges_values):
        return
    n = math.prod(array.grid)
    if n > _MAX_LOOKED_FOR:
        raise TooLarge(f"the array has more than {_MAX_LOOKED_FOR:,} chunks")
    missing: list[str] = []
    for number, key in enumerate(_keys(array, n)):
        if number % _MOST_MISSING == 0:
            go_on()
        if listing.find(folder + key) is None:
            missing.append(key)
            if not rule.complete or len(missing) >= _MOST_MISSING:
                break
    if not missing:
        return
    where = f"array {shown(part.array or '/')}"
    if rule.complete:
        few = ", ".join(shown(folder + key) for key in missing[:_FEW])
        at_least = "at least " if len(missing) >= _MOST_MISSING else ""
        chunks = counted(len(missing), "chunk")
        findings.add(where, f"{at_least}{chunks} of {n:,} {_are(missing)} not in the delivery: {few}")
    elif (reason := _fill_problem(content, rule)) is not None:
        key = shown(folder + missing[0])
        findings.add(where, f"chunk {key} is not in the delivery, and the fill value {reason}")


def _are(missing: Sequence[str]) -> str:
    return "is" if len(missing) == 1 else "are"


def _fill_problem(content: dict[str, Any], rule: ZarrArray) -> str | None:
    from upload_client.expectations.formats.zarr_rules import fill_problem  # noqa: PLC0415 — an extra

    return fill_problem(content, rule)


def _of_array(what: str, top: str, array: Array, listing: Listing) -> Promised:
    n = math.prod(array.grid)
    there: list[str] = []
    looked = in_vain = 0
    for key in _keys(array, min(n, MAX_CHUNKS)):
        if looked >= _ALWAYS and listing.in_vain <= 0:
            break
        looked += 1
        in_vain += 1
        if listing.find(top + key) is not None:
            there.append(key)
            in_vain = 0
        else:
            listing.in_vain -= 1
            if in_vain >= MAX_IN_VAIN:
                break
    notes = [
        f"{len(there):,} of {looked:,} chunks are there"
        + (", the others are the fill value" * (len(there) < looked))
    ]
    if n > looked:
        notes.append(f"{n - looked:,} more were not looked for")
    least = 0 if array.chunk_bytes is not None else 1
    promises = (Promise(top + key, array.chunk_bytes, (), least, required=False) for key in there)
    return Promised(what, promises, notes=tuple(notes))


def _keys(array: Array, n: int) -> Iterator[str]:
    """The keys of the first chunks, so many of them, the last axis the fastest."""
    if not array.grid:
        yield array.prefix or "0"
        return
    lead = f"{array.prefix}{array.separator}" if array.prefix else ""
    for number in range(n):
        index: list[int] = []
        for length in reversed(array.grid):
            number, at = divmod(number, length)  # noqa: PLW2901 — what is left for the next axis
            index.append(at)
        yield lead + array.separator.join(map(str, reversed(index)))
