#!/usr/bin/env bash
# Small values, and numbers with a comma, in a well log.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('lasio==0.32' 'numpy==2.4.6')
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
given:         [1.5e-07, 0.000123456, 2.0]
read:          [0.0, 0.00012, 2.0]
with a format: [1.5e-07, 0.000123456, 2.0]
12,345; 1,234; 999 in a file: [12.345, 1.234, 999.0]
END
venv/bin/python -W ignore - >seen <<'END'
import lasio

written = lasio.LASFile()
written.append_curve("DEPT", [1.0, 1.5, 2.0], unit="m")
written.append_curve("PERM", [1.5e-7, 0.000123456, 2.0], unit="m2")
print("given:        ", written["PERM"].tolist())
written.write("log.las", version=2.0)
print("read:         ", lasio.read("log.las")["PERM"].tolist())
written.write("log.las", version=2.0, fmt="%.17g")
print("with a format:", lasio.read("log.las")["PERM"].tolist())
head = open("log.las").read().split("~A")[0]
with open("comma.las", "w") as file:
    file.write(head + "~A\n1.0 12,345\n1.5 1,234\n2.0 999\n")
print("12,345; 1,234; 999 in a file:", lasio.read("comma.las")["PERM"].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
