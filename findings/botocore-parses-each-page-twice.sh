#!/usr/bin/env bash
# How often the XML of one page of a listing is parsed, and which handler of an event is called first: the wildcard's
# or the operation's own.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|botocore) '

cat >"$tmp/expected" <<'END'
objects listed: 1000
bytes of XML parsed for each byte of the answer: 2
handlers in the order of their calls: before-parse.s3.*, before-parse.s3.ListObjectsV2
END
"$venv/bin/python" - >"$tmp/seen" <<'END'
import io
import xml.etree.ElementTree as ElementTree

parsed = 0


class Counting(ElementTree.XMLParser):
    def feed(self, data):
        global parsed
        parsed += len(data)
        return super().feed(data)


ElementTree.XMLParser = Counting

import boto3
from botocore.awsrequest import AWSResponse

rows = "".join(
    f"<Contents><Key>k{n:06d}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    f"<ETag>&quot;{n:032x}&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>"
    for n in range(1000)
)
page = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    f"<Name>b</Name><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{rows}"
    "</ListBucketResult>"
).encode()


class Raw(io.BytesIO):
    def stream(self, **_):
        return iter([self.read()])


s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
s3.meta.events.register(
    "before-send.s3", lambda request, **_: AWSResponse(request.url, 200, {"Content-Type": "application/xml"}, Raw(page))
)
order = []
for name in ("before-parse.s3.ListObjectsV2", "before-parse.s3.*"):
    s3.meta.events.register(name, lambda name=name, **_: order.append(name))
print("objects listed:", len(s3.list_objects_v2(Bucket="b")["Contents"]))
print("bytes of XML parsed for each byte of the answer:", round(parsed / len(page)))
print("handlers in the order of their calls:", ", ".join(order))
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
