"""What a person reads when an S3 store cannot be used, and that settings reach the wire."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faulty_proxy import faulty_proxy
from servers import S3Server, has_go

from stilts_core.errors import SpecError, StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.probe import probe
from stilts_core.storage.retry import Backoff
from stilts_core.storage.s3 import S3Store
from stilts_core.storage.s3_transfer import part_size
from stilts_core.storage.settings import S3Settings

Open = Callable[..., S3Store]
ONCE = Backoff(attempts=2, first=0.001, longest=0.001)

CALLS: dict[str, Callable[[Store], object]] = {
    "put": lambda store: store.put("key", b"1"),
    "create": lambda store: store.create("key", b"1"),
    "read": lambda store: store.read("key"),
    "info": lambda store: store.info("key"),
    "list": lambda store: list(store.list("")),
    "download": lambda store: store.download("key", Path("never"), sha256="0" * 64, size=1),
}


@pytest.fixture(params=list(CALLS))
def call(request: pytest.FixtureRequest) -> Callable[[Store], object]:
    return CALLS[request.param]


def failure(call: Callable[[Store], object], store: Store) -> str:
    with pytest.raises(StorageError) as caught:
        call(store)
    assert caught.value.hint
    assert "testtesttest" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


SERVERS = ["moto", *(["versitygw"] if has_go() else [])]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_missing_bucket(kind: str, request: pytest.FixtureRequest, call: Callable[[Store], object]) -> None:
    server = request.getfixturevalue(kind)
    store = S3Store("no-such-bucket", "", S3Settings(endpoint=server.endpoint), backoff=ONCE)
    said = failure(call, store)
    assert f"there is no bucket no-such-bucket at {server.endpoint}" in said


@pytest.mark.parametrize("kind", [kind for kind in SERVERS if kind != "moto"])  # which takes any credentials
@pytest.mark.parametrize(("key", "secret"), [("test", "wrong"), ("nobody", "testtesttest")])
def test_wrong_credentials(
    kind: str, request: pytest.FixtureRequest, s3_at: Open, monkeypatch: pytest.MonkeyPatch, call, key: str, secret: str
) -> None:
    server = request.getfixturevalue(kind)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    said = failure(call, s3_at(server.endpoint))
    assert "credentials" in said
    assert "AWS_SECRET_ACCESS_KEY" in said


@pytest.mark.parametrize("kind", [kind for kind in SERVERS if kind != "moto"])  # which takes any keys, as AWS does
def test_a_server_on_a_file_system_has_no_key_that_is_the_folder_of_another(
    kind: str, request: pytest.FixtureRequest, s3_at: Open, tmp_path: Path
) -> None:
    store = s3_at(request.getfixturevalue(kind).endpoint)
    store.put("a", b"1")
    store.put("b/c", b"1")
    (tmp_path / "large").write_bytes(b"large" * (4 << 20))
    for call in (
        lambda: store.put("a/x", b"1"),
        lambda: store.put("a/x", tmp_path / "large"),
        lambda: store.create("a/x", b"1"),
        lambda: store.put("b", b"1"),
    ):
        with pytest.raises(StorageError, match="folder of another key"):
            call()


def test_no_credentials(moto: S3Server, s3_at: Open, monkeypatch: pytest.MonkeyPatch, call) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no S3 credentials" in failure(call, s3_at(moto.endpoint))


def test_a_missing_aws_profile(moto: S3Server, s3_at: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StorageError, match="profile named in AWS_PROFILE does not exist"):
        s3_at(moto.endpoint)


def test_an_unreachable_endpoint(s3_at: Open, call) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, and not listening
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        said = failure(call, s3_at(endpoint))
    assert f"{endpoint} cannot be reached" in said
    assert "AWS_ENDPOINT_URL" in said


def test_the_probe_stops_where_the_store_cannot_be_used(moto: S3Server) -> None:
    store = S3Store("no-such-bucket", "", S3Settings(endpoint=moto.endpoint), backoff=ONCE)
    (finding,) = probe(store)
    assert not finding.ok
    assert "there is no bucket" in finding.detail
    assert finding.follows == "No study can run on this store."


@pytest.mark.parametrize(
    "settings", [{"endpoint": "localhost:9000"}, {"endpoint": "ftp://host"}, {"ca_bundle": "/nothing/ca.pem"}]
)
def test_settings_that_cannot_be_right(settings: dict[str, str]) -> None:
    with pytest.raises(SpecError):
        S3Store("bucket", "", S3Settings(**settings))


def test_a_certificate_file_of_nonsense(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = S3Settings(endpoint="https://localhost:1", ca_bundle=str(tmp_path / "ca.pem"))
    with pytest.raises(StorageError):
        S3Store("bucket", "", settings, backoff=ONCE).read("key")


def test_credentials_in_an_endpoint_are_not_repeated(s3_at: Open) -> None:
    with pytest.raises(StorageError) as caught:
        s3_at("http://user:testtesttest@127.0.0.1:1").read("key")
    assert "testtesttest" not in str(caught.value)


def test_tls_trusts_only_the_named_certificates(moto: S3Server, s3_at: Open, tmp_path: Path) -> None:
    chain, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    with faulty_proxy(moto.endpoint, lambda request: None, tls) as proxy:
        with pytest.raises(StorageError, match=r"certificate of .* is not trusted") as caught:
            s3_at(proxy.endpoint).put("key", b"1")
        assert "ca_bundle" in str(caught.value)
        assert proxy.requests == []
        store = s3_at(proxy.endpoint, ca_bundle=str(chain))
        store.put("key", b"1")
        assert store.read("key") == b"1"


def test_calls_go_through_the_proxy(moto: S3Server, s3_at: Open) -> None:
    with faulty_proxy(moto.endpoint, lambda request: None) as proxy:
        store = s3_at("http://127.0.0.1:1", proxy=proxy.endpoint)
        store.put("key", b"1")
        assert store.read("key") == b"1"
        assert all(request.path.startswith("http://127.0.0.1:1/") for request, _ in proxy.requests)


def test_a_dead_proxy(s3_at: Open) -> None:
    with pytest.raises(StorageError, match="proxy does not answer"):
        s3_at("http://127.0.0.1:1", proxy="http://127.0.0.1:1").read("key")


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
def test_both_kinds_of_checksums(
    kind: str, checksums: str, request: pytest.FixtureRequest, s3_at: Open, tmp_path: Path
) -> None:
    store = s3_at(request.getfixturevalue(kind).endpoint, checksums=checksums)
    (tmp_path / "large").write_bytes(b"large" * (4 << 20))
    info = store.put("large", tmp_path / "large")
    store.download("large", tmp_path / "again", sha256=info.sha256 or "", size=info.size)
    assert store.create("small", b"small")
    assert store.read("small") == b"small"


def test_the_endpoint_comes_from_the_environment(moto: S3Server, s3_at: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    store = S3Store("stilts-tests", "from-environment", backoff=ONCE)
    store.put("key", b"1")
    store.delete("key")


def wire(store: S3Store) -> tuple[str | None, str]:
    config = store._client.meta.config
    return (config.s3 or {}).get("addressing_style"), config.request_checksum_calculation


def test_defaults_suit_aws_on_aws_and_every_server_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert wire(S3Store("bucket")) == (None, "when_supported")
    assert wire(S3Store("bucket", "", S3Settings(endpoint="https://s3.eu-west-1.amazonaws.com"))) == (
        None,
        "when_supported",
    )
    assert wire(S3Store("bucket", "", S3Settings(endpoint="http://minio:9000"))) == ("path", "when_required")
    given = S3Settings(endpoint="http://minio:9000", path_style=False, checksums="when_supported")
    assert wire(S3Store("bucket", "", given)) == ("virtual", "when_supported")
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://minio:9000\nregion = here\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    store = S3Store("bucket")
    assert wire(store) == ("path", "when_required")
    assert store._client.meta.endpoint_url == "http://minio:9000"


@pytest.mark.parametrize("size", [16 << 20, (16 << 20) + 1, 100 << 20, 1 << 30, 3 << 40])
@pytest.mark.parametrize("largest", [5 << 20, 64 << 20])
def test_parts_are_neither_too_small_nor_too_many(size: int, largest: int) -> None:
    length = part_size(size, largest)
    assert length >= 5 << 20
    assert -(-size // length) <= 10_000
    assert length <= max(largest, -(-size // 10_000))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of ``localhost``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret
