"""Images, by Pillow: what is too large is refused by its header, before a pixel is unpacked."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from upload_client.expectations.findings import Findings
from upload_client.expectations.model import Image

__all__ = ["MAX_PIXELS", "judge_image", "learn_image"]

MAX_PIXELS = 200_000_000
"""Pixels of the largest image that is unpacked."""


def judge_image(content: Image, file: BinaryIO, _size: int, findings: Findings) -> None:
    """Judge an image: of what format, how large, and whether the first of its frames can be unpacked."""
    Pillow.MAX_IMAGE_PIXELS = None  # its own limit is in the way of the one below, which says more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Only these are tried: others of Pillow's formats start programs to read a file.
            opened = Pillow.open(file, formats=content.formats)
        except UnidentifiedImageError:
            findings.add("", f"it is no image in {' or '.join(content.formats)}")
            return
        with opened as image:
            width, height = image.size
            for side, n, bounds in (("width", width, content.width), ("height", height, content.height)):
                reason = bounds.range.refusal(n, lambda k: f"{k:,} pixel{'s' * (k != 1)}")
                if reason is not None:
                    findings.add(side, reason)
            if content.modes is not None and image.mode not in content.modes:
                findings.add("", f"mode {image.mode} where {' or '.join(content.modes)} is expected")
            if width * height > MAX_PIXELS:
                findings.add("", f"it has {width:,} by {height:,} pixels, more than {MAX_PIXELS:,}")
                return
            image.load()


def learn_image(file: BinaryIO) -> tuple[str, str, tuple[int, int]]:
    """Format, mode, width and height of an image that can be unpacked."""
    with Pillow.open(file, formats=Image.model_fields["formats"].default) as image:
        image.load()
        return str(image.format), image.mode, image.size
