#!/usr/bin/env bash
# The same pattern asked of the same texts in a column of pandas, as str and as object.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'pandas==3.1.1' 'pyarrow==26.0.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pandas==3.1.1' 'pyarrow==26.0.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pandas pyarrow
cd "$tmp"
cat >expected <<'OUT'
\d: str ['3', '٣'], object ['3', '٣']
[[:alpha:]]+: str ['abc', 'a b'], object []
\pN: str ['3', '٣'], object re.error
^(?a:[a-z]+)$: str ArrowInvalid, object ['abc']
OUT
PYTHONIOENCODING=utf-8 venv/bin/python -W ignore - >seen <<'OUT'
import pandas as pd

texts = ["abc", "3", "٣", "a b"]
for pattern in (r"\d", r"[[:alpha:]]+", r"\pN", r"^(?a:[a-z]+)$"):
    found = []
    for dtype in ("str", "object"):
        column = pd.Series(texts, dtype=dtype)
        try:
            found.append(f"{dtype} {column[column.str.match(pattern)].tolist()}")
        except Exception as error:
            name = type(error).__name__
            found.append(f"{dtype} {'re.error' if name in ('error', 'PatternError') else name}")
    print(f"{pattern}: {', '.join(found)}")
OUT
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
