#!/usr/bin/env bash
# Tables of statistics in JSON-stat that pyjstat reads and writes, and the reference's library of JavaScript reads.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyjstat==2.4.0' 'pandas==3.1.1' 'numpy==2.4.6' 'requests==2.32.5')
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
npm install --silent --no-audit --no-fund --ignore-scripts jsonstat-toolkit@2.2.2
node -p '`jsonstat-toolkit ${JSON.parse(fs.readFileSync("node_modules/jsonstat-toolkit/package.json")).version} (npm)`'
cat >expected <<'END'
two towns
  pyjstat by label: Adorf/2025/100.0, Adorf/2026/nan, Bdorf/2025/5000.0, Bdorf/2026/9007199254740992.0
    written again: size [2, 2], towns ['Adorf', 'Bdorf'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
  pyjstat by id: 0301/2025/100.0, 0301/2026/nan, 0713/2025/5000.0, 0713/2026/9007199254740992.0
    written again: size [2, 2], towns ['0301', '0713'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
two towns of one name
  pyjstat by label: Neustadt/2025/100.0, Neustadt/2026/nan, Neustadt/2025/5000.0, Neustadt/2026/9007199254740992.0
    written again: size [1, 2], towns ['Neustadt'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
  pyjstat by id: 0301/2025/100.0, 0301/2026/nan, 0713/2025/5000.0, 0713/2026/9007199254740992.0
    written again: size [2, 2], towns ['0301', '0713'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
two towns, years as a list
  pyjstat by label: Adorf/2025/100.0, Adorf/2026/nan, Bdorf/2025/5000.0, Bdorf/2026/9007199254740992.0
    written again: size [2, 2], towns ['Adorf', 'Bdorf'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
  pyjstat by id: 0301/2025/100.0, 0301/2026/nan, 0713/2025/5000.0, 0713/2026/9007199254740992.0
    written again: size [2, 2], towns ['0301', '0713'], 4 values [100.0, None, 5000.0, 9007199254740992.0], no status
  jsonstat-toolkit, two towns: Adorf/2025/100, Adorf/2026/missing, Bdorf/2025/5000, Bdorf/2026/9007199254740992
  jsonstat-toolkit, two towns of one name: Neustadt/2025/100, Neustadt/2026/missing, Neustadt/2025/5000, Neustadt/2026/9007199254740992
  jsonstat-toolkit, two towns, years as a list: Adorf/2025/100, Adorf/2026/missing, Bdorf/2025/5000, Bdorf/2026/9007199254740992
  jsonstat-toolkit, two towns, written by pyjstat: Adorf/2025/100, Adorf/2026/missing, Bdorf/2025/5000, Bdorf/2026/9007199254740992
  jsonstat-toolkit, two towns of one name, written by pyjstat: Neustadt/2025/100, Neustadt/2026/missing
  jsonstat-toolkit, two towns, years as a list, written by pyjstat: Adorf/2025/100, Adorf/2026/missing, Bdorf/2025/5000, Bdorf/2026/9007199254740992
END
cat >trip.py <<'END'
import json
import sys

from pyjstat import pyjstat


def table(towns, years):
    return {
        "version": "2.0",
        "class": "dataset",
        "label": "people",
        "id": ["town", "year"],
        "size": [2, 2],
        "dimension": {
            "town": {"label": "town", "category": {"index": {"0301": 0, "0713": 1}, "label": towns}},
            "year": {"label": "year", "category": {"index": years, "label": {"2025": "2025", "2026": "2026"}}},
        },
        "value": [100, None, 5000, 9007199254740993],
        "status": {"1": "confidential"},
    }


PLAIN, LISTED = {"2025": 0, "2026": 1}, ["2025", "2026"]
given = {
    "two towns": table({"0301": "Adorf", "0713": "Bdorf"}, PLAIN),
    "two towns of one name": table({"0301": "Neustadt", "0713": "Neustadt"}, PLAIN),
    "two towns, years as a list": table({"0301": "Adorf", "0713": "Bdorf"}, LISTED),
}
written = {}
for name, dataset in given.items():
    print(name)
    for naming in ("label", "id"):
        try:
            frame = pyjstat.Dataset.read(json.dumps(dataset)).write("dataframe", naming=naming)
            rows = ["/".join(str(value) for value in row) for row in frame.itertuples(index=False)]
            print(f"  pyjstat by {naming}:", ", ".join(rows))
            back = json.loads(pyjstat.Dataset.read(frame).write())
            print(f"    written again: size {back['size']}, towns {list(back['dimension']['town']['category']['index'])}, {len(back['value'])} values {back['value']}, {'status' if 'status' in back else 'no status'}")
            if naming == "label":
                written[name + ", written by pyjstat"] = back
        except Exception as error:
            print(f"  pyjstat by {naming}: refused,", type(error).__name__)
json.dump(given | written, open("tables.json", "w"))
END
cat >read.mjs <<'END'
import fs from "node:fs";
import JSONstat from "jsonstat-toolkit";

for (const [name, dataset] of Object.entries(JSON.parse(fs.readFileSync("tables.json")))) {
  const rows = JSONstat(dataset).toTable({ type: "arrobj", content: "label" });
  console.log(`  jsonstat-toolkit, ${name}: ${rows.map((row) => [row.town, row.year, row.value ?? "missing"].join("/")).join(", ")}`);
}
END
{ venv/bin/python -W ignore trip.py && node read.mjs; } >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
