#!/usr/bin/env bash
# Bags of files whose names have a percent sign.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'bagit==1.9.0'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'bagit==1.9.0'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' bagit
cd "$tmp"
cat >expected <<'END'
a bag of 100%.csv: the manifest names data/100%.csv; validated: valid
a bag of 50%25.csv: the manifest names data/50%25.csv; validated: valid
a bag of a%0Ab.csv: the manifest names data/a%0Ab.csv; validated: BagValidationError
END
venv/bin/python -W ignore - >seen <<'END'
from pathlib import Path

import bagit

for number, name in enumerate(["100%.csv", "50%25.csv", "a%0Ab.csv"]):
    folder = Path(f"bag{number}")
    folder.mkdir()
    (folder / name).write_text("n\n1\n")
    bagit.make_bag(str(folder), checksums=["sha256"])
    line = (folder / "manifest-sha256.txt").read_text().split(maxsplit=1)[1].strip()
    try:
        bagit.Bag(str(folder)).validate()
        said = "valid"
    except bagit.BagValidationError as error:
        said = type(error).__name__
    print(f"a bag of {name}: the manifest names {line}; validated: {said}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
