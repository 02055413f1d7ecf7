"""What an Airflow connection says of S3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.connections import Connection

_ROLE = (
    "without `source.connection` a pod has the role of its workload identity, another step that of AWS_ROLE_ARN with "
    "AWS_WEB_IDENTITY_TOKEN_FILE"
)
ELSEWHERE = {
    "role_arn": _ROLE,
    "assume_role_method": _ROLE,
    "profile_name": "without `source.connection` a step takes the profile that AWS_PROFILE names",
    "session_kwargs": "credentials are the login and the password of a connection",
    "verify": "certificates are named by AWS_CA_BUNDLE",
    "config_kwargs": "settings of the client are read from the file that AWS_CONFIG_FILE names",
    "service_config": "the store's address is the endpoint_url of a connection",
}
"""What Airflow's own hooks take of a connection and a step does not, and where a step takes it from."""
SAYS_NOTHING = {"", "None", "{}", "True"}
"""Values that leave all as it is; `verify` is true by default."""


@dataclass(frozen=True)
class S3Login:
    """Credentials, region and store; what is not given comes from the environment."""

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = field(default=None, repr=False)
    """The store's address, where it is not AWS."""


def login_of(connection: Connection | None) -> S3Login:
    """The login that a connection gives. Raises ConfigurationError where it says more than a step takes of it."""
    if connection is None:
        return S3Login()
    options = connection.options
    for name, place in ELSEWHERE.items():
        if options.get(name, "") not in SAYS_NOTHING:
            raise ConfigurationError(
                f"connection {connection.name!r}: its {name} is of no use here: a step takes the access key, "
                f"aws_session_token, region_name and endpoint_url of it. Leave it out; {place}"
            )
    return S3Login(
        access_key_id=connection.user or options.get("aws_access_key_id"),
        secret_access_key=connection.password or options.get("aws_secret_access_key"),
        session_token=options.get("aws_session_token"),
        region=options.get("region_name"),
        endpoint=options.get("endpoint_url"),
    )
