"""A small study of stand-in stages in a namespace of its own, from its submission to its results."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.commands import wait_until
from cluster.kubernetes import Kubernetes, Object, has_condition

from stilts_core.analysis.collect import collect
from stilts_core.engine.kubernetes.labels import DRIVER, STAGE
from stilts_core.engine.kubernetes.names import fingerprint_label, study_name
from stilts_core.engine.kubernetes.render import StudySource, render_submission
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.profile import Placement
from stilts_core.storage.attempts import Outcome, read_heartbeat, list_attempts, read_outcomes
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import Manifest, study_prefix

BUCKET = "faults"
