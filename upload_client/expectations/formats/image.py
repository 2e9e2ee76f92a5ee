"""Images, by Pillow: what is too large is refused by its header, before a pixel is unpacked.

TIFF that Pillow does not know (float16 and float64, complex, many bands, …) is read by tifffile, where that
is installed. Of bands that lie apart (PlanarConfiguration 2, GDAL's INTERLEAVE=BAND) Pillow unpacks those
that its mode has, mostly the first one alone: the others are given to it as pages of their own.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, BinaryIO

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from upload_client.core.text import counted
from upload_client.expectations.findings import Findings, Undecided
from upload_client.expectations.formats.geo import is_sparse
from upload_client.expectations.formats.pictures import frame_of_jpeg
from upload_client.expectations.model import Image
from upload_client.expectations.packed import Budget

_COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES = 259, 262, 277, 284
_OF_ONE_PLANE = (256, 257, _COMPRESSION, 266, 278, 317, 322, 323, 347)
"""Tags of a page that hold for each of its planes too: sides, packing, tiles, tables of JPEG."""
_OF_EACH_BAND = (258, 339)
_PLACES = ((273, 279), (324, 325))
_APART = 2
_SEVERAL = "MPO"
"""Pillow's word for a JPEG that says other pictures stand behind it, as those of many cameras do."""
_UNKNOWN = "unknown pixel mode"
"""Said by Pillow of a page whose pixels are of a kind that it does not know, though those before it were."""
_OPTIONAL = {7: "jpeg", 34925: "lzma", 50000: "zstd", 50001: "webp"}
MAX_PIXELS = 200_000_000
"""Pixels of the largest image that is unpacked, all its frames together."""
MAX_FRAMES = 10_000
_JPEGS = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
"""Frames that Pillow unpacks: with loss, in one go or in steps, by Huffman or arithmetic codes."""
_UNKNOWN_JPEG = "Pillow cannot read this kind of JPEG, of 12 bits, say, or without loss"


