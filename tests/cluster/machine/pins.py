"""What the cluster is built from. Versions and checksums are in the go.mod and go.sum of each module, nowhere else."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

GO = Path(__file__).parent / "go"
TOOLS = Path(__file__).parents[2] / "tools"


@dataclass(frozen=True)
class Module:
    """A Go module with pinned requirements, and the programs built from it.

    Modules are apart so that each program gets the very dependencies that its authors chose.

    Attributes:
        source: the module path that the programs come from; empty where the sources are here.
        packages: program name to Go package.
    """

    name: str
    folder: Path
    source: str
    packages: dict[str, str]

    @property
    def version(self) -> str:
        """The pinned version, without its ``v``; of sources that are here, a digest of them."""
        if not self.source:
            return self.key
        pinned = re.search(rf"^\s*(?:require )?{re.escape(self.source)} v(\S+)", self._read("go.mod").decode(), re.M)
        if pinned is None:
            raise ValueError(f"{self.folder / 'go.mod'} pins no version of {self.source}")
        return pinned.group(1)

    @property
    def flags(self) -> list[str]:
        """Link flags: smaller programs, and Kubernetes that knows its own version."""
        link = ["-s", "-w"]
        if self.name == "kubernetes":
            version = self.version
            base = "k8s.io/component-base/version"
            major, minor, _ = version.split(".")
            known = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
            link += [f"-X={base}.{name}={value}" for name, value in known.items()]
        if self.name == "helm":  # it takes charts for Kubernetes 1.20 unless it is told which its own libraries are for
            minor = re.findall(r"k8s\.io/client-go v0\.(\d+)\.", self._read("go.mod").decode())[0]
            packages = ("chartutil", "lint/rules")
            link += [f"-X=helm.sh/helm/v3/pkg/{package}.k8sVersionMinor={minor}" for package in packages]
        return ["-mod=readonly", "-trimpath", f"-ldflags={' '.join(link)}"]

    @property
    def key(self) -> str:
        """Changes with the pins, with the sources that are here, and with how they are built."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self.folder.iterdir() if path.suffix in {".mod", ".sum", ".go"}):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        if self.source:
            digest.update("\0".join(self.flags).encode())
        return digest.hexdigest()[:12]

    def _read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def _upstream(name: str, source: str, *packages: str, folder: Path | None = None) -> Module:
    return Module(name, folder or GO / name, source, {package.rsplit("/", 1)[-1]: package for package in packages})


_COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
KUBERNETES = _upstream(
    "kubernetes", "k8s.io/kubernetes", *(f"k8s.io/kubernetes/cmd/{command}" for command in _COMMANDS)
)
COREDNS = _upstream("coredns", "github.com/coredns/coredns", "github.com/coredns/coredns")
HELM = _upstream("helm", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm")
JOBSET = _upstream("jobset", "sigs.k8s.io/jobset", "sigs.k8s.io/jobset")
KWOK = _upstream("kwok", "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok")
VERSITYGW = _upstream(
    "versitygw", "github.com/versity/versitygw", "github.com/versity/versitygw/cmd/versitygw", folder=TOOLS
)
PAUSE = Module("pause", GO / "pause", "", {"pause": "."})
PROBE = Module("probe", GO / "probe", "", {"probe": "."})
