"""Python peers: each uploads a directory in the fastest way its library offers. Runs in the peer's own venv.

python peer_clients.py CLIENT DIRECTORY ENDPOINT_URL
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUCKET = "bench"
PART = 16 * 1024**2
CREDENTIALS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


def boto3_upload_file(paths, url):
    """What most people write: `upload_file` in a pool of threads."""
    import boto3
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    client = boto3.client("s3", endpoint_url=url, config=Config(max_pool_connections=10), **CREDENTIALS)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=8)
    with ThreadPoolExecutor(1 if len(paths) == 1 else 8) as pool:
        list(pool.map(lambda path: client.upload_file(str(path), BUCKET, path.name, Config=config), paths))


def boto3_tuned(paths, url):
    """put_object and upload_part with their CRC32, no Expect."""
    import boto3
    import botocore.handlers
    from botocore.config import Config

    config = Config(max_pool_connections=8, request_checksum_calculation="when_required")
    client = boto3.client("s3", endpoint_url=url, config=config, **CREDENTIALS)
    client.meta.events.unregister("before-call.s3", botocore.handlers.add_expect_header)

    def checksum(data):
        return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

    def whole(path):
        data = path.read_bytes()
        client.put_object(Bucket=BUCKET, Key=path.name, Body=data, ChecksumCRC32=checksum(data))

    def part(path, upload_id, number):
        with path.open("rb") as file:
            file.seek((number - 1) * PART)
            data = file.read(PART)
        answer = client.upload_part(
            Bucket=BUCKET,
            Key=path.name,
            UploadId=upload_id,
            PartNumber=number,
            Body=data,
            ChecksumCRC32=checksum(data),
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksum(data)}

    with ThreadPoolExecutor(8) as pool:
        waiting = []
        for path in paths:
            size = path.stat().st_size
            if size <= PART:
                waiting.append(pool.submit(whole, path))
                continue
            upload_id = client.create_multipart_upload(
                Bucket=BUCKET, Key=path.name, ChecksumAlgorithm="CRC32"
            )["UploadId"]
            numbers = range(1, -(-size // PART) + 1)
            parts = list(pool.map(lambda n, path=path, id_=upload_id: part(path, id_, n), numbers))
            client.complete_multipart_upload(
                Bucket=BUCKET, Key=path.name, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        for future in waiting:
            future.result()


def awscrt(paths, url):
    """The C client under boto3[crt], with CRC32."""
    from urllib.parse import urlsplit

    from awscrt.auth import AwsCredentialsProvider
    from awscrt.http import HttpHeaders, HttpRequest
    from awscrt.io import ClientTlsContext, TlsContextOptions
    from awscrt.s3 import (
        S3ChecksumAlgorithm,
        S3ChecksumConfig,
        S3ChecksumLocation,
        S3Client,
        S3RequestTlsMode,
        S3RequestType,
        create_default_s3_signing_config,
    )

    parsed = urlsplit(url)
    provider = AwsCredentialsProvider.new_static("a", "b")
    options = {}
    if parsed.scheme == "https":
        tls = TlsContextOptions()
        tls.override_default_trust_store_from_path(None, os.environ["AWS_CA_BUNDLE"])
        connection = ClientTlsContext(tls).new_connection_options()
        connection.set_server_name(parsed.hostname)
        options["tls_connection_options"] = connection
        options["tls_mode"] = S3RequestTlsMode.ENABLED
    else:
        options["tls_mode"] = S3RequestTlsMode.DISABLED
    client = S3Client(
        region="us-east-1",
        signing_config=create_default_s3_signing_config(region="us-east-1", credential_provider=provider),
        part_size=PART,
        throughput_target_gbps=10,
        **options,
    )
    checksum = S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.CRC32, location=S3ChecksumLocation.TRAILER)
    requests = []
    for path in paths:
        headers = HttpHeaders([("host", parsed.netloc), ("content-length", str(path.stat().st_size))])
        requests.append(
            client.make_request(
                type=S3RequestType.PUT_OBJECT,
                request=HttpRequest("PUT", f"/{BUCKET}/{path.name}", headers),
                send_filepath=str(path),
                checksum_config=checksum,
            )
        )
    for request in requests:
        request.finished_future.result()


def obstore(paths, url, *, unsigned=False):
    """The Rust object_store."""
    import asyncio

    from obstore.store import S3Store

    client_options = {"allow_http": True}
    if url.startswith("https"):
        client_options["allow_invalid_certificates"] = True
    store = S3Store(
        BUCKET,
        endpoint=url,
        region="us-east-1",
        access_key_id="a",
        secret_access_key="b",
        unsigned_payload=unsigned,
        client_options=client_options,
    )
    limit = asyncio.Semaphore(32)

    async def one(path):
        async with limit:
            await store.put_async(
                path.name, path, chunk_size=PART, max_concurrency=8, use_multipart=path.stat().st_size > PART
            )

    async def every():
        await asyncio.gather(*(one(path) for path in paths))

    asyncio.run(every())


def obstore_unsigned(paths, url):
    obstore(paths, url, unsigned=True)


CLIENTS = {
    function.__name__: function
    for function in (boto3_upload_file, boto3_tuned, awscrt, obstore, obstore_unsigned)
}


def main():
    name, directory, url = sys.argv[1:]
    paths = sorted(Path(directory).iterdir())
    began = time.perf_counter()
    CLIENTS[name](paths, url)
    print(json.dumps({"seconds": time.perf_counter() - began, "files": len(paths), "failed": 0}))


if __name__ == "__main__":
    main()
