#!/usr/bin/env bash
# Missing genotypes beside one of a sample with four sets of chromosomes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('cyvcf2==0.35.0' 'numpy==2.4.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
in the file:   0/1, ./., ./., 0/1, 1/1
  genotypes:   [[0, 1], [-1, -1], [-1, -1], [0, 1], [1, 1]]
  gt_types:    het, missing, missing, het, 1/1
  num_unknown: 2  num_hom_alt: 1  call_rate: 0.6  aaf: 0.667
in the file:   0/0/0/1, ./., ./., 0/1, 1/1
  genotypes:   [[0, 0, 0, 1], [-1, -1], [-1, -1], [0, 1], [1, 1]]
  gt_types:    0/0, 1/1, 1/1, het, 1/1
  num_unknown: 0  num_hom_alt: 3  call_rate: 1.0  aaf: 0.7
END
venv/bin/python -W ignore - >seen <<'END'
import cyvcf2

HEADER = """##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
"""
KINDS = ["0/0", "het", "missing", "1/1"]  # as gt_types counts them
for others in ("0/1", "0/0/0/1"):
    genotypes = [others, "./.", "./.", "0/1", "1/1"]
    with open("calls.vcf", "w") as file:
        file.write(HEADER)
        samples = "\t".join(f"s{n}" for n in range(len(genotypes)))
        file.write(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n")
        file.write("1\t10\t.\tA\tC\t.\tPASS\t.\tGT\t" + "\t".join(genotypes) + "\n")
    row = next(iter(cyvcf2.VCF("calls.vcf")))
    print("in the file:  ", ", ".join(genotypes))
    print("  genotypes:  ", [each[:-1] for each in row.genotypes])
    print("  gt_types:   ", ", ".join(KINDS[kind] for kind in row.gt_types))
    print("  num_unknown:", row.num_unknown, " num_hom_alt:", row.num_hom_alt, " call_rate:", row.call_rate, " aaf:", round(row.aaf, 3))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
