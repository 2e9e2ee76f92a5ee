#!/usr/bin/env bash
# Trees in Newick, read and written by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biopython==1.88' 'dendropy==5.1.3' 'numpy==2.4.6')
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
no lengths: ((A,B),C);
  Biopython: ['A', 'B', 'C'], written ((A:0,B:0):0,C:0):0;
  DendroPy: ['A', 'B', 'C'], written ((A,B),C);
names with an underscore: (sample_1:1,sample_2:2);
  Biopython: ['sample_1', 'sample_2'], written (sample_1:1,sample_2:2):0;
  DendroPy: ['sample 1', 'sample 2'], written (sample_1:1.0,sample_2:2.0);
support of 95: ((A:1,B:1)95:1,C:2);
  Biopython: ['A', 'B', 'C'], written ((A:1,B:1)95.00:1,C:2):0;
  DendroPy: ['A', 'B', 'C'], written ((A:1.0,B:1.0)95:1.0,C:2.0);
long and short: ((A:0.123456789,B:1):1,C:2);
  Biopython: ['A', 'B', 'C'], written ((A:0.12345679,B:1):1,C:2):0;
  DendroPy: ['A', 'B', 'C'], written ((A:0.123456789,B:1.0):1.0,C:2.0);
a note: (A[&host=bat]:1,B:2);
  Biopython: ['A', 'B'], written (A:1[&host=bat],B:2):0;
  DendroPy: ['A', 'B'], written (A:1.0,B:2.0);
END
venv/bin/python -W ignore - >seen <<'END'
import io

import dendropy
from Bio import Phylo


def by_biopython(text):
    tree, out = Phylo.read(io.StringIO(text), "newick"), io.StringIO()
    Phylo.write(tree, out, "newick")
    return [each.name for each in tree.get_terminals()], out.getvalue().strip()


def by_dendropy(text):
    tree = dendropy.Tree.get(data=text, schema="newick")
    return [each.taxon.label for each in tree.leaf_node_iter()], tree.as_string("newick").strip()


for told, text in (
    ("no lengths", "((A,B),C);"),
    ("names with an underscore", "(sample_1:1,sample_2:2);"),
    ("support of 95", "((A:1,B:1)95:1,C:2);"),
    ("long and short", "((A:0.123456789,B:1):1,C:2);"),
    ("a note", "(A[&host=bat]:1,B:2);"),
):
    print(f"{told}: {text}")
    for name, copy in (("Biopython", by_biopython), ("DendroPy", by_dendropy)):
        names, written = copy(text)
        print(f"  {name}: {names}, written {written}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
