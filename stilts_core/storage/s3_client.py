"""An S3 client made from settings. Credentials come from the default chain."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from stilts_core import __version__
from stilts_core.errors import SpecError, StorageError
from stilts_core.storage.s3_failures import Place, s3_failure
from stilts_core.storage.settings import S3Settings

CONNECTIONS = 32
_DEFAULT_REGION = "us-east-1"  # what most servers other than AWS are set to


def connect(bucket: str, settings: S3Settings) -> tuple[Any, bool]:
    """A client, safe for threads but not across a fork, and whether uploads carry the SDK's own checksums.

    Raises:
        SpecError: the settings cannot be right, wherever they are used.
        StorageError: the AWS configuration of this machine cannot be used.
    """
    if settings.ca_bundle is not None and not Path(settings.ca_bundle).is_file():
        raise SpecError(f"The certificate file {settings.ca_bundle} is not there.", hint="Correct `s3.ca_bundle`.")
    endpoint = settings.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is not None and urlsplit(endpoint).scheme not in {"http", "https"}:
        raise SpecError(
            f"The S3 endpoint {endpoint} is no web address.", hint="Write https://host or http://host:port."
        )
    try:
        session = _session()
        client, checksums = _client(session, endpoint, settings, on_aws=endpoint is None or is_aws(endpoint))
        if endpoint is None and not is_aws(client.meta.endpoint_url):  # from the AWS configuration file
            client, checksums = _client(session, None, settings, on_aws=False)
    except (boto.BotoCoreError, ValueError) as error:
        raise s3_failure(error, f"use S3 for s3://{bucket}", Place(bucket, display(endpoint or "AWS"))) from error
    except OSError as error:
        raise StorageError(
            f"Could not use S3 for s3://{bucket}: {error}.", hint="Check the certificate files."
        ) from error
    return client, checksums


@cache
def _models() -> Loader:
    return create_loader()


def _session() -> boto3.session.Session:
    """A session of its own, as credentials may change, over shared service models, which take 0.1 s to read."""
    core = botocore.session.Session()
    core.register_component("data_loader", _models())
    return boto3.session.Session(botocore_session=core)


def is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def display(endpoint: str) -> str:
    """An endpoint without any credentials in it."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme else endpoint


def _client(session: Any, endpoint: str | None, settings: S3Settings, *, on_aws: bool) -> tuple[Any, bool]:
    checksums = settings.checksums or ("when_supported" if on_aws else "when_required")
    path_style = settings.path_style if settings.path_style is not None else not on_aws
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        max_pool_connections=CONNECTIONS,
        proxies={"http": settings.proxy, "https": settings.proxy} if settings.proxy else None,
        # One policy decides on tries (`retry.Backoff`), so that a create whose answer was lost is recognised.
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={"addressing_style": "path" if path_style else "virtual"}
        if settings.path_style is not None or path_style
        else {},
        tcp_keepalive=True,
        user_agent_extra=f"stilts/{__version__}",
    )
    client = session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.region or session.region_name or _DEFAULT_REGION,
        verify=settings.ca_bundle,
        config=config,
    )
    return client, checksums == "when_supported"
