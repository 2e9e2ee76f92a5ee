#!/usr/bin/env bash
# Files packed in two members, as pigz, bgzip, pbzip2 or `cat` leave them, by libraries of Python and of a browser.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python=
for candidate in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[23]*/bin/python; do # imagecodecs wants these
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 12))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.12 is not here" >&2; exit 1; }
"$python" -m venv venv
venv/bin/pip install -q --disable-pip-version-check zstandard==0.25.0 lz4==4.4.5 imagecodecs==2026.10.10 deflate==0.9.0 cramjam==2.14.0 \
  numcodecs==0.17.1 polars==2.1.0 pandas==3.1.1 2>errors || { tail -n 3 errors; exit 1; }
npm install --silent --no-fund --no-audit --ignore-scripts --prefix npm pako@3.0.3 fflate@0.8.3 seek-bzip@2.0.0 compressjs@1.0.3 lz4js@0.2.0 \
  fzstd@0.1.1 zstddec@0.3.4 @oneidentity/zstd-js@1.0.3 >errors 2>&1 || { tail -n 3 errors; exit 1; }
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' zstandard lz4 imagecodecs deflate cramjam numcodecs polars pandas
for name in pako fflate seek-bzip compressjs lz4js fzstd zstddec @oneidentity/zstd-js; do
  node -p "'$name ' + JSON.parse(require('fs').readFileSync('npm/node_modules/$name/package.json')).version"
done
cat >expected <<'END'
gzip, 100 rows and 30:
  Python: gzip 130 | cramjam 130 | numcodecs 130 | zlib 100 | deflate refuses it | imagecodecs refuses it | pandas 130 | polars 130
  JavaScript: zlib 130 | DecompressionStream 130 | pako 130 | fflate's stream 130 | fflate 30
gzip, as bgzip ends it:
  Python: gzip 130 | cramjam 130 | numcodecs 130 | zlib 130 | deflate 0 | imagecodecs refuses it | pandas 130 | polars 130
  JavaScript: zlib 130 | DecompressionStream 130 | pako 130 | fflate's stream 130 | fflate 0
bzip2, 100 rows and 30:
  Python: bz2 130 | cramjam 130 | imagecodecs 130 | pandas 130
  JavaScript: seek-bzip 100 | compressjs 100
xz, 100 rows and 30:
  Python: lzma 130 | cramjam 130 | imagecodecs 30 | pandas 130
LZ4, 100 rows and 30:
  Python: lz4.frame 100 | lz4.frame.open 130 | cramjam 130 | imagecodecs 100
  JavaScript: lz4js 100
Zstandard, 100 rows and 30:
  Python: zstandard 100 | read_to_iter 100 | zstandard.open 130 | cramjam 130 | numcodecs 130 | imagecodecs 130 | pandas 130 | polars 130
  JavaScript: fzstd 130 | zstddec 130 | zstd-js refuses it
Zstandard, 130 rows in one frame:
  Python: zstandard 130 | read_to_iter 130 | zstandard.open 130 | cramjam 130 | numcodecs 130 | imagecodecs 130 | pandas 130 | polars 130
  JavaScript: fzstd 130 | zstddec 130 | zstd-js 125
END
cat >by.py <<'END'
import bz2
import gzip
import io
import json
import lzma
import zlib
from pathlib import Path

import cramjam
import deflate
import imagecodecs
import lz4.frame
import numcodecs
import pandas
import polars
import zstandard

