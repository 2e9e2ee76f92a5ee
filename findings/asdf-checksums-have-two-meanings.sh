#!/usr/bin/env bash
# Checksums of packed blocks, as two versions of one library have them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
install() { # FOLDER VERSION
  if command -v uv >/dev/null; then
    uv venv -q --python python3 "$tmp/$1"
    VIRTUAL_ENV=$tmp/$1 uv pip install -q "asdf==$2" 'numpy==2.4.6'
  else
    python3 -m venv "$tmp/$1"
    "$tmp/$1/bin/pip" install -q --disable-pip-version-check "asdf==$2" 'numpy==2.4.6'
  fi
  "$tmp/$1/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' asdf numpy
}
install old 5.2.0
install new 6.0.0
cd "$tmp"
cat >expected <<'END'
packing None, old writer, MD5 of what is stored and the values; old reader: sum 4950
packing None, new writer, MD5 of what is stored and the values; old reader: sum 4950
packing zlib, old writer, MD5 of the values; old reader: sum 4950
packing zlib, new writer, MD5 of what is stored; old reader: does not match
packing None, old writer, MD5 of what is stored and the values; new reader: sum 4950
packing None, new writer, MD5 of what is stored and the values; new reader: sum 4950
packing zlib, old writer, MD5 of the values; new reader: does not match
packing zlib, new writer, MD5 of what is stored; new reader: sum 4950
END
cat >write.py <<'END'
import sys

import asdf
import numpy as np

for packing in (None, "zlib"):
    asdf.AsdfFile({"a": np.arange(100)}).write_to(f"{sys.argv[1]}-{packing}.asdf", all_array_compression=packing)
END
cat >read.py <<'END'
import hashlib
import sys
import zlib
from pathlib import Path

import asdf

for packing in (None, "zlib"):
    for writer in ("old", "new"):
        path = Path(f"{writer}-{packing}.asdf")
        data = path.read_bytes()
        block = data[data.index(b"\xd3BLK") + 6 :]
        told, stored = block[32:48], block[48 : 48 + int.from_bytes(block[16:24], "big")]
        of = {"what is stored": stored, "the values": zlib.decompress(stored) if packing else stored}
        names = " and ".join(name for name, content in of.items() if hashlib.md5(content).digest() == told)
        try:
            with asdf.open(path, lazy_load=False, memmap=False, validate_checksums=True) as file:
                seen = f"sum {file['a'].sum()}"
        except ValueError as error:
            seen = "does not match" if "does not match given checksum" in str(error) else str(error)
        print(f"packing {packing}, {writer} writer, MD5 of {names}; {sys.argv[1]} reader: {seen}")
END
for each in old new; do "$each/bin/python" -W ignore write.py "$each"; done
for each in old new; do "$each/bin/python" -W ignore read.py "$each"; done >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
