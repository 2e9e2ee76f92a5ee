#!/usr/bin/env bash
# An RO-Crate with a term of its own, texts in two languages and a date, read and written by three libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
packages=('rocrate==0.16.0' 'rocraters==0.6.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 venv
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv venv
  venv/bin/pip install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
npm install --silent --no-fund --no-audit --prefix npm ro-crate@3.7.2 >errors 2>&1 || { tail -n 3 errors; exit 1; }
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rocrate rocraters
node -p '"ro-crate (npm) " + require("./npm/node_modules/ro-crate/package.json").version'
mkdir crate
echo a >crate/a.csv
cat >crate/ro-crate-metadata.json <<'END'
{
  "@context": ["https://w3id.org/ro/crate/1.1/context", { "dose": "https://example.org/terms#dose" }],
  "@graph": [
    { "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "conformsTo": { "@id": "https://w3id.org/ro/crate/1.1" }, "about": { "@id": "./" } },
    {
      "@id": "./",
      "@type": "Dataset",
      "name": "Run",
      "description": "A run",
      "datePublished": "2026-11-30",
      "license": { "@id": "https://spdx.org/licenses/CC0-1.0" },
      "hasPart": [{ "@id": "a.csv" }]
    },
    {
      "@id": "a.csv",
      "@type": "File",
      "dose": 1.5,
      "alternateName": [{ "@value": "Lauf", "@language": "de" }, { "@value": "run", "@language": "en" }],
      "dateCreated": { "@value": "2026-11-30", "@type": "http://www.w3.org/2001/XMLSchema#date" },
      "position": 9007199254740993
    }
  ]
}
END
cat >expected <<'END'
rocrate
  terms of its own: none
  alternateName: ["Lauf", "run"]
  dateCreated: "2026-11-30"
  position: 9007199254740993
rocraters
  terms of its own: dose
  alternateName: [{"@language": "de", "@value": "Lauf"}, {"@language": "en", "@value": "run"}]
  dateCreated: {"@type": "http://www.w3.org/2001/XMLSchema#date", "@value": "2026-11-30"}
  position: 9007199254740993
ro-crate
  terms of its own: dose
  alternateName: [{"@id": "entity-1"}, {"@id": "entity-2"}], which are nowhere
  dateCreated: {"@id": "entity-3"}, which is nowhere
  position: 9007199254740992
END
cat >write.mjs <<'END'
import fs from "fs";
import { createRequire } from "module";

const { ROCrate } = createRequire(process.cwd() + "/npm/")("ro-crate");
const crate = new ROCrate(JSON.parse(fs.readFileSync("crate/ro-crate-metadata.json")), { array: true, link: true });
fs.mkdirSync("by-ro-crate");
fs.writeFileSync("by-ro-crate/ro-crate-metadata.json", JSON.stringify(crate.toJSON()));
END
node write.mjs
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
from pathlib import Path

import rocraters
from rocrate.rocrate import ROCrate

ROCrate("crate").write("by-rocrate")
Path("by-rocraters").mkdir()
rocraters.read("crate/ro-crate-metadata.json", 0).write("by-rocraters/ro-crate-metadata.json")
for library in ("rocrate", "rocraters", "ro-crate"):
    document = json.loads(Path(f"by-{library}/ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    context = document["@context"] if isinstance(document["@context"], list) else [document["@context"]]
    print(library)
    print("  terms of its own:", " ".join(term for part in context if isinstance(part, dict) for term in part) or "none")
    for name in ("alternateName", "dateCreated", "position"):
        value = entities["a.csv"].get(name)
        values = value if isinstance(value, list) else [value]
        nowhere = all(isinstance(each, dict) and "@id" in each and each["@id"] not in entities for each in values)
        print(f"  {name}: {json.dumps(value, sort_keys=True)}" + (", which are nowhere" if nowhere and len(values) > 1 else ", which is nowhere" if nowhere else ""))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
