#!/usr/bin/env bash
# The same values counted into the same bins by seven libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('numpy==2.4.6' 'boost-histogram==1.8.1' 'fast-histogram==0.14' 'pandas==3.1.1' 'polars==2.1.0' 'duckdb==2.0.1' 'physt==0.11.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' numpy boost-histogram fast-histogram pandas polars duckdb physt
cd "$tmp"
cat >expected <<'END'
0, 0.1 and 0.2
  NumPy: 0 x 1, 1 x 1, 2 x 1
  NumPy with edges: 0 x 1, 1 x 1, 2 x 1
  boost-histogram: 0 x 1, 1 x 1, 2 x 1
  fast-histogram: 0 x 1, 1 x 1, 2 x 1
  physt: 0 x 1, 1 x 1, 2 x 1
  pandas: 0 x 1, 1 x 1
  Polars: 0 x 2, 1 x 1
  DuckDB: 0 x 1, 1 x 1
0.3, 0.6 and 0.7
  NumPy: 2 x 1, 5 x 1, 6 x 1
  NumPy with edges: 3 x 1, 6 x 1, 7 x 1
  boost-histogram: 3 x 1, 6 x 1, 7 x 1
  fast-histogram: 3 x 1, 6 x 1, 7 x 1
  physt: 3 x 1, 6 x 1, 7 x 1
  pandas: 2 x 1, 5 x 1, 6 x 1
  Polars: 2 x 1, 5 x 1, 6 x 1
  DuckDB: 2 x 1, 5 x 1, 6 x 1
1, the end
  NumPy: 9 x 1
  NumPy with edges: 9 x 1
  boost-histogram: none
  fast-histogram: none
  physt: 9 x 1
  pandas: 9 x 1
  Polars: 9 x 1
  DuckDB: 9 x 1
0.55 and 0.75, which is masked
  NumPy: 5 x 1, 7 x 1
  NumPy with edges: 5 x 1, 7 x 1
  boost-histogram: 5 x 1, 7 x 1
  fast-histogram: 5 x 1, 7 x 1
  physt: 5 x 1, 7 x 1
  pandas: 5 x 1
  Polars: 5 x 1
  DuckDB: 5 x 1
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import boost_histogram
import duckdb
import fast_histogram
import numpy as np
import pandas as pd
import physt
import polars as pl

EDGES = [round(0.1 * number, 1) for number in range(11)]


def by_numpy(values):
    return np.histogram(values, bins=10, range=(0, 1))[0]


def by_numpy_edges(values):
    return np.histogram(values, bins=EDGES)[0]


def by_boost(values):
    return boost_histogram.Histogram(boost_histogram.axis.Regular(10, 0, 1)).fill(values).view()


def by_fast(values):
    return fast_histogram.histogram1d(values, bins=10, range=(0, 1))


def by_physt(values):
    return physt.h1(values, EDGES).frequencies


def by_pandas(values):
    return pd.cut(pd.Series(values), EDGES).value_counts(sort=False).to_numpy()


def by_polars(values):
    return pl.Series(values).hist(bins=EDGES)["count"].to_numpy()


def by_duckdb(values):
    frame = pd.DataFrame({"x": values})
    found = duckdb.sql(f"select unnest(map_entries(histogram(x, {EDGES}::double[]))) from frame").fetchall()
    found = {round(entry["key"], 1): entry["value"] for entry, in found}
    return [found.get(edge, 0) for edge in EDGES[1:]]


LIBRARIES = {"NumPy": by_numpy, "NumPy with edges": by_numpy_edges, "boost-histogram": by_boost, "fast-histogram": by_fast, "physt": by_physt, "pandas": by_pandas, "Polars": by_polars, "DuckDB": by_duckdb}  # fmt: skip
for label, values in (
    ("0, 0.1 and 0.2", [0.0, 0.1, 0.2]), ("0.3, 0.6 and 0.7", [0.3, 0.6, 0.7]), ("1, the end", [1.0]),
    ("0.55 and 0.75, which is masked", np.ma.masked_array([0.55, 0.75], [False, True])),
):  # fmt: skip
    print(label)
    for name, count in LIBRARIES.items():
        try:
            found = [f"{number} x {int(times)}" for number, times in enumerate(count(values)) if times]
            print(f"  {name}: {', '.join(found) or 'none'}")
        except Exception as error:
            print(f"  {name}: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
