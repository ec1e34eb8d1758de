"""What is read of a submission: its driver, its notes, its profile; and which one a study means."""

from __future__ import annotations

import pytest
from cluster_objects import BEGAN, Object, at, condition, ended, failed, pod
from engine_plans import plan_of, stage
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.engine.kubernetes.anchor_notes import (
    Outcome,
    forgiven,
    forgiving_patch,
    outcome_patch,
    read_outcome,
)
from stilts_core.engine.kubernetes.labels import PLAN_DIGEST
from stilts_core.engine.kubernetes.names import study_name
from stilts_core.engine.kubernetes.submissions import Submitted, choose_submitted, driver_status
from stilts_core.engine.states import State, Status
from stilts_core.errors import ClusterError

PLAN = plan_of([stage("only")])


def anchor(name: str = "anchor", **annotations: str) -> Object:
    return {"metadata": {"name": name, "uid": f"{name}-uid", "annotations": annotations}}


def noted(patch: Object, before: Object | None = None) -> Object:
    """An anchor after a patch."""
    annotations = {**(before or anchor())["metadata"]["annotations"], **patch["metadata"]["annotations"]}
    return anchor(**{name: text for name, text in annotations.items() if text is not None})


def driver_job(*conditions: Object, deleting: bool = False) -> Object:
    metadata = {"name": "driver", "uid": "driver-uid", "creationTimestamp": at(0)}
    if deleting:
        metadata["deletionTimestamp"] = at(50)
    return {"metadata": metadata, "status": {"conditions": list(conditions)}}


QUOTA = {
    "involvedObject": {"uid": "driver-uid"},
    "message": 'Error creating: pods "driver-x" is forbidden: exceeded quota: small',
}
PULL = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
OVER = condition("Complete", after=100)


@pytest.mark.parametrize(
    ("job", "pods", "events", "outcome", "state", "why", "since"),
    [
        (None, [], [], None, State.CANCELLED, "`stilts submit` makes it", None),
        (None, [], [], Outcome.DONE, State.DONE, "counts", None),
        (None, [], [], Outcome.FAILED, State.FAILED, "counts", None),
        (driver_job(deleting=True), [pod()], [], None, State.CANCELLED, "it is being ended", 50),
        (driver_job(), [], [], None, State.QUEUED, "for its pod", 0),
        (driver_job(), [], [QUOTA], None, State.QUEUED, "its pod cannot be created: pods", 0),
        (driver_job(), [], [{**QUOTA, "involvedObject": {"uid": "x"}}], None, State.QUEUED, "for its pod", 0),
        (driver_job(), [ended(73, told="The store is gone.")], [], None, State.QUEUED, "again after: The store", 0),
        (driver_job(), [pod(state=PULL)], [], None, State.QUEUED, "the image stilts-train:1 cannot be pulled", 2),
        (driver_job(), [ended(75), pod()], [], None, State.RUNNING, "", 10),
        (driver_job(OVER), [ended(0)], [], Outcome.DONE, State.DONE, "counts", 100),
        (driver_job(OVER), [ended(0)], [], Outcome.FAILED, State.FAILED, "counts", 100),
        (driver_job(OVER), [], [], None, State.DONE, "", 100),
        (driver_job(failed()), [ended(64, told="Wrong plan.")], [], None, State.FAILED, "Wrong plan.", 60),
        (driver_job(failed(message="too often")), [], [], None, State.FAILED, "too often", 60),
    ],
)
def test_how_the_driver_is(
    job: Object | None,
    pods: list[Object],
    events: list[Object],
    outcome: Outcome | None,
    state: State,
    why: str,
    since: float | None,
) -> None:
    submitted = Submitted(noted(outcome_patch(outcome, "counts")) if outcome else anchor())
    found = driver_status(submitted, job, pods, events)
    assert found.state is state
    assert why in found.why
    assert found.since == (None if since is None else BEGAN + since)


def test_a_plan_is_found_by_its_name_then_by_its_digest_then_where_no_plan_is_named() -> None:
    own = Submitted(anchor(study_name(PLAN.name, PLAN.digest()), **{PLAN_DIGEST: PLAN.digest()}))
    same = Submitted(anchor("mine", **{PLAN_DIGEST: PLAN.digest()}))
    other, chart = Submitted(anchor("other", **{PLAN_DIGEST: "ab" * 32})), Submitted(anchor("chart"))
    assert choose_submitted([own, same, other, chart], PLAN) is own
    assert choose_submitted([same, other, chart], PLAN) is same
    assert choose_submitted([other, chart], PLAN) is chart
    assert choose_submitted([other], PLAN) is None


@pytest.mark.parametrize("text", ["spec: {what: 1}", "a: [", "7"])
def test_a_profile_that_cannot_be_read_says_what_to_do(text: str) -> None:
    with pytest.raises(ClusterError, match="cannot be read by this version"):
        Submitted({**anchor(), "data": {"profile.yaml": text}}).placement()


def test_a_profile_of_a_chart_is_read_too() -> None:
    text = "apiVersion: stilts/v1alpha1\nkind: Profile\nspec: {kubernetes: {window: 7}}\n"
    assert Submitted({**anchor(), "data": {"profile.yaml": text}}).placement().kubernetes.window == 7


fingerprints = st.text("0123456789abcdef", min_size=64, max_size=64)
numbers = st.dictionaries(fingerprints, st.integers(1, 99_999), max_size=5)


@given(numbers, numbers)
def test_what_is_forgiven_adds_up_and_is_never_taken_back(first: dict[str, int], second: dict[str, int]) -> None:
    once = noted(forgiving_patch(anchor(), first))
    twice = noted(forgiving_patch(once, second), once)
    expected = {name: max(first.get(name, 0), second.get(name, 0)) for name in {**first, **second}}
    assert forgiven(twice, expected) == expected
    assert read_outcome(twice) is None


@pytest.mark.parametrize("text", ["", "7", "[1]", '{"ab": "x"}', "{"])
def test_notes_that_somebody_has_broken_forgive_nothing(text: str) -> None:
    assert forgiven(anchor(**{"stilts/forgiven": text}), ["ab" * 32]) == {}
    assert read_outcome(anchor(**{"stilts/outcome": text})) is None


def test_ten_thousand_failures_fit_into_an_annotation() -> None:
    many = {f"{number:064x}"[::-1]: 99_999 for number in range(10_000)}
    (text,) = (v for v in forgiving_patch(anchor(), many)["metadata"]["annotations"].values() if v)
    assert len(text) < 250_000


def test_a_status_without_a_reason_is_one() -> None:
    assert driver_status(Submitted(anchor()), driver_job(OVER), [], []) == Status(State.DONE, since=BEGAN + 100)
