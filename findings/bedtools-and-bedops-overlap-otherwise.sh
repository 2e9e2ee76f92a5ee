#!/usr/bin/env bash
# Insertions and deletions, and sums and means of a column, in BEDTools and BEDOPS.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(bedtools=2.30.0+dfsg-3 bedops=2.4.41+dfsg-1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
export PATH=$root/usr/bin:$root/usr/lib/x86_64-linux-gnu:$PATH
libraries=$root/usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries bedtools --version; LD_LIBRARY_PATH=$libraries bedops --version | grep version: | tr -s ' '
cat >expected <<'END'
an insertion at 5, and the genes 0-5 and 5-10
  bedtools intersect: before, behind
  bedops -e 1: 
deletions of bases 11-100 and 21-27, and the regions 22-24 and 50-60
  bedtools intersect: symbol second, symbol first, letters second
  vcf2bed: chr1 9 10 symbol, chr1 19 20 letters; bedops -e 1: 
  vcf2bed --deletions: chr1 19 27 letters; bedops -e 1: letters
sums and means
  9007199254740993 1: bedtools merge 9.007199255e+15 4.503599627e+15 2; bedmap 9007199254740992.000000 4503599627370496.000000 2
  12345678901 1: bedtools merge 1.23456789e+10 6172839451 2; bedmap 12345678902.000000 6172839451.000000 2
  1.5 .: bedtools merge . . 2; bedmap 1.500000 0.750000 2
  1.5 NA: bedtools merge . . 2; bedmap 1.500000 1.500000 1
  1e-12 1: bedtools merge 1 0.5 2; bedmap 1.000000 0.500000 2
END
seen() (
export LD_LIBRARY_PATH=$libraries
tabs() { tr ' ' '\t'; }
spaces() { tr '\t' ' ' | paste -s -d , | sed 's/,/, /g'; }
echo 'chr1 5 5 insertion' | tabs >insertion.bed
printf 'chr1 0 5 before\nchr1 5 10 behind\n' | tabs >genes.bed
echo "an insertion at 5, and the genes 0-5 and 5-10"
echo "  bedtools intersect: $(bedtools intersect -a insertion.bed -b genes.bed -wb | cut -f 8 | spaces)"
echo "  bedops -e 1: $(bedops -e 1 genes.bed insertion.bed | cut -f 4 | spaces)"
printf '##fileformat=VCFv4.2\n##INFO=<ID=END,Number=1,Type=Integer,Description="end">\n##ALT=<ID=DEL,Description="deletion">\n#CHROM POS ID REF ALT QUAL FILTER INFO\nchr1 10 symbol A <DEL> . . END=100\nchr1 20 letters ACGTACGT A . . .\n' | sed '/^##/!s/ /\t/g' >made.vcf
printf 'chr1 50 60 first\nchr1 22 24 second\n' | tabs | sort -k2n >asked.bed
echo "deletions of bases 11-100 and 21-27, and the regions 22-24 and 50-60"
echo "  bedtools intersect: $(bedtools intersect -a made.vcf -b asked.bed -wb | cut -f 3,12 | spaces)"
vcf2bed --do-not-sort <made.vcf >made.bed 2>>errors
echo "  vcf2bed: $(cut -f 1-4 made.bed | spaces); bedops -e 1: $(bedops -e 1 made.bed asked.bed | cut -f 4 | spaces)"
vcf2bed --deletions --do-not-sort <made.vcf >made.bed 2>>errors
echo "  vcf2bed --deletions: $(cut -f 1-4 made.bed | spaces); bedops -e 1: $(bedops -e 1 made.bed asked.bed | cut -f 4 | spaces)"
echo "sums and means"
for column in '9007199254740993 1' '12345678901 1' '1.5 .' '1.5 NA' '1e-12 1'; do
  for value in $column; do printf 'chr1\t0\t10\tgene\t%s\n' "$value"; done >scores.bed
  echo "  $column: bedtools merge $(bedtools merge -i scores.bed -c 5,5,5 -o sum,mean,count 2>>errors | cut -f 4- | spaces); bedmap $(bedmap --delim ' ' --sum --mean --count <(head -n 1 scores.bed) scores.bed 2>&1 | tail -n 1)"
done
)
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
