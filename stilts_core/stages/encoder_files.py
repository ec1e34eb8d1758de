"""An encoder that lies in a bucket, brought to this machine once and verified."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from stilts_core.data.index import DigestMemory
from stilts_core.data.root import open_data_root
from stilts_core.errors import StorageError
from stilts_core.planning.params import EncoderSource, EvaluateParams, TaskParams, TextParams, TrainParams
from stilts_core.planning.plan import Stage
from stilts_core.storage.settings import S3Settings

_WITH_ENCODER = (TextParams, TaskParams, TrainParams, EvaluateParams)


def with_local_encoder(stage: Stage, cache: Path, s3: S3Settings) -> Stage:
    """The stage itself; if its encoder lies in a bucket, with the folder on this machine instead of the address.

    Raises:
        MissingInputError: a file is no longer there.
        DataError: a file is not what it was when the study was planned.
        StorageError: the bucket cannot be read, or the cache not be written.
    """
    params = stage.params
    if not isinstance(params, _WITH_ENCODER) or params.encoder is None:
        return stage
    if not params.encoder.location.startswith("s3://"):
        return stage
    folder = fetch_encoder(params.encoder, cache, s3)
    encoder = params.encoder.model_copy(update={"location": str(folder)})
    return stage.model_copy(update={"params": params.model_copy(update={"encoder": encoder})})


def fetch_encoder(source: EncoderSource, cache: Path, s3: S3Settings) -> Path:
    """A folder with the encoder's files, each with the digest that it was planned with. See `with_local_encoder`."""
    folder = cache / "encoders" / source.digest
    memory = DigestMemory(cache / "digests")
    try:
        if all((folder / name).is_file() and memory.digest(folder / name).sha256 == sha for name, sha in source.files):
            return folder
        root = open_data_root(source.location, cache, s3)
        files = [(name, root.fetch(name, sha256)) for name, sha256 in source.files]
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{source.digest[:12]}.", dir=folder.parent))
        try:
            for name, local in files:
                _link(local, made / name)
            made.chmod(0o755)
            if folder.is_dir():  # it is there and not whole, or another stage was first with the same files
                shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        if all((folder / name).is_file() for name, _ in source.files):
            return folder
        raise StorageError(
            f"The encoder {source.location} cannot be kept in the cache at {folder.parent}: {error.strerror}.",
            hint="Make room there, or name another folder with XDG_CACHE_HOME.",
        ) from error
    return folder


def _link(local: Path, place: Path) -> None:
    """The cached file under its own name, without a second copy where the file system allows it."""
    try:
        os.link(local, place)
    except OSError:
        shutil.copyfile(local, place)
