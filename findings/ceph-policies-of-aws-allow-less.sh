#!/usr/bin/env bash
# Bucket policies that allow something at AWS, at Ceph's gateway.
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
  timeout 60 radosgw-admin user create --uid=other --display-name=other --access-key=other --secret=other
} >log 2>&1 </dev/null || { tail -n 5 log; exit 1; }
cat >expected <<'END'
everything: taken
  PutObject: done
all but DeleteObject, by NotAction: taken
  GetObject: AccessDenied
  PutObject: AccessDenied
everything, and PutObject denied where If-None-Match is missing: taken
  PutObject with If-None-Match: AccessDenied
everything, if an ACL that is named is private (StringEqualsIfExists): taken
  PutObject that names none: AccessDenied
  PutObject that names it: done
the list of the prefixes '' and data/*: taken
  ListObjectsV2 of all folders: AccessDenied
  ListObjectsV2 of all folders, with an empty prefix: AccessDenied
  ListObjectsV2 of data/: done
GetObject and GetObjectAttributes: InvalidArgument
everything below home/${aws:username}/: InvalidArgument
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def client(who):
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
        region_name="us-east-1",
        aws_access_key_id=who,
        aws_secret_access_key=who,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


owner, other = client("test"), client("other")
for _ in range(120):
    try:
        owner.create_bucket(Bucket="landing")
        owner.put_object(Bucket="landing", Key="data/1.csv", Body=b"x")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
bucket = "arn:aws:s3:::landing"


def policy(words, *statements):
    usual = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/other"]}, "Resource": [bucket, bucket + "/*"]}
    try:
        owner.put_bucket_policy(Bucket="landing", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{**usual, **one} for one in statements]}))
        said = "taken"
    except ClientError as error:
        said = error.response["Error"]["Code"]
        owner.delete_bucket_policy(Bucket="landing")
    print(f"{words}: {said}")


def tried(words, request, **given):
    try:
        request(Bucket="landing", **given)
        print(f"  {words}: done")
    except ClientError as error:
        print(f"  {words}: {error.response['Error']['Code']}")


everything = {"Action": "s3:*"}
policy("everything", everything)
tried("PutObject", other.put_object, Key="new", Body=b"x")
policy("all but DeleteObject, by NotAction", {"NotAction": ["s3:DeleteObject"]})
tried("GetObject", other.get_object, Key="data/1.csv")
tried("PutObject", other.put_object, Key="new", Body=b"x")
policy("everything, and PutObject denied where If-None-Match is missing", everything, {"Effect": "Deny", "Action": "s3:PutObject", "Condition": {"Null": {"s3:if-none-match": "true"}}})
tried("PutObject with If-None-Match", other.put_object, Key="new2", Body=b"x", IfNoneMatch="*")
policy("everything, if an ACL that is named is private (StringEqualsIfExists)", {**everything, "Condition": {"StringEqualsIfExists": {"s3:x-amz-acl": "private"}}})
tried("PutObject that names none", other.put_object, Key="new", Body=b"x")
tried("PutObject that names it", other.put_object, Key="new", Body=b"x", ACL="private")
policy("the list of the prefixes '' and data/*", {"Action": "s3:ListBucket", "Condition": {"StringLike": {"s3:prefix": ["", "data/*"]}}})
tried("ListObjectsV2 of all folders", other.list_objects_v2, Delimiter="/")
tried("ListObjectsV2 of all folders, with an empty prefix", other.list_objects_v2, Prefix="", Delimiter="/")
tried("ListObjectsV2 of data/", other.list_objects_v2, Prefix="data/")
policy("GetObject and GetObjectAttributes", {"Action": ["s3:GetObject", "s3:GetObjectAttributes"]})
policy("everything below home/${aws:username}/", {**everything, "Resource": [bucket + "/home/${aws:username}/*"]})
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