rows = [b"x,1\n" * 100, b"y,2\n" * 30]
end = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty member: how BGZF ends
zstd = zstandard.ZstdCompressor().compress
made = {
    "gzip, 100 rows and 30": ("a.gz", b"".join(map(gzip.compress, rows))),
    "gzip, as bgzip ends it": ("b.gz", gzip.compress(b"".join(rows)) + end),
    "bzip2, 100 rows and 30": ("a.bz2", b"".join(map(bz2.compress, rows))),
    "xz, 100 rows and 30": ("a.xz", b"".join(map(lzma.compress, rows))),
    "LZ4, 100 rows and 30": ("a.lz4", b"".join(map(lz4.frame.compress, rows))),
    "Zstandard, 100 rows and 30": ("a.zst", b"".join(map(zstd, rows))),
    "Zstandard, 130 rows in one frame": ("b.zst", zstd(b"".join(rows))),
}
tables = {"pandas": lambda path: len(pandas.read_csv(path, header=None)), "polars": lambda path: polars.read_csv(path, has_header=False).height}
readers = {
    "gz": {
        "gzip": gzip.decompress,
        "cramjam": cramjam.gzip.decompress,
        "numcodecs": numcodecs.GZip().decode,
        "zlib": lambda data: zlib.decompress(data, 31),
        "deflate": deflate.gzip_decompress,
        "imagecodecs": imagecodecs.gzip_decode,
        **tables,
    },
    "bz2": {"bz2": bz2.decompress, "cramjam": cramjam.bzip2.decompress, "imagecodecs": imagecodecs.bz2_decode, "pandas": tables["pandas"]},
    "xz": {"lzma": lzma.decompress, "cramjam": cramjam.xz.decompress, "imagecodecs": imagecodecs.lzma_decode, "pandas": tables["pandas"]},
    "lz4": {
        "lz4.frame": lz4.frame.decompress,
        "lz4.frame.open": lambda data: lz4.frame.open(io.BytesIO(data)).read(),
        "cramjam": cramjam.lz4.decompress,
        "imagecodecs": imagecodecs.lz4f_decode,
    },
    "zst": {
        "zstandard": zstandard.ZstdDecompressor().decompress,
        "read_to_iter": lambda data: b"".join(zstandard.ZstdDecompressor().read_to_iter(data)),
        "zstandard.open": lambda data: zstandard.open(io.BytesIO(data)).read(),
        "cramjam": cramjam.zstd.decompress,
        "numcodecs": numcodecs.Zstd().decode,
        "imagecodecs": imagecodecs.zstd_decode,
        **tables,
    },
}
seen = {}
for title, (name, data) in made.items():
    Path(name).write_bytes(data)
    told = []
    for reader, read in readers[name.split(".")[1]].items():
        try:
            count = read(name) if reader in tables else bytes(read(data)).count(b"\n")
        except Exception:
            told.append(f"{reader} refuses it")
        else:
            told.append(f"{reader} {count}")
    seen[title] = (name, " | ".join(told))
Path("made.json").write_text(json.dumps(seen))
END
cat >by.mjs <<'END'
import fs from "fs";
import zlib from "zlib";
import { createRequire } from "module";

const require = createRequire(process.cwd() + "/npm/");
const fflate = require("fflate");
const zstd = await require("@oneidentity/zstd-js").ZstdInit();
const { ZSTDDecoder } = require("zstddec");
const decoder = new ZSTDDecoder();
await decoder.init();
const readers = {
  gz: {
    zlib: (data) => zlib.gunzipSync(data),
    DecompressionStream: async (data) => new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer(),
    pako: (data) => require("pako").ungzip(data),
    "fflate's stream": (data) => {
      const parts = [];
      new fflate.Gunzip((part) => parts.push(Buffer.from(part))).push(data, true);
      return Buffer.concat(parts);
    },
    fflate: (data) => fflate.gunzipSync(data),
  },
  bz2: {
    "seek-bzip": (data) => require("seek-bzip").decode(Buffer.from(data)),
    compressjs: (data) => require("compressjs").Bzip2.decompressFile(data),
  },
  xz: {},
  lz4: { lz4js: (data) => require("lz4js").decompress(data) },
  zst: {
    fzstd: (data) => require("fzstd").decompress(data),
    zstddec: (data) => decoder.decode(data),
    "zstd-js": (data) => zstd.ZstdSimple.decompress(data),
  },
};
for (const [title, [name, python]] of Object.entries(JSON.parse(fs.readFileSync("made.json")))) {
  console.log(`${title}:\n  Python: ${python}`);
  const told = [];
  for (const [reader, read] of Object.entries(readers[name.split(".")[1]])) {
    try {
      const text = Buffer.from(await read(new Uint8Array(fs.readFileSync(name)))).toString();
      told.push(`${reader} ${text.split("\n").length - 1}`);
    } catch {
      told.push(`${reader} refuses it`);
    }
  }
  if (told.length) console.log(`  JavaScript: ${told.join(" | ")}`);
}
END
venv/bin/python -W ignore by.py 2>errors || { tail -n 3 errors; exit 1; }
node --no-warnings by.mjs >seen 2>errors || { tail -c 300 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
