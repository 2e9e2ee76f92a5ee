#!/usr/bin/env bash
# Missing flags, notes and counts of cells, written as HDF5 and as Zarr, and genes that only one of two experiments has.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check \
  'anndata==0.12.19' 'zarr==3.1.6' 'h5py==3.16.0' 'pandas==2.3.3' 'numpy==2.4.6' 'scipy==1.17.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(anndata|h5py|numpy|pandas|scipy|zarr) '
cd "$tmp"
cat >expected <<'END'
h5ad, [True, None, False]: TypeError
h5ad, ['p1', 7, None]: TypeError
h5ad, ['a', None, 'a']: ['a', nan, 'a']
h5ad, 1.5 and a masked 999: [1.5, 999.0] [1.5, 999.0, 2.0]
h5ad, a list with None: TypeError
zarr, [True, None, False]: ['True', 'None', 'False']
zarr, ['p1', 7, None]: ['p1', '7', 'None']
zarr, ['a', None, 'a']: ['a', nan, 'a']
zarr, 1.5 and a masked 999: [1.5, 999.0] [1.5, 999.0, 2.0]
zarr, a list with None: ['d1', 'None']
a gene that was not measured, dense: [[5.0, 6.0, nan], [nan, 7.0, 8.0]]
a gene that was not measured, sparse: [[5.0, 6.0, 0.0], [0.0, 7.0, 8.0]]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import anndata
import numpy as np
import pandas as pd
import scipy.sparse


def written_and_read(what, suffix):
    try:
        getattr(what, "write_h5ad" if suffix == "h5ad" else "write_zarr")(f"cells.{suffix}")
        return getattr(anndata, f"read_{suffix}")(f"cells.{suffix}")
    except TypeError as error:
        return f"{type(error).__name__}"


for suffix in ("h5ad", "zarr"):
    for column, values in {"dead": [True, None, False], "plate": ["p1", 7, None], "note": ["a", None, "a"]}.items():
        cells = anndata.AnnData(np.ones((3, 1), "f4"), obs=pd.DataFrame({column: values}, index=["c1", "c2", "c3"]))
        read = written_and_read(cells, suffix)
        print(f"{suffix}, {values}:", read if isinstance(read, str) else read.obs[column].tolist())
    cells = anndata.AnnData(np.ones((3, 1), "f4"))
    cells.uns["doses"] = np.ma.array([1.5, 999.0], mask=[False, True])
    cells.obsm["place"] = np.ma.array([[1.5], [999.0], [2.0]], mask=[[False], [True], [False]])
    read = written_and_read(cells, suffix)
    print(f"{suffix}, 1.5 and a masked 999:", read.uns["doses"].tolist(), read.obsm["place"].ravel().tolist())
    cells = anndata.AnnData(np.ones((3, 1), "f4"))
    cells.uns["donors"] = ["d1", None]
    read = written_and_read(cells, suffix)
    print(f"{suffix}, a list with None:", read if isinstance(read, str) else read.uns["donors"].tolist())

for kind in (np.asarray, scipy.sparse.csr_matrix):
    first = anndata.AnnData(kind(np.array([[5.0, 6.0]])), var=pd.DataFrame(index=["g1", "g2"]))
    second = anndata.AnnData(kind(np.array([[7.0, 8.0]])), var=pd.DataFrame(index=["g2", "g3"]))
    joined = anndata.concat([first, second], join="outer").X
    print("a gene that was not measured,", "sparse:" if scipy.sparse.issparse(joined) else "dense:", (joined.toarray() if scipy.sparse.issparse(joined) else joined).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
