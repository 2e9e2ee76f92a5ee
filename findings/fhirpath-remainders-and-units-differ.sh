#!/usr/bin/env bash
# Expressions of FHIRPath, as the rules of FHIR profiles have them, for a library of Python and one of JavaScript.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('fhirpathpy==2.2.4')
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
npm install --silent --no-audit --no-fund --ignore-scripts fhirpath@5.2.2
node -p '`fhirpath ${JSON.parse(fs.readFileSync("node_modules/fhirpath/package.json")).version} (npm)`'
cat >resource.json <<'END'
{"resourceType": "Observation", "status": "final", "code": {"text": "made"}, "effectiveDateTime": "2026-01-31T23:30:00-05:00",
 "valueQuantity": {"value": 5.00, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"},
 "component": [{"valueQuantity": {"value": 0.1}}, {"valueQuantity": {"value": 0.2}}, {"valueQuantity": {"value": 0.3}}, {"valueQuantity": {"value": 0.1}}]}
END
cat >asked <<'END'
(-7) mod 2
2.5.round(0)
5.5 mod 0.7
1.1 + 2.2
4.35 * 100
9007199254740993
27.power(1.0 / 3)
5 'mg' = 0.005 'g'
1 'a' = 1 year
7 days = 1 week
Observation.value = 0.5 'g/dL'
Observation.value.value.toString()
Observation.component.value.value.aggregate($this + $total, 0)
(Observation.component.value.value | 1).count()
Observation.component.value.value.distinct().count()
'2026-02-30'.toDate()
'24:00'.toTime()
1.0.toString()
END
cat >expected <<'END'
(-7) mod 2: 1 for Python, -1 for JavaScript
2.5.round(0): 2 for Python, 3 for JavaScript
5.5 mod 0.7: 0.6 for Python, 0.6000000000000003 for JavaScript
1.1 + 2.2: 3.3 for Python, 3.3000000000000003 for JavaScript
4.35 * 100: 435.00 for Python, 434.99999999999994 for JavaScript
9007199254740993: 9007199254740993 for Python, 9007199254740992 for JavaScript
27.power(1.0 / 3): nothing for Python, 3 for JavaScript
5 'mg' = 0.005 'g': False for Python, true for JavaScript
1 'a' = 1 year: True for Python, nothing for JavaScript
7 days = 1 week: True for Python, true for JavaScript
Observation.value = 0.5 'g/dL': False for Python, true for JavaScript
Observation.value.value.toString(): 5.0 for Python, 5 for JavaScript
Observation.component.value.value.aggregate($this + $total, 0): 0.7 for Python, 0.7000000000000001 for JavaScript
(Observation.component.value.value | 1).count(): 5 for Python, 4 for JavaScript
Observation.component.value.value.distinct().count(): 3 for Python, 3 for JavaScript
'2026-02-30'.toDate(): 2026-02-30 for Python, nothing for JavaScript
'24:00'.toTime(): 24:00 for Python, nothing for JavaScript
1.0.toString(): 1 for Python, 1.0 for JavaScript
END
cat >ask.py <<'END'
import json

from fhirpathpy import evaluate
from fhirpathpy.models import models

resource = json.load(open("resource.json"))
for line in open("asked"):
    try:
        found = evaluate(resource, line.strip(), {}, models["r4"])
        print(", ".join(str(value) for value in found) or "nothing")
    except Exception as error:
        print("refused:", type(error).__name__)
END
cat >ask.mjs <<'END'
import fs from "node:fs";
import { createRequire } from "node:module";
import fhirpath from "fhirpath";

const r4 = createRequire(import.meta.url)("fhirpath/fhir-context/r4");
const resource = JSON.parse(fs.readFileSync("resource.json"));
for (const line of fs.readFileSync("asked", "utf8").trim().split("\n")) {
  try {
    console.log(fhirpath.evaluate(resource, line, {}, r4).map((value) => String(value)).join(", ") || "nothing");
  } catch (error) {
    console.log("refused:", error.name);
  }
}
END
seen() {
  TZ=UTC timeout 100 venv/bin/python ask.py >python
  TZ=UTC timeout 100 node ask.mjs >javascript
  paste -d '\t' asked python javascript | while IFS=$'\t' read -r line one other; do echo "$line: $one for Python, $other for JavaScript"; done
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
