"""The file index: which files a delivery has, with their checksums and sizes.

As CSV it is ``path[,checksum[,size]]`` with a header, in UTF-8; as a DataFrame it has the columns

- ``path`` (object): str, relative to the source, components separated by ``/``;
- ``checksum`` (object): CRC32 as base64 of its four big-endian bytes, None where there is none;
- ``size`` (Int64): bytes, `pandas.NA` where it is not known;
- perhaps ``crc32c``, ``crc64nvme``, ``md5``, ``sha1``, ``sha256``, ``sha512`` (object): in base64, or None.

Within the program it is a `Files`, by column, which needs no pandas.

An index is refused as a whole, and with all that is wrong in it: what is delivered must be what was meant.
Its paths are exact; unlike the cells of a state dump they are not defused for spreadsheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from upload_client.support.late_names import late_names

if TYPE_CHECKING:
    from upload_client.index.checking import check_index
    from upload_client.index.choosing import Choice, LeftOut
    from upload_client.index.files import MAX_FILES, CheckedIndex, Files
    from upload_client.index.frames import known_sizes
    from upload_client.index.scanning import scan, scan_files, scan_listing
    from upload_client.index.selecting import left_out_of
    from upload_client.index.tables import encode_index, read_files, read_index, write_index

__all__ = [
    "MAX_FILES",
    "CheckedIndex",
    "Choice",
    "Files",
    "LeftOut",
    "check_index",
    "encode_index",
    "known_sizes",
    "left_out_of",
    "read_files",
    "read_index",
    "scan",
    "scan_files",
    "scan_listing",
    "write_index",
]

_HOMES: Final = {
    "CheckedIndex": "files",
    "Choice": "choosing",
    "Files": "files",
    "LeftOut": "choosing",
    "MAX_FILES": "files",
    "check_index": "checking",
    "encode_index": "tables",
    "known_sizes": "frames",
    "left_out_of": "selecting",
    "read_files": "tables",
    "read_index": "tables",
    "scan": "scanning",
    "scan_files": "scanning",
    "scan_listing": "scanning",
    "write_index": "tables",
}
"""Module of each name. They are imported when first asked for: a folder can be looked into without pandas."""

__getattr__, __dir__ = late_names(__name__, _HOMES)
