#!/usr/bin/env bash
# Columns of CSV that a Croissant document declares as integers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('mlcroissant==1.1.1' 'pandas==2.3.3')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
patients.csv: ['9007199254740993,1', '9007199254740995,2.7'] read as integers: [(9007199254740993, 1), (9007199254740995, 2)]
more.csv: ['9007199254740993,1', ',2'] read as integers: [(9007199254740992, 1), (None, 2)]
END
venv/bin/python -W ignore - >seen <<'END'
import hashlib
import json
import pathlib

import mlcroissant as mlc

PATIENTS = "patient,visits\n9007199254740993,1\n9007199254740995,2.7\n"
MORE = "patient,visits\n9007199254740993,1\n,2\n"


def read(name, text):
    pathlib.Path(name).write_text(text)
    fields = [
        mlc.Field(
            id=f"rows/{column}",
            name=column,
            data_types=[mlc.DataType.INTEGER],
            source=mlc.Source(file_object=name, extract=mlc.Extract(column=column)),
        )
        for column in ("patient", "visits")
    ]
    digest = hashlib.sha256(text.encode()).hexdigest()
    described = mlc.Metadata(
        name="patients",
        url="https://example.org/patients",
        distribution=[
            mlc.FileObject(id=name, name=name, content_url=name, encoding_formats=["text/csv"], sha256=digest)
        ],
        record_sets=[mlc.RecordSet(id="rows", name="rows", fields=fields)],
    )
    pathlib.Path("croissant.json").write_text(json.dumps(described.to_json(), default=str))
    return [tuple(record.values()) for record in mlc.Dataset("croissant.json").records("rows")]


for name, text in (("patients.csv", PATIENTS), ("more.csv", MORE)):
    print(f"{name}: {text.split()[1:]} read as integers: {read(name, text)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
