#!/usr/bin/env bash
# Reads of a sequencer (FASTQ) that EMBOSS converts.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(emboss=6.6.0+dfsg-12) # of Debian 12
mkdir "$tmp/packages" "$tmp/unpacked"
(
  cd "$tmp/packages"
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
cd "$tmp"
seqret() {
  LD_LIBRARY_PATH=$libraries:$root/usr/lib/emboss/lib EMBOSS_ACDROOT=$root/usr/share/EMBOSS/acd EMBOSS_DATA=$root/usr/share/EMBOSS/data \
    timeout 60 "$root/usr/bin/seqret" "$@"
}
seqret -version 2>&1 | head -n 1
cat >expected <<'END'
as it is: @first/1 note ACGTNACGTN + !"#+5?IJ~I @second acgtacgt + IIIIIIII
read as EMBOSS finds it
  written as fastq: @first/1 note ACGTNACGTN + """""""""" @second acgtacgt + """"""""
  written as fastq-sanger: @first/1 note ACGTNACGTN + """""""""" @second acgtacgt + """"""""
  written as fastq-illumina: @first/1 note ACGTNACGTN + AAAAAAAAAA @second acgtacgt + AAAAAAAA
  exit 0, warnings: 0
read as fastq-sanger
  written as fastq: @first/1 note ACGTNACGTN + !"#+5?IJ~I @second acgtacgt + IIIIIIII
  written as fastq-sanger: @first/1 note ACGTNACGTN + !"#+5?IJ~I @second acgtacgt + IIIIIIII
  written as fastq-illumina: @first/1 note ACGTNACGTN + @ABJT^hi~h @second acgtacgt + hhhhhhhh
  exit 0, warnings: 0
read as fastq-illumina
  written as fastq: @first/1 note ACGTNACGTN + !!!!!!*+_* @second acgtacgt + ********
  written as fastq-sanger: @first/1 note ACGTNACGTN + !!!!!!*+_* @second acgtacgt + ********
  written as fastq-illumina: @first/1 note ACGTNACGTN + @@@@@@IJ~I @second acgtacgt + IIIIIIII
  exit 0, warnings: 6
END
cat >made.fastq <<'END'
@first/1 note
ACGTNACGTN
+
!"#+5?IJ~I
@second
acgtacgt
+
IIIIIIII
END
lines() { paste -s -d ' '; }
seen() {
  echo "as it is: $(lines <made.fastq)"
  for form in "" fastq-sanger fastq-illumina; do
    echo "read as ${form:-EMBOSS finds it}"
    for to in fastq fastq-sanger fastq-illumina; do
      echo "  written as $to: $(seqret -auto ${form:+-sformat "$form"} -sequence made.fastq -outseq "$to::stdout" 2>/dev/null | lines)"
    done
    echo "  exit $(seqret -auto ${form:+-sformat "$form"} -sequence made.fastq -outseq fastq-sanger::stdout >/dev/null 2>said; echo $?), warnings: $(grep -c Warning said)"
  done
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
