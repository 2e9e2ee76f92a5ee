#!/usr/bin/env bash
# What a bucket's rules are, once they are stored.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
larger than 500 bytes: {'Filter': {}}
below raw/, larger than 500 bytes: {'Filter': {'And': {'Prefix': 'raw/'}}}
below raw/, with a tag: as it was put
older versions, three of them stay: {'NoncurrentVersionExpiration': {'NoncurrentDays': 2}}
copies of raw/: {'Filter': {'Prefix': ''}}
a tag of the bucket without a value: [{'Key': 'project'}]
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(240):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


for told, rule in {
    "larger than 500 bytes": {"Filter": {"ObjectSizeGreaterThan": 500}, "Expiration": {"Days": 3}},
    "below raw/, larger than 500 bytes": {
        "Filter": {"And": {"Prefix": "raw/", "ObjectSizeGreaterThan": 500}},
        "Expiration": {"Days": 3},
    },
    "below raw/, with a tag": {
        "Filter": {"And": {"Prefix": "raw/", "Tags": [{"Key": "k", "Value": "v"}]}},
        "Expiration": {"Days": 3},
    },
    "older versions, three of them stay": {
        "Filter": {"Prefix": "raw/"},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 3},
    },
}.items():
    asked = {"ID": "r", "Status": "Enabled"} | rule
    s3.put_bucket_lifecycle_configuration(Bucket="finding", LifecycleConfiguration={"Rules": [asked]})
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket="finding")["Rules"]
    changed = {name: kept.get(name) for name in asked if kept.get(name) != asked[name]}
    print(f"{told}: {changed or 'as it was put'}")
s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Enabled"})
rule = {
    "ID": "r",
    "Priority": 1,
    "Status": "Enabled",
    "Filter": {"Prefix": "raw/"},
    "DeleteMarkerReplication": {"Status": "Disabled"},
    "Destination": {"Bucket": "arn:aws:s3:::other"},
}
role = "arn:aws:iam::123456789012:role/copies"
s3.put_bucket_replication(Bucket="finding", ReplicationConfiguration={"Role": role, "Rules": [rule]})
(kept,) = s3.get_bucket_replication(Bucket="finding")["ReplicationConfiguration"]["Rules"]
print(f"copies of raw/: {({name: kept.get(name) for name in rule if kept.get(name) != rule[name]})}")
tags = [{"Key": "project", "Value": ""}]
s3.put_bucket_tagging(Bucket="finding", Tagging={"TagSet": tags})
print(f"a tag of the bucket without a value: {s3.get_bucket_tagging(Bucket='finding')['TagSet']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
