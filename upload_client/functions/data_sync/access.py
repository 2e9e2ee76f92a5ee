"""The way to the objects of one side of a sync: whose credentials, which region, which store."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from upload_client.errors import UsageError
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct_bucket import DirectBucket, find_static_access, leads_to

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3.client import S3Client

    from upload_client.functions.data_sync.models import S3Access

_POOL: Final = 64
_SILENCE: Final = 300.0  # seconds: a copy of 5 GiB within S3 is answered when it is done
_SESSION: Final = "upload-client-data-sync"


def open_bucket(access: S3Access | None, name: str, prefix: str = "") -> Bucket:
    """A bucket; boto3 is not loaded before it is needed, where the way is plain.

    Args:
        access: the way to it; None: that of everything else here.
        name: its name.
        prefix: where in it.

    Raises:
        UsageError: as `client`.
    """
    if access is None or (access.profile is None and access.role_arn is None):
        way = (
            find_static_access() if access is None else find_static_access(access.endpoint_url, access.region)
        )
        if way is not None and leads_to(way, name):
            return DirectBucket(name, way, partial(client, access), prefix=prefix)
    return Bucket(name, prefix=prefix, client=client(access))


def who(access: S3Access | None) -> S3Access | None:
    """The same as far as it says whose requests go where, and not how they are signed; None: as all here."""
    if access is None:
        return None
    bare = access.model_copy(update={"unsigned_payload": None})
    return bare if any(value is not None for _, value in bare) else None


def client(access: S3Access | None) -> S3Client:
    """A client; the same one for all, as long as the environment says the same of AWS.

    Raises:
        UsageError: there is no such profile, it cannot be used, or there is nothing to take a role with.
    """
    env = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return _client(frozenset(env.items()), who(access))


@lru_cache(maxsize=8)
def _client(_: frozenset[tuple[str, str]], access: S3Access | None) -> S3Client:
    import boto3  # noqa: PLC0415 - a fifth of a second, which a plain way does not need
    import botocore.exceptions  # noqa: PLC0415 - likewise

    from upload_client.s3.clients import S3Endpoint, quickened, s3_client  # noqa: PLC0415 - likewise

    if access is None:
        return s3_client(pool=_POOL, read_timeout=_SILENCE)
    from upload_client.aws.credential_process import bound_credential_process  # noqa: PLC0415 - seldom

    try:
        session = quickened(boto3.Session(profile_name=access.profile, region_name=access.region))
        bound_credential_process(session)
        if access.role_arn is not None:
            session = _in_role(session, access.role_arn, access.external_id)
        where = None if access.endpoint_url is None else S3Endpoint(access.endpoint_url)
        return s3_client(session, where, pool=_POOL, read_timeout=_SILENCE)
    except botocore.exceptions.ProfileNotFound as error:
        raise UsageError(
            f"there is no AWS profile {access.profile!r}",
            hint="Correct the name in the request, or make the profile with `aws configure`.",
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise UsageError(f"S3 cannot be spoken to: {error}") from error


def _in_role(session: boto3.Session, role_arn: str, external_id: str | None) -> boto3.Session:
    """A session in a role, which is taken when it is first used."""
    import botocore.session  # noqa: PLC0415 - see above
    from botocore.credentials import (  # noqa: PLC0415 - likewise
        AssumeRoleCredentialFetcher,
        DeferredRefreshableCredentials,
    )

    from upload_client.s3.clients import one_of_many  # noqa: PLC0415 - likewise

    core: Any = session._session  # noqa: SLF001 - boto3 has no other way to it
    credentials = session.get_credentials()
    if credentials is None:
        raise UsageError(
            f"no AWS credentials were found with which {role_arn} could be taken",
            hint="Configure them as for the AWS tools, or name a profile in the request.",
        )
    asked = {"RoleSessionName": _SESSION} | ({} if external_id is None else {"ExternalId": external_id})
    fetcher = AssumeRoleCredentialFetcher(core.create_client, credentials, role_arn, extra_args=asked)
    taken: Any = botocore.session.Session(profile=core.profile)
    taken._credentials = DeferredRefreshableCredentials(  # noqa: SLF001 - as above
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
    return one_of_many(taken, session.region_name)
