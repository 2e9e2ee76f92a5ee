"""Make the two buckets that a receiver's configuration names, where they are not there yet."""

import sys
import tomllib
from pathlib import Path

import boto3

path = Path(sys.argv[1] if len(sys.argv) > 1 else "/etc/upload-client/receiver.toml")
settings = tomllib.loads(path.read_text(encoding="utf-8"))
s3 = boto3.client("s3", endpoint_url=settings["endpoint_url"], region_name="us-east-1")
there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for name in {settings["control_bucket"], settings["landing_bucket"]} - there:
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="probe/room", Body=b"x")  # a store without room answers by an error
    s3.delete_object(Bucket=name, Key="probe/room")
