"""What an error of an S3 call means: whether to try again, and what to tell a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from stilts_core.errors import StorageError
from stilts_core.storage.base import ContentError

SDK_ERRORS = (boto.BotoCoreError, boto.ClientError, ResponseParserError, HTTPError)

_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    {
        "BadDigest",  # damaged on the way
        "ConditionalRequestConflict",  # another creator at the same moment
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentSHA256Mismatch",
    }
)
_TRANSIENT_TYPES = (
    boto.CredentialRetrievalError,
    boto.FlexibleChecksumError,
    boto.HTTPClientError,  # no connection, a broken one, a time-out
    boto.IncompleteReadError,
    boto.MetadataRetrievalError,
    boto.ResponseStreamingError,
    HTTPError,  # a broken body that the SDK passes on as it came
    ResponseParserError,  # a body cut short, or a proxy's page in place of an answer
)
_FULL_CODES = frozenset({"InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull"})
_CREDENTIAL_CODES = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "XAdminUserNotFound",  # versitygw, with status 404
    }
)
_REGION_CODES = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_RIGHTS = (
    "A store needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its prefix, and "
    "s3:ListBucket on the bucket (without it AWS answers so for a key that is not there)."
)
_BUCKET = "Make the bucket, or correct the address of the store and `s3.endpoint` in the profile."
_CREDENTIALS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of this machine or pod."


class DamagedError(Exception):
    """Something other than what was sent, or less of it, came back. Worth another try, never a success."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where calls go to, for messages: no credentials in it."""

    bucket: str
    endpoint: str


def code_of(error: BaseException) -> str:
    """The S3 error code, or the HTTP status where an answer has no body; empty for other errors."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def status_of(error: BaseException) -> int:
    """The HTTP status of a server's refusal; 0 for other errors."""
    if not isinstance(error, boto.ClientError):
        return 0
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a little later."""
    if isinstance(error, boto.SSLError | boto.InvalidProxiesConfigError):
        return False
    if isinstance(error, boto.ClientError):
        if code_of(error) in _FULL_CODES:
            return False
        return status_of(error) in _TRANSIENT_STATUS or code_of(error) in _TRANSIENT_CODES
    return isinstance(error, (DamagedError, *_TRANSIENT_TYPES))


def s3_failure(error: Exception, doing: str, place: Place) -> StorageError:
    """A sentence for what failed while ``doing`` (such as ``write s3://bucket/key``) something."""
    reason, hint = _reason(error, place)
    kind = ContentError if isinstance(error, DamagedError) else StorageError
    return kind(f"Could not {doing}: {reason}.", hint=hint)


def _reason(error: Exception, place: Place) -> tuple[str, str | None]:
    if isinstance(error, DamagedError):
        return str(error), "The network or the server damages data; run `stilts doctor` against the store."
    if isinstance(error, boto.ClientError):
        return _refusal(error, place)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return "there are no S3 credentials", _CREDENTIALS
    if isinstance(error, boto.ProfileNotFound):
        return "the AWS profile named in AWS_PROFILE does not exist", _CREDENTIALS
    if isinstance(error, boto.SSLError):
        hint = "Name the file of the certificates to trust as `s3.ca_bundle` in the profile, or in AWS_CA_BUNDLE."
        return f"the certificate of {place.endpoint} is not trusted", hint
    if isinstance(error, boto.ProxyConnectionError):
        return "the proxy does not answer", "Check `s3.proxy` in the profile, HTTP_PROXY and HTTPS_PROXY."
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return f"{place.endpoint} cannot be reached", "Check `s3.endpoint` in the profile, or AWS_ENDPOINT_URL."
    if isinstance(error, boto.ReadTimeoutError):
        return f"{place.endpoint} did not answer in time", "Try later, or raise `s3.read_timeout` in the profile."
    if isinstance(error, boto.HTTPClientError | boto.ResponseStreamingError | boto.IncompleteReadError | HTTPError):
        return f"the connection to {place.endpoint} broke again and again", "Check the network, and run the same again."
    if isinstance(error, ResponseParserError):
        hint = "Check that `s3.endpoint` is an S3 endpoint, and that no proxy answers in its place."
        return f"{place.endpoint} gave an answer that is not S3's", hint
    return f"{type(error).__name__}: {error}", None


def _refusal(error: boto.ClientError, place: Place) -> tuple[str, str | None]:
    code, status = code_of(error), status_of(error)
    if code == "NoSuchBucket":
        return f"there is no bucket {place.bucket} at {place.endpoint}", _BUCKET
    if code in _CREDENTIAL_CODES:
        return f"{place.endpoint} refuses the credentials ({code})", _CREDENTIALS
    if code in _REGION_CODES or status == 301:
        return f"the bucket {place.bucket} lies in another region", "Set `s3.region` in the profile, or AWS_REGION."
    if code == "RequestTimeTooSkewed":
        return "the clock of this machine is wrong", "Set the clock; S3 takes 15 minutes of difference at most."
    if code in _FULL_CODES or status == 507:
        return f"the storage behind {place.endpoint} is full ({code})", "Free some space, and run the same again."
    if code == "ObjectParentIsFile" or code == "ExistingObjectIsDirectory":
        return "its key is the folder of another key, or another key is its folder", "Choose another name."
    if code == "NotImplemented" or status == 501:
        return f"{place.endpoint} lacks what the call needs", "Run `stilts doctor` to see what the server can do."
    if status in {401, 403}:
        return (
            f"the credentials have no right to do it in bucket {place.bucket} ({code})",
            _RIGHTS if code == "AccessDenied" else f"{_CREDENTIALS} {_RIGHTS}",
        )
    if status in _TRANSIENT_STATUS:
        return f"{place.endpoint} answered {status} ({code}) again and again", "Try later."
    said = str(error.response.get("Error", {}).get("Message", "")).rstrip(".")
    return f"{place.endpoint} answered {status} {code}" + (f" ({said})" if said else ""), None
