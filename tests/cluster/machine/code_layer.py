"""The newest code into images that the nodes have, without building them: one small layer in an archive of its own.

For development. `make image` builds what is tested in the end; this takes seconds, since nothing else of the images is
read, packed or moved. Packages stay those of the image.
"""

from __future__ import annotations

import compileall
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from cluster.commands import ClusterError

PACKAGES = "opt/stilts/lib/python{}.{}/site-packages".format(*sys.version_info[:2])
_MARK = "the newest code, laid over the image"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Json = dict[str, Any]


def code_layer(package: Path) -> bytes:
    """A layer, packed, in which a package takes the place of the one in the image; the same bytes for the same code.

    Raises:
        ClusterError: the package does not compile.
    """
    place = f"{PACKAGES}/{package.name}"
    with tempfile.TemporaryDirectory(prefix="stilts-code-") as folder:
        copy = Path(folder) / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        whole = compileall.compile_dir(
            copy,
            quiet=1,
            stripdir=str(copy),
            prependdir=f"/{place}",
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not whole:
            raise ClusterError(f"{package} does not compile, and no node gets it")
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(_member(f"{place}/.wh..wh..opq"), io.BytesIO())  # hides what lies below
            for path in sorted(copy.rglob("*")):
                if path.is_file():
                    data = path.read_bytes()
                    tar.addfile(_member(f"{place}/{path.relative_to(copy)}", len(data)), io.BytesIO(data))
    return packed.getvalue()


def write_thin_archive(archive: Path, name: str, manifest: Json, config: Json, layer: bytes) -> None:
    """Write an OCI archive of an image with one more layer, and nothing in it but that layer.

    A layer that was laid over it before gives way to the new one.

    Args:
        name: of the new image.
        manifest, config: of the image as a node has it.
    """
    layers, history = list(manifest["layers"]), list(config.get("history") or [])
    changes = list(config["rootfs"]["diff_ids"])
    if history and history[-1].get("comment") == _MARK:
        layers, history, changes = layers[:-1], history[:-1], changes[:-1]
    changes.append(_digest(gzip.decompress(layer)))
    history.append({"created": "1970-01-01T00:00:00Z", "comment": _MARK})
    changed = {**config, "rootfs": {"type": "layers", "diff_ids": changes}, "history": history}
    blobs = {_digest(layer): layer}

    def describe(kind: str, document: Json) -> Json:
        data = json.dumps(document, sort_keys=True).encode()
        blobs[_digest(data)] = data
        return {"mediaType": kind, "digest": _digest(data), "size": len(data)}

    image = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": describe(_CONFIG, changed),
        "layers": [*layers, {"mediaType": _LAYER, "digest": _digest(layer), "size": len(layer)}],
    }
    entry = describe(_MANIFEST, image)
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    with tarfile.open(archive, "w") as tar:
        for path, data in (
            ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
            *((f"blobs/{digest.replace(':', '/')}", data) for digest, data in blobs.items()),
            ("index.json", index),
        ):
            tar.addfile(_member(path, len(data)), io.BytesIO(data))


def read_image(ctr: Callable[..., str], name: str) -> tuple[Json, Json] | None:
    """Manifest and configuration of an image as a containerd has it; None where it has no such image.

    Args:
        ctr: what the program prints for arguments.
    """
    listed = [line.split() for line in ctr("images", "ls", f"name=={name}").splitlines()]
    digest = next((words[2] for words in listed if words[0] == name), None)
    if digest is None:
        return None
    manifest = json.loads(ctr("content", "get", digest))
    return manifest, json.loads(ctr("content", "get", manifest["config"]["digest"]))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _member(name: str, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o644, 0
    return member
