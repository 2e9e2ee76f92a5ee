#!/usr/bin/env bash
# Classic netCDF files, read by Python and by Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('netCDF4==1.7.5.1.post1' 'scipy==1.17.1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund netcdfjs@4.0.0
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
node -p '`netcdfjs ${JSON.parse(fs.readFileSync("node_modules/netcdfjs/package.json")).version}`'
cat >write.py <<'END'
import netCDF4
import numpy as np
import scipy.io

VARIABLES = {
    "alone, three 8-bit counts a night": {"count": ("i1", [[1, 2, -3], [4, 5, -6], [7, 8, -9]])},
    "three 16-bit counts a night, and a flag": {"count": ("i2", [[1, 2, 3], [4, 5, 6]]), "flag": ("i2", [1, 0])},
    "four 16-bit counts a night, and a level": {"count": ("i2", [[1, 2, 3, 4], [5, 6, 7, 8]]), "level": ("f8", [0.5, 1e-10])},
}
for number, (title, variables) in enumerate(VARIABLES.items()):
    with netCDF4.Dataset(f"{number}.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("night", None)
        file.note = "Zürich"
        for name, (kind, values) in variables.items():
            width = np.shape(values)[1:]
            if width:
                file.createDimension("place", *width)
            file.createVariable(name, kind, ("night", "place")[: 1 + len(width)])[:] = values
    print(title)
    with scipy.io.netcdf_file(f"{number}.nc", mmap=False) as file:
        print(f"  {number} SciPy:", "; ".join(f"{name} {file.variables[name].data.tolist()}" for name in variables))
END
cat >read.mjs <<'END'
import fs from "node:fs";
import { NetCDFReader } from "netcdfjs";

const number = process.argv[2];
const file = new NetCDFReader(fs.readFileSync(`${number}.nc`));
const shown = (values) => JSON.stringify(values).replaceAll(",", ", ");
const told = file.variables.map((variable) => `${variable.name} ${shown(file.getDataVariable(variable.name))}`);
console.log(`  ${number} netcdfjs:`, told.join("; "));
END
cat >expected <<'END'
alone, three 8-bit counts a night
  0 SciPy: count [[1, 2, -3], [4, 5, -6], [7, 8, -9]]
three 16-bit counts a night, and a flag
  1 SciPy: count [[1, 2, 3], [4, 5, 6]]; flag [1, 0]
four 16-bit counts a night, and a level
  2 SciPy: count [[1, 2, 3, 4], [5, 6, 7, 8]]; level [0.5, 1e-10]
  0 netcdfjs: count [[1, 2, 253, 4], [5, 250, 7, 8], [247, 0, 0, 0]]
  1 netcdfjs: count [[1, 2, 3, 4], [4, 5, 6, 0]]; flag [[1, -32767], [0, -32767]]
  2 netcdfjs: count [[1, 2, 3, 4], [5, 6, 7, 8]]; level [0.5, 1e-10]
END
{
  venv/bin/python -W ignore write.py
  for number in 0 1 2; do node read.mjs "$number"; done
} >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
