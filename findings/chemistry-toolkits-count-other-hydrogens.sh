#!/usr/bin/env bash
# Molecules as SMILES and as MDL molfiles for three toolkits of chemistry.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rdkit==2026.9.1' 'openbabel-wheel==3.1.1.23' 'epam-indigo==1.46.0' 'numpy==2.4.6')
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
ammonium chloride: RDKit H4ClN 53.0032; Open Babel ClN 53.0032; Indigo ClH4N 53.0032
aspirin and water: RDKit C9H10O5 198.0528; Open Babel C9H10O5 198.0528; Indigo C9H10O5 198.0528
aspirin: RDKit C9H8O4 180.0423; Open Babel C9H8O4 180.0423; Indigo C9H8O4 180.0423
salt of a tertiary amine: RDKit C3H10ClN 95.0502; Open Babel C3H10ClN 95.0502; Indigo C3H10ClN 95.0502
calcium hydroxide: RDKit H2CaO2 73.9681; Open Babel CaO2 73.9681; Indigo CaH2O2 73.9681
azide with bonds of five, CN=N=N: RDKit refused; Open Babel CH5N3 59.0483; Indigo refused
bromine, one more than its mass: RDKit HBr 80.9264; Open Babel BrH 81.9241; Indigo BrH 81.9241
tin, one more than its mass: RDKit H2Sn 122.9199; Open Babel H2Sn 121.9178; Indigo H2Sn 121.9178
carbon, a radical by its atom's line: RDKit CH4 16.0313; Open Babel CH4 16.0313; Indigo CH3 15.0235
carbon, a radical by M  RAD: RDKit CH3 15.0235; Open Babel CH3 15.0235; Indigo CH3 15.0235
N+ by its line, O- by M  CHG: RDKit H2NO- 32.0142; Open Babel H2NO- 32.0136; Indigo H3NO 33.0215
ammonia that copper takes, bond 9: RDKit H3CuN 79.9561; Open Babel CuN 76.9327; Indigo CuH3N 79.9561
the same by M  ZBO: RDKit H3CuN 79.9561; Open Babel CuH3N 79.9561; Indigo CuH2N 78.9483
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
from indigo import Indigo
from openbabel import openbabel
from rdkit import Chem, RDLogger
from rdkit.Chem import Descriptors, rdMolDescriptors

RDLogger.DisableLog("rdApp.*")
openbabel.obErrorLog.SetOutputLevel(0)
indigo = Indigo()
NOTHING = " 0" + "  0" * 11


def show(told, text, kind):
    molecule = Chem.MolFromSmiles(text) if kind == "smi" else Chem.MolFromMolBlock(text)
    if molecule is None:
        first = "refused"
    else:
        first = f"{rdMolDescriptors.CalcMolFormula(molecule)} {Descriptors.ExactMolWt(molecule):.4f}"
    conversion = openbabel.OBConversion()
    conversion.SetInFormat(kind)
    found = openbabel.OBMol()
    second = f"{found.GetFormula()} {found.GetExactMass():.4f}" if conversion.ReadString(found, text) else "refused"
    try:
        read = indigo.loadMolecule(text)
        third = f"{read.grossFormula().replace(' ', '')} {read.monoisotopicMass():.4f}"
    except Exception:
        third = "refused"
    print(f"{told}: RDKit {first}; Open Babel {second}; Indigo {third}")


def molfile(atoms, bonds=(), notes=()):
    lines = ["made", "", "", f"{len(atoms):3d}{len(bonds):3d}  0  0  0  0  0  0  0  0999 V2000"]
    lines += [f"{place:10.4f}    0.0000    0.0000 {element:3s}{more}" for place, (element, more) in enumerate(atoms)]
    lines += [f"{one:3d}{other:3d}{kind:3d}  0" for one, other, kind in bonds]
    return "\n".join([*lines, *notes, "M  END", ""])


show("ammonium chloride", "[NH4+].[Cl-]", "smi")
show("aspirin and water", "CC(=O)Oc1ccccc1C(=O)O.O", "smi")
show("aspirin", "CC(=O)Oc1ccccc1C(=O)O", "smi")
show("salt of a tertiary amine", "C[NH+](C)C.[Cl-]", "smi")
show("calcium hydroxide", "[OH-].[OH-].[Ca+2]", "smi")
show("azide with bonds of five, CN=N=N", "CN=N=N", "smi")
show("bromine, one more than its mass", molfile([("Br", " 1" + "  0" * 11)]), "mol")
show("tin, one more than its mass", molfile([("Sn", " 1" + "  0" * 11)]), "mol")
show("carbon, a radical by its atom's line", molfile([("C", " 0  4" + "  0" * 10)]), "mol")
show("carbon, a radical by M  RAD", molfile([("C", NOTHING)], notes=["M  RAD  1   1   2"]), "mol")
show("N+ by its line, O- by M  CHG", molfile([("N", " 0  3" + "  0" * 10), ("O", NOTHING)], [(1, 2, 1)], ["M  CHG  1   2  -1"]), "mol")
show("ammonia that copper takes, bond 9", molfile([("N", NOTHING), ("Cu", NOTHING)], [(1, 2, 9)]), "mol")
show("the same by M  ZBO", molfile([("N", NOTHING), ("Cu", NOTHING)], [(1, 2, 1)], ["M  ZBO  1   1   0"]), "mol")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
