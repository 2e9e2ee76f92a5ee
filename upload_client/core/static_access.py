"""Static access to S3: keys, region and endpoint from the environment and the files of the AWS tools.

Botocore knows dozens of settings. To load it, and have it work out what five of them say, takes longer than
a short command has to do besides. Here those five are read: keys, region, endpoint, and what says that there
is nothing else. Whatever else is set, in whatever way, is botocore's to understand (None), so that there is
one answer to where requests go: what is said here is what botocore would have said (tested side by side).

https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from upload_client.core.partitions import domain_of, is_below_aws

_WITHOUT_MEANING: Final = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_DEFAULT_OUTPUT",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_EXECUTION_ENV",
        "AWS_PAGER",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
    }
)
"""Variables that are read here, or have nothing to do with how S3 is reached."""
_OF_OTHERS: Final = ("AWS_BATCH_", "AWS_ENDPOINT_URL_", "AWS_LAMBDA_", "AWS_XRAY_")
_SECURE_ONLY: Final = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_REGION: Final = re.compile(r"(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[1-9]")  # those of the partition "aws"
_ENDPOINT: Final = re.compile(r"(https?)://((?:[a-z0-9-]+\.)*[a-z0-9-]+)(?::([1-9][0-9]{0,4}))?/?")
_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_NAMED_BY_PATH: Final = re.compile(r"[a-z0-9](?:[a-z0-9.]|-(?!-)){1,61}[a-z0-9]")
_SPECIAL: Final = ("-s3alias", ".mrap")  # access points; others have two hyphens in their names
_KEY: Final = re.compile(r"[!-~]+")
_SECTION: Final = re.compile(r"\[([^\[\]]+)\]\s*")
_LINE: Final = re.compile(r"([a-z0-9_]+)\s*=\s*([!-~]*)\s*")
_KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_NOT_OF_S3: Final = ("output", "cli_")


class BucketHost(NamedTuple):
    """The host and path at which a bucket is reached.

    Attributes:
        scheme: ``http`` or ``https``.
        host: of its store.
        port: None: the usual one.
        path: of the bucket, without ``/`` at its end: ``/bucket``, or empty where the host is the bucket's.
    """

    scheme: str
    host: str
    port: int | None
    path: str


class StaticAccess(NamedTuple):
    """Keys, region and endpoint: all that is needed to reach S3 without botocore.

    Attributes:
        access_key: of the credentials, as the two that follow.
        secret_key: never shown.
        token: None: these credentials have none.
        region: for which requests are signed.
        endpoint: URL of the store; None: AWS.
        trace_id: of this invocation, which requests name, so that AWS Lambda notices a function that calls
            itself: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """

    access_key: str
    secret_key: str
    token: str | None
    region: str
    endpoint: str | None
    trace_id: str | None = None

    def __repr__(self) -> str:
        return f"StaticAccess({self.access_key!r}, …, {self.region!r}, {self.endpoint!r})"

    @property
    def secure(self) -> bool:
        """Whether it is by TLS."""
        return self.endpoint is None or self.endpoint.startswith("https:")

    def place_of(self, bucket: str) -> BucketHost | None:
        """The host of a bucket; None: its name does not suffice, or is not a valid bucket name."""
        if bucket.endswith(_SPECIAL):
            return None
        if self.endpoint is not None:
            found = _ENDPOINT.fullmatch(self.endpoint)
            if found is None or _NAMED_BY_PATH.fullmatch(bucket) is None:
                return None
            return BucketHost(found[1], found[2], int(found[3]) if found[3] else None, f"/{bucket}")
        if _BUCKET.fullmatch(bucket) is None:
            return None
        region = "" if self.region == "us-east-1" else f".{self.region}"
        return BucketHost("https", f"{bucket}.s3{region}.{domain_of(self.region)}", None, "")


def static_access(
    env: Mapping[str, str],
    config: str = "",
    credentials: str = "",
    *,
    endpoint: str | None = None,
    region: str | None = None,
) -> StaticAccess | None:
    """Read static access to S3; None: something is set that only botocore understands, or not enough is set.

    Args:
        env: the environment.
        config: content of the file ``~/.aws/config``, or what ``AWS_CONFIG_FILE`` names in its place.
        credentials: the same of ``~/.aws/credentials`` and ``AWS_SHARED_CREDENTIALS_FILE``.
        endpoint: goes before what all these say; None: nothing does.
        region: likewise.
    """
    for name in env:
        if name.startswith("AWS_"):
            if name not in _WITHOUT_MEANING and not name.startswith(_OF_OTHERS):
                return None
        elif name.lower().endswith("_proxy") or name.startswith("BOTOCORE_"):
            return None
    settings, kept = _default(config), _default(credentials)
    if settings is None or kept is None:
        return None
    if any(name != "region" and not name.startswith(_NOT_OF_S3) for name in settings):
        return None
    if any(name not in _KEYS for name in kept):
        return None
    if endpoint is None:  # what is set and empty is matched by nothing, and left to botocore
        endpoint = env.get("AWS_ENDPOINT_URL_S3", env.get("AWS_ENDPOINT_URL"))
    if endpoint is not None:
        found_host = _ENDPOINT.fullmatch(endpoint)
        if found_host is None or is_below_aws(found_host[2]):
            return None
    if region is None:
        region = env.get("AWS_DEFAULT_REGION", settings.get("region", ""))
    if _REGION.fullmatch(region) is None:
        return None
    found = tuple(env.get(name.upper(), "") for name in _KEYS)
    if not found[0] and not found[1] and not found[2]:
        found = tuple(kept.get(name, "") for name in _KEYS)
    if not all(map(_KEY.fullmatch, found[:2])) or not (not found[2] or _KEY.fullmatch(found[2])):
        return None
    way = StaticAccess(found[0], found[1], found[2] or None, region, endpoint, _trace_id(env))
    if way.secure and any(env.get(name) for name in _SECURE_ONLY):
        return None
    return way


def _trace_id(env: Mapping[str, str]) -> str | None:
    return env.get("_X_AMZN_TRACE_ID") or None if "AWS_LAMBDA_FUNCTION_NAME" in env else None


def _default(text: str) -> dict[str, str] | None:
    """The section ``[default]`` of a file of the AWS tools; None: it, or what is around it, is not plain."""
    found: dict[str, str] = {}
    sections: set[str] = set()
    section = ""
    for line in text.split("\n"):
        if not line.strip() or line[0] in "#;":
            continue
        if (header := _SECTION.fullmatch(line)) is not None:
            section = header[1]
            if section in sections or ("default" in section and section != "default"):
                return None
            sections.add(section)
        elif section == "default":
            if (setting := _LINE.fullmatch(line)) is None or setting[1] in found:
                return None
            found[setting[1]] = setting[2]
        elif not section:
            return None
    return found
