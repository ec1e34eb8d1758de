"""Certificates of one cluster, and the kubeconfigs made of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cluster.commands import run
from cluster.machine.places import API_PORT, MACHINE, SERVICES, UNDERLAY, Places

_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = "3650"
_USERS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
}
_SERVER_NAMES = (
    *(f"DNS:{name}" for name in ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")),
    *(f"IP:{address}" for address in ("127.0.0.1", f"{SERVICES}.0.1", MACHINE)),
)


def make_certificates(places: Places, nodes: dict[str, int]) -> None:
    """Make what is not there yet: an authority, a certificate for each part, a kubeconfig for each user.

    Args:
        nodes: node name to its number.
    """
    folder = places.certificates
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if not (folder / "ca.crt").exists():
        _openssl(
            *("req", "-x509", *_EC_KEY, "-days", _DAYS, "-subj", "/CN=stilts-test-cluster"),
            *("-keyout", folder / "ca.key", "-addext", "basicConstraints=critical,CA:TRUE", "-out", folder / "ca.crt"),
        )
    if not (folder / "accounts.pub").exists():
        _openssl("genrsa", "-out", folder / "accounts.key", "2048")
        _openssl("rsa", "-in", folder / "accounts.key", "-pubout", "-out", folder / "accounts.pub")
    _certificate(folder, "api-server", "/CN=kube-apiserver", _SERVER_NAMES)
    _certificate(folder, "kubelet-client", "/O=system:masters/CN=kubelet-client", ("DNS:kubelet-client",))
    for user, subject in _USERS.items():
        _user(folder, user, subject, (f"DNS:{user}",))
    for node, number in nodes.items():
        names = (f"DNS:{node}", f"IP:{UNDERLAY}.{10 + number}")
        _user(folder, node, f"/O=system:nodes/CN=system:node:{node}", names)


def _user(folder: Path, name: str, subject: str, names: tuple[str, ...]) -> None:
    _certificate(folder, name, subject, names)
    config = folder / f"{name}.conf"
    if config.exists():
        return

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    server = {"server": f"https://{MACHINE}:{API_PORT}", "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
    context = {"cluster": "stilts-test", "user": name, "namespace": "default"}
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "stilts-test",
                "contexts": [{"name": "stilts-test", "context": context}],
                "clusters": [{"name": "stilts-test", "cluster": server}],
                "users": [{"name": name, "user": user}],
            },
            indent=1,
        )
    )
    config.chmod(0o600)


def _certificate(folder: Path, name: str, subject: str, names: tuple[str, ...]) -> None:
    certificate = folder / f"{name}.crt"
    if certificate.exists():
        return
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth,clientAuth\n")
    request, unfinished = folder / f"{name}.csr", folder / f"{name}.part"
    _openssl("req", *_EC_KEY, "-keyout", folder / f"{name}.key", "-out", request, "-subj", subject)
    _openssl(
        *("x509", "-req", "-in", request, "-days", _DAYS, "-extfile", extensions, "-out", unfinished),
        *("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial"),
    )
    unfinished.replace(certificate)


def _openssl(*arguments: str | Path) -> None:
    run("openssl", *arguments)
