#!/usr/bin/env bash
# Files of a tar archive, and the samples that WebDataset makes of them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('webdataset==1.0.2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'from importlib.metadata import version; print("webdataset", version("webdataset"))'
cat >expected <<'END'
a.csv a.json b.csv: 2 samples: a with csv, json; b with csv
run.2026.csv run.2027.csv: 1 sample: run with 2026.csv, 2027.csv
v1.2/a.csv v1.2/b.csv: 2 samples: v1.2/a with csv; v1.2/b with csv
a.csv b.csv a.json: 3 samples: a with csv; b with csv; a with json
a.CSV a.csv: refused
README _a.csv .b.csv c.csv: 2 samples: _a with csv; c with csv
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import io
import tarfile

import webdataset

for names in (
    "a.csv a.json b.csv", "run.2026.csv run.2027.csv", "v1.2/a.csv v1.2/b.csv", "a.csv b.csv a.json", "a.CSV a.csv", "README _a.csv .b.csv c.csv"
):
    with tarfile.open("files.tar", "w") as archive:
        for name in names.split():
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    try:
        samples = list(webdataset.WebDataset("file:files.tar", shardshuffle=False))
    except ValueError:
        print(f"{names}: refused")
        continue
    found = [f"{sample['__key__']} with {', '.join(field for field in sample if not field.startswith('__'))}" for sample in samples]
    print(f"{names}: {len(samples)} sample{'s' if len(samples) != 1 else ''}: {'; '.join(found)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
