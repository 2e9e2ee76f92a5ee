#!/usr/bin/env bash
# The decimals of a FHIR resource, read and written again by fhir.resources.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('fhir.resources==8.3.0' 'fhir-core==1.1.12')
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
1.00 g -> 1.0 g
0.010 g -> 0.01 g
7.40000000000000000001 g -> 7.4 g
12345678901234567890.5 g -> 12345678901234567000 g
END
venv/bin/python -W ignore - >seen <<'END'
import re

from fhir.resources.observation import Observation

TEXT = '{"resourceType":"Observation","status":"final","code":{"text":"pH"},"valueQuantity":{"value":%s,"unit":"g"}}'
for value in ("1.00", "0.010", "7.40000000000000000001", "12345678901234567890.5"):
    again = Observation.model_validate_json(TEXT % value).model_dump_json()
    print(value, "g ->", re.search('"value":([^,]*),', again)[1], "g")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
