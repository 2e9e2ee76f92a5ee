#!/usr/bin/env bash
# Values of a Parquet file for two readers of Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyarrow==26.0.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund hyparquet@1.31.5 parquet-wasm@0.8.0 apache-arrow@21.2.0
venv/bin/python -c 'from importlib.metadata import version; print("pyarrow", version("pyarrow"))'
node -p '["hyparquet", "parquet-wasm", "apache-arrow"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`).join("\n")'
cat >read.mjs <<'END'
import fs from "node:fs";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import * as arrow from "apache-arrow";
import * as wasm from "parquet-wasm/node";

const shown = (value) =>
  value instanceof Date ? value.toISOString()
  : value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString("hex")}`
  : Array.isArray(value) ? `[${value.map(shown)}]`
  : typeof value === "string" ? JSON.stringify(value)
  : value && Object.getPrototypeOf(value) === Object.prototype ? `{${Object.entries(value).map(([key, one]) => `${key}: ${shown(one)}`)}}`
  : String(value);
const [row] = await parquetReadObjects({ file: await asyncBufferFromFile("set.parquet") });
const [other] = arrow.tableFromIPC(wasm.readParquet(fs.readFileSync("set.parquet")).intoIPCStream()).toArray();
for (const name of Object.keys(row)) {
  console.log(`${name}: hyparquet ${shown(row[name])}, Arrow ${shown(other[name])}`);
}
END
cat >expected <<'END'
a price of 0.10: hyparquet 0.1, Arrow 10
-12345678901234.5678: hyparquet -12345678901234.566, Arrow -123456789012345678
60 digits of 1: hyparquet 1.1111111111111112e+59, Arrow 111111111111111111111
2^53 + 1: hyparquet 9007199254740993, Arrow 9007199254740993
the checksum ff00: hyparquet "�\u0000", Arrow bytes ff00
20:00:00.123456789: hyparquet 2026-01-01T20:00:00.123Z, Arrow 1767297600123.4568
0:00:01.5: hyparquet 1500, Arrow 1500
reads a: 1 and a: 2: hyparquet {a: 2}, Arrow {"a": 1, "a": 2}
a set of labels by number, 1: x: hyparquet {1: "x"}, Arrow {1: "x"}
a missing list: hyparquet undefined, Arrow null
END
venv/bin/python -W ignore - 2>errors <<'END' || { tail -n 5 errors; exit 1; }
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

made = {
    "a price of 0.10": pa.array([Decimal("0.10")], pa.decimal128(10, 2)),
    "-12345678901234.5678": pa.array([Decimal("-12345678901234.5678")], pa.decimal128(20, 4)),
    "60 digits of 1": pa.array([Decimal("1" * 60)], pa.decimal256(76, 0)),
    "2^53 + 1": pa.array([2**53 + 1]),
    "the checksum ff00": pa.array([b"\xff\x00"]),
    "20:00:00.123456789": pa.array([1767297600123456789], pa.timestamp("ns")),
    "0:00:01.5": pa.array([1500], pa.duration("ms")),
    "reads a: 1 and a: 2": pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())),
    "a set of labels by number, 1: x": pa.array([[(1, "x")]], pa.map_(pa.int64(), pa.string())),
    "a missing list": pa.array([None], pa.list_(pa.int64())),
}
pq.write_table(pa.table(made), "set.parquet")
END
node read.mjs >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
