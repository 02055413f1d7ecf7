"""What errors of S3 mean, said without what was signed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError, TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = (DataValidationError, "there is no such object or bucket; is the address right?")
LOGIN = (ConfigurationError, "the store does not know these credentials, or no longer")
FORBIDDEN = (ConfigurationError, "these credentials may not read it, or it is not there")
ELSEWHERE = (ConfigurationError, "the bucket is in another region; give the connection its region_name")
CHANGED = (TrainerError, "the object changed while it was read; it is read anew when the step is tried again")
MEANINGS: dict[str, tuple[type[TrainerError], str]] = {
    "NoSuchBucket": (DataValidationError, "there is no such bucket"),
    **dict.fromkeys(("NoSuchKey", "NotFound", "404"), ABSENT),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"), LOGIN),
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed"), LOGIN),
    **dict.fromkeys(("AccessDenied", "Forbidden", "403", "AllAccessDisabled"), FORBIDDEN),
    **dict.fromkeys(("PermanentRedirect", "301", "IllegalLocationConstraintException"), ELSEWHERE),
    **dict.fromkeys(("PreconditionFailed", "412"), CHANGED),
}
"""Codes of S3; any other may pass."""


@contextlib.contextmanager
def s3_explained(uri: str) -> Iterator[None]:
    """Raises what an error of the store means for whoever asked for an address."""
    from boto3.exceptions import RetriesExceededError
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        FlexibleChecksumError,
        NoCredentialsError,
        PartialCredentialsError,
    )
    from s3transfer.exceptions import S3DownloadFailedError, S3ValidationError

    try:
        yield
    except TrainerError:
        raise
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        kind, meaning = MEANINGS.get(code, (TrainerError, "the store refuses for now"))
        raise kind(f"{uri}: {meaning} ({code})") from None
    except (NoCredentialsError, PartialCredentialsError):
        raise ConfigurationError(
            f"{uri}: there are no credentials for S3; name an Airflow connection under `source.connection`, or give "
            "the environment AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"{uri}: {error}") from error
    except S3DownloadFailedError:  # s3transfer raises it only if the ETag is another than the one asked for
        raise CHANGED[0](f"{uri}: {CHANGED[1]}") from None
    except FlexibleChecksumError as error:
        raise TrainerError(
            f"{uri}: the bytes received are not those that the store holds: {error}; the object is fetched again when "
            "the step is retried"
        ) from error
    except (RetriesExceededError, S3ValidationError) as error:
        reason = getattr(error, "last_exception", error)
        raise TrainerError(
            f"{uri}: the download broke off each time ({type(reason).__name__}: {reason}); the object is fetched again "
            "when the step is retried"
        ) from error
    except (BotoCoreError, OSError) as error:
        raise TrainerError(f"{uri}: the store does not answer: {type(error).__name__}") from error
