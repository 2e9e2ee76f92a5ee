#!/usr/bin/env bash
# An archive of observations (Darwin Core), read row by row and as a table by one library.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('python-dwca-reader==0.17.1' 'pandas==3.1.1' 'numpy==2.4.6')
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
the file: id,number,country,count,by | 1,007,NA,3,Null | 2,0012,,,Meier | 3,1E5,KE,0,Moyo | 4,9007199254740993,DE,5,
the country has no default
  row by row: 1, 007, NA, 3, Null, HumanObservation
  row by row: 2, 0012, empty, empty, Meier, HumanObservation
  row by row: 3, 1E5, KE, 0, Moyo, HumanObservation
  row by row: 4, 9007199254740993, DE, 5, empty, HumanObservation
  as a table: 1, 7.0, missing, 3.0, Null, HumanObservation
  as a table: 2, 12.0, missing, missing, Meier, HumanObservation
  as a table: 3, 100000.0, KE, 0.0, Moyo, HumanObservation
  as a table: 4, 9007199254740992.0, DE, 5.0, missing, HumanObservation
the country has default="DE"
  row by row: 1, 007, NA, 3, Null, HumanObservation
  row by row: 2, 0012, DE, empty, Meier, HumanObservation
  row by row: 3, 1E5, KE, 0, Moyo, HumanObservation
  row by row: 4, 9007199254740993, DE, 5, empty, HumanObservation
  as a table: 1, 7.0, DE, 3.0, Null, HumanObservation
  as a table: 2, 12.0, DE, missing, Meier, HumanObservation
  as a table: 3, 100000.0, DE, 0.0, Moyo, HumanObservation
  as a table: 4, 9007199254740992.0, DE, 5.0, missing, HumanObservation
END
cat >meta.xml <<'END'
<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
  <core encoding="UTF-8" fieldsTerminatedBy="," linesTerminatedBy="\n" fieldsEnclosedBy='"' ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Occurrence">
    <files><location>occurrence.txt</location></files>
    <id index="0"/>
    <field index="1" term="http://rs.tdwg.org/dwc/terms/catalogNumber"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/countryCode"DEFAULT/>
    <field index="3" term="http://rs.tdwg.org/dwc/terms/individualCount"/>
    <field index="4" term="http://rs.tdwg.org/dwc/terms/recordedBy"/>
    <field term="http://rs.tdwg.org/dwc/terms/basisOfRecord" default="HumanObservation"/>
  </core>
</archive>
END
echo '<eml/>' >eml.xml
printf 'id,number,country,count,by\n1,007,NA,3,Null\n2,0012,,,Meier\n3,1E5,KE,0,Moyo\n4,9007199254740993,DE,5,\n' >occurrence.txt
cat >read.py <<'END'
import pathlib
import zipfile

from dwca.read import DwCAReader

FIELDS = ("catalogNumber", "countryCode", "individualCount", "recordedBy", "basisOfRecord")
print("the file:", pathlib.Path("occurrence.txt").read_text().strip().replace("\n", " | "))
for default in ("", ' default="DE"'):
    with zipfile.ZipFile("made.zip", "w") as archive:
        archive.writestr("meta.xml", pathlib.Path("meta.xml").read_text().replace("DEFAULT", default))
        archive.write("eml.xml")
        archive.write("occurrence.txt")
    print("the country has", default.strip() or "no default")
    with DwCAReader("made.zip") as reader:
        for row in reader:
            found = {name.split("/")[-1]: value for name, value in row.data.items()}
            print(f"  row by row: {row.id},", ", ".join(found[name] or "empty" for name in FIELDS))
        for row in reader.pd_read("occurrence.txt").to_dict("records"):
            print(f"  as a table: {row['id']},", ", ".join("missing" if row[name] != row[name] else str(row[name]) for name in FIELDS))
END
venv/bin/python -W ignore read.py >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
