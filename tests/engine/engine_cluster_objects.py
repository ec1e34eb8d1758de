"""A study, its stages and its submission, for tests of what becomes of them in a cluster."""

from __future__ import annotations

from stilts_core.engine.kubernetes.render import StageAttempt, StudySource, Submission
from stilts_core.planning.params import TextParams
from stilts_core.planning.plan import KIND_VERSIONS, Stage, StageKind
from stilts_core.storage.manifest import Attempt

NAMESPACE = "research"
PLAN_DIGEST = "12e4" + "5c" * 30
STUDY = StudySource(
    name="phang2020",
    text="apiVersion: stilts/v1alpha1\nkind: Study\nmetadata: {name: phang2020}\n# …\n",
    plan_digest=PLAN_DIGEST,
    data_root="s3://corpora/xtreme",
)
SUBMISSION = Submission(
    study="phang2020",
    plan_digest=PLAN_DIGEST,
    anchor="phang2020-5f2b7c1d90",
    anchor_uid="0b9f6a3e-5d1c-4c7e-9a43-2f6d8b1e7c50",
    namespace=NAMESPACE,
    store="s3://studies/team-a",
    plan=f"s3://studies/team-a/studies/phang2020/{PLAN_DIGEST[:16]}/plan.json",
)
FIRST = StageAttempt(1, Attempt(number=1, token="7f3a9c"))
SECOND = StageAttempt(2, Attempt(number=3, token="e41b02"), retry=True)


def stage(kind: StageKind, fingerprint: str = "ab" * 32, label: str = "mnli-squad on xquad, seed 1") -> Stage:
    return Stage(
        fingerprint=fingerprint,
        kind=kind,
        version=KIND_VERSIONS[kind],
        params=TextParams(sequence_length=8),
        label=label,
    )
