#!/usr/bin/env bash
# Where four libraries say that regions and genes begin, and whether they meet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('polars-bio==0.36.2' 'oxbow==0.8.2' 'pyranges1==1.5.0' 'bioframe==0.8.0' 'polars==1.44.2' 'pandas==3.1.1' 'numpy==2.4.6' 'pyarrow==24.0.0' 'datafusion==53.0.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' polars-bio oxbow pyranges1 bioframe
cat >expected <<'END'
polars-bio: BED [(1, 10), (51, 50)] GFF [(10, 20)] VCF [(10, 12), (30, 30)]
oxbow:      BED [(0, 10), (50, 50)] GFF [(10, 20)] VCF [10, 30]
pyranges1:  BED [(0, 10), (50, 50)] GFF [(9, 20)] VCF [(9, 12), (29, 30)]
the gene from base 10 on meets the first ten bases, to pyranges1: 1
bioframe:   BED [(0, 10), (50, 50)] GFF [(10, 20)]
the same to bioframe: 0
the same to polars-bio: 1
filters PASS and none, polars-bio: ['PASS', '']  oxbow: [[], None]
the notes 'one, half' and 'two', polars-bio: ['one, half,two']
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import bioframe
import oxbow
import polars_bio
import pyranges1

made = {
    "region.bed": "chr1\t0\t10\tfirst ten bases\nchr1\t50\t50\tbetween two bases\n",
    "gene.gff": "##gff-version 3\nchr1\tmade\tgene\t10\t20\t.\t+\t.\tID=g;Note=one%2C half,two\n",
    "call.vcf": '##fileformat=VCFv4.3\n##contig=<ID=chr1>\n##FILTER=<ID=q10,Description="q">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
    "chr1\t10\t.\tACG\tA\t.\tPASS\t.\nchr1\t30\t.\tA\tC\t.\t.\t.\n",
}
for name, text in made.items():
    with open(name, "w") as out:
        out.write(text)


def places(table, start, end):
    return list(zip(table[start].to_list() if hasattr(table[start], "to_list") else list(table[start]), list(table[end])))


bed, gff, vcf = (polars_bio.read_bed("region.bed"), polars_bio.read_gff("gene.gff"), polars_bio.read_vcf("call.vcf"))
print("polars-bio: BED", places(bed, "start", "end"), "GFF", places(gff, "start", "end"), "VCF", places(vcf, "start", "end"))
bed, gff, vcf = (getattr(oxbow, f"from_{name[-3:]}")(name).to_polars() for name in made)
print("oxbow:      BED", places(bed, "start", "end"), "GFF", places(gff, "start", "end"), "VCF", vcf["pos"].to_list())
bed = pyranges1.read_bed("region.bed")
gff, vcf = pyranges1.read_gff3("gene.gff"), pyranges1.read_vcf("call.vcf")
print("pyranges1:  BED", places(bed, "Start", "End"), "GFF", places(gff, "Start", "End"), "VCF", places(vcf, "Start", "End"))
print("the gene from base 10 on meets the first ten bases, to pyranges1:", len(gff.overlap(bed)))
bed = bioframe.read_table("region.bed", schema="bed4")
gff = bioframe.read_table("gene.gff", schema="gff", comment="#").rename(columns={"seqid": "chrom"})
print("bioframe:   BED", places(bed, "start", "end"), "GFF", places(gff, "start", "end"))
print("the same to bioframe:", len(bioframe.overlap(gff, bed, how="inner")))
bed, gff = polars_bio.read_bed("region.bed"), polars_bio.read_gff("gene.gff")
print("the same to polars-bio:", polars_bio.overlap(gff, bed, output_type="polars.DataFrame").height)
print("filters PASS and none, polars-bio:", polars_bio.read_vcf("call.vcf")["filter"].to_list(), " oxbow:", oxbow.from_vcf("call.vcf").to_polars()["filter"].to_list())
print("the notes 'one, half' and 'two', polars-bio:", [one["value"] for one in gff["attributes"][0].to_list() if one["tag"] == "Note"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
