"""An S3 store behind a proxy that misbehaves: run as a program, the proxy; imported, both of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faulty_proxy import Fault, Request, Rule, faulty_proxy, share
from servers import moto_server

from stilts_core.spec.profile import StoreSettings
from stilts_core.storage.settings import S3Settings

BUCKET = "faults"
ERRORS, TORN, SLOW = 0.05, 0.02, 0.01
"""Of all requests: answers 500 and 503 and broken connections; bodies that end in their middle; answers that hang."""


@contextmanager
def s3_store(folder: Path, seed: int) -> Iterator[tuple[StoreSettings, StoreSettings]]:
    """The store as the study has it, and as it is without the faults."""
    with moto_server() as server:
        server.make_bucket(BUCKET)
        said = folder / "proxy.txt"
        command = [sys.executable, "-m", "faults.remote", server.endpoint, str(seed), str(said)]
        proxy = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parent.parent)
        try:
            while not said.exists():
                time.sleep(0.05)
            yield _settings(said.read_text().split()[0]), _settings(server.endpoint)
        finally:
            proxy.communicate()  # its input ends


def injected(folder: Path) -> str:
    """What the proxy did, in words."""
    return (folder / "proxy.txt").read_text().partition(" ")[2]


def _settings(endpoint: str) -> StoreSettings:
    return StoreSettings(uri=f"s3://{BUCKET}/study", s3=S3Settings(endpoint=endpoint, region="us-east-1"))


def mishaps(seed: int) -> Rule:
    """What the proxy does to which request."""
    errors, torn = share(ERRORS, seed), share(TORN, seed + 1)
    slow = share(SLOW, seed + 2)

    def rule(request: Request) -> Fault | None:
        if torn(request) is not None:
            return Fault.CUT_REQUEST if request.method in ("PUT", "POST") else Fault.TRUNCATED
        return Fault.SLOW if slow(request) is not None else errors(request)

    return rule


def describe(requests: Sequence[tuple[Request, Fault | None]]) -> str:
    """What was made of requests, in words."""
    count = Counter(fault for _, fault in requests)
    refused = count[Fault.ERROR_500] + count[Fault.ERROR_503]
    torn = count[Fault.CUT_REQUEST] + count[Fault.TRUNCATED]
    return (
        f"of {len(requests):,} requests {refused} were answered with 500 or 503, {count[Fault.CUT_ANSWER]} not at all, "
        f"{torn} lost the end of a body, {count[Fault.SLOW]} took long"
    )


def main(upstream: str, seed: str, said: str) -> None:
    """Write the proxy's address, and once the standard input has ended what it did."""
    path = Path(said)
    with faulty_proxy(upstream, mishaps(int(seed))) as proxy:
        _write(path, proxy.endpoint)
        sys.stdin.read()
        _write(path, f"{proxy.endpoint} {describe(proxy.requests)}")


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
