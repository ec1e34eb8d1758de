"""S3 servers as processes on the loopback address, for tests that need a real one.

``python tests/servers.py`` builds what has to be built, so that no test has to wait for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"
START_SECONDS = 60.0
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw"


@dataclass(frozen=True)
class S3Server:
    """A running server and the credentials it takes."""

    endpoint: str
    access_key: str = "test"
    secret_key: str = "testtesttest"
    region: str = "us-east-1"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> None:
        """Make a bucket; no error where it exists."""
        import boto3

        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """The moto server: fast to start; it checks neither signatures nor checksums."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port):
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def versitygw_server() -> Iterator[S3Server]:
    """versitygw on a folder: a strict server. Never with --sidecar, which is not atomic."""
    binary, port = build_versitygw(), _free_port()
    with tempfile.TemporaryDirectory(prefix="stilts-versitygw-") as folder:
        server = S3Server(f"http://127.0.0.1:{port}")
        command = [str(binary), "--port", f"127.0.0.1:{port}", "--access", server.access_key]
        command += ["--secret", server.secret_key, "posix", folder]
        with _running(command, port):
            yield server


def has_go() -> bool:
    return shutil.which("go") is not None


def build_versitygw() -> Path:
    """The program, built from its pinned Go module into the user's cache, once for all processes."""
    pins = (TOOLS / "go.mod").read_bytes() + (TOOLS / "go.sum").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stilts" / "bin"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"versitygw-{hashlib.sha256(pins).hexdigest()[:12]}"
    with (cache / "versitygw.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            unfinished = binary.with_suffix(".part")
            subprocess.run(
                ["go", "build", "-mod=readonly", "-trimpath", "-o", str(unfinished), VERSITYGW], cwd=TOOLS, check=True
            )
            unfinished.replace(binary)
    return binary


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_answers(process, port, output)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, output) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    output.seek(0)
    raise RuntimeError(f"{process.args} did not start: {output.read()[-2000:].decode(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.stdout.write(f"{build_versitygw()}\n")
