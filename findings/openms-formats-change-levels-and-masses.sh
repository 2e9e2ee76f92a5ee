#!/usr/bin/env bash
# A run of mass spectrometry that OpenMS writes in its formats and reads again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyopenms==3.6.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pyopenms numpy
cd "$tmp"
cat >expected <<'END'
written: levels 1, 2 and 1 at 0, 61.25 and 3600.5 s, negative, as profiles; 16777217 at 622.02895123456 first, 3.3e9 at 100
mzML: levels [1, 2, 1] at [0.0, 61.25, 3600.5] s, negative, profile; 3300000000.0 at 100.0 first; parents [(622.0289512345, -2, 1000000.0)]
mzXML: levels [1, 2, 1] at [0.0, 61.25, 3600.5] s, negative, unknown; 3300000000.0 at 100.0 first; parents [(622.0289512345, -2, 1000000.0)]
mzData: levels [1, 2, 1] at [-1.0, 61.25, 3600.5] s, negative, unknown; 16777216.0 at 622.0289306640625 first; parents [(622.0289512345, -2, 1000000.0)]
mgf: it cannot be read: Prefix of string '-2-' successfully converted to an int32 value. Additional characters found at position 3
dta2d: levels [1, 1, 1] at [0.0, 61.25, 3600.5] s, polnull, unknown; 16777216.0 at 622.02895123456 first; parents []
sqMass: levels [1, 2, 1] at [0.0, 61.25, 3600.5] s, negative, profile; 16777216.0 at 622.02895123456 first; parents [(622.0289512345, -2, 1000000.0)]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys

import numpy as np
import pyopenms

sys.stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # where OpenMS prints


def run():
    made = pyopenms.MSExperiment()
    for number, (level, seconds) in enumerate(((1, 0.0), (2, 61.25), (1, 3600.5)), 1):
        spectrum = pyopenms.MSSpectrum()
        spectrum.setMSLevel(level)
        spectrum.setRT(seconds)
        spectrum.setNativeID(f"scan={number}")
        spectrum.set_peaks((np.array([622.02895123456, 100.0]), np.array([16777217.0, 3.3e9])))
        if level == 2:
            parent = pyopenms.Precursor()
            parent.setMZ(622.0289512345)
            parent.setCharge(-2)
            parent.setIntensity(1e6)
            spectrum.setPrecursors([parent])
        settings = spectrum.getInstrumentSettings()
        settings.setPolarity(pyopenms.IonSource.Polarity.NEGATIVE)
        spectrum.setInstrumentSettings(settings)
        spectrum.setType(2)  # a profile
        made.addSpectrum(spectrum)
    return made


print("written: levels 1, 2 and 1 at 0, 61.25 and 3600.5 s, negative, as profiles; 16777217 at 622.02895123456 first, 3.3e9 at 100")
for kind in ("mzML", "mzXML", "mzData", "mgf", "dta2d", "sqMass"):
    pyopenms.FileHandler().storeExperiment("made." + kind, run())
    found = pyopenms.MSExperiment()
    try:
        pyopenms.FileHandler().loadExperiment("made." + kind, found)
    except RuntimeError as error:
        print(f"{kind}: it cannot be read: {error}")
        continue
    spectra = list(found)
    masses, counts = spectra[0].get_peaks()
    parents = [(parent.getMZ(), parent.getCharge(), parent.getIntensity()) for spectrum in spectra for parent in spectrum.getPrecursors()]
    print(f"{kind}: levels {[spectrum.getMSLevel() for spectrum in spectra]} at {[spectrum.getRT() for spectrum in spectra]} s,", end=" ")
    print(str(spectra[0].getInstrumentSettings().getPolarity()).split(".")[-1].lower() + ",", str(spectra[0].getType()).split(".")[-1].lower() + ";", end=" ")
    print(f"{float(counts[0])!r} at {float(masses[0])!r} first; parents {parents}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
