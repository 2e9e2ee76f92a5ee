#!/usr/bin/env bash
# Small values judged by three libraries under the same schema of draft 7.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('jsonschema==4.26.0' 'jsonschema-rs==0.61.2' 'fastjsonschema==2.22.3')
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
19.99 and multipleOf 0.01: jsonschema invalid, jsonschema-rs valid, fastjsonschema valid
0.3 and multipleOf 0.1: jsonschema invalid, jsonschema-rs valid, fastjsonschema valid
'site\n' and pattern ^[a-z]+$: jsonschema valid, jsonschema-rs invalid, fastjsonschema invalid
an Arabic 3 and pattern ^\d+$: jsonschema valid, jsonschema-rs invalid, fastjsonschema valid
'yesterday' and format date: jsonschema valid, jsonschema-rs invalid, fastjsonschema invalid
END
venv/bin/python -W ignore - >seen <<'END'
import fastjsonschema
import jsonschema
import jsonschema_rs

CASES = (
    ("19.99 and multipleOf 0.01", {"multipleOf": 0.01}, 19.99),
    ("0.3 and multipleOf 0.1", {"multipleOf": 0.1}, 0.3),
    (r"'site\n' and pattern ^[a-z]+$", {"pattern": "^[a-z]+$"}, "site\n"),
    (r"an Arabic 3 and pattern ^\d+$", {"pattern": r"^\d+$"}, "\u0663"),
    ("'yesterday' and format date", {"format": "date"}, "yesterday"),
)


def fast(schema, value):
    try:
        fastjsonschema.compile(schema)(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


for told, schema, value in CASES:
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    judged = {
        "jsonschema": jsonschema.Draft7Validator(schema).is_valid(value),
        "jsonschema-rs": jsonschema_rs.Draft7Validator(schema).is_valid(value),
        "fastjsonschema": fast(schema, value),
    }
    print(f"{told}:", ", ".join(f"{name} {'valid' if valid else 'invalid'}" for name, valid in judged.items()))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