def judge_image(content: Image, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge an image: of what format, how large, and whether each of its frames can be unpacked."""
    Pillow.MAX_IMAGE_PIXELS = None  # its own limit is in the way of the one below, which says more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Only these are tried: others of Pillow's formats start programs to read a file.
            opened = Pillow.open(file, formats=content.formats)
        except UnidentifiedImageError:
            if "TIFF" in content.formats and _is_tiff(file):
                _judge_tiff(content, file, findings, None)
            elif "JPEG" in content.formats and _begins(file, b"\xff\xd8\xff"):
                frame_of_jpeg(file, size, Budget(size))
                raise Undecided(_UNKNOWN_JPEG) from None
            else:
                findings.add("", f"it is no image in {' or '.join(content.formats)}")
            return
        if not _unpacks(getattr(opened, "tag_v2", {}).get(_COMPRESSION, 1)):
            _judge_tiff(content, file, findings, opened.mode)
            return
        with opened as image:
            width, height = image.size
            _check_sides(content, width, height, findings)
            _check_mode(content, image.mode, findings)
            if width * height > MAX_PIXELS:
                findings.add("", f"it has {width:,} by {height:,} pixels, more than {MAX_PIXELS:,}")
                return
            try:
                _load_frames(image, file)
            except _LeftOut:
                _unpack_tiff(file)
            except (OSError, ValueError):
                if (
                    image.format in ("JPEG", _SEVERAL)
                    and frame_of_jpeg(file, size, Budget(size)) not in _JPEGS
                ):
                    raise Undecided(_UNKNOWN_JPEG) from None
                raise


@cache
def _unpacks(compression: int) -> bool:
    """Whether Pillow's libtiff was built with what a TIFF is packed with: else it calls each damaged."""
    name = _OPTIONAL.get(compression)
    if name is None:
        return True
    try:
        Pillow.new("RGB", (8, 8)).save(io.BytesIO(), "TIFF", compression=name)
    except Exception:  # noqa: BLE001 — it has several for this
        return False
    return True


def _check_sides(content: Image, width: int, height: int, findings: Findings) -> None:
    for side, n, bounds in (("width", width, content.width), ("height", height, content.height)):
        reason = bounds.range.refusal(n, lambda k: counted(k, "pixel"))
        if reason is not None:
            findings.add(side, reason)


def _check_mode(content: Image, mode: str, findings: Findings) -> None:
    if content.modes is not None and mode not in content.modes:
        findings.add("", f"mode {mode} where {' or '.join(content.modes)} is expected")


class _LeftOut(Exception):  # noqa: N818 — it reads as what it says
    """GDAL has left out what is empty of a frame, or made it a mask: Pillow takes both for damage."""


def _load_frames(image: Pillow.Image, file: BinaryIO) -> None:
    """Unpack the frames one after the other, as many as `MAX_PIXELS` allows.

    Raises:
        _LeftOut: Pillow cannot judge it.
        Exception: Whatever Pillow raises where one cannot be unpacked.
    """
    if image.format == _SEVERAL:  # of those behind the first it often tells although they are gone
        image.load()
        return
    left = MAX_PIXELS
    for number in range(MAX_FRAMES):
        try:
            image.seek(number)
        except SyntaxError as error:
            if number and str(error) == _UNKNOWN:
                raise _LeftOut from None
            raise
        except EOFError:
            if number < getattr(image, "n_frames", 1):
                raise ValueError(f"frame {number + 1} is missing") from None
            return
        width, height = image.size
        left -= width * height
        if left < 0:
            raise Undecided(f"frames of more than {MAX_PIXELS:,} pixels cannot be judged")
        if is_sparse(getattr(image, "tag_v2", {})):
            raise _LeftOut
        try:
            image.load()
            _load_planes(image, file)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"frame {number + 1} is damaged: {error}") from None
    raise Undecided(f"more than {MAX_FRAMES:,} frames cannot be judged")


def _load_planes(image: Any, file: BinaryIO) -> None:  # noqa: ANN401 — TIFF's among Pillow's classes
    """Unpack the planes of a frame that lie apart, if Pillow has not unpacked all of them.

    One after the other is made a TIFF of its own, in memory.

    Raises:
        Exception: Whatever Pillow raises where one cannot be unpacked.
    """
    tags: Any = getattr(image, "tag_v2", {})
    n = tags.get(_SAMPLES, 1)
    if tags.get(_PLANES) != _APART or n <= len(image.getbands()):
        return
    places, lengths = next((pair for pair in _PLACES if pair[0] in tags), _PLACES[0])
    per_plane, rest = divmod(len(tags.get(places, ())), n)
    if rest or not per_plane or len(tags.get(lengths, ())) != per_plane * n:
        raise ValueError(f"it has {len(tags.get(places, ())):,} places of pixels for {n:,} planes")
    same = {tag: tags[tag] for tag in _OF_ONE_PLANE if tag in tags}
    same |= {tag: sum(_values(tags[tag])[:1]) for tag in _OF_EACH_BAND if tag in tags}
    for first in range(0, per_plane * n, per_plane):
        data, offsets = bytearray(8), []
        for number in range(first, first + per_plane):
            offsets.append(len(data))
            file.seek(tags[places][number])
            data += file.read(tags[lengths][number])
        page = {**same, _PHOTOMETRIC: 1, _SAMPLES: 1, places: tuple(offsets)}
        page[lengths] = tuple(tags[lengths][first : first + per_plane])
        _add_page(data, page, "<" if tags.prefix == b"II" else ">")
        with Pillow.open(io.BytesIO(data), formats=("TIFF",)) as plane:
            del data
            plane.load()


def _values(found: Any) -> tuple[Any, ...]:  # noqa: ANN401 — Pillow's
    return found if isinstance(found, tuple) else (found,)


