"""`S3FileWriter`: one object, written as it is read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import botocore.exceptions

from upload_client.activities.errors import NotDelivered
from upload_client.activities.readers import read_exactly
from upload_client.aws.credential_process import bound_credential_process
from upload_client.core import checksums
from upload_client.core.answers import Meaning
from upload_client.core.object_metadata import check_bucket, check_key, object_metadata
from upload_client.core.parts import MAX_PARTS, MAX_STREAMED, streamed_part_size
from upload_client.errors import LoginRefused, UsageError
from upload_client.s3.bucket import AccessDenied, Bucket, StoreError, store_errors
from upload_client.s3.clients import S3Endpoint, s3_client
from upload_client.support.arguments import can

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client as BotoClient

MAX_LINK = 7 * 24 * 3600
"""Seconds for which a link may hold (S3 user guide, "Download and upload objects with presigned URLs")."""


class S3Client:
    """Access to S3. Making one does no network I/O.

    Args:
        access_key_id: whose; None: the credentials that boto3 finds by itself.
        secret_access_key: the secret to it.
        session_token: where the credentials are temporary.
        region: None: as for other AWS tools.
        endpoint_url: where S3 is, when not at AWS.
        aws_profile: a profile of AWS' own configuration files.

    Raises:
        UsageError: one of the two keys is missing.
    """

    def __init__(
        self,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        *,
        session_token: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        aws_profile: str | None = None,
    ) -> None:
        if bool(access_key_id) != bool(secret_access_key):
            raise UsageError("access_key_id and secret_access_key go together: give both, or neither")
        self._key = (access_key_id or None, secret_access_key or None, session_token or None)
        self._region, self._endpoint_url, self._aws_profile = region, endpoint_url, aws_profile
        self._made: BotoClient | None = None
        self._making = threading.Lock()

    def __repr__(self) -> str:
        return f"S3Client(endpoint_url={self._endpoint_url!r}, region={self._region!r})"

    def connect(self) -> BotoClient:
        """The boto3 client, made when it is first asked for.

        Raises:
            LoginRefused: there are no credentials.
            UsageError: no region is known.
        """
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> BotoClient:
        access, secret, token = self._key
        try:
            session = boto3.Session(
                aws_access_key_id=access,
                aws_secret_access_key=secret,
                aws_session_token=token,
                region_name=self._region,
                profile_name=self._aws_profile,
            )
            bound_credential_process(session)
            if session.get_credentials() is None:
                raise LoginRefused(
                    "no AWS credentials were found",
                    hint="Configure them as for the AWS tools, or give both keys.",
                )
            # Links of the older signature end at another time than they are asked to.
            return s3_client(session, S3Endpoint(self._endpoint_url), signature_version="s3v4")
        except botocore.exceptions.BotoCoreError as error:
            raise UsageError(f"S3 cannot be spoken to: {error}") from error


class S3FileWriter:
    """Writes one object, in parts that are held in memory one at a time, each with its CRC32.

    The metadata say ``bucket`` and ``key``; the rest of them becomes the object's metadata, as S3 takes them:
    names in lower case, values as encoded words (RFC 2047) where they are not plain ASCII, 2 KB in all.

    Args:
        client: access to S3.
        create_bucket: make the bucket where it is missing.
        link_seconds: put a ``link`` into the metadata that lets in whoever has it, for so many seconds (at
            most 7 days, and not longer than the credentials hold); None: no link.
    """

    def __init__(
        self, client: S3Client | None = None, *, create_bucket: bool = False, link_seconds: int | None = None
    ) -> None:
        if link_seconds is not None and not 1 <= link_seconds <= MAX_LINK:
            raise UsageError(f"link_seconds is {link_seconds}: it can be 1 to {MAX_LINK} (7 days)")
        if client is not None:
            can("client", client, ("connect",), "an S3Client")
        self._client = client or S3Client()
        self._create_bucket = create_bucket
        self._link_seconds = link_seconds

    def check(self, metadata: Mapping[str, Any]) -> None:
        """Make sure that S3 would take bucket, key and metadata.

        Raises:
            UsageError: it would not; it says what, and why.
        """
        self._checked(metadata)

    def write(self, reader: BinaryIO, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Write the object; one that is there is replaced when all has come.

        Returns:
            ``size`` in bytes, ``crc32``, ``etag``, ``url`` (``s3://…``), and ``link`` where it is asked for.

        Raises:
            UsageError: bucket, key or metadata are such that S3 would refuse them; nothing was sent.
            NotDelivered: it could not be written.
            StoreError: S3 refused.
        """
        bucket, key, own = self._checked(metadata)
        client = self._client.connect()
        if self._create_bucket:
            self._make_bucket(bucket)
        first = read_exactly(reader, streamed_part_size(1))
        upload = _Upload(client, bucket, key, own)
        try:
            written = (
                upload.put(first) if len(first) < streamed_part_size(1) else upload.put_parts(first, reader)
            )
        except _NoBucket:
            raise StoreError(
                f"there is no bucket {bucket!r}", hint="Make it, or have it made: create_bucket."
            ) from None
        if self._link_seconds is not None:
            written["link"] = client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=self._link_seconds
            )
        return written

    def _checked(self, metadata: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
        bucket, key = str(metadata.get("bucket") or ""), str(metadata.get("key") or "")
        for what, name, reason in (("bucket", bucket, check_bucket(bucket)), ("key", key, check_key(key))):
            if reason:
                raise UsageError(f"the {what} {name!r} {reason}", hint="The metadata say `bucket` and `key`.")
        try:
            own = object_metadata(
                {n: v for n, v in metadata.items() if n not in {"bucket", "key", *_WRITTEN_FIELDS}}
            )
        except ValueError as error:
            raise UsageError(
                str(error), hint="Nothing was sent. S3 keeps metadata in headers, 2 KB in all."
            ) from None
        return bucket, key, own

    def _make_bucket(self, bucket: str) -> None:
        client = self._client.connect()
        with store_errors(f"HEAD {bucket}"):
            try:
                client.head_bucket(Bucket=bucket)
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
            else:
                return
        region = client.meta.region_name
        # The oldest region is the only one that may not be named.
        where: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        quicker = contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou)  # somebody else was
        with store_errors(f"make the bucket {bucket}"), quicker:
            client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))


