#!/usr/bin/env bash
# One VCF file of version 4.3 for four readers of Python and one of JavaScript.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pysam==0.24.1' 'cyvcf2==0.35.0' 'vcfpy==0.14.2' 'scikit-allel==1.3.13' 'numpy==2.4.6')
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
npm install --silent --no-audit --no-fund --ignore-scripts @gmod/vcf@7.2.0
node -p '`@gmod/vcf ${JSON.parse(fs.readFileSync("node_modules/@gmod/vcf/package.json")).version} (npm)`'
cat >expected <<'END'
pysam
  QUAL 50.0; FILTER ['PASS']; P 0.0; LR inf; NOTE low%3B 5%25
  QUAL inf; FILTER []; P 9.99994610111476e-41; LR -inf; NOTE .
  QUAL None; FILTER ['q10']; P 0.10000000149011612; LR 2.0; NOTE a
cyvcf2
  QUAL 50.0; FILTER None; P 0.0; LR inf; NOTE low%3B 5%25; types [1, 3], called 1.0
  QUAL inf; FILTER None; P 9.99994610111476e-41; LR -inf; NOTE .; types [1, 0], called 1.0
  QUAL None; FILTER q10; P 0.10000000149011612; LR 2.0; NOTE a; types [0, 3], called 1.0
vcfpy
  QUAL 50; FILTER ['PASS']; P 1e-50; LR inf; NOTE low; 5%
  QUAL 1e+39; FILTER []; P 1e-40; LR -inf; NOTE None
  QUAL None; FILTER ['q10']; P 0.1; LR 2.0; NOTE a
scikit-allel
  QUAL 50.0; PASS True; P 0.0; LR inf; NOTE low%3B 5%25
  QUAL inf; PASS False; P 9.99994610111476e-41; LR -inf; NOTE .
  QUAL nan; PASS False; P 0.10000000149011612; LR 2.0; NOTE a
@gmod/vcf
  QUAL 50; FILTER PASS; P 1e-50; LR NaN; NOTE low; 5%
  QUAL 1e+39; FILTER undefined; P 1e-40; LR NaN; NOTE 
  QUAL undefined; FILTER q10; P 0.1; LR 2; NOTE a
END
sed 's/ /\t/g; s/_/ /g' >made.vcf <<'END'
##fileformat=VCFv4.3
##contig=<ID=1>
##FILTER=<ID=q10,Description="low">
##INFO=<ID=P,Number=1,Type=Float,Description="probability">
##INFO=<ID=LR,Number=1,Type=Float,Description="ratio">
##INFO=<ID=NOTE,Number=1,Type=String,Description="note">
##FORMAT=<ID=GT,Number=1,Type=String,Description="call">
#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT A B
1 10 . A C 50 PASS P=1e-50;LR=inf;NOTE=low%3B_5%25 GT 0/1 1
1 11 . A C 1e39 . P=1e-40;LR=-inf;NOTE=. GT ./1 .|0
1 12 . A C . q10 P=0.1;LR=2;NOTE=a GT 0/0 1|1
END
sed -i '/^##/s/\t/ /g' made.vcf
cat >read.py <<'END'
import logging

import allel
import cyvcf2
import pysam
import vcfpy

logging.disable()


def show(reader, rows):
    print(reader)
    for row in rows:
        print("  " + "; ".join(str(value) for value in row))


show("pysam", ([f"QUAL {r.qual}", f"FILTER {list(r.filter)}", f"P {r.info['P']}", f"LR {r.info['LR']}", f"NOTE {r.info['NOTE']}"] for r in pysam.VariantFile("made.vcf")))
show("cyvcf2", ([f"QUAL {r.QUAL}", f"FILTER {r.FILTER}", f"P {r.INFO['P']}", f"LR {r.INFO['LR']}", f"NOTE {r.INFO['NOTE']}", f"types {r.gt_types.tolist()}, called {r.call_rate}"] for r in cyvcf2.VCF("made.vcf")))
show("vcfpy", ([f"QUAL {r.QUAL}", f"FILTER {r.FILTER}", f"P {r.INFO['P']}", f"LR {r.INFO['LR']}", f"NOTE {r.INFO['NOTE']}"] for r in vcfpy.Reader.from_path("made.vcf")))
table = allel.read_vcf("made.vcf", fields="*")
show("scikit-allel", ([f"QUAL {table['variants/QUAL'][i]}", f"PASS {table['variants/FILTER_PASS'][i]}", f"P {table['variants/P'][i]}", f"LR {table['variants/LR'][i]}", f"NOTE {table['variants/NOTE'][i]}"] for i in range(3)))
END
cat >read.mjs <<'END'
import fs from "node:fs";
import module from "@gmod/vcf";

const lines = fs.readFileSync("made.vcf", "utf8").trim().split("\n");
const parser = new (module.default ?? module)({ header: lines.filter((line) => line[0] === "#").join("\n") });
console.log("@gmod/vcf");
for (const line of lines.filter((line) => line[0] !== "#")) {
  const row = parser.parseLine(line);
  console.log(`  QUAL ${row.QUAL}; FILTER ${row.FILTER}; P ${row.INFO.P}; LR ${row.INFO.LR}; NOTE ${row.INFO.NOTE}`);
}
END
{ venv/bin/python -W ignore read.py && node read.mjs; } >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
