"""7z: its header, which tells where its directory lies, and the checksum of that.

https://github.com/ip7z/7zip/blob/main/DOC/7zFormat.txt, "SignatureHeader". What is in it is not unpacked.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from upload_client.expectations.packed import Budget

_MAX_DIRECTORY = 64 * 1024 * 1024


def open_7z(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a 7z archive: its header and its directory, which stands behind all that is packed."""
    file.seek(0)
    head = file.read(32)
    if head[:6] != b"7z\xbc\xaf\x27\x1c":
        raise ValueError("it does not begin as 7z does")
    if len(head) < 32 or zlib.crc32(head[12:]) != int.from_bytes(head[8:12], "little"):
        raise ValueError("it is cut or damaged: its header has another checksum")
    offset, length = int.from_bytes(head[12:20], "little"), int.from_bytes(head[20:28], "little")
    if 32 + offset + length > size:
        raise ValueError(f"it is cut: its last {32 + offset + length - size:,} bytes are missing")
    if length <= _MAX_DIRECTORY:
        file.seek(32 + offset)
        if zlib.crc32(file.read(length)) != int.from_bytes(head[28:32], "little"):
            raise ValueError("it is damaged: its directory has another checksum")
