#!/usr/bin/env bash
# One gene of two transcripts in GFF3, whose lines stand in another order, through gffread.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(gffread=0.12.7-3) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
gffread() {
  LD_LIBRARY_PATH=$tmp/unpacked/usr/lib/x86_64-linux-gnu:$tmp/unpacked/usr/lib "$tmp/unpacked/usr/bin/gffread" "$@"
}
echo "gffread $(gffread --version 2>&1)"
cat >parents <<'END'
1 made gene 5000 5400 . + . ID=g
1 made mRNA 5000 5400 . + . ID=t1;Parent=g
1 made mRNA 5000 5400 . + . ID=t2;Parent=g
END
cat >shared <<'END'
1 made exon 5000 5100 . + . ID=e1;Parent=t1,t2
1 made exon 5150 5200 . + . ID=e2;Parent=t1,t2
1 made CDS 5000 5099 . + 0 ID=c;Parent=t1,t2
END
sed 's/Parent=t1,t2/Parent=t1/' shared >alone
sed 's/Parent=t1,t2/Parent=t2/; s/ID=e/ID=f/; s/ID=c/ID=d/' shared >>alone
cat >expected <<'END'
parents shared
  gene 5000 5400 . ID=g
  mRNA 5000 5200 . ID=t1;Parent=g
  exon 5000 5100 . Parent=t1
  exon 5150 5200 . Parent=t1
  CDS 5000 5099 0 Parent=t1
  mRNA 5000 5200 . ID=t2;Parent=g
  exon 5000 5100 . Parent=t2
  exon 5150 5200 . Parent=t2
  CDS 5000 5099 0 Parent=t2
shared parents
  gene 5000 5400 . ID=g
  mRNA 5000 5200 . ID=t1;Parent=g
  exon 5000 5100 . Parent=t1
  exon 5150 5200 . Parent=t1
  CDS 5000 5099 0 Parent=t1
  mRNA 5000 5400 . ID=t2;Parent=g
  exon 5000 5400 . Parent=t2
alone parents
  gene 5000 5400 . ID=g
  mRNA 5000 5200 . ID=t1;Parent=g
  exon 5000 5100 . Parent=t1
  exon 5150 5200 . Parent=t1
  CDS 5000 5099 0 Parent=t1
  mRNA 5000 5200 . ID=t2;Parent=g
  exon 5000 5100 . Parent=t2
  exon 5150 5200 . Parent=t2
  CDS 5000 5099 0 Parent=t2
END
for order in "parents shared" "shared parents" "alone parents"; do
  echo "$order"
  {
    echo "##gff-version 3"
    # shellcheck disable=SC2086
    cat $order | tr ' ' '\t'
  } >set.gff3
  gffread -O -F set.gff3 -o copy.gff3
  grep -v '^#' copy.gff3 | cut -f 3-5,8- | tr '\t' ' ' | sed 's/^/  /'
done >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
cat errors
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
