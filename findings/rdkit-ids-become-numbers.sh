#!/usr/bin/env bash
# Properties of a molecule in SDF, written and read.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rdkit==2026.9.1' 'numpy==2.4.6')
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
id, '007': GetPropsAsDict 7, GetProp '007'
registered, '12345678901234567': GetPropsAsDict 1.2345678901234568e+16, GetProp '12345678901234567'
well, '1E5': GetPropsAsDict 100000.0, GetProp '1E5'
code, 'inf': GetPropsAsDict inf, GetProp 'inf'
note, 'seen twice\n\nin March': GetPropsAsDict None, GetProp not there
batch, 'A-1': GetPropsAsDict 'A-1', GetProp 'A-1'
END
venv/bin/python -W ignore - >seen <<'END'
from rdkit import Chem, RDLogger

RDLogger.DisableLog("rdApp.*")
GIVEN = {
    "id": "007",
    "registered": "12345678901234567",
    "well": "1E5",
    "code": "inf",
    "note": "seen twice\n\nin March",
    "batch": "A-1",
}
molecule = Chem.MolFromSmiles("CCO")
for name, value in GIVEN.items():
    molecule.SetProp(name, value)
with Chem.SDWriter("molecules.sdf") as writer:
    writer.write(molecule)
(read,) = Chem.SDMolSupplier("molecules.sdf")
for name, value in GIVEN.items():
    as_text = repr(read.GetProp(name)) if read.HasProp(name) else "not there"
    print(f"{name}, {value!r}: GetPropsAsDict {read.GetPropsAsDict().get(name)!r}, GetProp {as_text}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
