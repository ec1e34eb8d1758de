"""How the objects of a study are found, and what they say of themselves.

Labels are for selecting, and hold only what a label can; annotations hold the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_core.engine.kubernetes.names import fingerprint_label, label_value

Object = dict[str, Any]
"""An object of the Kubernetes API as JSON: nothing but dicts, lists, texts, numbers, truth values."""

STUDY, ANCHOR, PLAN = "stilts/study", "stilts/anchor", "stilts/plan"
KIND, FINGERPRINT, ATTEMPT = "stilts/kind", "stilts/fingerprint", "stilts/attempt"
COMPONENT = "app.kubernetes.io/component"
"""Labels; the plan's digest and the fingerprint as much of them as a label can hold."""

SUBMISSION, DRIVER, STAGE = "submission", "driver", "stage"
"""What the component is: anchor and Service, the driver, an attempt at a stage."""

STUDY_NAME, STORE, PLAN_DIGEST = "stilts/study-name", "stilts/store", "stilts/plan-digest"
TITLE, WHOLE_FINGERPRINT, STORED_ATTEMPT = "stilts/title", "stilts/whole-fingerprint", "stilts/stored-attempt"
OUTCOME, COUNTS, FORGIVEN = "stilts/outcome", "stilts/counts", "stilts/forgiven"
"""Annotations; the last three are of an anchor, and `anchor_notes` reads and writes them."""

_EVERY_OBJECT = {
    "app.kubernetes.io/name": "stilts",
    "app.kubernetes.io/part-of": "stilts",
    "app.kubernetes.io/managed-by": "stilts",
}


def study_labels(component: str, study: str, anchor: str, plan_digest: str) -> dict[str, str]:
    """Of everything that belongs to a study as it was submitted."""
    return {
        **_EVERY_OBJECT,
        COMPONENT: component,
        STUDY: label_value(study),
        ANCHOR: label_value(anchor),
        PLAN: fingerprint_label(plan_digest),
    }


def plan_selector(plan_digest: str) -> str:
    """Selects the stages' Jobs of a plan, whoever submitted it."""
    return f"{COMPONENT}={STAGE},{PLAN}={fingerprint_label(plan_digest)}"


def submission_selector(study: str) -> str:
    """Selects the anchors of a study, whatever its plans were."""
    return f"{COMPONENT}={SUBMISSION},{STUDY}={label_value(study)}"


def anchor_selector(anchor: str, component: str | None = None) -> str:
    """Selects what belongs to an anchor; of one component, if it is given."""
    everything = f"{ANCHOR}={label_value(anchor)}"
    return everything if component is None else f"{COMPONENT}={component},{everything}"


def owned_by(anchor: str, uid: str) -> Object:
    """An owner reference: what has it goes when the anchor is deleted."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": anchor,
        "uid": uid,
        # True would need the right to set finalizers on ConfigMaps.
        "blockOwnerDeletion": False,
        "controller": False,
    }


def metadata(
    name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> Object:
    """The metadata of an object."""
    result: Object = {"name": name, "namespace": namespace, "labels": dict(labels)}
    if annotations:
        result["annotations"] = dict(annotations)
    return result