def _add_page(data: bytearray, tags: Mapping[int, Any], order: str) -> None:
    """Add to the pixels of a TIFF its only page, and a header that leads there (TIFF 6.0, 2)."""
    data += bytes(len(data) % 2)
    behind = len(data) + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, found in sorted(tags.items()):
        raw = (
            found
            if isinstance(found, bytes)
            else struct.pack(f"{order}{len(_values(found))}I", *_values(found))
        )
        kind, n = (7, len(raw)) if isinstance(found, bytes) else (4, len(raw) // 4)
        entries += struct.pack(order + "HHI", tag, kind, n)
        if len(raw) > 4:
            entries += struct.pack(order + "I", behind + len(values))
            values += raw + bytes(len(raw) % 2)
        else:
            entries += raw.ljust(4, b"\0")
    start = len(data)
    data += struct.pack(order + "H", len(tags)) + entries + bytes(4) + values
    data[:8] = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start)


def _is_tiff(file: BinaryIO) -> bool:
    """Whether it begins as TIFF or BigTIFF does."""
    return _begins(file, b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _begins(file: BinaryIO, *marks: bytes) -> bool:
    file.seek(0)
    return file.read(4).startswith(marks)


def _judge_tiff(content: Image, file: BinaryIO, findings: Findings, mode: str | None) -> None:
    """Judge a TIFF that Pillow does not know, or cannot unpack; in the latter case it has told its mode."""
    with _tifffile(file) as tiff:
        page = tiff.pages[0] if tiff.pages else None
        if page is not None:
            _check_sides(content, page.imagewidth, page.imagelength, findings)
    if mode is not None:
        _check_mode(content, mode, findings)
    elif content.modes is not None:
        raise Undecided("Pillow has no mode for this kind of TIFF")
    _unpack_tiff(file)


def _tifffile(file: BinaryIO) -> Any:  # noqa: ANN401 — of a library without types
    try:
        import tifffile  # noqa: PLC0415 — an extra, and seldom needed
    except ImportError:
        raise Undecided("Pillow cannot read this kind of TIFF, and tifffile is not installed here") from None
    file.seek(0)
    return tifffile.TiffFile(file)


def _unpack_tiff(file: BinaryIO) -> None:
    """Unpack all pages of a TIFF without Pillow."""
    left = MAX_PIXELS
    with _tifffile(file) as tiff:
        for number, page in enumerate(tiff.pages):
            left -= page.size
            if left < 0:
                raise Undecided(f"pages of more than {MAX_PIXELS:,} values cannot be judged")
            try:
                page.asarray()
            except (ImportError, NotImplementedError) as error:  # of a compression whose codec is not here
                raise Undecided(f"page {number + 1} cannot be unpacked here: {error}") from error
            except Exception as error:
                if "requires the 'imagecodecs' package" in str(error):
                    raise Undecided(f"page {number + 1} cannot be unpacked here: {error}") from error
                raise ValueError(f"page {number + 1} is damaged: {error}") from None


def learn_image(file: BinaryIO) -> tuple[str, str | None, tuple[int, int]]:
    """Format, mode (None: Pillow has none for it), width and height of an image that can be unpacked."""
    try:
        opened = Pillow.open(file, formats=Image.model_fields["formats"].default)
    except UnidentifiedImageError:
        if not _is_tiff(file):
            raise
        with _tifffile(file) as tiff:
            size = int(tiff.pages[0].imagewidth), int(tiff.pages[0].imagelength)
        _unpack_tiff(file)
        return "TIFF", None, size
    with opened as image:
        tags = getattr(image, "tag_v2", {})
        if is_sparse(tags) or not _unpacks(tags.get(_COMPRESSION, 1)):
            _unpack_tiff(file)
        else:
            image.load()
            _load_planes(image, file)
        form = "JPEG" if image.format == _SEVERAL else str(image.format)
        return form, image.mode, image.size
