#!/usr/bin/env bash
# Notes at the nodes of a graph, as GraphML and GML, written and read by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('networkx==3.6.1' 'igraph==1.0.0')
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
the first of two nodes has one note, the second has none
rate 1e-10
  GraphML by networkx: networkx rate 1e-10; nothing | igraph rate 1e-10; rate missing
  GraphML by igraph: networkx rate 1e-10; nothing | igraph rate 1e-10; rate missing
  GML by networkx: networkx rate 1e-10; nothing | igraph refused (Parse error)
  GML by igraph: networkx rate 1, e -10; nothing | igraph rate 1e-10; rate missing
read 9007199254740993
  GraphML by networkx: networkx read 9007199254740993; nothing | igraph read 9007199254740992.0; read missing
  GraphML by igraph: networkx read 9007199254740990.0; nothing | igraph read 9007199254740990.0; read missing
  GML by networkx: networkx read '9007199254740993'; nothing | igraph read '9007199254740993'; read ''
  GML by igraph: networkx read 9007199254740990.0; nothing | igraph read 9007199254740990.0; read missing
checked True
  GraphML by networkx: networkx checked True; nothing | igraph checked True; checked False
  GraphML by igraph: networkx checked True; checked False | igraph checked True; checked False
  GML by networkx: networkx checked 1; nothing | igraph checked 1.0; checked missing
  GML by igraph: networkx checked 1; checked 0 | igraph checked 1.0; checked 0.0
site 'Zürich & co'
  GraphML by networkx: networkx site 'Zürich & co'; nothing | igraph site 'Zürich & co'; site ''
  GraphML by igraph: networkx site 'Zürich & co'; site 'None' | igraph site 'Zürich & co'; site 'None'
  GML by networkx: networkx site 'Zürich & co'; nothing | igraph site 'Z&#252;rich &#38; co'; site ''
  GML by igraph: networkx refused (input is not ASCII-encoded) | igraph site 'Zürich & co'; site 'None'
code '007'
  GraphML by networkx: networkx code '007'; nothing | igraph code '007'; code ''
  GraphML by igraph: networkx code '007'; code 'None' | igraph code '007'; code 'None'
  GML by networkx: networkx code '007'; nothing | igraph code '007'; code ''
  GML by igraph: networkx code '007'; code 'None' | igraph code '007'; code 'None'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import math

import igraph
import networkx

VALUES = {
    "rate": 1e-10,
    "read": 9007199254740993,
    "checked": True,
    "site": "Zürich & co",
    "code": "007",
}
FORMATS = {"GraphML": "graphml", "GML": "gml"}


def shown(value):
    return "missing" if isinstance(value, float) and math.isnan(value) else repr(value)


def by_networkx(path, kind):
    try:
        found = getattr(networkx, "read_" + kind)(path, **({"label": "id"} if kind == "gml" else {}))
    except (networkx.NetworkXError, ValueError) as error:
        return "refused (" + str(error) + ")"
    rows = [{key: value for key, value in row.items() if key != "label"} for row in dict(found.nodes(data=True)).values()]
    return "; ".join(", ".join(f"{key} {shown(value)}" for key, value in row.items()) or "nothing" for row in rows)


def by_igraph(path, kind):
    try:
        found = getattr(igraph.Graph, {"graphml": "Read_GraphML", "gml": "Read_GML"}[kind])(path)
    except igraph.InternalError as error:
        return "refused (" + str(error).split(": ")[1].split(" in ")[0] + ")"
    names = [name for name in found.vs.attributes() if name in VALUES]
    return "; ".join(", ".join(f"{name} {shown(vertex[name])}" for name in names) or "nothing" for vertex in found.vs)


print("the first of two nodes has one note, the second has none")
for name, value in VALUES.items():
    print(f"{name} {value!r}")
    for title, kind in FORMATS.items():
        graph = networkx.Graph()
        graph.add_node("s1", **{name: value})
        graph.add_edge("s1", "s2")
        getattr(networkx, "write_" + kind)(graph, "of_networkx")
        print(f"  {title} by networkx: networkx {by_networkx('of_networkx', kind)} | igraph {by_igraph('of_networkx', kind)}")
        graph = igraph.Graph(n=2, edges=[(0, 1)])
        graph.vs[name] = [value, None]
        getattr(graph, "write_" + kind)("of_igraph")
        print(f"  {title} by igraph: networkx {by_networkx('of_igraph', kind)} | igraph {by_igraph('of_igraph', kind)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
