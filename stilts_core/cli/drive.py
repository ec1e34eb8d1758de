"""`stilts drive`: what the driver's pod does, from the study's file to its results in the store."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import open_study, study_options
from stilts_core.cli.running import conclude, keep_plan, keep_results, run_and_collect
from stilts_core.errors import Budget, ClusterError, SpecError, StiltsError, StoppedError, explain_exit

if TYPE_CHECKING:
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.labels import Object
    from stilts_core.engine.states import Status

_TERMINATION_LOG = Path("/dev/termination-log")
_MESSAGE_BYTES = 4096


class _LeftError(BaseException):
    """The pod is to end now; the stages go on without it."""


@click.command("drive", hidden=True)
@study_options
@click.option("--anchor", required=True, metavar="NAME", help="The ConfigMap that owns everything of the study.")
@click.option("--plan-digest", metavar="HEX", help="Refuse to run another plan than this.")
@click.option("--namespace", metavar="NAME", help="Default: this pod's, or the context's.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), metavar="FILE", help="Default: this pod's cluster.")
@click.option("--context", metavar="NAME", help="A context of the kubeconfig.")
@click.option("--metrics-port", type=int, metavar="PORT", help="Default: 9464; 0: serve none.")
@click.option("--strict", is_flag=True, help="End with exit status 1 where not every stage is done.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    anchor: str,
    plan_digest: str | None,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    metrics_port: int | None,
    strict: bool,
) -> int:
    """Bring a study to its end in a cluster. The pod that `stilts submit` makes runs this.

    A study that came to its end is exit status 0, failed stages or not: its Job would begin another pod after any
    other, which could do no more. How it ended stands on the anchor.
    """
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.environment import METRICS_PORT
    from stilts_core.engine.kubernetes.own_job import begin_no_other, own_job

    try:
        with _left_when_asked():
            cluster = Cluster.connect(kubeconfig=kubeconfig, context=context, namespace=namespace)
            job = own_job(cluster, socket.gethostname())
            try:
                opened = open_study(study, store, data_root, profile_path)
                check_digest(opened, plan_digest)
                port = METRICS_PORT if metrics_port is None else metrics_port
                ports = itertools.chain([port], itertools.repeat(0))  # once it serves figures, that is for good
                statuses, files = run_and_collect(opened, lambda: _drive(opened, cluster, anchor, job, next(ports)))
                status = _conclude(opened, cluster, anchor, statuses, files)
            except StiltsError as error:
                _leave_word(str(error))
                if explain_exit(error.exit_code).budget is Budget.NONE:
                    begin_no_other(cluster, job)
                raise
            if status and strict:
                begin_no_other(cluster, job)
            return status if strict else 0
    except _LeftError:
        word = "The driver was asked to end. The stages go on; the next driver takes over."
        _leave_word(word)
        click.echo(word)
        return StoppedError.exit_code


def check_digest(opened: OpenedStudy, wanted: str | None) -> None:
    """Refuse another plan than the one that was submitted.

    Raises:
        SpecError: it is another one.
    """
    found = opened.plan.digest()
    if wanted is not None and found != wanted:
        raise SpecError(
            f"The plan has the digest {found[:12]} here, and had {wanted[:12]} when it was submitted: data, encoders "
            "or the version of stilts have changed.",
            hint="Submit the study again, with the version of stilts that the image has.",
        )


def _drive(opened: OpenedStudy, cluster: Cluster, anchor_name: str, job: str | None, port: int) -> Mapping[str, Status]:
    from stilts_core.cli.watch import PlainWatch, Scene
    from stilts_core.engine.kubernetes.anchor_notes import forgiven, no_outcome_patch, read_outcome
    from stilts_core.engine.kubernetes.launch import kubernetes_driver
    from stilts_core.engine.kubernetes.lease import Lease
    from stilts_core.engine.kubernetes.own_job import adopt, find_anchor
    from stilts_core.engine.kubernetes.render import Submission
    from stilts_core.engine.kubernetes.sizing import stage_sizing
    from stilts_core.engine.metrics import Account, Listeners, serve

    plan, placement = opened.plan, opened.profile.spec
    watch = PlainWatch(Scene(plan), click.echo)
    anchor = find_anchor(cluster, anchor_name)
    adopt(cluster, anchor, job)
    if read_outcome(anchor.found) is not None:
        _note_on(cluster, anchor.name, no_outcome_patch())
    pardoned = forgiven(anchor.found, (stage.fingerprint for stage in plan.stages))
    key = keep_plan(opened)
    submission = Submission(
        study=plan.name,
        plan_digest=plan.digest(),
        anchor=anchor.name,
        anchor_uid=anchor.uid,
        namespace=cluster.namespace,
        store=opened.store.uri,
        plan=f"{opened.store.uri}/{key}",
    )
    sizes = {stage.fingerprint: stage_sizing(stage.kind, placement) for stage in plan.stages}
    account = Account(plan, {name: size.nodes * size.gpus for name, size in sizes.items()}, opened.store)
    lease = Lease(cluster, anchor.name, socket.gethostname(), anchor.reference)
    if port:
        serve(account, port)
    watch.note(f"{plan.name}: {len(plan.stages)} stages in namespace {cluster.namespace}, store {opened.store.uri}")
    try:
        lease.acquire(watch.note)
        listener = Listeners(watch, account)
        with kubernetes_driver(
            plan, opened.store, cluster, submission, placement, listener, forgiven=pardoned
        ) as driver:
            return driver.run()
    finally:
        lease.release()


def _conclude(
    opened: OpenedStudy,
    cluster: Cluster,
    anchor: str,
    statuses: Mapping[str, Status],
    files: Mapping[str, bytes],
) -> int:
    from stilts_core.cli.watch import summarise
    from stilts_core.engine.kubernetes.anchor_notes import outcome_of, outcome_patch

    report = keep_results(opened, files)
    status = conclude(opened.plan, statuses, lambda verb, *more: " ".join(["stilts", verb, "STUDY", *more]))
    click.echo(f"Report: {report}")
    counts = summarise(statuses)
    _note_on(cluster, anchor, outcome_patch(outcome_of(statuses), counts))
    _leave_word(f"The study {'is not whole' if status else 'is done'}: {counts}. Report: {report}")
    return status


def _note_on(cluster: Cluster, anchor: str, patch: Object) -> None:
    """Put something down on the anchor; nothing rests on it, so that a right that is missing ends nothing."""
    from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS

    try:
        cluster.patch(CONFIG_MAPS, anchor, patch)
    except ClusterError as error:
        click.echo(f"{anchor} does not say how the study ended: {error.message}", err=True)


@contextmanager
def _left_when_asked() -> Iterator[None]:
    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise _LeftError

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_word(text: str) -> None:
    """The pod's termination message, for `kubectl describe pod`."""
    sys.stdout.flush()
    with suppress(OSError):
        if os.access(_TERMINATION_LOG, os.W_OK):
            _TERMINATION_LOG.write_bytes(f"{text}\n".encode()[:_MESSAGE_BYTES])
