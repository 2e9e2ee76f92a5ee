#!/usr/bin/env bash
# Streams of moto: shards that were split, keys, and what a delivery stream writes to its bucket.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('moto[kinesis,firehose,s3]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cat >expected <<'END'
children of a shard that was split: 2
the split shard, read three times: [['file 1', 'file 2', 'file 3'], [], []], and it goes on
from a sequence number that nothing has: [[]], and it goes on
a record with a hash key of its own: 0000
delivered under a prefix: ('in/YYYY/MM/DD/HH/…', b'{"file": 1}')
delivered under days: ('in/day=!{timestamp:yyyy-MM-dd}/YYYY/MM/DD/HH/…', b'{"file": 1}')
delivered as GZIP: ('in/YYYY/MM/DD/HH/…', b'{"file": 1}')
two records, a line each: ('in/YYYY/MM/DD/HH/…', b'{"file": 1}{"file": 2}')
with the name's ending: in/YYYY/MM/DD/HH/…
END
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
venv/bin/python - >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import re

import boto3
from moto import mock_aws


def show(what, ask):
    try:
        print(f"{what}: {ask()}")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")


@mock_aws
def shards():
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="verdicts", ShardCount=1)
    stream = {"StreamName": "verdicts"}
    first, *_ = (
        kinesis.put_record(**stream, Data=f"file {number}".encode(), PartitionKey="site") for number in (1, 2, 3)
    )

    def read(shard, times, **kind):
        iterator = kinesis.get_shard_iterator(**stream, ShardId=shard, **kind)["ShardIterator"]
        found = []
        for _ in range(times):
            answer = kinesis.get_records(ShardIterator=iterator)
            found.append([record["Data"].decode() for record in answer["Records"]])
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                return f"{found}, then it ends"
        return f"{found}, and it goes on"

    parent = first["ShardId"]
    kinesis.split_shard(**stream, ShardToSplit=parent, NewStartingHashKey=str(2**127))
    children = [shard for shard in kinesis.list_shards(**stream)["Shards"] if shard.get("ParentShardId") == parent]
    show("children of a shard that was split", lambda: len(children))
    show("the split shard, read three times", lambda: read(parent, 3, ShardIteratorType="TRIM_HORIZON"))
    number = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "999"}
    show("from a sequence number that nothing has", lambda: read(parent, 1, **number))
    put = {"Data": b"file 4", "PartitionKey": "site", "ExplicitHashKey": str(2**127 + 1)}
    show("a record with a hash key of its own", lambda: kinesis.put_record(**stream, **put)["ShardId"][-4:])


@mock_aws
def deliveries():
    s3, firehose = boto3.client("s3"), boto3.client("firehose")
    s3.create_bucket(Bucket="finding")

    def deliver(name, records=(b'{"file": 1}',), **more):
        settings = {"RoleARN": "arn:aws:iam::123456789012:role/any", "BucketARN": "arn:aws:s3:::finding", **more}
        firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=settings)
        firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": record} for record in records])
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="finding")["Contents"] if name in entry["Key"]]
        content = s3.get_object(Bucket="finding", Key=keys[0])["Body"].read()
        return re.sub(r"\d{4}/\d\d/\d\d/\d\d/\S+", "YYYY/MM/DD/HH/…", keys[0]), content

    show("delivered under a prefix", lambda: deliver("plain", Prefix="in/"))
    show("delivered under days", lambda: deliver("days", Prefix="in/day=!{timestamp:yyyy-MM-dd}/"))
    show("delivered as GZIP", lambda: deliver("packed", Prefix="in/", CompressionFormat="GZIP"))
    ends = {"ParameterName": "Delimiter", "ParameterValue": "\\n"}
    lines = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": [ends]}]}
    two = (b'{"file": 1}', b'{"file": 2}')
    show("two records, a line each", lambda: deliver("lines", two, Prefix="in/", ProcessingConfiguration=lines))
    show("with the name's ending", lambda: deliver("named", Prefix="in/", FileExtension=".jsonl")[0])


shards()
deliveries()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
