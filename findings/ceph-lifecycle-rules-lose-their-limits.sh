#!/usr/bin/env bash
# Rules of expiry at Ceph's gateway, as they are put and as they are told.
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
rgw lc debug interval = 1 # a day of a rule takes a second
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
of more than 1 MiB: taken
  and told: expires after 30 days, all objects
of more than 1 MiB below raw/: taken
  and told: expires after 30 days, raw/
versions, but the newest 3: taken
  and told: versions expire after 1 days, all objects
on a day, at 05:00: 400 MalformedXML
GLACIER, which the gateway does not have: taken
  PutObject there: 400 InvalidArgument
two small objects, when the day of the rule for larger ones has gone by: 0 left
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime
import subprocess
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


def rule(words, **given):
    given = {"ID": "rule", "Status": "Enabled", "Filter": {"Prefix": ""}, **given}
    said(words, s3.put_bucket_lifecycle_configuration, Bucket="plain", LifecycleConfiguration={"Rules": [given]})


def told():
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket="plain")["Rules"]
    if "Expiration" in kept:
        what = f"expires after {kept['Expiration']['Days']} days"
    else:
        what = "versions expire after " + " ".join(f"{days} {'days' if name == 'NoncurrentDays' else name}" for name, days in kept["NoncurrentVersionExpiration"].items())
    limits = kept.get("Filter", {})
    print(f"  and told: {what}, {limits.pop('Prefix', None) or kept.get('Prefix') or 'all objects'}", *limits)


rule("of more than 1 MiB", Expiration={"Days": 30}, Filter={"ObjectSizeGreaterThan": 1 << 20})
told()
rule("of more than 1 MiB below raw/", Expiration={"Days": 30}, Filter={"And": {"Prefix": "raw/", "ObjectSizeGreaterThan": 1 << 20}})
told()
rule("versions, but the newest 3", NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 3})
told()
rule("on a day, at 05:00", Expiration={"Date": datetime.datetime(2030, 1, 1, 5)})
rule("GLACIER, which the gateway does not have", Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])
said("  PutObject there", s3.put_object, Bucket="plain", Key="cold", Body=b"x", StorageClass="GLACIER")
for key in ("raw/a", "raw/b"):
    s3.put_object(Bucket="plain", Key=key, Body=b"x")
s3.put_bucket_lifecycle_configuration(Bucket="plain", LifecycleConfiguration={"Rules": [{"ID": "rule", "Status": "Enabled", "Expiration": {"Days": 1}, "Filter": {"And": {"Prefix": "raw/", "ObjectSizeGreaterThan": 1 << 20}}}]})
left = 2
for _ in range(20):
    if left == 0:
        break
    time.sleep(1)
    subprocess.run(["radosgw-admin", "lc", "process"], capture_output=True, timeout=60)
    left = s3.list_objects_v2(Bucket="plain")["KeyCount"]
print(f"two small objects, when the day of the rule for larger ones has gone by: {left} left")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
