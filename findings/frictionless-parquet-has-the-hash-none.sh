#!/usr/bin/env bash
# Sizes and checksums of a Parquet file, described and validated.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('frictionless==5.21.0' 'pyarrow==26.0.1' 'pandas==3.1.1')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
t.csv is described with its size and its hash
t.csv with its size: valid
t.csv with its hash: valid
t.csv with another hash: expected is "another" and actual is "its hash"
t.csv with its size, as a file: valid
t.csv with another hash, as a file: expected is "another" and actual is "its hash"
t.parquet is described with no size and the hash sha256:None
t.parquet with its size: expected is its size and actual is "None"
t.parquet with its hash: valid
t.parquet with another hash: valid
t.parquet with its size, as a file: valid
t.parquet with another hash, as a file: expected is "another" and actual is "its hash"
the limit of a field, for all that read CSV here: 131,072, then 2,147,483,646
END
venv/bin/python -W ignore - >seen <<'END'
import csv
import hashlib
from pathlib import Path

import pyarrow
import pyarrow.parquet
from frictionless import Resource

Path("t.csv").write_text("a\n1\n2\n")
pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), "t.parquet")
before = csv.field_size_limit()
for name in ("t.csv", "t.parquet"):
    content = Path(name).read_bytes()
    sha256, size = f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
    described = Resource(name)
    described.infer(stats=True)
    told = described.to_descriptor()
    hashed = "its hash" if told["hash"] == sha256 else f"the hash {told['hash']}"
    print(f"{name} is described with {'its size' if told.get('bytes') == size else 'no size'} and {hashed}")
    for said, promise in {
        "its size": {"bytes": size},
        "its hash": {"hash": sha256},
        "another hash": {"hash": f"sha256:{'0' * 64}"},
        "its size, as a file": {"bytes": size, "type": "file"},
        "another hash, as a file": {"hash": f"sha256:{'0' * 64}", "type": "file"},
    }.items():
        report = Resource.from_descriptor({"name": "t", "path": name} | promise).validate()
        why = [note.replace(sha256[7:], "its hash").replace("0" * 64, "another").replace(f'"{size}"', "its size")
            for (note,) in report.flatten(["note"])]
        print(f"{name} with {said}: {'valid' if report.valid else ', '.join(why)}")
print(f"the limit of a field, for all that read CSV here: {before:,}, then {csv.field_size_limit():,}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
