#!/usr/bin/env bash
# BAM and CRAM both end with a block that says so. Is a file without it refused? And does the header of a container of
# CRAM 2.1 tell where the next one begins, as in 3.0?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pysam==0.24.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pysam) '
cd "$tmp"
cat >expected <<'END'
BAM without its end: OSError
CRAM without its end: 100 records
CRAM 3.0: the next container is 0 bytes behind where the first one ends by its length
CRAM 2.1: the next container is 2 bytes behind where the first one ends by its length
END
venv/bin/python - >seen 2>/dev/null <<'END'
import pysam

header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "one", "LN": 1000}]}


def made(name, mode, **more):
    with pysam.AlignmentFile(name, mode, header=header, **more) as file:
        for n in range(100):
            one = pysam.AlignedSegment(file.header)
            one.query_name, one.query_sequence, one.flag = f"read{n}", "ACGT" * 20, 4
            one.query_qualities = pysam.qualitystring_to_array("I" * 80)
            file.write(one)
    return open(name, "rb").read()


def cram(version):
    options = [f"version={version}".encode(), b"no_ref=1"]
    return made(f"a{version}.cram", "wc", format_options=options)


for kind, data, end in (("BAM", made("a.bam", "wb"), 28), ("CRAM", cram("3.0"), 38)):
    name = f"cut.{kind.lower()}"
    open(name, "wb").write(data[:-end])
    try:
        with pysam.AlignmentFile(name, check_sq=False) as file:
            said = f"{sum(1 for _ in file.fetch(until_eof=True))} records"
    except OSError as error:
        said = type(error).__name__
    print(f"{kind} without its end: {said}")

for version, own in (("3.0", 18), ("2.1", 13)):  # bytes of the first container's own header
    data = cram(version)
    end = 26 + own + int.from_bytes(data[26:30], "little")
    # The next container's length is followed by reference -1, in five bytes.
    found = data.index(b"\xff\xff\xff\xff\x0f", end) - 4
    print(f"CRAM {version}: the next container is {found - end} bytes behind where the first one ends by its length")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
