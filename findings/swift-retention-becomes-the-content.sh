#!/usr/bin/env bash
# Object Lock, uploads in parts and settings of buckets at OpenStack Swift's S3.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('swift==2.38.3' 'setuptools<80' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' swift boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
mkdir -p devices/d1
cat >swift.conf <<END
[swift-hash]
swift_hash_path_prefix = trial
swift_hash_path_suffix = trial
END
at=$port
for kind in account container object; do
  at=$((at + 1))
  {
    venv/bin/swift-ring-builder $kind.builder create 4 1 1
    venv/bin/swift-ring-builder $kind.builder add "r1z1-127.0.0.1:$at/d1" 1
    venv/bin/swift-ring-builder $kind.builder rebalance
  } >/dev/null
  cat >$kind.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $at
devices = $tmp/devices
mount_check = false
swift_dir = $tmp
workers = 0
user = $(id -un)
log_address = /nowhere
[pipeline:main]
pipeline = $kind-server
[app:$kind-server]
use = egg:swift#${kind/#object/mem_object}
END
done
cat >proxy.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
swift_dir = $tmp
workers = 0
user = $(id -un)
log_address = /nowhere
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo symlink versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
END
for name in catch_errors gatekeeper listing_formats bulk s3api copy slo symlink; do
  printf '[filter:%s]\nuse = egg:swift#%s\n' $name $name >>proxy.conf
done
for server in account container object proxy; do
  SWIFT_TEST_CONFIG=/nowhere venv/bin/swift-$server-server "$tmp/$server.conf" >log-$server 2>&1 </dev/null &
  servers+=($!)
done
cat >expected <<'END'
CreateBucket with Object Lock: 200
PutObject, to be kept until 2099: 200
  the object is b'the receipt'
  and is kept None
PutObjectRetention: 200
  the object is b'<Retention xmlns="http:/'
PutObjectLegalHold: 200
  the object is b'<LegalHold xmlns="http:/'
GetObjectLegalHold: ON
DeleteObject: 204
delete_bucket_lifecycle: 204
  the bucket is gone
delete_bucket_replication: 204
  the bucket is gone
delete_bucket_encryption: 204
  the bucket is gone
delete_bucket_cors: 501 NotImplemented
  the bucket is there
metadata sample_id and type of whole: sample_id binary/octet-stream
metadata sample_id and type of parts: sample-id application/octet-stream
a part of the number 1,001: 400 InvalidArgument
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    region_name="us-east-1",
    aws_access_key_id="test:tester",
    aws_secret_access_key="testing",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="landing")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
until = datetime.datetime(2099, 1, 1)


def said(words, request, **given):
    try:
        answer = request(**given)
        print(f"{words}: {answer['ResponseMetadata']['HTTPStatusCode']}")
        return answer
    except ClientError as error:
        print(f"{words}: {error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}")


def content(bucket="kept"):
    print("  the object is", s3.get_object(Bucket=bucket, Key="receipt")["Body"].read()[:24])


said("CreateBucket with Object Lock", s3.create_bucket, Bucket="kept", ObjectLockEnabledForBucket=True)
said("PutObject, to be kept until 2099", s3.put_object, Bucket="kept", Key="receipt", Body=b"the receipt", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
content()
print("  and is kept", s3.head_object(Bucket="kept", Key="receipt").get("ObjectLockMode"))
said("PutObjectRetention", s3.put_object_retention, Bucket="kept", Key="receipt", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
content()
s3.put_object(Bucket="kept", Key="receipt", Body=b"the receipt")
said("PutObjectLegalHold", s3.put_object_legal_hold, Bucket="kept", Key="receipt", LegalHold={"Status": "ON"})
content()
print("GetObjectLegalHold:", s3.get_object_legal_hold(Bucket="kept", Key="receipt")["LegalHold"]["Status"])
said("DeleteObject", s3.delete_object, Bucket="kept", Key="receipt")
for operation in ("delete_bucket_lifecycle", "delete_bucket_replication", "delete_bucket_encryption", "delete_bucket_cors"):
    said(operation, getattr(s3, operation), Bucket="kept")
    there = "kept" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    print("  the bucket is", "there" if there else "gone")
    if not there:
        s3.create_bucket(Bucket="kept")


def in_parts(key, sizes, first=1):
    into = {"Bucket": "landing", "Key": key}
    into["UploadId"] = s3.create_multipart_upload(**into, Metadata={"sample_id": "7"})["UploadId"]
    parts = [{"PartNumber": number, "ETag": s3.upload_part(**into, PartNumber=number, Body=bytes(size))["ETag"]} for number, size in enumerate(sizes, first)]
    return s3.complete_multipart_upload(**into, MultipartUpload={"Parts": parts})


s3.put_object(Bucket="landing", Key="whole", Body=b"x", Metadata={"sample_id": "7"})
in_parts("parts", [5 << 20, 5])
for key in ("whole", "parts"):
    head = s3.head_object(Bucket="landing", Key=key)
    print(f"metadata sample_id and type of {key}:", *head["Metadata"], head["ContentType"])
said("a part of the number 1,001", in_parts, key="fourth", sizes=[5], first=1001)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
