"""Writes ``manifests/`` from the chart, for those who apply plain YAML.

``python charts/manifests.py HELM``, where HELM is the program; ``make manifests`` does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CHART = Path(__file__).parent / "stilts"
MANIFESTS = Path(__file__).parent.parent / "manifests"
NAMESPACE = "stilts"
SETS: dict[str, dict[str, object]] = {
    "base": {"test": {"enabled": False}},
    "trial": {
        "test": {"enabled": False},
        "s3": {"enabled": True},
        "profile": {"kubernetes": {"credentials": {"secret": "stilts-s3"}}},
    },
}
HEAD = "# Made from charts/stilts by `make manifests`.\n"
NAMESPACE_FILE = f"""\
{HEAD}apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
_SOURCE = re.compile(r"^---\n# Source: stilts/templates/(\S+)\n", re.M)
# Helm's own marks; whoever applies these files is not Helm.
_HELMS = re.compile(r"^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): (stilts-|Helm).*\n", re.M)


def manifests(helm: Callable[..., str]) -> dict[str, str]:
    """Path below ``manifests/`` → content; ``helm`` runs a command of Helm and gives what it prints."""
    files: dict[str, str] = {}
    for name, values in SETS.items():
        given = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
        text = helm("template", "stilts", str(CHART), "--namespace", NAMESPACE, *given)
        parts = _by_file(text)
        parts["namespace.yaml"] = NAMESPACE_FILE
        resources = "".join(f"  - {file}\n" for file in sorted(parts))
        parts["kustomization.yaml"] = (
            f"{HEAD}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{resources}"
        )
        files |= {f"{name}/{file}": content for file, content in parts.items()}
    return files


def _by_file(text: str) -> dict[str, str]:
    """What a template renders, by the template's file."""
    _, *pieces = _SOURCE.split(text)
    documents: dict[str, list[str]] = {}
    for file, document in zip(pieces[::2], pieces[1::2], strict=True):
        documents.setdefault(file, []).append(f"{_HELMS.sub('', document).strip()}\n")
    return {file: HEAD + "---\n".join(each) for file, each in documents.items()}


if __name__ == "__main__":
    program = sys.argv[1]
    wanted = manifests(lambda *command: subprocess.run([program, *command], stdout=-1, text=True, check=True).stdout)
    for path in MANIFESTS.glob("*/*.yaml"):
        path.unlink()
    for path_name, content in wanted.items():
        target = MANIFESTS / path_name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
