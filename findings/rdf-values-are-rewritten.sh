#!/usr/bin/env bash
# Values of RDF that are read and written again, and numbers of JSON-LD.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rdflib==7.6.0' 'pyoxigraph==0.5.13' 'pyld==3.3.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rdflib pyoxigraph pyld
cat >expected <<'END'
integer 007: rdflib 7, pyoxigraph 7
decimal 1.50: rdflib 1.50, pyoxigraph 1.5
double INF: rdflib inf, pyoxigraph INF
  what rdflib writes of it as JSON-LD is no JSON
double NaN: rdflib nan, pyoxigraph NaN
  what rdflib writes of it as JSON-LD is no JSON
double 1.0E21: rdflib 1e+21, pyoxigraph 1000000000000000000000
boolean 1: rdflib true, pyoxigraph true
date 2026-01-02Z: rdflib 2026-01-02, pyoxigraph 2026-01-02Z
dateTime 2026-01-02T24:00:00: rdflib 2026-01-02T24:00:00, pyoxigraph 2026-01-03T00:00:00
  rdflib calls it ill-typed
dateTime 2026-01-02T03:04:05.123456789Z: rdflib 2026-01-02T03:04:05.123456+00:00, pyoxigraph 2026-01-02T03:04:05.123456789Z
duration PT36H: rdflib P1DT12H, pyoxigraph P1DT12H
hexBinary 00FF: rdflib 00ff, pyoxigraph 00FF
5 in JSON-LD: rdflib 5 (integer), pyoxigraph 5 (integer), PyLD 5 (integer)
5.0 in JSON-LD: rdflib 5.0 (double), pyoxigraph 5 (integer), PyLD 5 (integer)
1e23 in JSON-LD: rdflib 1e+23 (double), pyoxigraph 100000000000000000000000 (double), PyLD 9.999999999999999E22 (double)
1e-7 in JSON-LD: rdflib 1e-07 (double), pyoxigraph 0.0000001 (double), PyLD 1.0E-7 (double)
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json

import pyoxigraph
import rdflib
from pyld import jsonld

schema = "http://www.w3.org/2001/XMLSchema#"
values = {
    "integer": ["007"],
    "decimal": ["1.50"],
    "double": ["INF", "NaN", "1.0E21"],
    "boolean": ["1"],
    "date": ["2026-01-02Z"],
    "dateTime": ["2026-01-02T24:00:00", "2026-01-02T03:04:05.123456789Z"],
    "duration": ["PT36H"],
    "hexBinary": ["00FF"],
}


def by_rdflib(text, form):
    return rdflib.Graph().parse(data=text, format=form)


def by_oxigraph(text, form):
    store = pyoxigraph.Store()
    store.load(text.encode(), format=form)
    (found,) = store
    return found.object


for kind, texts in values.items():
    for text in texts:
        line = f'<http://example.org/s> <http://example.org/p> "{text}"^^<{schema}{kind}> .\n'
        graph = by_rdflib(line, "nt")
        (value,) = graph.objects()
        print(f"{kind} {text}: rdflib {value}, pyoxigraph {by_oxigraph(line, pyoxigraph.RdfFormat.N_TRIPLES).value}")
        if text in ("INF", "NaN"):
            written = graph.serialize(format="json-ld")
            try:
                json.loads(written, parse_constant=lambda name: 1 / 0)
            except ZeroDivisionError:
                print("  what rdflib writes of it as JSON-LD is no JSON")
        if getattr(value, "ill_typed", False):
            print("  rdflib calls it ill-typed")
for number in ("5", "5.0", "1e23", "1e-7"):
    text = '{"@context": {"p": "http://example.org/p"}, "@id": "http://example.org/s", "p": %s}' % number
    (first,) = by_rdflib(text, "json-ld").objects()
    second = by_oxigraph(text, pyoxigraph.RdfFormat.JSON_LD)
    third = jsonld.to_rdf(json.loads(text))["@default"][0]["object"]
    kinds = [(first, first.datatype), (second.value, second.datatype.value), (third["value"], third["datatype"])]
    print(f"{number} in JSON-LD:", ", ".join(f"{name} {value} ({str(kind).split('#')[1]})" for name, (value, kind) in zip(("rdflib", "pyoxigraph", "PyLD"), kinds)))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
