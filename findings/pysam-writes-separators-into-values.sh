#!/usr/bin/env bash
# Texts with separators, in the INFO of a VCF file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'pysam==0.24.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pysam==0.24.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pysam
cd "$tmp"
cat >expected <<'END'
1 | 10 | . | A | C | . | . | NOTE=seen twice;DB;ALL=one, the first,two
read: {'NOTE': 'seen twice', 'DB': True, 'ALL': ('one', ' the first', 'two')}
END
venv/bin/python -W ignore - >seen <<'END'
import pysam

header = pysam.VariantHeader()
header.add_line("##contig=<ID=1>")
header.add_line('##INFO=<ID=NOTE,Number=1,Type=String,Description="a note">')
header.add_line('##INFO=<ID=DB,Number=0,Type=Flag,Description="in a database">')
header.add_line('##INFO=<ID=ALL,Number=.,Type=String,Description="names">')
with pysam.VariantFile("calls.vcf", "w", header=header) as file:
    record = header.new_record(contig="1", start=9, stop=10, alleles=("A", "C"))
    record.info["NOTE"] = "seen twice;DB"
    record.info["ALL"] = ("one, the first", "two")
    file.write(record)
print(open("calls.vcf").read().splitlines()[-1].replace("\t", " | "))
read = next(iter(pysam.VariantFile("calls.vcf")))
print("read:", dict(read.info))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
