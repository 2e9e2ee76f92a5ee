#!/usr/bin/env bash
# A data set of BIDS whose images and tables are damaged or wrong.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('bids-validator-deno==3.0.2' 'deno==2.9.8' 'nibabel==5.4.2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' bids-validator-deno deno nibabel
cat >expected <<'END'
as it was made: exit 0 no error
an image of no bytes: exit 16 EMPTY_FILE NIFTI_HEADER_UNREADABLE (nibabel: ImageFileError)
an image whose file is cut in the middle: exit 0 no error (nibabel: EOFError)
an image of its header alone: exit 0 no error (nibabel: OSError)
an image with another checksum: exit 0 no error (nibabel: is read)
an image that is not packed, as .nii.gz: exit 0 no error (nibabel: ImageFileError)
a repetition time that is not that of the image: exit 16 REPETITION_TIME_MISMATCH
a repetition time that is there twice: exit 0 no error
a task that is not that of the name: exit 0 no error
no repetition time: exit 16 SIDECAR_KEY_REQUIRED
the age 200: exit 16 TSV_VALUE_INCORRECT_TYPE
the age -3: exit 0 no error
a participant without files: exit 0 no error
taken on 01.02.2020: exit 16 TSV_VALUE_INCORRECT_TYPE
taken on 30 February: exit 0 no error
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import gzip
import json
import os
import shutil
import subprocess

import nibabel
import numpy

os.environ["DENO_DIR"] = os.path.abspath("deno")
BOLD, SIDECAR = "made/sub-01/func/sub-01_task-rest_bold.nii.gz", "made/sub-01/func/sub-01_task-rest_bold.json"
EVENTS, SCANS, PEOPLE = "made/sub-01/func/sub-01_task-rest_events.tsv", "made/sub-01/sub-01_scans.tsv", "made/participants.tsv"


def write(path, content):
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())


def made():
    shutil.rmtree("made", ignore_errors=True)
    os.makedirs("made/sub-01/func")
    write("made/dataset_description.json", json.dumps({"Name": "made", "BIDSVersion": "1.10.0", "DatasetType": "raw"}))
    write("made/README", "A data set that was made to see what is said of it.\n" * 5)
    write(PEOPLE, "participant_id\tage\nsub-01\t30\n")
    image = nibabel.Nifti1Image(numpy.random.default_rng(7).integers(0, 1000, (8, 8, 8, 5), dtype="i2"), numpy.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((1, 1, 1, 2))
    image.to_filename(BOLD)
    write(SIDECAR, json.dumps({"RepetitionTime": 2.0, "TaskName": "rest"}))
    write(EVENTS, "onset\tduration\n0.5\t1\n")


def tell(words, path=None, content=None):
    made()
    if path:
        write(path, content(open(path, "rb").read()) if callable(content) else content)
    ended = subprocess.run(["venv/bin/bids-validator-deno", "--format", "json", "made"], capture_output=True, text=True)
    errors = sorted({one["code"] for one in json.loads(ended.stdout)["issues"]["issues"] if one["severity"] == "error"})
    try:
        nibabel.load(BOLD).get_fdata()
        read = "is read"
    except Exception as error:
        read = type(error).__name__
    print(f"{words}: exit {ended.returncode}", *errors or ["no error"], *[f"(nibabel: {read})"] * (path == BOLD))


tell("as it was made")
tell("an image of no bytes", BOLD, b"")
tell("an image whose file is cut in the middle", BOLD, lambda data: data[: len(data) // 2])
tell("an image of its header alone", BOLD, lambda data: gzip.compress(gzip.decompress(data)[:352]))
tell("an image with another checksum", BOLD, lambda data: data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
tell("an image that is not packed, as .nii.gz", BOLD, gzip.decompress)
tell("a repetition time that is not that of the image", SIDECAR, '{"RepetitionTime": 3.0, "TaskName": "rest"}')
tell("a repetition time that is there twice", SIDECAR, '{"RepetitionTime": 3.0, "RepetitionTime": 2.0, "TaskName": "rest"}')
tell("a task that is not that of the name", SIDECAR, '{"RepetitionTime": 2.0, "TaskName": "memory"}')
tell("no repetition time", SIDECAR, '{"TaskName": "rest"}')
tell("the age 200", PEOPLE, "participant_id\tage\nsub-01\t200\n")
tell("the age -3", PEOPLE, "participant_id\tage\nsub-01\t-3\n")
tell("a participant without files", PEOPLE, "participant_id\tage\nsub-01\t30\nsub-02\t31\n")
tell("taken on 01.02.2020", SCANS, "filename\tacq_time\nfunc/sub-01_task-rest_bold.nii.gz\t01.02.2020\n")
tell("taken on 30 February", SCANS, "filename\tacq_time\nfunc/sub-01_task-rest_bold.nii.gz\t2020-02-30T00:00:00\n")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
