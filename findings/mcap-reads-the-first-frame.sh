#!/usr/bin/env bash
# An MCAP chunk packed as two frames of Zstandard in a row, as programs with several threads write it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'mcap==1.6.0' 'zstandard==0.25.0'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'mcap==1.6.0' 'zstandard==0.25.0'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' mcap zstandard
cd "$tmp"
cat >expected <<'OUT'
zstd's own reader gives 4,200 of 4,200 bytes
messages, one frame: 100, with checksums 100
messages, two frames: 50, with checksums 50
OUT
venv/bin/python -W ignore - >seen <<'OUT'
import io
import struct
import zlib

import zstandard
from mcap.reader import make_reader


def record(kind, body):
    return bytes([kind]) + struct.pack("<Q", len(body)) + body


def text(value):
    return struct.pack("<I", len(value)) + value


channel = record(4, struct.pack("<HH", 1, 0) + text(b"t") + text(b"json") + struct.pack("<I", 0))
messages = [record(5, struct.pack("<HIQQ", 1, n, n, n) + b"{}" + b" " * 9) for n in range(100)]
plain = b"".join(messages)
pack = zstandard.ZstdCompressor().compress


def made(packed):
    head = struct.pack("<QQQII", 0, 99, len(plain), zlib.crc32(plain), 4) + b"zstd"
    chunk = record(6, head + struct.pack("<Q", len(packed)) + packed)
    magic = b"\x89MCAP0\r\n"
    header = record(1, text(b"") + text(b"made here"))
    return magic + header + channel + chunk + record(15, bytes(4)) + record(2, bytes(20)) + magic


half = len(plain) // 2
two = pack(plain[:half]) + pack(plain[half:])
whole = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(two), read_across_frames=True).read()
print(f"zstd's own reader gives {len(whole):,} of {len(plain):,} bytes")
for name, packed in (("one frame", pack(plain)), ("two frames", two)):
    counts = [
        sum(1 for _ in make_reader(io.BytesIO(made(packed)), validate_crcs=crcs).iter_messages())
        for crcs in (False, True)
    ]
    print(f"messages, {name}: {counts[0]}, with checksums {counts[1]}")
OUT
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
