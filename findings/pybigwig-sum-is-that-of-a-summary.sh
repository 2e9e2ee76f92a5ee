#!/usr/bin/env bash
# Sums and means of a signal along a chromosome.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyBigWig==0.3.29' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
0 to 300: {'sum': 850.0, 'mean': 2.8333333333333335, 'coverage': 1.0}, exact {'sum': 850.0, 'mean': 2.8333333333333335, 'coverage': 1.0}
0 to 1000: {'sum': 17.6875, 'mean': 2.9625, 'coverage': 1.0}, exact {'sum': 2950.0, 'mean': 2.95, 'coverage': 1.0}
0 to 5000: {'sum': 92.8125, 'mean': 2.97, 'coverage': 1.0}, exact {'sum': 14940.0, 'mean': 2.988, 'coverage': 1.0}
0 to 100000: {'sum': 92.8125, 'mean': 2.97, 'coverage': 0.05}, exact {'sum': 14940.0, 'mean': 2.988, 'coverage': 0.05}
1, 2 and 3, mean of 0 to 30: [2.0] of 0 to 5000: [0.0]
exact: [2.0]
END
venv/bin/python -W ignore - >seen <<'END'
import pyBigWig

with pyBigWig.open("track.bw", "w") as file:
    file.addHeader([("chr1", 100_000)])
    file.addEntries("chr1", list(range(0, 5_000, 10)), values=[float(each % 7) for each in range(500)], span=10)
with pyBigWig.open("track.bw") as file:
    for end in (300, 1_000, 5_000, 100_000):
        told = {kind: file.stats("chr1", 0, end, type=kind)[0] for kind in ("sum", "mean", "coverage")}
        exact = {kind: file.stats("chr1", 0, end, type=kind, exact=True)[0] for kind in ("sum", "mean", "coverage")}
        print(f"0 to {end}: {told}, exact {exact}")
with pyBigWig.open("short.bw", "w") as file:
    file.addHeader([("chr1", 10_000)])
    file.addEntries("chr1", [0, 10, 20], values=[1.0, 2.0, 3.0], span=10)
with pyBigWig.open("short.bw") as file:
    print("1, 2 and 3, mean of 0 to 30:", file.stats("chr1", 0, 30), "of 0 to 5000:", file.stats("chr1", 0, 5_000))
    print("exact:", file.stats("chr1", 0, 5_000, exact=True))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
