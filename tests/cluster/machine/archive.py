"""Images FROM scratch with one program in them, without any image tool; the same program gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

USER = "65532:65532"
_ACCOUNTS = b"root:x:0:0::/:\nnonroot:x:65532:65532::/tmp:\n"


def write_image(archive: Path, reference: str, program: Path) -> None:
    """Write a docker archive of an image that runs ``/<program name>`` as a user without rights."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(_member("tmp", mode=0o1777, kind=tarfile.DIRTYPE))
        tar.addfile(_member("etc", kind=tarfile.DIRTYPE))
        tar.addfile(_member("etc/passwd", len(_ACCOUNTS), 0o644), io.BytesIO(_ACCOUNTS))
        with program.open("rb") as file:
            tar.addfile(_member(program.name, program.stat().st_size), file)
    content = layer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    config = json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": [f"/{program.name}"], "User": USER, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        },
        sort_keys=True,
    ).encode()
    named = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": named, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}]).encode()
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, "w") as tar:
        for name, data in ((named, config), (f"{digest}/layer.tar", content), ("manifest.json", manifest)):
            tar.addfile(_member(name, len(data), 0o644), io.BytesIO(data))
    unfinished.replace(archive)


def _member(name: str, size: int = 0, mode: int = 0o755, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.type, member.mtime = size, mode, kind, 0
    return member


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