_WRITTEN_FIELDS = ("size", "crc32", "etag", "url", "link")
"""Keys that a writer sets, and so no metadata of the next object."""


class _NoBucket(Exception):  # noqa: N818 - it never leaves this module
    pass


class _Upload:
    """One object on its way."""

    def __init__(self, client: BotoClient, bucket: str, key: str, metadata: dict[str, str]) -> None:
        self._client = client
        self._bucket, self._key = bucket, key
        self._metadata = metadata
        self._place = Bucket(bucket, client=client)
        self._action = f"PUT s3://{bucket}/{key}"

    def put(self, data: bytes) -> dict[str, Any]:
        """Write it in one piece."""
        crc32 = checksums.encode(checksums.crc32(data))
        with self._errors():
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=data,
                Metadata=self._metadata,
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=crc32,
            )
        return self._description(len(data), crc32, str(answer["ETag"]))

    def put_parts(self, first: bytes, reader: BinaryIO) -> dict[str, Any]:
        """Write it in parts. Nothing is left of it if that fails."""
        with self._errors():
            upload_id = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._key,
                Metadata=self._metadata,
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
            )["UploadId"]
        try:
            return self._fill(upload_id, first, reader)
        except BaseException:
            with contextlib.suppress(StoreError), store_errors(f"abort {self._action}"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=upload_id)
            raise

    def _fill(self, upload_id: str, data: bytes, reader: BinaryIO) -> dict[str, Any]:
        parts: list[Any] = []
        size = whole = 0
        while data:
            number = len(parts) + 1
            if number > MAX_PARTS:
                raise NotDelivered(
                    f"s3://{self._bucket}/{self._key}: more than {MAX_STREAMED:,} bytes came",
                    hint="An object of such a size is delivered from a file: as a delivery.",
                )
            crc = checksums.crc32(data)
            with self._errors():
                answer = self._client.upload_part(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=data,
                    ChecksumAlgorithm="CRC32",
                    ChecksumCRC32=checksums.encode(crc),
                )
            parts.append(
                {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksums.encode(crc)}
            )
            whole = checksums.combine(whole, crc, len(data))
            size += len(data)
            data = b""  # given back before the next one is read
            data = read_exactly(reader, streamed_part_size(number + 1))
        return self._complete(upload_id, parts, size, checksums.encode(whole))

    def _complete(self, upload_id: str, parts: list[Any], size: int, crc32: str) -> dict[str, Any]:
        try:
            with self._errors():
                answer = self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": parts},
                    ChecksumCRC32=crc32,
                    ChecksumType="FULL_OBJECT",
                )
            etag = str(answer["ETag"])
        except StoreError as error:
            if isinstance(error, AccessDenied):
                raise
            # The answer to it may have been lost, and then the upload is no more.
            found = self._place.head(self._key)
            if found is None or (found.size, found.crc32) != (size, crc32):
                raise
            etag = found.etag
        return self._description(size, crc32, etag)

    def _description(self, size: int, crc32: str, etag: str) -> dict[str, Any]:
        url = f"s3://{self._bucket}/{self._key}"
        return {"size": size, "crc32": crc32, "etag": etag.strip('"'), "url": url}

    @contextlib.contextmanager
    def _errors(self) -> Any:  # noqa: ANN401 - a context manager
        try:
            with store_errors(self._action):
                yield
        except StoreError as error:
            if error.meaning is Meaning.NO_BUCKET:
                raise _NoBucket from None
            raise
