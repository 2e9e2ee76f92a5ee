#!/usr/bin/env bash
# A text with a line that begins with a semicolon, quoted for a CIF file by gemmi.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('gemmi==0.7.5')
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
'two\nlines': read as it was
'first\n;second': cannot be read: ValueError
END
venv/bin/python - >seen <<'END'
from gemmi import cif

for text in ("two\nlines", "first\n;second"):
    document = cif.Document()
    document.add_new_block("entry").set_pair("_note.text", cif.quote(text))
    document.write_file("file.cif")
    try:
        read = cif.as_string(cif.read("file.cif").sole_block().find_value("_note.text"))
        print(f"{text!r}:", "read as it was" if read == text else f"read as {read!r}")
    except ValueError as error:
        print(f"{text!r}: cannot be read: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
