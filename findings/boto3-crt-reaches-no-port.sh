#!/usr/bin/env bash
# Two uploads by boto3's transfer in C (CRT), with one dictionary of arguments, to a server on a port of its own.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('boto3==1.43.117' 'awscrt==0.38.1' 'moto[server,s3]==5.2.5')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' boto3 awscrt moto
cat >expected <<'END'
classic, the first: sent; the arguments are now {'ChecksumAlgorithm': 'SHA256', 'ContentType': 'text/csv'}
classic, the second: sent; the arguments are now {'ChecksumAlgorithm': 'SHA256', 'ContentType': 'text/csv'}
crt, the first: AwsCrtError: AWS_IO_DNS_INVALID_NAME; the arguments are now {'ContentType': 'text/csv', 'ContentLength': 20, 'ContentMD5': 'override-to-be-removed'}
crt, the second: ValueError: Invalid extra_args key 'ContentLength'; the arguments are now {'ContentType': 'text/csv', 'ContentLength': 20, 'ContentMD5': 'override-to-be-removed'}
get_object of the first by the same client: b'1,2\n1,2\n1,2\n1,2\n1,2\n'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import boto3
from awscrt.exceptions import AwsCrtError
from boto3.s3.transfer import TransferConfig
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
for name in ("first", "second"):
    with open(f"{name}.csv", "wb") as out:
        out.write(b"1,2\n" * len(name))
s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
s3.create_bucket(Bucket="bucket")
for kind in ("classic", "crt"):
    arguments = {"ChecksumAlgorithm": "SHA256", "ContentType": "text/csv"}
    for name in ("first", "second"):
        try:
            s3.upload_file(f"{name}.csv", "bucket", name, ExtraArgs=arguments, Config=TransferConfig(preferred_transfer_client=kind))
            said = "sent"
        except (AwsCrtError, ValueError) as error:
            said = f"{type(error).__name__}: {str(error).split(',')[0].split(':')[0]}"
        print(f"{kind}, the {name}: {said}; the arguments are now", arguments)
print("get_object of the first by the same client:", s3.get_object(Bucket="bucket", Key="first")["Body"].read())
server.stop()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
