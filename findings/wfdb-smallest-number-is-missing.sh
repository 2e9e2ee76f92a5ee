#!/usr/bin/env bash
# Signals that are written by the wfdb package and read again: the smallest number, no unit, comments.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-compile --disable-pip-version-check 'wfdb==4.3.1' 'numpy==2.4.6' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(numpy|wfdb) '
cd "$tmp"
cat >expected <<'END'
format 16, -32768, -32767 and 0 at 200 per mV: [nan, -163.835, 0.0]
format 212, -2048, -2047 and 0 at 200 per mV: [nan, -10.235, 0.0]
format 80, -128, -127 and 0 at 200 per mV: [nan, -0.635, 0.0]
format 24, -8388608, -8388607 and 0 at 200 per mV: [nan, -41943.035, 0.0]
format 32, -2147483648, -2147483647 and 0 at 200 per mV: [nan, -10737418.235, 0.0]
1, -163.84 and 2 mV: [1.0, nan, 2.0]
1000000, 0.5 and 7 mV, scaled by the library: [999999.5, 0.0, 0.0] comments: ['12 of 20', 'age: 5']
a signal without a unit: ['mV']
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import wfdb


def read(signal, units="mV", **more):
    wfdb.wrsamp("record", fs=250, units=[units], sig_name=["a"], **signal, **{"fmt": ["16"], **more})
    return wfdb.rdrecord("record")


scale = {"adc_gain": [200.0], "baseline": [0]}
for bits, smallest in {"16": -32768, "212": -2048, "80": -128, "24": -8388608, "32": -2147483648}.items():
    found = read({"d_signal": np.array([[smallest], [smallest + 1], [0]])}, fmt=[bits], **scale)
    print(f"format {bits}, {smallest}, {smallest + 1} and 0 at 200 per mV:", found.p_signal.ravel().tolist())
found = read({"p_signal": np.array([[1.0], [-163.84], [2.0]])}, **scale)
print("1, -163.84 and 2 mV:", found.p_signal.ravel().tolist())
found = read({"p_signal": np.array([[1e6], [0.5], [7.0]])}, comments=["#12 of 20", "age: 5"])
print("1000000, 0.5 and 7 mV, scaled by the library:", found.p_signal.ravel().tolist(), "comments:", found.comments)
print("a signal without a unit:", read({"p_signal": np.array([[1.0], [2.0], [3.0]])}, units="").units)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
