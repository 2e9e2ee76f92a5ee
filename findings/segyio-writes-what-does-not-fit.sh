#!/usr/bin/env bash
# Sampling intervals and samples that SEG-Y's fields have no room for.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('segyio==1.9.14' 'numpy==2.4.0')
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
2000 µs written, 2000 µs read; samples at [0.0, 2.0, 4.0] ms
32767 µs written, 32767 µs read; samples at [0.0, 32.767, 65.534] ms
40000 µs written, 4000 µs read; samples at [0.0, 4.0, 8.0] ms
70000 µs written, 4464 µs read; samples at [0.0, 4.464, 8.928] ms
2-byte integers: [70000, -40000, 7] written, [4464, 25536, 7] read
1-byte integers: [300, -200, 7] written, [44, 56, 7] read
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import segyio

for interval in (2000, 32767, 40000, 70000):  # µs
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = 5, 1, np.arange(3) * interval / 1000
    with segyio.create("line.sgy", spec) as file:
        file.trace[0] = np.zeros(3, np.float32)
        file.bin.update(hdt=interval)
        file.header[0].update({segyio.TraceField.TRACE_SAMPLE_INTERVAL: interval})
    with segyio.open("line.sgy", strict=False) as file:
        print(f"{interval} µs written, {segyio.tools.dt(file):.0f} µs read; samples at", file.samples.tolist(), "ms")
for told, number, values in (("2-byte integers", 3, [70000, -40000, 7]), ("1-byte integers", 8, [300, -200, 7])):
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = number, 1, np.arange(3)
    with segyio.create("line.sgy", spec) as file:
        file.trace[0] = np.array(values)
    with segyio.open("line.sgy", strict=False) as file:
        print(f"{told}: {values} written, {file.trace[0].tolist()} read")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
