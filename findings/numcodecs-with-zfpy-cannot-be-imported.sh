#!/usr/bin/env bash
# The extra of numcodecs for ZFP, as it is installed today.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('numcodecs[zfpy]==0.16.6' 'zfpy==1.0.1.post0' 'zarr==3.1.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' numcodecs zfpy zarr
cat >expected <<'END'
import numcodecs: ValueError: invalid literal for int() with base 10: 'post0'
import zarr: ValueError: invalid literal for int() with base 10: 'post0'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import subprocess
import sys

for words in ("import numcodecs", "import zarr"):
    ended = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    print(f"{words}:", ended.stderr.splitlines()[-1] if ended.returncode else "imported")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
