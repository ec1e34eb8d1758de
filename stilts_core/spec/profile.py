"""The profile: where a study runs and on what. It decides no result beyond the last bits of floating point."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stilts_core.catalog.models import Name
from stilts_core.model import API_VERSION, Frozen
from stilts_core.spec.kubernetes import Kubernetes
from stilts_core.storage.settings import S3Settings


class StoreSettings(Frozen):
    """The store: a folder or ``s3://bucket/prefix``."""

    uri: str | None = None
    s3: S3Settings = S3Settings()


class Local(Frozen):
    """Stages as processes of this machine.

    Attributes:
        slots: cores (or GPUs, with ``device: cuda``) shared out to stages; None: all there are.
        threads: cores of one training, evaluating or preparing stage.
        pretrain_threads: cores of a pretraining stage; None: all slots. Stages of one study keep to these numbers
            whatever else runs, so that repeated runs give the same bits.
        stall_seconds: without progress for so long, a stage is ended; 0: never.
    """

    slots: PositiveInt | None = None
    threads: PositiveInt = 1
    pretrain_threads: PositiveInt | None = None
    stall_seconds: Annotated[float, Field(ge=0)] = 1800.0


class Training(Frozen):
    """How one training is spread over devices.

    Attributes:
        ranks: processes of one training stage, one device (or ``threads`` cores) each. On Kubernetes they are shared
            out to the nodes, and 1 stands for one on each GPU of each node, or for one a node without GPUs.
        zero_stage: DeepSpeed ZeRO stage.
        micro_tokens: padded tokens of one forward pass on one rank at most; None: by device.
        precision: of the forward pass; ``auto``: bf16 where the device computes in it.
        save_steps: a training saves where it is every so many steps; None: by the clock.
        save_seconds: it saves after so many seconds; None, without ``save_steps`` too: as often as keeps the cost
            under a hundredth of its time.
    """

    ranks: PositiveInt = 1
    zero_stage: Annotated[int, Field(ge=0, le=3)] = 0
    micro_tokens: PositiveInt | None = None
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    save_steps: PositiveInt | None = None
    save_seconds: PositiveFloat | None = None

    @field_validator("precision", mode="before")
    @classmethod
    def _not_fp16(cls, value: Any) -> Any:
        if value == "fp16":
            raise ValueError("fp16 is not offered, since mT5 and mDeBERTa overflow in it; take bf16, fp32 or auto")
        return value


class Retries(Frozen):
    """Attempts beyond the first that a stage may have, by what its failures were."""

    application: Annotated[int, Field(ge=0)] = 1
    infrastructure: Annotated[int, Field(ge=0)] = 5


class Placement(Frozen):
    """Everything about where and on what."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    store: StoreSettings = StoreSettings()
    local: Local = Local()
    kubernetes: Kubernetes = Kubernetes()
    training: Training = Training()
    retries: Retries = Retries()

    @property
    def cluster_retries(self) -> Retries:
        """The budgets of stages on Kubernetes."""
        spot = self.kubernetes.spot
        return self.retries.model_copy(update={"infrastructure": spot.infrastructure}) if spot else self.retries


class ProfileMetadata(Frozen):
    name: Name = "default"


class Profile(Frozen):
    """A profile file. Every field has a default: without a file it is this machine, and a folder as store."""

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Profile"] = "Profile"
    metadata: ProfileMetadata = ProfileMetadata()
    spec: Placement = Placement()

    @model_validator(mode="after")
    def _ranks_fit(self) -> Profile:
        local, training = self.spec.local, self.spec.training
        if local.slots is not None and self.spec.device == "cpu" and training.ranks * local.threads > local.slots:
            raise ValueError(f"{training.ranks} ranks of {local.threads} threads do not fit into {local.slots} slots")
        return self
