#!/usr/bin/env bash
# Records of a library's catalogue (MARC 21, ISO 2709) with a long note, written by one library and read by it and by YAZ.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(yaz=5.34.0-1) # of Debian 12
mkdir "$tmp/packages" "$tmp/unpacked"
(
  cd "$tmp/packages"
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
packages=('pymarc==5.4.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
yaz() { LD_LIBRARY_PATH=$libraries "$root/usr/bin/yaz-marcdump" "$@"; }
echo "yaz-marcdump $(yaz -V 2>&1 | grep -oE '[0-9.]+' | head -n 1)"
cat >expected <<'END'
a note of 100 letters
  written, 309 bytes; the first record says 00202    a2200073   4500
    pymarc: 001 of 1, 245 of 5, 500 of 100, 650 of 6
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 500 of 110, 650 of 16, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 9990 letters
  written, 10199 bytes; the first record says 10092    a2200073   4500
    pymarc: 001 of 1, 245 of 5, 500 of 9990, 650 of 6
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 500 of 10000, 650 of 16, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 9995 letters
  written, 10205 bytes; the first record says 10098    a2200074   4500
    pymarc: None, and RecordDirectoryInvalid
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 500 of 15, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 9996 letters
  written, 10206 bytes; the first record says 10099    a2200074   4500
    pymarc: None, and RecordDirectoryInvalid
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 20000 letters
  written, 20210 bytes; the first record says 20103    a2200074   4500
    pymarc: None, and RecordDirectoryInvalid
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 99000 letters
  written, 99210 bytes; the first record says 99103    a2200074   4500
    pymarc: None, and RecordDirectoryInvalid
    pymarc: 001 of 1, 245 of 5, 500 of 5, 650 of 6
    YAZ: 001 of 5, 245 of 15, 500 of 9905, 265 of 6, 001 of 5, 245 of 15, 500 of 15, 650 of 16, exit 0
a note of 120000 letters
  written, 120213 bytes; the first record says 120105    a2200076   450
    pymarc: None, and EndOfRecordNotFound
    YAZ: , exit 5
END
cat >write.py <<'END'
import sys

from pymarc import Field, Record, Subfield

length = int(sys.argv[1])
with open("made.mrc", "wb") as file:
    for number, note in (("1", "x" * length), ("2", "short")):
        record = Record(to_unicode=True, force_utf8=True)
        record.add_field(Field(tag="001", data=number))
        record.add_field(Field(tag="245", indicators=["0", "0"], subfields=[Subfield("a", "Title")]))
        record.add_field(Field(tag="500", indicators=[" ", " "], subfields=[Subfield("a", note)]))
        record.add_field(Field(tag="650", indicators=[" ", "0"], subfields=[Subfield("a", "Floods")]))
        file.write(record.as_marc())
END
cat >read.py <<'END'
from pymarc import MARCReader

with open("made.mrc", "rb") as file:
    reader = MARCReader(file)
    for record in reader:
        if record is None:
            print("    pymarc: None, and", type(reader.current_exception).__name__)
        else:
            print("    pymarc:", ", ".join(f"{field.tag} of {len(field.value())}" for field in record))
END
seen() {
  for length in 100 9990 9995 9996 20000 99000 120000; do
    echo "a note of $length letters"
    if venv/bin/python write.py "$length" 2>refused; then
      echo "  written, $(stat -c %s made.mrc) bytes; the first record says $(head -c 24 made.mrc)"
      venv/bin/python -W ignore read.py
      echo "    YAZ: $(yaz made.mrc 2>/dev/null | awk '/^[0-9][0-9][0-9] / { found = found $1 " of " length($0) ", " } END { print substr(found, 1, length(found) - 2) }'), exit $(yaz made.mrc >/dev/null 2>&1; echo $?)"
    else
      echo "  refused: $(tail -n 1 refused)"
    fi
  done
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
