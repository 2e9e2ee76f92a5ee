#!/usr/bin/env bash
# Sequences with masked bases and with qualities, written by Biopython and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biopython==1.88')
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
fasta: ACGTnacg is read as ACGTnacg
genbank: ACGTnacg is read as ACGTNACG
seqxml: ACGTnacg is read as ACGTnacg
fastq: quality 10.7 is read as 11
fastq: quality -1.0 is written without an error; reading: ValueError
END
venv/bin/python -W ignore - >seen <<'END'
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

for kind in ("fasta", "genbank", "seqxml"):
    record = SeqRecord(Seq("ACGTnacg"), id="seq1", name="seq1", description="masked", annotations={"molecule_type": "DNA"})
    SeqIO.write([record], "file", kind)
    print(f"{kind}: {record.seq} is read as {next(SeqIO.parse('file', kind)).seq}")
for quality in (10.7, -1.0):
    record = SeqRecord(Seq("A"), id="read1", description="", letter_annotations={"phred_quality": [quality]})
    SeqIO.write([record], "file", "fastq")
    try:
        read = next(SeqIO.parse("file", "fastq")).letter_annotations["phred_quality"][0]
        print(f"fastq: quality {quality} is read as {read}")
    except ValueError as error:
        print(f"fastq: quality {quality} is written without an error; reading: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
