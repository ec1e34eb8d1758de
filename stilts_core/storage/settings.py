"""How an S3 endpoint is spoken to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stilts_core.model import Frozen


class S3Settings(Frozen):
    """How an S3 endpoint is spoken to. Credentials come from the default chain (environment, file, role), never here.

    Attributes:
        endpoint: None: AWS_ENDPOINT_URL, else what the AWS configuration of the machine says.
        path_style: the bucket in the path instead of the host name; None: away from AWS.
        checksums: ``when_required`` suits every server; ``when_supported``, the default on AWS, adds the SDK's own.
        ca_bundle: file of certificates to trust.
        attempts: tries of one call, with growing waits between them.
        part_mib: largest part, in MiB, in which a large object is moved.
    """

    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    checksums: Literal["when_required", "when_supported"] | None = None
    ca_bundle: str | None = None
    proxy: str | None = None
    attempts: PositiveInt = 8
    connect_timeout: PositiveFloat = 10.0
    read_timeout: PositiveFloat = 60.0
    part_mib: Annotated[int, Field(ge=5, le=5120)] = 64
