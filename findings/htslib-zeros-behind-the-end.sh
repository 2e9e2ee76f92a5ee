#!/usr/bin/env bash
# A BGZF file padded with zeros, as tapes and block devices do it: who takes it for whole?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pysam==0.24.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^pysam '
gzip --version | head -1
cd "$tmp"
cat >expected <<'END'
as written: gzip -t 0, gzip module 2000 records, pysam 2000 records
512 zeros behind: gzip -t 0, gzip module 2000 records, pysam OSError: no BGZF EOF marker; file may be truncated
END
venv/bin/python - 2>/dev/null >seen <<'END'
import gzip
import subprocess

import pysam

header = pysam.VariantHeader()
header.contigs.add("one", 10_000)
with pysam.VariantFile("a.vcf.gz", "wz", header=header) as file:
    for n in range(2000):
        file.write(file.new_record(contig="one", start=n, stop=n + 1, alleles=("A", "C")))
whole = open("a.vcf.gz", "rb").read()

for name, data in (("as written", whole), ("512 zeros behind", whole + bytes(512))):
    open("b.vcf.gz", "wb").write(data)
    done = subprocess.run(["gzip", "-tq", "b.vcf.gz"], capture_output=True)
    tested = done.returncode
    n = sum(not line.startswith(b"#") for line in gzip.open("b.vcf.gz"))
    try:
        by_htslib = f"{sum(1 for _ in pysam.VariantFile('b.vcf.gz'))} records"
    except OSError as error:
        by_htslib = f"OSError: {error}"
    print(f"{name}: gzip -t {tested}, gzip module {n} records, pysam {by_htslib}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
