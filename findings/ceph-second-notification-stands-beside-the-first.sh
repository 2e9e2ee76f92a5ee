#!/usr/bin/env bash
# What a bucket's notifications tell at Ceph's gateway, and to how many.
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
a configuration: taken, then there are first
of a b/1+2.csv is told a b/1+2.csv, which is a b/1 2.csv to who decodes it
sequencers of 60 objects, one after the other, under one key: in order False
PutObject: ObjectCreated:Put of 5 bytes, version as answered
CopyObject, whose answer tells the version None: ObjectCreated:Copy of 59 bytes, version not told
DeleteObject, which makes a marker: ObjectRemoved:DeleteMarkerCreated of 9 bytes, version not told
another one, for in/: taken, then there are first second
  an object in/1 is told 2 times
  an object out/1 is told 1 times
none, which switches them off: MalformedXML, then there are first second
  with its topic deleted an object in/2 is told 2 times
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import http.server
import json
import sys
import threading
import time
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

told = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Records"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
place = {
    "endpoint_url": f"http://127.0.0.1:{sys.argv[1]}",
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
}
s3, sns = boto3.client("s3", **place), boto3.client("sns", **place)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="landing")
        topic = sns.create_topic(Name="arrived", Attributes={"push-endpoint": f"http://127.0.0.1:{receiver.server_port}"})["TopicArn"]
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def notify(words, *configurations):
    given = [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], **one} for one in configurations]
    try:
        s3.put_bucket_notification_configuration(Bucket="landing", NotificationConfiguration={"TopicConfigurations": given} if given else {})
        said = "taken"
    except ClientError as error:
        said = error.response["Error"]["Code"]
    there = s3.get_bucket_notification_configuration(Bucket="landing").get("TopicConfigurations", [])
    print(f"{words}: {said}, then there are", *(one["Id"] for one in there))


def events(request, number=1, **given):
    told.clear()
    answer = request(Bucket="landing", **given)
    for _ in range(100):
        if len(told) >= number:
            break
        time.sleep(0.1)
    time.sleep(0.5)
    return answer, list(told)


def shown(words, versions, records):
    for record in records:
        thing = record["s3"]["object"]
        print(f"{words}: {record['eventName']} of {thing['size']} bytes, version", versions.get(thing["versionId"], "unknown") if thing["versionId"] else "not told")


notify("a configuration", {"Id": "first"})
_, (record,) = events(s3.put_object, Key="a b/1+2.csv", Body=b"x")
key = record["s3"]["object"]["key"]
print(f"of a b/1+2.csv is told {key}, which is {unquote_plus(key)} to who decodes it")
for number in range(60):
    s3.put_object(Bucket="landing", Key="same", Body=bytes(number))
for _ in range(100):
    if sum(record["s3"]["object"]["key"] == "same" for record in told) >= 60:
        break
    time.sleep(0.1)
sequences = [(record["s3"]["object"]["size"], record["s3"]["object"]["sequencer"]) for record in told if record["s3"]["object"]["key"] == "same"]
by_size = [sequencer for _, sequencer in sorted(sequences)]
print(f"sequencers of {len(by_size)} objects, one after the other, under one key: in order {by_size == sorted(by_size)}")
s3.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
answer, records = events(s3.put_object, Key="v", Body=b"12345")
versions = {answer["VersionId"]: "as answered"}
shown("PutObject", versions, records)
answer, records = events(s3.copy_object, Key="v", CopySource="landing/same")
shown(f"CopyObject, whose answer tells the version {answer.get('VersionId')}", versions, records)
answer, records = events(s3.put_object, Key="v", Body=b"123456789")
answer, records = events(s3.delete_object, Key="v")
versions[answer["VersionId"]] = "as answered"
shown("DeleteObject, which makes a marker", versions, records)
notify("another one, for in/", {"Id": "second", "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}})
for key, number in (("in/1", 2), ("out/1", 1)):
    _, records = events(s3.put_object, number, Key=key, Body=b"x")
    print(f"  an object {key} is told {len(records)} times")
notify("none, which switches them off")
sns.delete_topic(TopicArn=topic)
_, records = events(s3.put_object, 2, Key="in/2", Body=b"x")
print(f"  with its topic deleted an object in/2 is told {len(records)} times")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
