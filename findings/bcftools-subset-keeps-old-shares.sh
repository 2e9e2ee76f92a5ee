#!/usr/bin/env bash
# A VCF file that bcftools selects from, splits, joins and filters.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(bcftools=1.16-1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
export PATH=$root/usr/bin:$root/usr/lib/x86_64-linux-gnu:$PATH
libraries=$root/usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries bcftools --version | head -n 1
cat >expected <<'END'
as it is
two A C,G 1.23457e+06 AF=0.5,0.25;AC=2,1;AN=4;DP=30 GT 1|2 0|1
low A C 50 AF=0.123457;AC=1;AN=2;DP=5 GT 0/1 ./.
none T C 50 AF=0.5;AC=2;AN=4 GT 1/1 0/0
large T C,G 50 AF=0.9,0.01;AC=3,0;AN=4;DP=16777217 GT 1/1 1/0
the father alone
two A C,G 1.23457e+06 AF=0.5,0.25;AC=1,0;AN=2;DP=30 GT 0|1
low A C 50 AF=0.123457;AC=0;AN=0;DP=5 GT ./.
none T C 50 AF=0.5;AC=0;AN=2 GT 0/0
large T C,G 50 AF=0.9,0.01;AC=1,0;AN=2;DP=16777217 GT 1/0
split by allele
two A C 1.23457e+06 AF=0.5;AC=2;AN=4;DP=30 GT 1|0 0|1
two A G 1.23457e+06 AF=0.25;AC=1;AN=4;DP=30 GT 0|1 0|0
low A C 50 AF=0.123457;AC=1;AN=2;DP=5 GT 0/1 ./.
none T C 50 AF=0.5;AC=2;AN=4 GT 1/1 0/0
large T C 50 AF=0.9;AC=3;AN=4;DP=16777217 GT 1/1 1/0
large T G 50 AF=0.01;AC=0;AN=4;DP=16777217 GT 0/0 0/0
split, and joined again
two A C,G 1.23457e+06 AF=0.5,0.25;AC=2,1;AN=4;DP=30 GT 1/2 0|1
low A C 50 AF=0.123457;AC=1;AN=2;DP=5 GT 0/1 ./.
none T C 50 AF=0.5;AC=2;AN=4 GT 1/1 0/0
large T C,G 50 AF=0.9,0.01;AC=3,0;AN=4;DP=16777217 GT 1/1 1/0
which are kept
  DP<100: kept by -i two low; left by -e none large
  AF>0.1 && AF<0.1: kept by -i large; left by -e two low none
  GT!="0/1": kept by -i two low none large; left by -e 
  GT="0/1": kept by -i low; left by -e two none large
  AF!=0.5: kept by -i two low large; left by -e none
  QUAL>1234567: kept by -i two; left by -e low none large
  QUAL=1234568: kept by -i ; left by -e two low none large
END
seen() (
export LD_LIBRARY_PATH=$libraries
cat >made.txt <<'VCF'
##fileformat=VCFv4.2
##contig=<ID=1,length=1000>
##INFO=<ID=AF,Number=A,Type=Float,Description="share of each allele">
##INFO=<ID=AC,Number=A,Type=Integer,Description="count of each allele">
##INFO=<ID=AN,Number=1,Type=Integer,Description="count of all">
##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT mother father
1 5 two A C,G 1234567.875 PASS AF=0.5,0.25;AC=2,1;AN=4;DP=30 GT 1|2 0|1
1 6 low A C 50 PASS AF=0.12345678;AC=1;AN=2;DP=5 GT 0/1 ./.
1 7 none T C 50 PASS AF=0.5;AC=2;AN=4 GT 1/1 0/0
1 8 large T C,G 50 PASS AF=0.9,0.01;AC=3,0;AN=4;DP=16777217 GT 1/1 1/0
VCF
sed '/^##/!s/ /\t/g' made.txt >made.vcf
bcf() { bcftools "$@" 2>>errors | grep -v '^#' | cut -f 3-6,8- | tr '\t' ' '; }
echo "as it is"
bcf view made.vcf
echo "the father alone"
bcf view -s father made.vcf
echo "split by allele"
bcf norm -m -any made.vcf
echo "split, and joined again"
bcftools norm -m -any made.vcf 2>>errors | bcf norm -m +any -
echo "which are kept"
for condition in 'DP<100' 'AF>0.1 && AF<0.1' 'GT!="0/1"' 'GT="0/1"' 'AF!=0.5' 'QUAL>1234567' 'QUAL=1234568'; do
  echo "  $condition: kept by -i $(bcf view -i "$condition" made.vcf | cut -d ' ' -f 1 | paste -s -d ' '); left by -e $(bcf view -e "$condition" made.vcf | cut -d ' ' -f 1 | paste -s -d ' ')"
done
)
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
