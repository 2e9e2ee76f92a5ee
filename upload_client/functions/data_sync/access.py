"""The way to the objects of one side of a sync: whose credentials, which region, which store."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from upload_client.errors import UsageError
from upload_client.s3.bucket import Bucket
from upload_client.s3.plain import PlainBucket, find_way

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3.client import S3Client

__all__ = ["Access"]

_POOL: Final = 64
_SILENCE: Final = 300.0  # seconds: a copy of 5 GiB within S3 is answered when it is done
_SESSION: Final = "upload-client-data-sync"


class Access(NamedTuple):
    """The credentials with which objects are asked for, and the store. Nothing of it is secret.

    Attributes:
        profile: of the AWS tools; None: the credentials of the environment, of this machine or function.
        region: None: the profile's, or the environment's.
        endpoint_url: of the store; None: the profile's, the environment's, or AWS.
        role_arn: a role that is taken with these credentials, and again before its own run out.
        external_id: what its trust policy asks for.
        unsigned_payload: over plain HTTP, too, content is not signed.
    """

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    unsigned_payload: bool | None = None

    @property
    def who(self) -> Access:
        """The same as far as it says whose requests go where, and not how they are signed."""
        return self._replace(unsigned_payload=None)

    def bucket(self, name: str, prefix: str = "") -> Bucket:
        """A bucket; boto3 is not loaded before it is needed, where the way is plain.

        Raises:
            UsageError: as `client`.
        """
        if self.profile is None and self.role_arn is None:
            way = find_way(self.endpoint_url, self.region)
            if way is not None and way.place_of(name) is not None:
                return PlainBucket(name, way, self.client, prefix=prefix)
        return Bucket(name, prefix=prefix, client=self.client())

    def client(self) -> S3Client:
        """A client; the same one for all, as long as the environment says the same of AWS.

        Raises:
            UsageError: there is no such profile, it cannot be used, or there is nothing to take a role with.
        """
        env = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return _client(frozenset(env.items()), self.who)


class _Where(NamedTuple):
    """As much of the settings as says where S3 is."""

    endpoint_url: str | None
    endpoints: dict[str, str]


@lru_cache(maxsize=8)
def _client(_: frozenset[tuple[str, str]], access: Access) -> S3Client:
    import boto3  # noqa: PLC0415 - a fifth of a second, which a plain way does not need
    import botocore.exceptions  # noqa: PLC0415 - likewise

    from upload_client.s3.clients import quickened, s3_client  # noqa: PLC0415 - likewise

    if access == Access():
        return s3_client(pool=_POOL, read_timeout=_SILENCE)
    from upload_client.aws.credential_process import bound_credential_process  # noqa: PLC0415 - seldom

    try:
        session = quickened(boto3.Session(profile_name=access.profile, region_name=access.region))
        bound_credential_process(session)
        if access.role_arn is not None:
            session = _in_role(session, access.role_arn, access.external_id)
        where = None if access.endpoint_url is None else _Where(access.endpoint_url, {})
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
