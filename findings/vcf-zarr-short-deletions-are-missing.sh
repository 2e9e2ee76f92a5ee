#!/usr/bin/env bash
# Deletions of one, two and three bases, from VCF to Zarr and back.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('bio2zarr[vcf]==0.2.1' 'vcztools==0.2.0' 'cyvcf2==0.35.0' 'pysam==0.24.1' 'zarr==3.1.6')
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
cat >calls.vcf <<'VCF'
##fileformat=VCFv4.3
##contig=<ID=1,length=100>
##ALT=<ID=DEL,Description="Deletion">
##INFO=<ID=SVLEN,Number=1,Type=Integer,Description="Difference in length">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DS,Number=1,Type=Integer,Description="Difference">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	s1	s2
1	10	.	A	<DEL>	.	.	SVLEN=-1	GT:DS	0/1:-1	0/0:5
1	20	.	A	<DEL>	.	.	SVLEN=-2	GT:DS	0/1:-2	0/0:5
1	30	.	A	<DEL>	.	.	SVLEN=-3	GT:DS	0/1:-3	0/0:5
VCF
venv/bin/python -c 'import pysam; pysam.tabix_compress("calls.vcf", "calls.vcf.gz"); pysam.tabix_index("calls.vcf.gz", preset="vcf")'
venv/bin/vcf2zarr convert calls.vcf.gz calls.vcz >log 2>&1 || { cat log >&2; exit 1; }
cat >expected <<'END'
pysam, VCF:      [-1, -2, -3]
the array:       [-1, -2, -3]
vcztools, INFO:  ['.', '.', 'SVLEN=-3']
vcztools, s1:    ['0/1:.', '0/1:', '0/1:-3']
with SVLEN<0:    ['30']
END
venv/bin/python -W ignore - >seen <<'END'
import subprocess

import pysam
import zarr

with pysam.VariantFile("calls.vcf.gz") as file:
    print("pysam, VCF:     ", [each.info["SVLEN"] for each in file])
store = zarr.open_group("calls.vcz", mode="r")
print("the array:      ", store["variant_SVLEN"][:].tolist())
back = subprocess.run(["venv/bin/vcztools", "view", "calls.vcz"], capture_output=True, text=True, check=True).stdout
rows = [line.split("\t") for line in back.splitlines() if not line.startswith("#")]
print("vcztools, INFO: ", [row[7] for row in rows])
print("vcztools, s1:   ", [row[9] for row in rows])
found = subprocess.run(
    ["venv/bin/vcztools", "query", "-f", "%POS\n", "-i", "SVLEN<0", "calls.vcz"], capture_output=True, text=True
)
print("with SVLEN<0:   ", found.stdout.split())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
