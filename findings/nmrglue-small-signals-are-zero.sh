#!/usr/bin/env bash
# Signals of an NMR spectrometer that nmrglue writes in three forms and reads again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('nmrglue==0.12' 'numpy==2.4.6')
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
cat >expected <<'END'
a signal of less than 1: 0.9+0.4i -0.7+0.5i 0.3-0.6i -0.2-0.1i
  Bruker: 0+0i 0+0i 0+0i 0+0i
  Varian: 0.8999999762-0.400000006i -0.6999999881-0.5i 0.3000000119+0.6000000238i -0.200000003+0.1000000015i
  NMRPipe: 0.8999999762+0.400000006i -0.6999999881+0.5i 0.3000000119-0.6000000238i -0.200000003-0.1000000015i
fractions: 1.9-2.7i -1.9+2.7i 100.5+0.5i 3+4i
  Bruker: 1-2i -1+2i 100+0i 3+4i
  Varian: 1.899999976+2.700000048i -1.899999976-2.700000048i 100.5-0.5i 3-4i
  NMRPipe: 1.899999976-2.700000048i -1.899999976+2.700000048i 100.5+0.5i 3+4i
large counts: 16777217+0i 2147483647+1i 2147483648+2i 3000000000-3000000000i
  Bruker: 16777217+0i 2147483647+1i -2147483648+2i -2147483648-2147483648i
  Varian: 16777216+0i 2147483648-1i 2147483648-2i 3000000000+3000000000i
  NMRPipe: 16777216+0i 2147483648+1i 2147483648+2i 3000000000-3000000000i
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import nmrglue
import numpy as np

FORMS = {
    "Bruker": ("to_bruker", lambda meta, data: nmrglue.bruker.write("made.b", meta, data, overwrite=True), lambda: nmrglue.bruker.read("made.b")),
    "Varian": ("to_varian", lambda meta, data: nmrglue.varian.write("made.v", meta, data, overwrite=True), lambda: nmrglue.varian.read("made.v")),
    "NMRPipe": ("to_pipe", lambda meta, data: nmrglue.pipe.write("made.fid", meta, data, overwrite=True), lambda: nmrglue.pipe.read("made.fid")),
}


def shown(values):
    return " ".join(f"{value.real:.10g}{value.imag:+.10g}i" for value in values.tolist())


for told, signal in (
    ("a signal of less than 1", [0.9 + 0.4j, -0.7 + 0.5j, 0.3 - 0.6j, -0.2 - 0.1j]),
    ("fractions", [1.9 - 2.7j, -1.9 + 2.7j, 100.5 + 0.5j, 3 + 4j]),
    ("large counts", [16777217 + 0j, 2147483647 + 1j, 2147483648 + 2j, 3000000000 - 3000000000j]),
):
    print(f"{told}: {shown(np.array(signal))}")
    about = {"ndim": 1, 0: dict(sw=5000.0, complex=True, obs=500.0, car=2500.0, size=4, label="1H", encoding="direct", time=True, freq=False)}
    for name, (convert, write, read) in FORMS.items():
        converter = nmrglue.convert.converter()
        converter.from_universal(about, np.array(signal))
        write(*getattr(converter, convert)())
        print(f"  {name}: {shown(np.asarray(read()[1]).ravel())}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
