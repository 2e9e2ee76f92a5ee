#!/usr/bin/env bash
# Expressions of JMESPath by five libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check jmespath==1.1.0 2>errors || { tail -n 3 errors; exit 1; }
npm install --silent --no-fund --no-audit --ignore-scripts jmespath@0.16.0 @jmespath-community/jmespath@1.3.0 @metrichor/jmespath@0.3.1 \
  @aws-lambda-powertools/jmespath@2.36.0 >errors 2>&1 || { tail -n 3 errors; exit 1; }
venv/bin/python -c 'from importlib.metadata import version; print("jmespath (PyPI)", version("jmespath"))'
for name in jmespath @jmespath-community/jmespath @metrichor/jmespath @aws-lambda-powertools/jmespath; do
  node -p "'$name (npm) ' + JSON.parse(require('fs').readFileSync('node_modules/$name/package.json')).version"
done
cat >expressions.json <<'END'
[["sort(@)", [10, 9, 1]],
 ["sort(@)", ["b", "a", "B"]],
 ["[?a > `2`].a", [{ "a": "3" }, { "a": 4 }]],
 ["[?a < `2`].a", [{ "a": true }, { "a": 1 }]],
 ["[?a >= '2026-02'].a", [{ "a": "2026-03-01" }, { "a": "2026-01-01" }]],
 ["not_null(a, b)", { "a": null, "b": 0 }],
 ["contains(@, `1`)", [true]],
 ["contains(@, `[1]`)", [[1]]],
 ["to_number('')", {}],
 ["to_number('0x1F')", {}],
 ["to_number('1_000')", {}],
 ["length(@)", "😀"],
 ["starts_with(@, '')", "x"]]
END
cat >expected <<'END'
sort(@) of [10, 9, 1]
  [1, 9, 10]: jmespath (PyPI), Powertools (npm)
  [1, 10, 9]: jmespath (npm), community, metrichor
sort(@) of ["b", "a", "B"]
  ["B", "a", "b"]: jmespath (PyPI), jmespath (npm), community, metrichor
  ["a", "b", "B"]: Powertools (npm)
[?a > `2`].a of [{"a": "3"}, {"a": 4}]
  refuses it: jmespath (PyPI)
  ["3", 4]: jmespath (npm), metrichor
  [4]: community, Powertools (npm)
[?a < `2`].a of [{"a": true}, {"a": 1}]
  [1]: jmespath (PyPI), community, Powertools (npm)
  [true, 1]: jmespath (npm), metrichor
[?a >= '2026-02'].a of [{"a": "2026-03-01"}, {"a": "2026-01-01"}]
  ["2026-03-01"]: jmespath (PyPI), jmespath (npm), metrichor
  []: community, Powertools (npm)
not_null(a, b) of {"a": null, "b": 0}
  0: jmespath (PyPI), jmespath (npm), community, metrichor
  null: Powertools (npm)
contains(@, `1`) of [true]
  true: jmespath (PyPI)
  false: jmespath (npm), community, metrichor, Powertools (npm)
contains(@, `[1]`) of [[1]]
  true: jmespath (PyPI)
  false: jmespath (npm), community, metrichor, Powertools (npm)
to_number('') of {}
  null: jmespath (PyPI)
  0: jmespath (npm), community, metrichor, Powertools (npm)
to_number('0x1F') of {}
  null: jmespath (PyPI)
  31: jmespath (npm), community, metrichor, Powertools (npm)
to_number('1_000') of {}
  1000: jmespath (PyPI)
  null: jmespath (npm), community, metrichor, Powertools (npm)
length(@) of "😀"
  1: jmespath (PyPI), community
  2: jmespath (npm), metrichor, Powertools (npm)
starts_with(@, '') of "x"
  true: jmespath (PyPI), community, metrichor, Powertools (npm)
  false: jmespath (npm)
END
cat >by.mjs <<'END'
import fs from "fs";
import { createRequire } from "module";

const require = createRequire(import.meta.url);
const { search } = await import("@aws-lambda-powertools/jmespath");
const libraries = {
  "jmespath (npm)": require("jmespath").search,
  community: require("@jmespath-community/jmespath").search,
  metrichor: require("@metrichor/jmespath").search,
  "Powertools (npm)": (data, text) => search(text, data),
};
const seen = {};
for (const [name, ask] of Object.entries(libraries)) {
  seen[name] = JSON.parse(fs.readFileSync("expressions.json")).map(([text, data]) => {
    try {
      return ask(data, text) ?? null;
    } catch {
      return "refused";
    }
  });
}
console.log(JSON.stringify(seen));
END
node by.mjs >by-node 2>errors || { tail -c 300 errors; exit 1; }
venv/bin/python - >seen <<'END'
import json

import jmespath


def asked(text, data):
    try:
        return jmespath.search(text, data)
    except (jmespath.exceptions.JMESPathError, TypeError):
        return "refused"


expressions = json.load(open("expressions.json"))
seen = {"jmespath (PyPI)": [asked(*each) for each in expressions], **json.load(open("by-node"))}
for at, (text, data) in enumerate(expressions):
    print(f"{text} of {json.dumps(data, ensure_ascii=False)}")
    found = {}
    for name, values in seen.items():
        value = values[at]
        found.setdefault("refuses it" if value == "refused" else json.dumps(value), []).append(name)
    for value, names in found.items():
        print(f"  {value}: {', '.join(names)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
