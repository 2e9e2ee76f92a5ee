"""Pictures are opened by their structure, and what they may have a great deal of costs little."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from upload_client.expectations.formats import pictures


class Counting:
    n = 0

    def spend(self) -> None:
        self.n += 1


def test_a_jpeg_with_a_restart_marker_for_each_block_is_read_once() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (800, 800, 3), dtype=np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "JPEG", restart_marker_blocks=1)
    assert made.getvalue().count(b"\xff\xd0") > 100
    reads = Counting()
    pictures.open_jpeg(made, made.tell(), reads)
    assert reads.n < 100
