"""Rules for the arrays of a folder of Zarr, applied to one file at a time: metadata, a chunk, a shard.

Values are judged chunk by chunk, as they are stored, or as a document says that they are scaled. What lies in
a chunk at the edge beyond the array is no value of it. How types and fill values are spelled: zarr-specs, as
in `upload_client.expectations.formats.zarr`, and zarr-extensions' ``data-types``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from upload_client.expectations.findings import Findings, NotOpened, Undecided, shown
from upload_client.expectations.formats.arrays import plain
from upload_client.expectations.formats.scalars import check_scalar
from upload_client.expectations.formats.zarr import (
    BY_ELEMENT,
    MAX_CHUNK,
    OTHER_SIZE,
    Chunk,
    Codecs,
    chunks_of,
    open_chunk,
)
from upload_client.expectations.model import Entry, Zarr, ZarrArray
from upload_client.expectations.packaging.zarr import Array, Part, array_of, is_named
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import ValueJudge, are_among, check_shape, is_of_type

_PIECE = 1024 * 1024  # elements that are judged at once
_UNITS = frozenset(("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "μs", "ns", "ps", "fs", "as"))
_NUMBERS = {
    *("bool", "float16", "float32", "float64", "complex64", "complex128"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
"""Those that numpy has, too; extensions have more, such as ``int4``."""
_NOT_A_TIME = -(2**63)


class Type(NamedTuple):
    """The type of an array's elements.

    Attributes:
        name: as a document says it; ``any`` where it has no word for it.
        dtype: numpy's; None: its values cannot be judged, or are texts of any length.
    """

    name: str
    dtype: np.dtype[Any] | None

    @property
    def is_judged(self) -> bool:
        """Whether rules can be applied to its values."""
        return self.dtype is not None or self.name in ("string", "binary")


def type_of(content: Mapping[str, Any]) -> Type:
    """The type of an array by its metadata, of version 2 or 3.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it cannot be understood.
    """
    if content["zarr_format"] == 2:
        return _second(content["dtype"], content.get("filters") or ())
    kind = content["data_type"]
    how: Mapping[str, Any] = {}
    if isinstance(kind, Mapping):
        kind, how = kind["name"], kind.get("configuration") or {}
    match kind:
        case "string" | "variable_length_utf8":
            return Type("string", None)
        case "bytes" | "variable_length_bytes":
            return Type("binary", None)
        case "fixed_length_utf32":
            return _made(f"<U{how['length_bytes'] // 4}", content)
        case "null_terminated_bytes":
            return _made(f"S{how['length_bytes']}", content)
        case "numpy.datetime64" | "numpy.timedelta64":
            unit, factor = how["unit"], how.get("scale_factor", 1)
            if unit not in _UNITS or type(factor) is not int or not 0 < factor < 2**31:
                raise ValueError("its unit of time is not known")
            return _made(f"<{'M' if 'date' in kind else 'm'}8[{factor}{unit.replace('μ', 'u')}]", content)
    if isinstance(kind, str) and kind in _NUMBERS:
        return _made(kind, content)
    return Type("any", None)


def _made(dtype: str, content: Mapping[str, Any]) -> Type:
    made = np.dtype(dtype)
    ends: list[Any] = [
        (one.get("configuration") or {}).get("endian") for one in _flat(content["codecs"], "bytes")
    ]
    return Type(plain(made), made.newbyteorder(">" if "big" in ends else "<"))


def _flat(codecs: Any, name: str) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 — from metadata
    """The codecs of a name, also of the chunks in a shard."""
    for one in codecs:
        if isinstance(one, Mapping) and one.get("name") == name:
            yield one
        elif isinstance(one, Mapping) and one.get("name") == "sharding_indexed":
            yield from _flat(one["configuration"]["codecs"], name)


def _second(dtype: Any, filters: Any) -> Type:  # noqa: ANN401 — from metadata
    if not isinstance(dtype, str):
        return Type("any", None)  # a structure
    if dtype == "|O":
        names = [one.get("id") for one in filters]
        return Type("string" if "vlen-utf8" in names else "binary" if "vlen-bytes" in names else "any", None)
    made = np.dtype(dtype)
    return Type(plain(made), None if made.hasobject or made.kind == "V" else made)


def judge_zarr(
    rules: Zarr, file: BinaryIO, size: int, findings: Findings, part: Part | None, budget: Budget
) -> None:
    """Judge one file of a folder of Zarr.

    Args:
        rules: for the folder.
        file: binary and seekable.
        size: of it, in bytes.
        findings: get what is wrong.
        part: the part of the folder that it is; None: it lies in no folder that is called ``….zarr``.
        budget: what it may take.

    Raises:
        ValueError: it is damaged.
        NotOpened: it is a chunk that cannot be unpacked here, and no rule is for its values.
        Undecided: it is, and there are such rules.
    """
    if part is None:
        findings.add("", "it lies in no folder whose name ends in .zarr, so nobody can tell its array")
    elif part.metadata and not _is_group(part.metadata):
        _judge_chunk(rules, part, file, size, findings, budget)
    elif is_named(part.key):
        _judge_metadata(rules, part, file.read(size), findings)
    elif rules.others == "refuse":
        findings.add("", "it belongs to no array, and no such file is expected")
    else:
        raise NotOpened("it belongs to no array")


def _is_group(metadata: bytes) -> bool:
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        return cast("bool", json.loads(metadata).get("node_type") == "group")
    return False


def _judge_metadata(rules: Zarr, part: Part, data: bytes, findings: Findings) -> None:
    content = json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 — it is the file that is wrong
    rule = rules.array(part.array)
    is_array = part.key == ".zarray" or (part.key == "zarr.json" and content.get("node_type") == "array")
    if is_array:
        _judge_array(rules, part.array, content, findings)
    elif rule is not None and part.key in (".zgroup", "zarr.json"):
        findings.add(_where(part.array), "it is a group")
    found = content if part.key == ".zattrs" else content.get("attributes", {})
    if part.key not in (".zattrs", "zarr.json"):
        return
    if not isinstance(found, dict):
        raise ValueError("its attributes are no JSON object")  # noqa: TRY004 — it is the file that is wrong
    expected = rule.all_attributes if rule is not None else () if part.array else rules.attributes
    for entry in expected:
        _judge_attribute(entry, found, part.array, findings)


def _judge_attribute(entry: Entry, found: Mapping[str, Any], array: str, findings: Findings) -> None:
    where = f"{_where(array)}, attribute {shown(entry.key)}" if array else f"attribute {shown(entry.key)}"
    if entry.key in found:
        check_scalar(findings, where, found[entry.key], entry, entry.type)
    elif entry.required:
        findings.add(where, "it is missing")


def _judge_array(rules: Zarr, name: str, content: Mapping[str, Any], findings: Findings) -> None:
    rule = rules.array(name)
    if rule is None:
        if rules.others == "refuse":
            findings.add(_where(name), "no such array is expected")
        return
    try:
        found = type_of(content).name
        shape = [int(n) for n in content["shape"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it lacks what it should have ({error})") from None
    if not is_of_type(rule.dtype, found):
        dtype = found if found != "any" else shown(json.dumps(content.get("dtype", content.get("data_type"))))
        findings.add(_where(name), f"{dtype} where {rule.dtype} is expected")
    if rule.shape is not None:
        check_shape(findings, _where(name), shape, rule.shape)


def _judge_chunk(
    rules: Zarr, part: Part, file: BinaryIO, size: int, findings: Findings, budget: Budget
) -> None:
    try:
        content = json.loads(part.metadata)
        array = array_of(content)
        found = type_of(content)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise NotOpened("the metadata of its array cannot be understood") from None
    rule = rules.array(part.array)
    if array is not None:
        place = array.place(part.key)
        if place is None:
            findings.add(_where(part.array), "no chunk of it is called so")
            return
        if any(at >= n for at, n in zip(place, array.grid, strict=True)):
            grid = " by ".join(map(str, array.grid))
            findings.add(_where(part.array), f"this chunk is none of its {grid}: it lies outside")
            return
    if rule is None or not rule.judges_values:
        open_chunk(file, size, budget, part.metadata)
        return
    if array is None or not found.is_judged:
        what = "chunks of its grid" if array is None else "values of its type"
        raise Undecided(f"{_where(part.array)}: {what} cannot be judged here")
    try:
        _Values(rule, part.array, content, array, place or (), found).judge(
            chunks_of(file, size, budget, part.metadata, all_of_it=True, place=place), findings
        )
    except NotOpened as error:
        raise Undecided(f"{_where(part.array)}: {error}") from None


def _where(name: str) -> str:
    return f"array {shown(name or '/')}"


class _Values:
    """The values of one file of an array."""

    def __init__(
        self,
        rule: ZarrArray,
        name: str,
        content: Mapping[str, Any],
        array: Array,
        place: Sequence[int],
        kind: Type,
    ) -> None:
        self._rule = rule
        self._content = content
        self._shape = array.shape
        self._start, _ = array.extent(place)
        self._kind = kind
        self._where = _where(name)
        self._origins: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self._firsts: list[int] = []
        self._judge = ValueJudge(rule, self._where, self._name_place)
        self._missing = _as_missing(rule, kind)
        self._next = 0

    def judge(self, chunks: Iterator[Chunk], findings: Findings) -> None:
        """Judge all of them, as they come."""
        for chunk in chunks:
            origin = tuple(one + other for one, other in zip(self._start, chunk.origin, strict=True))
            inside = tuple(
                max(0, min(length, n - at))
                for at, length, n in zip(origin, chunk.shape, self._shape, strict=True)
            )
            if not math.prod(inside):
                continue
            self._origins.append((origin, inside))
            self._firsts.append(self._next)
            if chunk.data is None:
                self._feed_fill()
                self._next += 1
                continue
            values = _elements(chunk, self._kind, self._content)
            within: tuple[Any, ...] = (*(slice(n) for n in inside), ...)
            self._feed(values[within])
            self._next += math.prod(inside)
        self._judge.close(findings)

    def _feed(self, values: npt.NDArray[Any]) -> None:
        if not values.ndim:
            values = values.reshape(1)
        first = self._next
        native = values.dtype.newbyteorder("=")
        flags: Any = ["external_loop", "buffered", "zerosize_ok", "refs_ok"]
        pieces = np.nditer(values, flags, op_dtypes=[native], order="C", casting="equiv", buffersize=_PIECE)
        for piece in pieces:
            some = cast("npt.NDArray[Any]", piece)
            self._judge.feed(_scaled(some, self._rule), self._missing(some), first)
            first += len(some)

    def _feed_fill(self) -> None:
        fill = _fill_of(self._content, self._kind)
        if fill is not None:
            self._judge.feed(_scaled(fill, self._rule), self._missing(fill), self._next)
        elif not self._rule.nulls:
            self._judge.feed(np.array([np.nan]), None, self._next)

    def _name_place(self, number: int) -> str:
        at = int(np.searchsorted(self._firsts, number, side="right")) - 1
        origin, inside = self._origins[at]
        local = np.unravel_index(number - self._firsts[at], inside) if inside else ()
        index = (int(one) + start for one, start in zip(local, origin, strict=True))
        return f"element [{', '.join(map(str, index))}]"


def _scaled(values: npt.NDArray[Any], rule: ZarrArray) -> npt.NDArray[Any]:
    """Numbers as a document says that they are told by those that are stored (CF conventions, 8.1)."""
    if (rule.scale_factor is None and rule.add_offset is None) or values.dtype.kind not in "iuf":
        return values
    scale, offset = rule.scale_factor, rule.add_offset
    return values * np.float64(1 if scale is None else scale) + np.float64(0 if offset is None else offset)


def _elements(chunk: Chunk, kind: Type, content: Mapping[str, Any]) -> npt.NDArray[Any]:
    """A chunk as an array of its shape.

    Raises:
        NotOpened: the layout of its elements is not known here.
    """
    n = math.prod(chunk.shape)
    data = chunk.data
    by_element = [one for one in chunk.codecs if one[0] in BY_ELEMENT]
    if kind.dtype is None:
        values = np.asarray(data, object).reshape(-1)
    else:
        stored = _types_of(kind.dtype, by_element)
        buffer = np.frombuffer(cast("bytes", data), np.uint8)
        if buffer.nbytes != n * stored[-1].itemsize:
            raise NotOpened("what its chunks unpack to are no elements of its type")
        values = buffer.view(stored[-1])
        if by_element:
            values = _undone(values, by_element, stored)
    if content["zarr_format"] == 2:
        order = content.get("order", "C")
        if order not in ("C", "F"):
            raise NotOpened("the order of its elements is not known here")
        return values.reshape(chunk.shape, order=order)
    names = [name for name, _ in chunk.codecs]
    ends = [how.get("endian") for name, how in chunk.codecs if name == "bytes"]
    if "big" in ends and any(name in OTHER_SIZE for name in names[: names.index("bytes")]):
        raise NotOpened("filters below bytes in the order of the largest first are not undone here")
    orders: list[Any] = [how.get("order") for name, how in chunk.codecs if name == "transpose"]
    shape = chunk.shape
    for order in orders:
        if not isinstance(order, list) or sorted(order) != list(range(len(shape))):
            raise NotOpened("the order of its axes is not known here")
        shape = tuple(shape[axis] for axis in order)
    values = values.reshape(shape)
    for order in reversed(orders):
        values = values.transpose(np.argsort(order))
    return values


def _types_of(dtype: np.dtype[Any], by_element: Codecs) -> list[np.dtype[Any]]:
    """The types of elements, before any of these codecs and after each."""
    types = [dtype]
    for name, how in by_element:
        kind = how.get("data_type") if name == "cast_value" else None
        if name == "cast_value" and kind not in _NUMBERS:
            raise NotOpened("its chunks are stored as a type that is not known here")
        types.append(types[-1] if kind is None else np.dtype(kind).newbyteorder(dtype.byteorder))
    if by_element and not all(one.kind in "iuf" for one in types):
        raise NotOpened("its codecs are not for values of its type")
    return types


def _undone(values: npt.NDArray[Any], by_element: Codecs, types: Sequence[np.dtype[Any]]) -> npt.NDArray[Any]:
    """Elements as they were before these codecs, each of which is undone.

    https://github.com/zarr-developers/zarr-extensions/tree/main/codecs, ``scale_offset`` and ``cast_value``.

    Raises:
        ValueError: they cannot have been made by these.
        NotOpened: it is not known here how one is undone.
    """
    if values.size * max(one.itemsize for one in types) > MAX_CHUNK:
        raise NotOpened(f"a chunk has more than {MAX_CHUNK:,} bytes")
    for (name, how), before in zip(reversed(by_element), reversed(types[:-1]), strict=True):
        native = before.newbyteorder("=")
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        try:
            values = _cast_back(values, native, how) if name == "cast_value" else _unscaled(values, how)
        except (TypeError, KeyError, OverflowError):
            raise NotOpened("one of its codecs is not understood here") from None
    return values


def _cast_back(values: npt.NDArray[Any], dtype: np.dtype[Any], how: Mapping[str, Any]) -> npt.NDArray[Any]:
    if how.get("rounding", "nearest-even") != "nearest-even" or how.get("out_of_range"):
        raise NotOpened("one of its codecs rounds in a way that is not known here")
    rounded = np.rint(values) if values.dtype.kind == "f" and dtype.kind in "iu" else values
    mapped = [
        (_spelled(one, values.dtype), other) for one, other in (how.get("scalar_map") or {}).get("decode", ())
    ]
    places = [np.isnan(values) if math.isnan(one) else values == one for one, _ in mapped]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        others = ~np.logical_or.reduce(places) if places else np.ones(len(values), bool)
        with np.errstate(invalid="ignore"):
            if not ((rounded >= limits.min) & (rounded <= limits.max))[others].all():
                raise ValueError("it is damaged: it has values that its type cannot have")
    with np.errstate(over="ignore", invalid="ignore"):
        made = rounded.astype(dtype)
    for where, (_, other) in zip(places, mapped, strict=True):
        made[where] = _spelled(other, dtype)
    return made


def _unscaled(values: npt.NDArray[Any], how: Mapping[str, Any]) -> npt.NDArray[Any]:
    dtype = values.dtype
    try:
        scale, offset = (
            _spelled(how.get(name, usual), dtype) for name, usual in (("scale", 1), ("offset", 0))
        )
    except ValueError:
        raise TypeError("it is no number") from None
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            unscaled: npt.NDArray[Any] = values / dtype.type(scale) + dtype.type(offset)
            return unscaled
    if not all(isinstance(one, int) for one in (scale, offset)) or not scale:
        raise NotOpened("one of its codecs is not understood here")
    limits = np.iinfo(dtype)
    wide = values.astype(object) if dtype.itemsize == 8 else values.astype(np.int64)
    if (wide % scale).any():
        raise ValueError("it is damaged: it has values that no scaled one can be")
    made = wide // scale + offset
    if len(made) and not limits.min <= made.min() <= made.max() <= limits.max:
        raise ValueError("it is damaged: it has values that its type cannot have")
    return cast("npt.NDArray[Any]", made.astype(dtype))


def _as_missing(rule: ZarrArray, kind: Type) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_] | None]:
    """Tells which values stand for a missing one."""
    given = rule.missing
    if given is None:
        return lambda _: None
    if kind.dtype is not None and kind.dtype.kind in "biufc":
        numbers = [one for one in given if isinstance(one, (int, float))]
        with np.errstate(over="ignore"):
            # As they are stored: of 32 bits, say. What cannot be stored is nowhere.
            same = [
                np.asarray(one).astype(kind.dtype)
                for one in numbers
                if kind.dtype.kind not in "iu" or _fits(one, kind.dtype)
            ]
        return lambda values: np.isin(values, np.array(same, kind.dtype.newbyteorder("=")))  # type: ignore[union-attr]
    if kind.dtype is not None and kind.dtype.kind == "M":
        return lambda values: are_among(values, given)
    texts = {str(one) for one in given}
    return lambda values: np.fromiter((_text(one) in texts for one in values.tolist()), bool, len(values))


def _fits(number: float, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return math.isfinite(number) and int(number) == number and limits.min <= number <= limits.max


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def fill_problem(content: Mapping[str, Any], rule: ZarrArray) -> str | None:
    """The rule that the fill value of an array breaks, in words: ``0.0 is below 1``; None: it breaks none.

    Raises:
        Undecided: it is not known here how it is spelled.
    """
    try:
        kind = type_of(content)
        fill = _fill_of(content, kind)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Undecided(f"its fill value is not understood here: {error}") from None
    if fill is None:
        return None if rule.nulls else "is none"
    findings = Findings()
    judge = ValueJudge(rule, "", lambda _: "it")
    judge.feed(_scaled(fill, rule), _as_missing(rule, kind)(fill), 0)
    judge.close(findings)
    if not findings.n:
        return None
    return findings.sentences[0].replace(" in it ", " ", 1).replace("a value ", "", 1)


def _fill_of(content: Mapping[str, Any], kind: Type) -> npt.NDArray[Any] | None:
    """The fill value, in an array of one element; None: there is none.

    Raises:
        Undecided: it is not known here how it is spelled.
    """
    fill = content.get("fill_value")
    if fill is None:
        return None
    try:
        if kind.dtype is None:
            values = np.empty(1, object)
            values[0] = fill if kind.name == "string" else base64.b64decode(fill, validate=True)
            return values
        native = kind.dtype.newbyteorder("=")
        if native.kind in "mM":
            return np.array([_NOT_A_TIME if fill == "NaT" else int(fill)], "i8").view(native)
        return np.array([_spelled(fill, kind.dtype)], native)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, binascii.Error):
        raise Undecided(f"its fill value {shown(fill)} is not understood here") from None


def _spelled(fill: Any, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 — of any type
    match dtype.kind:
        case "f":
            return _real(fill, dtype)
        case "c":
            real = np.dtype(f"f{dtype.itemsize // 2}")
            pair = fill if isinstance(fill, list) else [fill, 0.0]
            return complex(_real(pair[0], real), _real(pair[1], real))
        case "S":
            return base64.b64decode(fill, validate=True)
    return fill


def _real(fill: Any, dtype: np.dtype[Any]) -> float:  # noqa: ANN401 — from metadata
    if isinstance(fill, str) and fill.startswith("0x"):
        bits = int(fill, 16).to_bytes(dtype.itemsize, "big")
        return float(np.frombuffer(bits, dtype.newbyteorder(">"))[0])
    return float(fill)
