#!/usr/bin/env bash
# Uploads in parts, copies, retention, tags and metadata at Ceph's gateway.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
ceph=16.2.15+ds-0+deb12u2 # of Debian 12; it wants that one's Python, too
[[ $(/usr/bin/python3 -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) == "3 11" ]] || { echo "Debian 12 with its Python is not here" >&2; exit 1; }
packages=('boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p /usr/bin/python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  /usr/bin/python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
mkdir packages unpacked mon osd rgw run
(
  cd packages
  apt-get download -qq ceph-{mon,osd,base,common}=$ceph radosgw=$ceph librados2=$ceph librbd1=$ceph libcephfs2=$ceph libradosstriper1=$ceph \
    python3-{rados,ceph-argparse,ceph-common}=$ceph python3-{prettytable,wcwidth} libaio1 libboost-{context,filesystem,iostreams,program-options,thread}1.74.0 \
    libfmt9 libgoogle-perftools4 libtcmalloc-minimal4 libibverbs1 librdmacm1 libnl-3-200 libnl-route-3-200 libleveldb1d liblua5.3-0 liboath0 \
    librabbitmq4 libsnappy1v5 libpmem1 libdaxctl1 libndctl6 libkmod2 liburcu8 libunwind8 libcurl3-gnutls libldap-2.5-0 libssh2-1 librtmp1 libnghttp2-14 libpsl5 libbrotli1 libicu72 libfuse2 >/dev/null 2>&1 || { echo "Debian's packages of Ceph are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
libraries=$tmp/unpacked/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries:$libraries/ceph:$tmp/unpacked/lib/x86_64-linux-gnu PATH=$tmp/unpacked/usr/bin:$PATH CEPH_CONF=$tmp/ceph.conf
venv/bin/python -c 'from importlib.metadata import version; print("boto3", version("boto3"))'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
cat >ceph.conf <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$((port + 1))]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon initial members = a
osd objectstore = memstore
memstore device bytes = 1073741824
osd class dir = $libraries/rados-classes
erasure code dir = $libraries/ceph/erasure-code
plugin dir = $libraries/ceph
run dir = $tmp/run
log file = $tmp/\$name.log
admin socket = $tmp/run/\$name.asok
mon data = $tmp/mon
osd data = $tmp/osd
rgw data = $tmp/rgw
keyring = $tmp/keyring
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 8
END
for who in mon. client.admin osd.0 client.rgw; do
  ceph-authtool keyring $([[ -e keyring ]] || echo --create-keyring) --gen-key -n $who --cap mon 'allow *' --cap osd 'allow *' >/dev/null
done
radosgw --version | cut -d' ' -f1-3
{
  monmaptool --create --addv a "[v2:127.0.0.1:$((port + 1))]" --fsid "$(sed -n 's/^fsid = //p' ceph.conf)" monmap
  ceph-mon -i a --mkfs --monmap monmap --keyring keyring
  ceph-mon -i a -f & servers+=($!)
  disk=$(cat /proc/sys/kernel/random/uuid)
  PYTHONPATH=$tmp/unpacked/usr/lib/python3/dist-packages timeout 60 /usr/bin/python3 unpacked/usr/bin/ceph osd new "$disk" 0
  ceph-osd -i 0 --mkfs --osd-uuid "$disk"
  ceph-osd -i 0 -f & servers+=($!)
  radosgw -n client.rgw -f & servers+=($!)
  timeout 60 radosgw-admin user create --uid=test --display-name=test --access-key=test --secret=test
} >log 2>&1 </dev/null || { tail -n 5 log; exit 1; }
cat >expected <<'END'
Complete without the second of three parts: 400 InvalidPart
Complete without the last one: 400 InvalidPart
Complete with all three, in the wrong order: taken
GetObject of part 2: 200, 5242883 bytes of 5242883
GetObject of part 9: 200, 5242883 bytes of 5242883
a part of the number 20,000: taken
sent in parts, kept until 2099, on hold, tagged: None None 0 tags
  and its version is deleted: taken
the same in one request: COMPLIANCE ON 1 tags
  and its version is deleted: 403 AccessDenied
CopyObject of what is not kept, to be kept until 2099: None None 0 tags
CopyObject of what is kept, not to be: COMPLIANCE ON 1 tags
CopyObject with other tags: a=1
metadata sample_id: sample-id
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
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="plain")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def said(words, request, **arguments):
    try:
        request(**arguments)
        print(words + ": taken")
    except ClientError as error:
        print(f"{words}: {error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}")


def upload(sizes, first=1, **given):
    into = {"Bucket": "kept", "Key": "parts"}
    into["UploadId"] = s3.create_multipart_upload(**into, **given)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**into, PartNumber=number, Body=bytes(size))["ETag"]}
        for number, size in enumerate(sizes, first)
    ]
    return into, parts


def complete(words, into, parts):
    said(words, s3.complete_multipart_upload, **into, MultipartUpload={"Parts": parts})


def told(words, key):
    head = s3.head_object(Bucket="kept", Key=key)
    tags = s3.get_object_tagging(Bucket="kept", Key=key).get("TagSet") or []
    print(f"{words}: {head.get('ObjectLockMode')} {head.get('ObjectLockLegalHoldStatus')} {len(tags)} tags")
    return head["VersionId"]


s3.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
into, parts = upload([5 << 20, 5 << 20, 3])
complete("Complete without the second of three parts", into, parts[::2])
complete("Complete without the last one", into, parts[:2])
complete("Complete with all three, in the wrong order", into, parts[::-1])
into, parts = upload([5 << 20, 3])
s3.complete_multipart_upload(**into, MultipartUpload={"Parts": parts})
for number in (2, 9):
    got = s3.get_object(Bucket="kept", Key="parts", PartNumber=number)
    print(f"GetObject of part {number}: {got['ResponseMetadata']['HTTPStatusCode']}, {len(got['Body'].read())} bytes of {(5 << 20) + 3}")
into, parts = upload([3], first=20_000)
complete("a part of the number 20,000", into, parts)

keep = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.datetime(2099, 1, 1)}
more = {"ObjectLockLegalHoldStatus": "ON", "Tagging": "a=1"}
into, parts = upload([3], **keep, **more)
s3.complete_multipart_upload(**into, MultipartUpload={"Parts": parts})
version = told("sent in parts, kept until 2099, on hold, tagged", "parts")
said("  and its version is deleted", s3.delete_object, Bucket="kept", Key="parts", VersionId=version)
s3.put_object(Bucket="kept", Key="whole", Body=b"x", **keep, **more)
version = told("the same in one request", "whole")
said("  and its version is deleted", s3.delete_object, Bucket="kept", Key="whole", VersionId=version)
s3.put_object(Bucket="kept", Key="free", Body=b"x")
s3.copy_object(Bucket="kept", Key="copy", CopySource="kept/free", **keep)
told("CopyObject of what is not kept, to be kept until 2099", "copy")
s3.copy_object(Bucket="kept", Key="second", CopySource="kept/whole")
told("CopyObject of what is kept, not to be", "second")
s3.copy_object(Bucket="kept", Key="third", CopySource="kept/whole", TaggingDirective="REPLACE", Tagging="b=2")
print("CopyObject with other tags:", *(f"{tag['Key']}={tag['Value']}" for tag in s3.get_object_tagging(Bucket="kept", Key="third")["TagSet"]))
s3.put_object(Bucket="plain", Key="sample", Body=b"x", Metadata={"sample_id": "7"})
print("metadata sample_id:", *s3.head_object(Bucket="plain", Key="sample")["Metadata"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
