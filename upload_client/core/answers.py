"""THE table of the error codes of AWS and S3 stores, and what each means.

One table for everything that speaks to a service: control plane, data plane, login, starter, `check`, and the
question whether a clock is wrong. A code goes before the HTTP status, since stores agree more on codes; where
neither is known, the status' first digit decides.

* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
* https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
* https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/CommonErrors.html
* https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
* https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
* https://docs.ceph.com/en/latest/radosgw/s3/ (QuotaExceeded), the sources of MinIO (SlowDownRead, XMinio…)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Meaning(Enum):
    """The meaning of an answer."""

    DONE = "it was carried out"
    NO_ANSWER = "no answer"
    """None came, or none to rely on: whether the request was carried out is unknown. It may pass."""
    BUSY = "the service asks to be asked less often"
    DAMAGED = "the request did not arrive as it was sent"
    CONFLICT = "another write was under way"
    CONDITION = "the condition does not hold"
    MISSING = "it is not there"
    NO_BUCKET = "there is no such bucket"
    DENIED = "not allowed"
    ENDED = "the credentials have ended"
    UNKNOWN_KEYS = "the store does not know these credentials"
    SIGNATURE = "the signature is not what the store computes"
    CLOCK = "the time of the request is refused"
    OTHER_REGION = "the bucket is in another region"
    FULL = "the store is full"
    ARCHIVED = "the object is in an archive"
    UNFIT = "the store does not take such requests"
    OWN_LIMIT = "this machine has no more files, memory or ports"
    UNTRUSTED = "the certificate is not trusted"
    PROXY_LOGIN = "the proxy wants a login"
    REFUSED = "an answer that says nothing about permissions"

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self in _PASSING

    @property
    def credentials(self) -> bool:
        """Whether the credentials are at fault, and so every request will fail."""
        return self in _CREDENTIALS

    @property
    def unusual(self) -> bool:
        """Whether an SDK may know what to do about it, such as asking in another region."""
        return self in _UNUSUAL


_PASSING: Final = frozenset({Meaning.NO_ANSWER, Meaning.BUSY, Meaning.DAMAGED, Meaning.OWN_LIMIT})
_CREDENTIALS: Final = frozenset({Meaning.ENDED, Meaning.UNKNOWN_KEYS})
_UNUSUAL: Final = frozenset(
    {
        Meaning.CLOCK,
        Meaning.OTHER_REGION,
        Meaning.ENDED,
        Meaning.SIGNATURE,
        Meaning.UNFIT,
        Meaning.UNKNOWN_KEYS,
    }
)

_BY_MEANING: Final = {
    Meaning.NO_ANSWER: """
        ConcurrentModificationException ConnectionClosed DependencyTimeoutException ENILimitReachedException
        ExternalServiceException InternalError InternalErrorException InternalFailure InternalServerError
        InternalServerException OperationTimeout PriorRequestNotComplete ResourceConflictException
        ResourceNotReadyException ServerException ServiceException ServiceUnavailable
        ServiceUnavailableException SnapStartNotReadyException SnapStartTimeoutException
        SubnetIPAddressLimitReachedException TransactionInProgressException
        """,
    Meaning.BUSY: """
        BandwidthLimitExceeded EC2ThrottledException LimitExceededException
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled
        RequestThrottledException SlowDown SlowDownRead SlowDownWrite ThrottledException Throttling
        ThrottlingException TooManyRequests TooManyRequestsException
        """,
    Meaning.DAMAGED: """
        BadDigest IncompleteBody RequestTimeout RequestTimeoutException
        XAmzContentChecksumMismatch XAmzContentSHA256Mismatch
        """,
    Meaning.CONFLICT: "ConditionalRequestConflict OperationAborted",
    Meaning.CONDITION: "PreconditionFailed",
    Meaning.MISSING: "NoSuchKey NoSuchUpload NoSuchVersion NotFound",
    Meaning.NO_BUCKET: "NoSuchBucket",
    Meaning.DENIED: """
        AccessDenied AccessDeniedException AccountProblem AllAccessDisabled Forbidden InvalidPayer
        InvalidSecurity NotSignedUp UnauthorizedAccess
        """,
    Meaning.ENDED: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    Meaning.UNKNOWN_KEYS: """
        InvalidAccessKeyId InvalidClientTokenId InvalidToken NoCredentials UnrecognizedClientException
        """,
    Meaning.SIGNATURE: """
        IncompleteSignature IncompleteSignatureException InvalidSignatureException SignatureDoesNotMatch
        """,
    Meaning.CLOCK: "RequestExpired RequestInTheFuture RequestTimeTooSkewed",
    Meaning.OTHER_REGION: """
        AuthorizationHeaderMalformed IllegalLocationConstraintException PermanentRedirect Redirect
        TemporaryRedirect
        """,
    Meaning.FULL: """
        InsufficientStorage QuotaExceeded QuotaExceededException XMinioAdminBucketQuotaExceeded
        XMinioStorageFull
        """,
    Meaning.ARCHIVED: "InvalidObjectState ObjectNotInActiveTierError",
    Meaning.UNFIT: "InvalidRequest MethodNotAllowed MissingSecurityHeader NotImplemented",
    Meaning.OWN_LIMIT: "NoFreePort NoMemory TooManyOpenFiles",
    Meaning.UNTRUSTED: "CertificateRefused",
    Meaning.PROXY_LOGIN: "ProxyLogin",
    Meaning.REFUSED: """
        EFSIOException EFSMountConnectivityException EFSMountFailureException EFSMountTimeoutException
        EC2AccessDeniedException EC2UnexpectedException InvalidRuntimeException
        InvalidSecurityGroupIDException InvalidSubnetIDException InvalidZipFileException
        KMSAccessDeniedException KMSDisabledException KMSInvalidStateException KMSNotFoundException
        SnapStartException
        """,
}
CODES: Final[Mapping[str, Meaning]] = {
    code: means for means, codes in _BY_MEANING.items() for code in codes.split()
}
"""Every code that is known, and what it means; those of this program's own making among them
(``NoCredentials``, ``TooManyOpenFiles``, …: `upload_client.s3.trouble`). What a function of Lambda's lacks is
answered as 502: it will not pass, so its codes are here too, under `Meaning.REFUSED`."""

_BY_STATUS: Final = {
    0: Meaning.NO_ANSWER,
    301: Meaning.OTHER_REGION,
    307: Meaning.OTHER_REGION,
    308: Meaning.OTHER_REGION,
    401: Meaning.DENIED,
    403: Meaning.DENIED,
    404: Meaning.MISSING,
    408: Meaning.DAMAGED,
    409: Meaning.CONFLICT,
    412: Meaning.CONDITION,
    425: Meaning.NO_ANSWER,
    429: Meaning.BUSY,
    501: Meaning.UNFIT,
    503: Meaning.BUSY,
    507: Meaning.FULL,
}
_OF_TIME: Final = ("Signature expired", "Signature not yet current")


def meaning(status: int, code: str, message: str = "") -> Meaning:
    """Find the meaning of an answer.

    Args:
        status: HTTP status; 0: no answer came, or none that is the service's.
        code: the service's error code, or the name of what kept an answer away; empty on success.
        message: what the service said. Services other than S3 have one code for everything that is wrong with
            a signature, the time among it.
    """
    known = CODES.get(code.rpartition(".")[2])  # S3 passes on what KMS says as ``KMS.ThrottlingException``
    if known is Meaning.SIGNATURE and message.startswith(_OF_TIME):
        return Meaning.CLOCK
    if known is not None:
        return known
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 300:
        return Meaning.DONE
    return Meaning.NO_ANSWER if status >= 500 else Meaning.REFUSED


_CODE_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:#/-")


def is_code(code: str) -> bool:
    """Whether a text may be an error code of AWS: one word that begins with a letter.

    Where it is none (``403``, ``<html>``), it was a proxy, a portal or a firewall that answered.
    """
    return 0 < len(code) <= 200 and code[0].isalpha() and _CODE_CHARACTERS.issuperset(code)
