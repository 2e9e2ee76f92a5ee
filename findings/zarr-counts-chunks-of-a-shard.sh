#!/usr/bin/env bash
# How many chunks of a sharded Zarr array hold data, when one of five does?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'zarr==3.1.6' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(zarr) '
cd "$tmp"
cat >expected <<'END'
plain    0 then 1 of 5
sharded  0 then 5 of 5
END
venv/bin/python -W ignore - >seen <<'END'
import zarr

for name, shards in (("plain", None), ("sharded", (10,))):
    array = zarr.create_array(f"{name}.zarr", shape=(10,), chunks=(2,), shards=shards, dtype="i4")
    before = array.nchunks_initialized
    array[:2] = 5
    print(f"{name:8}", before, "then", array.nchunks_initialized, "of", array.nchunks)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
