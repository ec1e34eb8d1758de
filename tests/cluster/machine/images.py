"""The store of images that the disk of every node begins as."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.commands import ClusterError, run, wait_until
from cluster.machine.archive import write_image
from cluster.machine.build import program
from cluster.machine.code_layer import code_layer, read_image, write_thin_archive
from cluster.machine.pins import COREDNS, PAUSE, PROBE, VERSITYGW, Module
from cluster.machine.places import Places

NAMESPACE = "k8s.io"
_CONTENTS = "contents.json"
_LAYERS = Path("io.containerd.snapshotter.v1.overlayfs/snapshots")
_INDEXES = ("manifest.json", "index.json")  # of docker archives (which may have both) and of OCI archives


def reference(module: Module) -> str:
    """The name of the image that holds a module's program."""
    return f"localhost/{module.name}:{module.version}"


def program_archive(module: Module, cache: Path, say: Callable[[str], None]) -> Path:
    """An archive of the image that holds a module's program, built where it is not there yet."""
    archive = cache / "archives" / f"{module.name}-{module.key}.tar"
    if not archive.exists():
        write_image(archive, reference(module), program(module, cache, say))
    return archive


def make_store(places: Places, say: Callable[[str], None]) -> None:
    """See to it that the store has the images that every cluster needs."""
    add_to_store(places, [program_archive(module, places.cache, say) for module in (PAUSE, COREDNS, VERSITYGW, PROBE)])


def add_to_store(places: Places, archives: Sequence[Path]) -> bool:
    """Import archives that the store does not have.

    Returns:
        Whether the store changed.
    """
    with _locked(places):
        contents = _contents(places.images)
        new = {str(archive): identity for archive in archives if (identity := _identity(archive)) not in contents}
        if new:
            with _containerd(places) as socket:
                for archive in new:
                    run("ctr", "--address", socket, "--namespace", NAMESPACE, "images", "import", archive)
            unfinished = places.images / f"{_CONTENTS}.part"
            unfinished.write_text(json.dumps(sorted({*contents, *new.values()}), indent=1))
            unfinished.replace(places.images / _CONTENTS)
    return bool(new)


def lay_code(places: Places, package: Path, names: Sequence[str], nodes: Sequence[Callable[..., str]]) -> list[str]:
    """Lay a package over images, in the store and in nodes that run.

    Args:
        names: of the images; those that the store does not have are left out.
        nodes: what a program prints that is run in a node.

    Returns:
        The names of the images that have it now.
    """
    layer, done = code_layer(package), []
    with _locked(places), _containerd(places) as socket, tempfile.TemporaryDirectory(prefix="stilts-code-") as folder:

        def ctr(*arguments: str) -> str:
            return run("ctr", "--address", socket, "--namespace", NAMESPACE, *arguments).stdout

        archive = Path(folder) / "image.tar"
        for name in names:
            image = read_image(ctr, name)
            if image is None:
                continue
            write_thin_archive(archive, name, *image, layer)
            ctr("images", "import", str(archive))
            for node in nodes:
                node("ctr", "--namespace", NAMESPACE, "images", "import", str(archive))
            done.append(name)
    return done


def is_current(places: Places, disk: Path) -> bool:
    """Whether a node's disk began as the store is now."""
    return disk.is_dir() and _contents(disk) == _contents(places.images)


def make_disk(places: Places, disk: Path) -> None:
    """Make a node's disk anew from the store: hard links to what was imported, copies of the small databases.

    The layers, tens of thousands of files, are not there yet: ``layers`` says what to mount.
    """
    disk.parent.mkdir(parents=True, exist_ok=True)
    unfinished = disk.with_suffix(".part")
    for old in (unfinished, disk):
        shutil.rmtree(old, ignore_errors=True)
    with _locked(places):
        shutil.copytree(places.images, unfinished, copy_function=os.link, ignore=shutil.ignore_patterns(_LAYERS.name))
        for layer in (places.images / _LAYERS).iterdir():
            (unfinished / _LAYERS / layer.name).mkdir(mode=0o700, parents=True)
        for database in unfinished.rglob("*.db"):
            own = database.with_suffix(".own")
            shutil.copy2(database, own)
            own.replace(database)
    unfinished.replace(disk)


def layers(places: Places, disk: Path) -> list[tuple[Path, Path]]:
    """Where each layer of the store is, and where on a node's disk it belongs, to be mounted read-only."""
    stored = places.images / _LAYERS
    return [(stored / path.name, path) for path in (disk / _LAYERS).iterdir() if (stored / path.name).is_dir()]


def _identity(archive: Path) -> str:
    """A digest of the archive's own index, which holds the digests of all else in it."""
    try:
        with tarfile.open(archive) as tar:
            for name in _INDEXES:
                try:
                    member = tar.extractfile(name)
                except KeyError:
                    continue
                if member is not None:
                    return hashlib.sha256(member.read()).hexdigest()
    except (OSError, tarfile.TarError) as error:
        raise ClusterError(f"{archive} cannot be read as an image archive: {error}") from error
    raise ClusterError(f"{archive} is no image archive: it has none of {', '.join(_INDEXES)}")


def _contents(folder: Path) -> list[str]:
    try:
        return list(json.loads((folder / _CONTENTS).read_text()))
    except FileNotFoundError:
        return []


@contextmanager
def _locked(places: Places) -> Iterator[None]:
    places.images.mkdir(parents=True, exist_ok=True)
    with places.images.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _containerd(places: Places) -> Iterator[str]:
    """A containerd on the store, for as long as something is imported; the address of its socket.

    Layers that no image has any more are removed only while there is no cluster: they may be mounted in a node.
    """
    delay = "24h" if places.state.is_dir() else "100ms"
    with tempfile.TemporaryDirectory(prefix="stilts-images-") as folder:
        socket, config, log = (Path(folder) / name for name in ("socket", "config.toml", "log"))
        config.write_text(
            f'version = 2\nroot = "{places.images}"\nstate = "{folder}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{socket}"\n'
            f'[plugins."io.containerd.gc.v1.scheduler"]\n  startup_delay = "{delay}"\n  schedule_delay = "{delay}"\n'
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["containerd", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until(
                lambda: run("ctr", "--address", socket, "version", check=False).returncode == 0,
                f"containerd on {places.images}",
                20,
            )
            yield str(socket)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
