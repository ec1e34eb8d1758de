"""What a container finds in its environment: folders, credentials, certificates, proxies. Secrets go by name."""

from __future__ import annotations

from stilts_core.engine.kubernetes.labels import Object
from stilts_core.spec.kubernetes import Credentials, Kubernetes, Proxies

FILES = "/etc/stilts"
"""Where the study, the profile, certificates and a credentials file are mounted."""
STUDY_FILE, PROFILE_FILE, CA_FILE, CREDENTIALS_FILE = "study.yaml", "profile.yaml", "ca.crt", "credentials"
SCRATCH = "/tmp"  # noqa: S108 (a volume of the pod's own; programs that ask nobody write here too)
METRICS_PORT = 9464
"""Where the driver serves its metrics; in the pod, the port is called ``metrics``."""

_DIRECT = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "$(KUBERNETES_SERVICE_HOST)")


def environment(kubernetes: Kubernetes) -> list[Object]:
    """The ``env`` of every container."""
    plain = {
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
        "USER": "stilts",  # the user id need not have a name in the image, and some libraries ask for one
    }
    if kubernetes.ca_bundle is not None:
        path = f"{FILES}/{CA_FILE}"
        plain |= {"AWS_CA_BUNDLE": path, "REQUESTS_CA_BUNDLE": path, "SSL_CERT_FILE": path}
    if kubernetes.air_gapped:
        plain |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    plain |= _proxies(kubernetes.proxies)
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *(_credentials(kubernetes.credentials) if kubernetes.credentials else ()),
    ]


def _proxies(proxies: Proxies) -> dict[str, str]:
    """In capitals and in small letters, as programs do not agree on which they read."""
    found = {"HTTP_PROXY": proxies.http, "HTTPS_PROXY": proxies.https}
    values = {name: value for name, value in found.items() if value is not None}
    if values:
        values["NO_PROXY"] = ",".join(dict.fromkeys((*_DIRECT, *proxies.exclude)))
    return values | {name.lower(): value for name, value in values.items()}


def _credentials(credentials: Credentials) -> list[Object]:
    if credentials.file is not None:
        return [{"name": "AWS_SHARED_CREDENTIALS_FILE", "value": f"{FILES}/{CREDENTIALS_FILE}"}]
    keys = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
    }
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": credentials.secret, "key": key}}}
        for name, key in keys.items()
        if key is not None
    ]
