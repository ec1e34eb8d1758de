"""What the Helm chart can be told. The chart's schema and its file of values are written from these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from stilts_core.model import Frozen
from stilts_core.spec.kubernetes import Image
from stilts_core.spec.profile import Placement
from stilts_core.spec.quantities import Form, LabelKey, LabelValue, NamespaceName, ObjectName, Quantity
from stilts_core.spec.schema import Schema, document_schema

VERSITYGW = Image(name="ghcr.io/versity/versitygw:v1.8.0")

Port = Annotated[int, Field(ge=1, le=65535)]
NodePort = Annotated[int, Field(ge=1024, le=65535)]
Cidr = Annotated[
    str, Form(r"[0-9a-fA-F.:]+/[0-9]{1,3}", "is no range of addresses: write `10.0.0.0/8` or `2001:db8::/32`", 43)
]
BucketName = Annotated[
    str, Form(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "is no name of a bucket: lower-case letters, digits, hyphens", 63)
]
Duration = Annotated[str, Form(r"([0-9]+(ms|s|m|h))+", "is no duration: write `30s` or `1m`", 16)]
AnnotationValue = Annotated[str, Field(max_length=4096)]

_SOMEWHERE: JsonDict = {"anyOf": [{"required": [key]} for key in ("cidrs", "namespace", "pods")]}


class Accounts(Frozen):
    """The service accounts that the profile names.

    Attributes:
        create: false where they exist.
        driver_annotations: of the driver's account, such as the cloud's role that may use the store.
        stage_annotations: of the stages' account.
    """

    create: bool = True
    driver_annotations: dict[LabelKey, AnnotationValue] = {}
    stage_annotations: dict[LabelKey, AnnotationValue] = {}


class Subject(Frozen):
    """A person, a group or a service account.

    Attributes:
        namespace: of a service account; None: that of the release.
    """

    kind: Literal["User", "Group", "ServiceAccount"] = "Group"
    name: Annotated[str, Field(min_length=1)]
    namespace: NamespaceName | None = None


class Rights(Frozen):
    """Roles of the namespace.

    Attributes:
        create: false where the driver's account has its rights already.
        researchers: who may submit, watch and cancel studies here. To create Jobs is to run any pod as any account of
            the namespace.
    """

    create: bool = True
    researchers: tuple[Subject, ...] = ()


class Place(Frozen):
    """The other end of a connection: a range of addresses, or pods.

    Attributes:
        cidrs: ranges of addresses.
        without: parts of those ranges that are left out; each has to lie within all of them.
        namespace: the pods of a namespace; None: of this one.
        pods: labels of the pods; empty: all of them.
        ports: those that pods listen on, not those of a Service; empty: all.
    """

    model_config = {"json_schema_extra": _SOMEWHERE}

    cidrs: tuple[Cidr, ...] = ()
    without: tuple[Cidr, ...] = ()
    namespace: NamespaceName | None = None
    pods: dict[LabelKey, LabelValue] = {}
    ports: tuple[Port, ...] = ()

    @model_validator(mode="after")
    def _is_somewhere(self) -> Place:
        if bool(self.cidrs) == bool(self.namespace or self.pods):
            raise ValueError("a place is either `cidrs` or pods, which are named by `namespace`, `pods` or both")
        return self


class Network(Frozen):
    """What pods of studies may reach, where the cluster enforces NetworkPolicies. Everything else is refused.

    Attributes:
        enabled: false: no policies.
        store: where the store is; empty: the trial server, or the endpoint's port on public addresses.
        dns: the cluster's name servers.
        api_server: what the driver, and no other pod, speaks to.
        also: what all pods may reach besides, such as a proxy or a mirror of the model hub.
        metrics: who may fetch the driver's metrics.
    """

    enabled: bool = True
    store: tuple[Place, ...] = ()
    dns: tuple[Place, ...] = (Place(namespace="kube-system", pods={"k8s-app": "kube-dns"}, ports=(53,)),)
    api_server: tuple[Place, ...] = (Place(cidrs=("0.0.0.0/0", "::/0"), ports=(443, 6443)),)
    also: tuple[Place, ...] = ()
    metrics: tuple[Place, ...] = ()


class TrialServer(Frozen):
    """An S3 server for trials: one pod, no copies, no TLS, no backup. Not for production.

    Attributes:
        enabled: true: the profile's store is this server.
        image: versitygw.
        bucket: is made with the server.
        access_key: None: made when the chart is installed, and kept by upgrades.
        secret_key: None: as above. A Secret of one's own is named in ``profile.kubernetes.credentials``.
        size: of a volume that is claimed for it; None: its files are gone with its pod.
        storage_class: of that volume; None: the cluster's default.
        node_port: makes it reachable from outside the cluster on this port of every node.
        cpu: cores that are requested.
        memory: that is requested, and the most it may use.
    """

    enabled: bool = False
    image: Image = VERSITYGW
    bucket: BucketName = "stilts"
    access_key: Annotated[str, Field(min_length=3, max_length=128)] | None = None
    secret_key: Annotated[str, Field(min_length=8, max_length=128)] | None = None
    size: Quantity | None = None
    storage_class: ObjectName | None = None
    node_port: NodePort | None = None
    cpu: Quantity = "100m"
    memory: Quantity = "512Mi"


class LocalQueue(Frozen):
    """The LocalQueue that ``profile.kubernetes.kueue.queue`` names.

    Attributes:
        cluster_queue: what it leads to; None: no LocalQueue is made.
        api_version: of Kueue's objects, one that the cluster serves.
    """

    cluster_queue: ObjectName | None = None
    api_version: Literal["v1beta1", "v1beta2"] = "v1beta2"


class Monitor(Frozen):
    """A PodMonitor for the drivers' metrics; needs the Prometheus operator.

    Attributes:
        labels: that the operator selects monitors by.
    """

    enabled: bool = False
    interval: Duration = "30s"
    labels: dict[LabelKey, LabelValue] = {}


class Check(Frozen):
    """What ``helm test`` runs: a study of seconds, through driver, stages and store, without GPUs.

    Attributes:
        enabled: false: no test. Without a store there is none either.
        cpu: cores of each of its stages.
        memory: of each of its stages.
    """

    enabled: bool = True
    cpu: Quantity = "1"
    memory: Quantity = "3Gi"


class Values(Frozen):
    """The values of the chart.

    Attributes:
        profile: where and on what studies run: the ``spec`` of a profile, as in its file.
        study: a study to submit with the release: ``--set-file study=FILE``.
        global: values of a chart that has this one inside; not looked at.
    """

    profile: Placement = Placement()
    study: str | None = None
    accounts: Accounts = Accounts()
    rights: Rights = Rights()
    network: Network = Network()
    s3: TrialServer = TrialServer()
    queue: LocalQueue = LocalQueue()
    monitor: Monitor = Monitor()
    test: Check = Check()
    global_: dict[str, Any] = Field({}, alias="global")


def values_schema() -> Schema:
    """The chart's ``values.schema.json`` (JSON Schema 2020-12): every object is closed but ``global``."""
    schema = document_schema(Values)
    _close(schema)
    return schema


def _close(node: Any) -> None:
    """Let a mapping of checked keys have no others; Pydantic leaves those whose keys do not match unchecked."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for child in node.values():
            _close(child)
    elif isinstance(node, list):
        for child in node:
            _close(child)
