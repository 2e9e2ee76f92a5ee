#!/usr/bin/env bash
# Masses, counts and times that are written as mzML.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('psims==1.4.0' 'pyteomics==5.0.1' 'pymzml==2.6.1' 'numpy==2.4.6' 'lxml==6.1.3')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' psims pyteomics pymzml numpy
cat >expected <<'END'
masses and counts of doubles:
  float64 [100.123456789, 622.0289509, 1221.9906372]
  float32 [16777216.0, 0.10000000149011612, 3000000000.0]
counts asked for as doubles:
  float32 [100.12345886230469, 622.0289306640625, 1221.9906005859375]
  float64 [16777217.0, 0.1, 3000000001.0]
counts of 64-bit integers:
  float32 [16777216.0, 1099511627776.0, 2.0]
counts, the second one masked:
  float32 [1.0, -999.0, 3.0]
two counts for three masses: 3 3 2
nothing said of polarity and peaks: positive scan centroid spectrum
a chromatogram of doubles:
  float32 [3599.987548828125]
  float32 [16777216.0]
ids of pymzML: [1, 1, 9, 15]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import pymzml.run
from psims.mzml import MzMLWriter
from pyteomics import mzml

masses = np.array([100.123456789, 622.0289509, 1221.9906372])
counts = np.array([16777217.0, 0.1, 3e9 + 1])


def written(spectra, chromatograms=()):
    with MzMLWriter(open("run.mzML", "wb"), close=True) as out:
        out.controlled_vocabularies()
        out.file_description(["MS1 spectrum"])
        out.software_list([{"id": "psims", "version": "1", "params": ["python-psims"]}])
        out.instrument_configuration_list([out.InstrumentConfiguration(id="IC1", component_list=[])])
        out.data_processing_list([out.DataProcessing([out.ProcessingMethod(order=1, software_reference="psims", params=["Conversion to mzML"])], id="DP1")])
        with out.run(id="run", instrument_configuration="IC1"):
            with out.spectrum_list(count=len(spectra)):
                for number, given in enumerate(spectra, 1):
                    usual = {"mz_array": masses, "intensity_array": counts, "id": f"scan={number}", "params": [{"ms level": 1}]}
                    out.write_spectrum(**{**usual, **given})
            if chromatograms:
                with out.chromatogram_list(count=len(chromatograms)):
                    for given in chromatograms:
                        out.write_chromatogram(**given)
    return mzml.MzML("run.mzML")


def spectrum(**given):
    (read,) = written([given])
    return read


def told(words, *arrays):
    print(words + ":", *(f"{array.dtype} {array.tolist()}" for array in arrays), sep="\n  ")


read = spectrum()
told("masses and counts of doubles", read["m/z array"], read["intensity array"])
read = spectrum(encoding={"intensity array": np.float64})
told("counts asked for as doubles", read["m/z array"], read["intensity array"])
told("counts of 64-bit integers", spectrum(intensity_array=np.array([16777217, 2**40 + 1, 2]))["intensity array"])
told("counts, the second one masked", spectrum(intensity_array=np.ma.masked_array([1.0, -999, 3], [0, 1, 0]))["intensity array"])
read = spectrum(intensity_array=counts[:2])
print("two counts for three masses:", read["defaultArrayLength"], len(read["m/z array"]), len(read["intensity array"]))
print("nothing said of polarity and peaks:", *(name for name in ("positive scan", "centroid spectrum") if name in spectrum()))
file = written([{}], [{"time_array": np.array([3599.98765432]), "intensity_array": np.array([16777217.0]), "id": "TIC", "chromatogram_type": "total ion current chromatogram"}])
(read,) = file.iterfind("chromatogram")
told("a chromatogram of doubles", read["time array"], read["intensity array"])
names = ["sample=1 period=1 cycle=2 experiment=1", "sample=1 period=1 cycle=3 experiment=1", "merged=3 frame=7 scanStart=1 scanEnd=9", "function=2 process=0 scan=15"]
written([{"id": name} for name in names])
print("ids of pymzML:", [one.ID for one in pymzml.run.Reader("run.mzML")])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
