#!/usr/bin/env bash
# The same checks of the same column by the libraries for it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pandera[polars]==0.35.0' 'pointblank==1.1.1' 'dataframely==3.1.2' 'polars==2.1.0' 'pandas==3.1.1' 'numpy==2.4.6' 'narwhals==2.29.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pandera pointblank dataframely polars pandas
cat >expected <<'END'
NaN where nothing may be missing: pandera (pandas) refused, pandera (polars) refused, pointblank (pandas) refused, pointblank (polars) taken, dataframely refused,
NaN >= 0 where values may be missing: pandera (pandas) taken, pandera (polars) taken, pointblank (pandas) taken, pointblank (polars) taken, dataframely refused,
infinity >= 0: pandera (pandas) taken, pandera (polars) taken, pointblank (pandas) taken, pointblank (polars) taken, dataframely refused,
xabc as abc: pandera (pandas) refused, pandera (polars) refused, pointblank (pandas) taken, pointblank (polars) taken, dataframely taken,
abcx as abc: pandera (pandas) taken, pandera (polars) taken, pointblank (pandas) taken, pointblank (polars) taken, dataframely taken,
abc and a line feed as ^abc$: pandera (pandas) taken, pandera (polars) refused, pointblank (pandas) taken, pointblank (polars) refused, dataframely refused,
Zürich with at most six letters: pandera (pandas) taken, pandera (polars) taken, pointblank (pandas) taken, pointblank (polars) taken, dataframely refused,
a missing value among a and b: pandera (pandas) taken, pandera (polars) taken, pointblank (pandas) refused, pointblank (polars) refused, dataframely taken,
1.7 read as a whole number: pandera (pandas) [1, 2], pandera (polars) [1, 2], dataframely [1, 2],
300 read as a byte: pandera (pandas) refused, pandera (polars) refused, dataframely refused,
the texts False and 0 read as truth values: pandera (pandas) [True, True], pandera (polars) refused, dataframely refused,
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

warnings.simplefilter("ignore")
import dataframely
import pandas as pd
import pandera.pandas
import pandera.polars
import pointblank
import polars as pl

nan, none = float("nan"), None
KINDS = {float: (pl.Float64, dataframely.Float64), str: (pl.String, dataframely.String)}


def refuses(judge):
    try:
        return "refused" if judge() is False else "taken"
    except Exception:
        return "refused"


def judged(words, values, check=None, step=None, rule=None, kind=float, **asked):
    """Check a column by each library; ``asked`` is said to pandera and, where it has the same word, to dataframely."""
    of_polars, of_dataframely = KINDS[kind]
    pandas, polars = pd.DataFrame({"x": values}), pl.DataFrame({"x": values}, schema={"x": of_polars})
    rule = {"nullable": asked.get("nullable", False), **(rule or {})}
    schema = type("Schema", (dataframely.Schema,), {"x": of_dataframely(**rule), "__annotations__": {}})
    said = {
        "pandera (pandas)": lambda: pandera.pandas.DataFrameSchema({"x": pandera.pandas.Column(kind, check, **asked)}).validate(pandas),
        "pandera (polars)": lambda: pandera.polars.DataFrameSchema({"x": pandera.polars.Column(of_polars, check, **asked)}).validate(polars),
        "pointblank (pandas)": lambda: step(pointblank.Validate(pandas)).interrogate().all_passed(),
        "pointblank (polars)": lambda: step(pointblank.Validate(polars)).interrogate().all_passed(),
        "dataframely": lambda: bool(schema.is_valid(polars)),
    }
    print(words + ":", *(f"{name} {refuses(judge)}," for name, judge in said.items()))


Check = pandera.pandas.Check
judged("NaN where nothing may be missing", [1.0, nan], step=lambda v: v.col_vals_not_null("x"))
judged("NaN >= 0 where values may be missing", [1.0, nan], Check.ge(0), lambda v: v.col_vals_ge("x", 0, na_pass=True), {"min": 0}, nullable=True)
judged("infinity >= 0", [1.0, float("inf")], Check.ge(0), lambda v: v.col_vals_ge("x", 0), {"min": 0})
judged("xabc as abc", ["xabc"], Check.str_matches("abc"), lambda v: v.col_vals_regex("x", "abc"), {"regex": "abc"}, str)
judged("abcx as abc", ["abcx"], Check.str_matches("abc"), lambda v: v.col_vals_regex("x", "abc"), {"regex": "abc"}, str)
judged("abc and a line feed as ^abc$", ["abc\n"], Check.str_matches("^abc$"), lambda v: v.col_vals_regex("x", "^abc$"), {"regex": "^abc$"}, str)
judged("Zürich with at most six letters", ["Zürich"], Check.str_length(max_value=6), lambda v: v.col_vals_regex("x", "^.{1,6}$"), {"max_length": 6}, str)
judged("a missing value among a and b", ["a", none], Check.isin(["a", "b"]), lambda v: v.col_vals_in_set("x", ["a", "b"]), {"check": lambda column: column.is_in(["a", "b"])}, str, nullable=True)


def read(words, values, name, of_polars, of_dataframely):
    table = pl.DataFrame({"x": values})
    schema = type("Schema", (dataframely.Schema,), {"x": of_dataframely(nullable=True), "__annotations__": {}})
    said = {
        "pandera (pandas)": lambda: pandera.pandas.DataFrameSchema({"x": pandera.pandas.Column(name, coerce=True)}).validate(pd.DataFrame({"x": values}))["x"].tolist(),
        "pandera (polars)": lambda: pandera.polars.DataFrameSchema({"x": pandera.polars.Column(of_polars, coerce=True)}).validate(table)["x"].to_list(),
        "dataframely": lambda: schema.validate(table, cast=True)["x"].to_list(),
    }
    print(words + ":", end="")
    for library, judge in said.items():
        try:
            print(f" {library} {judge()},", end="")
        except Exception:
            print(f" {library} refused,", end="")
    print()


read("1.7 read as a whole number", [1.7, 2.0], "int64", pl.Int64, dataframely.Int64)
read("300 read as a byte", [300, 1], "int8", pl.Int8, dataframely.Int8)
read("the texts False and 0 read as truth values", ["False", "0"], "bool", pl.Boolean, dataframely.Bool)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
