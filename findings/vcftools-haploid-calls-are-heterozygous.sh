#!/usr/bin/env bash
# Genotypes of one VCF file for VCFtools and PLINK.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(vcftools=0.1.16-3+b1 plink1.9=1.90~b6.26-220402-1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
libraries=$tmp/unpacked/usr/lib/x86_64-linux-gnu
run() {
  LD_LIBRARY_PATH=$libraries:$libraries/blas:$libraries/lapack:$tmp/unpacked/usr/lib "$tmp/unpacked/usr/bin/$@"
}
run vcftools --version
run plink1.9 --version
{
  printf '##fileformat=VCFv4.2\n##contig=<ID=1,length=100000>\n##contig=<ID=X,length=100000>\n'
  printf '##FILTER=<ID=q10,Description="low">\n##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">\n'
  printf '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'
  printf '%s\t' '#CHROM' POS ID REF ALT QUAL FILTER INFO FORMAT ann ben cat
  echo dan
  while read -r fields; do echo "$fields" | tr ' ' '\t'; done <<'END'
1 100 phased A C 50.25 PASS DP=10 GT 0/1 0|1 1/1 0/0
1 200 three A C,G 50 PASS DP=10 GT 0/1 1/2 2/2 0/0
1 300 half A T . q10 DP=10 GT 0/. ./1 0/0 1/1
X 600 haploid G A 50 PASS DP=10 GT 0 1 0/1 0
END
} >set.vcf
cat >expected <<'END'
as it is, and its shares by VCFtools
ID	REF	ALT	FILTER	ann	ben	cat	dan
phased	A	C	PASS	0/1	0|1	1/1	0/0
three	A	C,G	PASS	0/1	1/2	2/2	0/0
half	A	T	q10	0/.	./1	0/0	1/1
haploid	G	A	PASS	0	1	0/1	0
1 100 2 8 A:0.5 C:0.5
1 200 3 8 A:0.375 C:0.25 G:0.375
1 300 2 6 A:0.5 T:0.5
X 600 2 5 G:0.6 A:0.4
how many of the second allele, by VCFtools (--012): ann, ben, cat, dan; sites
1 1 1
1 1 1
2 0 1
0 2 1
100 300 600
what is missing of each, by VCFtools
ann 4 0
ben 4 1
cat 4 0
dan 4 0
read and written by PLINK
ID	REF	ALT	QUAL	FILTER	ann	ben	cat	dan
phased	A	C	.	.	0/1	0/1	1/1	0/0
three	A	G	.	.	./.	./.	1/1	0/0
half	A	T	.	.	./.	./.	0/0	1/1
haploid	G	A	.	.	0/0	1/1	0/1	0/0
 1 phased C A 0.5 8
 1 three G A 0.5 4
 1 half T A 0.5 4
 23 haploid A G 0.375 8
END
{
  echo "as it is, and its shares by VCFtools"
  grep -v '^##' set.vcf | cut -f 3-5,7,10-
  run vcftools --vcf set.vcf --freq --out made >/dev/null 2>&1
  tail -n +2 made.frq | tr '\t' ' '
  echo "how many of the second allele, by VCFtools (--012): ann, ben, cat, dan; sites"
  run vcftools --vcf set.vcf --012 --out made >/dev/null 2>&1
  cut -f 2- made.012 | tr '\t' ' '
  cut -f 2 made.012.pos | paste -s -d ' '
  echo "what is missing of each, by VCFtools"
  run vcftools --vcf set.vcf --missing-indv --out made >/dev/null 2>&1
  tail -n +2 made.imiss | cut -f 1,2,4 | tr '\t' ' '
  echo "read and written by PLINK"
  run plink1.9 --vcf set.vcf --vcf-half-call missing --make-bed --out made >/dev/null 2>&1
  run plink1.9 --bfile made --recode vcf-iid --out copy >/dev/null 2>&1
  grep -v '^##' copy.vcf | cut -f 3-7,10-
  run plink1.9 --bfile made --freq --out made >/dev/null 2>&1
  tail -n +2 made.frq | tr -s ' '
} >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
