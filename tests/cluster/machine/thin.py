"""An image that adds files to one that the nodes have: an archive of the new layer alone, made without any tool.

The archive is an OCI layout whose manifest names the layers of the other image too. containerd has them by digest
since it imported that image, so a node takes the new one in a moment.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError
from cluster.machine.archive import member

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def archived_reference(archive: Path) -> str:
    """The name of the image that a docker archive holds."""
    with tarfile.open(archive) as tar:
        return str(_entry(tar, archive)["RepoTags"][0])


def write_thin_image(folder: Path, name: str, base: Path, files: Mapping[str, bytes], gone: tuple[str, ...]) -> Path:
    """Write an archive of an image, and give its path; the same content gives the same tag and the same bytes.

    Args:
        folder: takes the archive.
        name: of the image, without a tag.
        base: a docker archive of the image whose layers the nodes have.
        files: path in the image → content.
        gone: paths of the other image that are not to be in this one.
    """
    layer = _layer(files, gone)
    with tarfile.open(base) as tar:
        entry = _entry(tar, base)
        config = json.loads(_read(tar, entry["Config"]))
        layers = [
            _descriptor(_LAYER, diff_id, tar.getmember(layer_name).size)
            for diff_id, layer_name in zip(config["rootfs"]["diff_ids"], entry["Layers"], strict=True)
        ]
    config["rootfs"]["diff_ids"].append(_digest(layer))
    config["history"] = [*config.get("history", ()), {"created_by": "tests"}]
    document = json.dumps(config, sort_keys=True).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, _digest(document), len(document)),
            "layers": [*layers, _descriptor(_LAYER, _digest(layer), len(layer))],
        },
        sort_keys=True,
    ).encode()
    tag = _digest(manifest).removeprefix("sha256:")[:12]
    named = {"io.containerd.image.name": f"{name}:{tag}", "org.opencontainers.image.ref.name": tag}
    described = {**_descriptor(_MANIFEST, _digest(manifest), len(manifest)), "annotations": named}
    index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]}, sort_keys=True).encode()
    blobs = {f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}": blob for blob in (layer, document, manifest)}
    archive = folder / f"{name.rsplit('/', 1)[-1]}-{tag}.tar"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, "w") as tar:
        for path, data in ({"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index} | blobs).items():
            tar.addfile(member(path, len(data), 0o644), io.BytesIO(data))
    unfinished.replace(archive)
    return archive


def thin_reference(name: str, archive: Path) -> str:
    """The name, with its tag, of the image in an archive that `write_thin_image` wrote."""
    return f"{name}:{archive.stem.rsplit('-', 1)[-1]}"


def _layer(files: Mapping[str, bytes], gone: tuple[str, ...]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in sorted(files.items()):
            tar.addfile(member(path, len(data), 0o644), io.BytesIO(data))
        for path in gone:
            parent, _, last = path.rpartition("/")
            tar.addfile(member(f"{parent}/.wh.{last}", 0, 0o644), io.BytesIO())
    return out.getvalue()


def _entry(tar: tarfile.TarFile, archive: Path) -> dict[str, Any]:
    try:
        found: list[dict[str, Any]] = json.loads(_read(tar, "manifest.json"))
    except KeyError:
        raise ClusterError(f"{archive} is no docker archive") from None
    return found[0]


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
