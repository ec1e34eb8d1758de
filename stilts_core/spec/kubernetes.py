"""The part of a profile that says how a study runs on Kubernetes. Names of secrets stand here, never their content."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from stilts_core import __version__
from stilts_core.model import Frozen
from stilts_core.spec.quantities import (
    DataKey,
    EndpointUrl,
    ImageDigest,
    ImageName,
    LabelKey,
    LabelValue,
    NamespaceName,
    ObjectName,
    ProxyUrl,
    Quantity,
    RegistryName,
    ResourceName,
    UserId,
    amount,
)

_HOUR, _DAY = 3600, 86400


class Image(Frozen):
    """A container image.

    Attributes:
        name: with registry and tag, ``registry.example.org/team/stilts-train:1.0``.
        digest: ``sha256:…``; with it the image is this one, wherever the tag points today.
    """

    name: ImageName
    digest: ImageDigest | None = None


class Images(Frozen):
    """What the pods run.

    Attributes:
        training: of every stage; it has the training packages.
        light: of the driver, without them.
        registry: takes the place of the registry in the names above, for a mirror or a closed network.
        pull_secrets: Secrets with the credentials of the registry.
    """

    training: Image = Image(name=f"stilts-train:{__version__}")
    light: Image = Image(name=f"stilts:{__version__}")
    registry: RegistryName | None = None
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: tuple[ObjectName, ...] = ()


class Compute(Frozen):
    """What one pod may use besides GPUs. It gets what it may use, so that no other pod can take it away.

    Attributes:
        cpu: cores. A rank computes with ``local.threads`` threads, here as anywhere.
        memory: of the pod, the shared memory included.
        scratch: disk of the node for downloads and unfinished work.
        cpu_limit: cores that it may use while nobody else wants them; None: ``cpu``.
    """

    cpu: Quantity = "2"
    memory: Quantity = "8Gi"
    scratch: Quantity = "20Gi"
    cpu_limit: Quantity | None = None

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> Compute:
        for name in ("cpu", "memory", "scratch"):
            if not amount(getattr(self, name)):
                raise ValueError(f"{name} must be above 0")
        if self.cpu_limit is not None and amount(self.cpu_limit) < amount(self.cpu):
            raise ValueError(f"cpu_limit ({self.cpu_limit}) is below cpu ({self.cpu})")
        return self


class PodSizes(Frozen):
    """What a pod of each kind may use; with several nodes, each of them.

    Attributes:
        measure: None: as an evaluating pod.
    """

    prepare: Compute = Compute()
    pretrain: Compute = Compute(cpu="4", memory="16Gi")
    train: Compute = Compute(cpu="4", memory="16Gi")
    evaluate: Compute = Compute(cpu="4", memory="16Gi")
    measure: Compute | None = None
    driver: Compute = Compute(cpu="200m", cpu_limit="2", memory="512Mi", scratch="1Gi")


class Toleration(Frozen):
    """A taint that pods tolerate, in the words of a pod's own specification."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: Annotated[int, Field(ge=0)] | None = None  # noqa: N815 (the key of the file)

    @model_validator(mode="after")
    def _makes_sense(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("a toleration with `operator: Exists` has no `value`")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("a toleration needs a `key`, or `operator: Exists` to tolerate every taint")
        if self.tolerationSeconds is not None and self.effect != "NoExecute":
            raise ValueError("`tolerationSeconds` goes with `effect: NoExecute` alone")
        return self


class Scheduling(Frozen):
    """Where pods may go.

    Attributes:
        node_selector: labels that a node must have.
        priority_class: a PriorityClass, which decides who is preempted.
        runtime_class: a RuntimeClass, such as the one of the GPU vendor.
    """

    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: tuple[Toleration, ...] = ()
    priority_class: ObjectName | None = None
    runtime_class: ObjectName | None = None


class Spot(Frozen):
    """Stages run on nodes that may be taken away at any time. The driver does not.

    Attributes:
        node_selector: besides that of the pods.
        tolerations: besides those of the pods.
        infrastructure: attempts beyond the first after evictions and the like, in the place of
            ``retries.infrastructure``.
    """

    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: tuple[Toleration, ...] = ()
    infrastructure: Annotated[int, Field(ge=0)] = 50


class ServiceAccounts(Frozen):
    """Whom the pods are to the cluster. Only the driver gets a token."""

    driver: ObjectName = "stilts-driver"
    stages: ObjectName = "stilts-stage"


class Credentials(Frozen):
    """A Secret of the namespace with the store's credentials. Without one they come from the platform.

    Attributes:
        file: the key that holds an AWS credentials file; it is mounted, and the keys below are not looked at.
        access_key: the key that holds the access key's id.
        secret_key: the key that holds the secret access key.
        session_token: the key that holds a session token, if there is one.
    """

    secret: ObjectName
    file: DataKey | None = None
    access_key: DataKey = "AWS_ACCESS_KEY_ID"
    secret_key: DataKey = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 (the name of a key)
    session_token: DataKey | None = None


class CaBundle(Frozen):
    """A ConfigMap of the namespace with the certificates to trust, PEM."""

    config_map: ObjectName
    key: DataKey = "ca.crt"


class Proxies(Frozen):
    """How pods reach what is outside.

    Attributes:
        http: for http:// addresses.
        https: for https:// addresses.
        exclude: hosts and domains that are reached directly, besides the cluster's own.
    """

    http: ProxyUrl | None = None
    https: ProxyUrl | None = None
    exclude: tuple[str, ...] = ()


class Kueue(Frozen):
    """Stages wait in a queue of Kueue.

    Attributes:
        queue: a LocalQueue of the namespace.
        priority_class: a WorkloadPriorityClass.
        retry_priority_class: that of attempts beyond the first; a new one else queues behind everything that waits.
    """

    queue: ObjectName
    priority_class: ObjectName | None = None
    retry_priority_class: ObjectName | None = None


class Kubernetes(Frozen):
    """Stages as Jobs of a cluster.

    Attributes:
        namespace: None: that of the client's context.
        nodes: pods of one training, each on a node of its own.
        gpus_per_node: GPUs of each pod of a training or pretraining; an evaluating pod gets one of so many.
        gpu_resource: what the cluster calls a GPU.
        pods: what a pod of each kind may use.
        shared_memory: size of a stage's /dev/shm; it is part of the pod's memory.
        cpu_pods: where pods without GPUs may go, the driver's among them.
        gpu_pods: where pods with GPUs may go.
        spot: stages run on nodes that can be taken away; None: where other pods run.
        user_id: whom processes run as; None: the platform or the image says (a number, never 0).
        credentials: the store's; None: from the platform (a role of the service account, say).
        ca_bundle: certificates for the store and other servers.
        store_endpoint: where pods reach an S3 store that has another address outside the cluster; None: where
            ``store.s3.endpoint`` says.
        air_gapped: no stage tries to reach a model or data hub.
        jobset: stages of several nodes are JobSets; the cluster needs their controller.
        kueue: stages wait in a queue; None: they are scheduled at once.
        ttl_seconds: how long a finished Job stays to be looked at.
        grace_seconds: from asking a stage to stop to its end; the time that it has to save.
        deadline_seconds: longest life of one attempt, the wait for a node included.
        window: Jobs in flight at most.
        rendezvous_seconds: how long the pods of one training wait for each other.
        stall_seconds: without progress for so long, a stage is ended; 0: never.
        unreachable_seconds: how long a pod stays on a node that does not answer.
        lost_node_seconds: after that, until the driver gives such an attempt up and starts another.
    """

    namespace: NamespaceName | None = None
    images: Images = Images()
    nodes: Annotated[int, Field(ge=1, le=99)] = 1
    gpus_per_node: Annotated[int, Field(ge=0, le=64)] = 0
    gpu_resource: ResourceName = "nvidia.com/gpu"
    pods: PodSizes = PodSizes()
    shared_memory: Quantity = "1Gi"
    cpu_pods: Scheduling = Scheduling()
    gpu_pods: Scheduling = Scheduling()
    spot: Spot | None = None
    user_id: UserId | None = 65532
    service_accounts: ServiceAccounts = ServiceAccounts()
    credentials: Credentials | None = None
    ca_bundle: CaBundle | None = None
    store_endpoint: EndpointUrl | None = None
    proxies: Proxies = Proxies()
    air_gapped: bool = False
    jobset: bool = False
    kueue: Kueue | None = None
    ttl_seconds: Annotated[int, Field(ge=60)] = _DAY
    grace_seconds: Annotated[int, Field(ge=5, le=_HOUR)] = 120
    deadline_seconds: Annotated[int, Field(ge=60)] = 7 * _DAY
    window: PositiveInt = 50
    rendezvous_seconds: Annotated[int, Field(ge=1)] = 600
    stall_seconds: Annotated[int, Field(ge=0)] = 1800
    unreachable_seconds: Annotated[int, Field(ge=0)] = 30
    lost_node_seconds: Annotated[int, Field(ge=0)] = 120

    @model_validator(mode="after")
    def _shared_memory_fits(self) -> Kubernetes:
        if not amount(self.shared_memory):
            raise ValueError("shared_memory must be above 0")
        for kind in ("prepare", "pretrain", "train", "evaluate", "measure"):
            compute: Compute | None = getattr(self.pods, kind)
            if compute is None:
                continue
            memory = compute.memory
            if amount(self.shared_memory) >= amount(memory):
                raise ValueError(
                    f"shared_memory ({self.shared_memory}) is part of a pod's memory, and pods.{kind} has {memory}; "
                    "raise that, or lower shared_memory"
                )
        return self
