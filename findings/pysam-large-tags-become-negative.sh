#!/usr/bin/env bash
# Whole numbers from 2^31 on, in tags of a BAM file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'pysam==0.24.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pysam==0.24.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pysam
cd "$tmp"
cat >expected <<'END'
get_tag:  [2147483647, 2147483648, 4294967295]
get_tags: [2147483647, -2147483648, -1]
as SAM:   ['X1:i:2147483647', 'X2:i:2147483648', 'X3:i:4294967295']
END
venv/bin/python -W ignore - >seen <<'END'
import pysam

header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 1000}]}
with pysam.AlignmentFile("reads.bam", "wb", header=header) as file:
    read = pysam.AlignedSegment(file.header)
    read.query_name, read.query_sequence, read.cigarstring = "read", "ACGT", "4M"
    read.reference_id, read.reference_start = 0, 0
    for tag, number in (("X1", 2**31 - 1), ("X2", 2**31), ("X3", 2**32 - 1)):
        read.set_tag(tag, number)
    file.write(read)
with pysam.AlignmentFile("reads.bam") as file:
    read = next(iter(file))
print("get_tag: ", [read.get_tag(f"X{n}") for n in (1, 2, 3)])
print("get_tags:", [value for _, value in read.get_tags()])
print("as SAM:  ", read.to_string().split("\t")[11:])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
