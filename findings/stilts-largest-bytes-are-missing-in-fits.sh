#!/usr/bin/env bash
# Tables in VOTable and CSV that STILTS writes as FITS, and its arithmetic.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(stilts=3.4.7-4) # of Debian 12
mkdir "$tmp/packages" "$tmp/unpacked"
(
  cd "$tmp/packages"
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
packages=('astropy==8.0.2' 'numpy==2.4.6')
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
java=$(command -v java || ls "$root"/usr/lib/jvm/*/bin/java)
classes=$(echo "$root"/usr/share/java/*.jar | tr ' ' :)
stilts() { "$java" -cp "$classes" uk.ac.starlink.ttools.Stilts "$@"; }
stilts -version 2>&1 | grep -E 'STILTS version' | tr -s ' '
cat >expected <<'END'
a VOTable whose third row is '1,2,3,T'
  as it is, by astropy
    byte (uint8): 255, 254, 1
    short (int16): -32768, 32767, 2
    int (int32): -2147483648, 2147483647, 3
    flag (bool): False, True, True
  as FITS by STILTS, by astropy
    byte (uint8): 255, 254, 1
    short (int16): -32768, 32767, 2
    int (int32): -2147483648, 2147483647, 3
    flag (bool): False, True, True
  the same by STILTS: byte,short,int,flag 255,-32768,-2147483648,false 254,32767,2147483647,true 1,2,3,true
a VOTable whose third row is ',,,'
  as it is, by astropy
    byte (uint8): 255, 254, missing
    short (int16): -32768, 32767, missing
    int (int32): -2147483648, 2147483647, missing
    flag (bool): False, True, missing
  as FITS by STILTS, by astropy
    byte (uint8): missing, 254, missing
    short (int16): missing, 32767, missing
    int (int32): missing, 2147483647, missing
    flag (bool): False, True, False
  the same by STILTS: byte,short,int,flag ,,,false 254,32767,2147483647,true ,,,
CSV: dose,count,id 0.1,1,007 0.7,2, 2.5,3,-32768
  as FITS by STILTS
    dose (float32): 0.10000000149011612, 0.699999988079071, 2.5
    count (int16): 1, 2, 3
    id (int16): 7, missing, missing
  with 0.1000001 for 0.1
    dose (float64): 0.1000001, 0.7, 2.5
  count/2, count*2000000000: count,half,many 1,0,2000000000 2,1,-294967296 3,1,1705032704
END
cat >show.py <<'END'
import sys

import numpy as np
from astropy.table import Table

table = Table.read(sys.argv[1], format=sys.argv[2])
for name in table.colnames:
    values = ["missing" if value is np.ma.masked else repr(value.item()) for value in table[name]]
    print(f"    {name} ({table[name].dtype.name}):", ", ".join(values))
END
table() { # table [row...]: a VOTable of a byte, a short, an integer and a flag
  echo '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
  for field in byte:unsignedByte short:short int:int flag:boolean; do echo "<FIELD name=\"${field%:*}\" datatype=\"${field#*:}\"/>"; done
  echo '<DATA><TABLEDATA>'
  for row in "$@"; do echo "<TR><TD>${row//,/</TD><TD>}</TD></TR>"; done
  echo '</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>'
}
seen() {
  for last in 1,2,3,T ,,,; do
    table 255,-32768,-2147483648,F 254,32767,2147483647,T "$last" >made.vot
    echo "a VOTable whose third row is '$last'"
    echo "  as it is, by astropy"; venv/bin/python -W ignore show.py made.vot votable
    stilts tpipe in=made.vot ifmt=votable out=made.fits ofmt=fits
    echo "  as FITS by STILTS, by astropy"; venv/bin/python -W ignore show.py made.fits fits
    echo "  the same by STILTS: $(stilts tpipe in=made.fits ifmt=fits out=- ofmt=csv | paste -s -d ' ')"
  done
  printf 'dose,count,id\n0.1,1,007\n0.7,2,\n2.5,3,-32768\n' >made.csv
  echo "CSV: $(paste -s -d ' ' made.csv)"
  stilts tpipe in=made.csv ifmt=csv out=made.fits ofmt=fits
  echo "  as FITS by STILTS"; venv/bin/python -W ignore show.py made.fits fits
  sed -i 2s/0.1/0.1000001/ made.csv
  stilts tpipe in=made.csv ifmt=csv out=made.fits ofmt=fits
  echo "  with 0.1000001 for 0.1"; venv/bin/python -W ignore show.py made.fits fits | grep dose
  echo "  count/2, count*2000000000: $(stilts tpipe in=made.csv ifmt=csv cmd='keepcols count' cmd='addcol half count/2' cmd='addcol many count*2000000000' out=- ofmt=csv | paste -s -d ' ')"
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
