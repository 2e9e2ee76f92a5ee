#!/usr/bin/env bash
# What msgspec takes as JSON unread (Raw), and as lines of JSON.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'msgspec==0.22.0' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(msgspec) '
cd "$tmp"
cat >expected <<'END'
as a value:          UnicodeDecodeError
as Raw:              b'{"name": "Jos\xe9"}'
Raw, encoded again:  b'[{"name": "Jos\xe9"}]'
decode_lines, b'{"n": 1} {"n": 2}\n': [{'n': 1}, {'n': 2}]
decode_lines, b'{"n": 1}{"n": 2}\n': [{'n': 1}, {'n': 2}]
decode_lines, b'{"n":\n1}\n': [{'n': 1}]
END
venv/bin/python -W ignore - >seen <<'END'
import msgspec

any_value, raw = msgspec.json.Decoder(), msgspec.json.Decoder(msgspec.Raw)


def said(call, data):
    try:
        return call(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return type(error).__name__


latin = b'{"name": "Jos\xe9"}'  # Latin-1: no JSON
print("as a value:         ", said(any_value.decode, latin))
print("as Raw:             ", bytes(said(raw.decode, latin)))
print("Raw, encoded again: ", msgspec.json.encode([raw.decode(latin)]))
for lines in (b'{"n": 1} {"n": 2}\n', b'{"n": 1}{"n": 2}\n', b'{"n":\n1}\n'):
    print(f"decode_lines, {lines!r}: {said(any_value.decode_lines, lines)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
