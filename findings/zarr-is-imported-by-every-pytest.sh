#!/usr/bin/env bash
# A test that has nothing to do with arrays, where Zarr is installed beside pytest.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('zarr==3.1.6' 'numpy==2.4.6' 'pytest==9.2.0')
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
cat >test_plain.py <<'END'
import sys


def test_what_is_loaded():
    print("loaded:", sorted({"zarr", "numpy"} & set(sys.modules)))
END
cat >expected <<'END'
pytest
loaded: ['numpy', 'zarr']
pytest -p no:zarr
loaded: []
END
for options in '' ' -p no:zarr'; do
  echo "pytest$options"
  # shellcheck disable=SC2086
  venv/bin/python -m pytest -q -s -p no:cacheprovider $options test_plain.py | grep '^loaded'
done >seen
cat seen
diff expected seen
