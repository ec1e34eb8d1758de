"""Whether the pods of a cluster can reach what a study reads."""

from __future__ import annotations

from collections.abc import Mapping

from stilts_core.errors import SpecError
from stilts_core.planning.params import EncoderSource


def check_reach(data_root: str, encoders: Mapping[str, EncoderSource]) -> None:
    """Refuse folders of this machine.

    Raises:
        SpecError: data or an encoder lie in one.
    """
    if "://" not in data_root:
        raise SpecError(
            f"The data lie in {data_root}, a folder of this machine, which no pod of a cluster reaches.",
            hint=f"Upload them, index them there with `stilts data index {data_root}` before, and name the bucket: "
            "--data s3://BUCKET/PREFIX",
        )
    for name, source in encoders.items():
        if source.location.startswith(("/", "~", ".")):
            raise SpecError(
                f"The encoder {name} lies in {source.location}, a folder of this machine, which no pod of a cluster "
                "reaches.",
                hint="Upload the folder, and give the encoder's `source` as s3://BUCKET/PREFIX or as a hub id.",
            )
