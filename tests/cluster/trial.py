"""A trial of the whole: the chart with its S3 server in a namespace, and the command on this machine against both."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError, run
from cluster.kubernetes import Kubernetes
from cluster.machine.images import reference
from cluster.machine.pins import VERSITYGW
from stilts_core import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "stilts"
RELEASE = "trial"
STILTS = Path(sys.executable).with_name("stilts")
_PORT = 7070
_REACH_SECONDS = 3.0
_FIRST_NODE_PORT, _NODE_PORTS = 30200, 2500
_BUCKET, _STAGES = "stilts", "studies/stages/"
_INSTALL_SECONDS = 180
_COMMAND_SECONDS = 1500.0

# One machine plays all nodes: whoever is alone may use its cores, and what is asked for leaves room for others.
_STAGE = {"cpu": "250m", "cpu_limit": "2", "memory": "3Gi", "scratch": "2Gi"}


def images() -> dict[str, dict[str, str]]:
    """The images of this checkout as a profile names them: ``STILTS_TRAINING_IMAGE`` and ``STILTS_LIGHT_IMAGE``, else
    those that `make image` makes.
    """
    registry = os.environ.get("REGISTRY", "localhost")
    training = os.environ.get("STILTS_TRAINING_IMAGE", f"{registry}/stilts-train:{__version__}")
    light = os.environ.get("STILTS_LIGHT_IMAGE", f"{registry}/stilts:{__version__}")
    return {"training": {"name": training}, "light": {"name": light}}


def trial_values(namespace: str, **kubernetes: Any) -> dict[str, Any]:
    """Values of the chart for a small cluster on processors; ``kubernetes`` adds to that part of the profile.

    The server's port at the nodes is the namespace's own, as far as a digest goes.
    """
    port = _FIRST_NODE_PORT + zlib.crc32(namespace.encode()) % _NODE_PORTS
    pods = dict.fromkeys(("prepare", "pretrain", "train", "evaluate"), _STAGE)
    return {
        "s3": {
            "enabled": True,
            "node_port": port,
            "image": {"name": os.environ.get("STILTS_S3_IMAGE", reference(VERSITYGW))},
        },
        "profile": {
            "local": {"threads": 1, "pretrain_threads": 1},  # the same sums as on any machine
            "kubernetes": {
                "images": images(),
                "pods": {**pods, "driver": {"cpu": "100m", "cpu_limit": "2", "memory": "512Mi", "scratch": "1Gi"}},
                "shared_memory": "256Mi",
                "window": 4,
                "grace_seconds": 20,
                **kubernetes,
            },
        },
    }


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Trial:
    """An installed chart.

    Attributes:
        kubernetes: in the release's namespace.
        folder: where the command runs; ``profile.yaml`` lies there.
        environment: what the command needs to reach cluster and store, beside ours.
    """

    kubernetes: Kubernetes
    helm: Helm
    folder: Path
    environment: Mapping[str, str]

    def stilts(self, *arguments: str | Path, check: bool = True) -> Done:
        """A command to its end.

        Raises:
            ClusterError: it failed, and ``check`` is true.
        """
        done = run(
            STILTS, *arguments, environment=self.environment, folder=self.folder, check=check, timeout=_COMMAND_SECONDS
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def show(self, *arguments: str | Path) -> None:
        """A command to its end, seen by the person who waits for it.

        Raises:
            ClusterError: it failed.
        """
        sys.stdout.write(f"$ stilts {' '.join(map(str, arguments))}\n")
        sys.stdout.flush()
        words = [str(STILTS), *map(str, arguments)]
        ended = subprocess.run(words, cwd=self.folder, env={**os.environ, **self.environment}, check=False)
        if ended.returncode:
            raise ClusterError(f"stilts {arguments[0]} ended with {ended.returncode}")

    def manifests(self) -> list[dict[str, Any]]:
        """What has committed."""
        import boto3

        keys = self.environment
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=keys["AWS_ENDPOINT_URL"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET, Prefix=_STAGES)
        found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [
            json.loads(client.get_object(Bucket=_BUCKET, Key=key)["Body"].read())
            for key in found
            if key.endswith("/manifest.json")
        ]

    def stage_pods(self) -> list[dict[str, Any]]:
        return list(self.kubernetes.get("pods", "--selector=app.kubernetes.io/component=stage")["items"])


@dataclass(frozen=True)
class Helm:
    """Helm in one namespace, away from the user's own configuration."""

    program: Path
    kubeconfig: Path
    namespace: str
    home: Path

    def __call__(self, *arguments: str | Path) -> str:
        """What helm prints.

        Raises:
            ClusterError: it failed.
        """
        places = {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        options = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return run(self.program, *options, *arguments, environment=places).stdout

    def install(self, values: Mapping[str, Any], *options: str | Path, release: str = RELEASE) -> None:
        """Install the chart, or upgrade it, and wait until its server answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        file = self.home / f"{release}.json"
        file.write_text(json.dumps(values))
        self(
            *("upgrade", "--install", release, CHART, "--values", file, *options),
            *("--wait", "--timeout", f"{_INSTALL_SECONDS}s"),
        )


@contextmanager
def installed(kubernetes: Kubernetes, helm: Helm, folder: Path, values: Mapping[str, Any]) -> Iterator[Trial]:
    """The chart in a namespace, and its server within reach. The release stays."""
    helm.install(values)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{RELEASE}-stilts"
    profile = kubernetes.get("configmap", f"{name}-profile")["data"]["profile.yaml"]
    (folder / "profile.yaml").write_text(profile, encoding="utf-8")
    keys = kubernetes.get("secret", f"{name}-s3")["data"]
    with _reached(kubernetes, f"{name}-s3") as endpoint:
        environment = {
            "KUBECONFIG": str(kubernetes.kubeconfig),
            "PATH": f"{kubernetes.program.parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            **{variable: base64.b64decode(value).decode() for variable, value in keys.items()},
        }
        yield Trial(kubernetes, helm, folder, environment)


@contextmanager
def _reached(kubernetes: Kubernetes, service: str) -> Iterator[str]:
    """The address of a Service for this machine: the port of a node, or where no node is in reach a forwarded one.

    A forwarded port is the worse way: on a busy machine kubectl loses the connection without a word.
    """
    port = kubernetes.get("service", service)["spec"]["ports"][0]["nodePort"]
    for node in kubernetes.get("nodes")["items"]:
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        with suppress(OSError), socket.create_connection((address, port), timeout=_REACH_SECONDS):
            yield f"http://{address}:{port}"
            return
    where = (f"--kubeconfig={kubernetes.kubeconfig}", f"--namespace={kubernetes.namespace}")
    process = subprocess.Popen(
        [kubernetes.program, *where, "port-forward", f"service/{service}", f":{_PORT}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        if found is None:
            raise ClusterError(f"the Service {service} can be reached neither at a node nor by kubectl port-forward")
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
