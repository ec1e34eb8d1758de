"""An image that adds files to one that the nodes have: an archive of the new layer alone, made without any tool."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError
from cluster.machine.archive import member
from cluster.machine.code_layer import write_thin_archive

_LAYER = "application/vnd.oci.image.layer.v1.tar"


def archived_reference(archive: Path) -> str:
    """The name of the image that a docker archive holds."""
    with tarfile.open(archive) as tar:
        return str(_entry(tar, archive)["RepoTags"][0])


def write_thin_image(folder: Path, name: str, base: Path, files: Mapping[str, bytes], gone: tuple[str, ...]) -> Path:
    """Write an archive of an image, and give its path; the same content gives the same tag and the same bytes.

    Args:
        folder: takes the archive.
        name: of the image, without a tag.
        base: a docker archive of the image that the nodes have; containerd knows its layers by their digests.
        files: path in the image → content.
        gone: paths of the other image that are not to be in this one.
    """
    layer = gzip.compress(_layer(files, gone), mtime=0)
    with tarfile.open(base) as tar:
        entry = _entry(tar, base)
        config = json.loads(_read(tar, entry["Config"]))
        layers = [
            {"mediaType": _LAYER, "digest": diff_id, "size": tar.getmember(layer_name).size}
            for diff_id, layer_name in zip(config["rootfs"]["diff_ids"], entry["Layers"], strict=True)
        ]
    tag = hashlib.sha256(json.dumps(config, sort_keys=True).encode() + layer).hexdigest()[:12]
    archive = folder / f"{name.rsplit('/', 1)[-1]}-{tag}.tar"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    write_thin_archive(unfinished, f"{name}:{tag}", {"layers": layers}, config, layer)
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
