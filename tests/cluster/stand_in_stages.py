"""Stage kinds that stand in for the real ones in an image for tests: a second each, and they fail as they are told.

An image has this file in the place of ``stilts_core/stages/registry.py``; all else in it is as it ships. What a stage
commits depends on its fingerprint and on what its parents committed, so that an equal result means an equal history.

What a stage does besides stands in the store, a list of words for each attempt that is to be disturbed (`tell`).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stilts_core import errors
from stilts_core.planning.params import EvaluateParams
from stilts_core.planning.plan import StageKind
from stilts_core.spec.load import load_profile
from stilts_core.stages.context import Progress, StageContext, StageFunction
from stilts_core.storage.base import Store
from stilts_core.storage.open import open_store

PRELOAD: tuple[str, ...] = ("stilts_core.storage.commit",)

_PROFILE = Path("/etc/stilts/profile.yaml")
_SETTLING_SECONDS = 4.0
_POLL_SECONDS = 0.25
_BLOCKS = 64


def tell(store: Store, fingerprint: str, *attempts: Sequence[str], node: int = 0) -> None:
    """Have the next attempts at a stage do these things, one list of words each; later ones are undisturbed.

    Args:
        node: which pod of a group.
    """
    store.put(_told_key(fingerprint, node), json.dumps(attempts).encode())


def release(store: Store, fingerprint: str, name: str = "go") -> None:
    """Let attempts that ``hold`` go on; those that ``hold=NAME`` have a name of their own."""
    store.put(_go_key(fingerprint, name), b"go")


def said(store: Store, fingerprint: str) -> dict[str, Any]:
    """What a stage has found that was told to ``look``."""
    found: dict[str, Any] = json.loads(store.read(_said_key(fingerprint)))
    return found


def stage_function(kind: StageKind) -> StageFunction:
    return act


def act(context: StageContext) -> dict[str, Any]:
    """Do what was told, then make what depends on the parents alone."""
    for word in _told(context):
        name, _, value = word.partition("=")
        context.report(Progress(step=1, activity=name))
        _DEEDS[name](context, value)
    parents = {
        role: hashlib.sha256((folder / "result.bin").read_bytes()).hexdigest()
        for role, folder in sorted(context.inputs.items())
    }
    seed = json.dumps([context.stage.fingerprint, parents]).encode()
    blocks = (hashlib.sha256(seed + bytes([part])).digest() for part in range(_BLOCKS))
    (context.out / "result.bin").write_bytes(b"".join(blocks))
    roles = sorted({file.role for file in context.stage.files})
    (context.out / "roles.json").write_text(json.dumps(roles))
    params = context.stage.params
    if not isinstance(params, EvaluateParams):
        return {"steps": 10, "loss_last": _number(seed, "loss")}
    prepared = json.loads((context.inputs["data"] / "roles.json").read_text())
    entries = {role.split("/")[1]: _entry(_number(seed, role)) for role in prepared}
    return {"metric": params.metric.value, "languages": entries}


def _entry(score: float) -> dict[str, Any]:
    known = {"metrics": {"accuracy": score}, "score": score, "chance": 33.5, "at_chance": False, "degenerate": False}
    return {"split": "test", "n": 100, "note": None, **known}


def _number(seed: bytes, what: str) -> float:
    return 40 + int(hashlib.sha256(seed + what.encode()).hexdigest()[:4], 16) % 5000 / 100


def _told(context: StageContext) -> list[str]:
    """The words of this attempt, which the next one will not find."""
    if not _PROFILE.exists():
        return []  # only in a pod is there anybody to tell it anything
    store, key = _store(), _told_key(context.stage.fingerprint, context.resources.group.node)
    if store.info(key) is None:
        return []
    attempts = json.loads(store.read(key))
    store.put(key, json.dumps(attempts[1:]).encode())
    return list(attempts[0]) if attempts else []


def _store(**changes: Any) -> Store:
    settings = load_profile(_PROFILE).spec.store
    return open_store(settings.uri or "", settings.s3.model_copy(update=changes))


def _hold(context: StageContext, value: str) -> None:
    """Wait to be released; ``hold=NAME:deaf`` heeds no request to stop."""
    name, _, deaf = value.partition(":")
    store = _store(attempts=1, connect_timeout=1.0, read_timeout=2.0)
    step = 1
    while not _is_released(store, context.stage.fingerprint, name or "go"):
        if context.stop_requested() and not deaf:
            raise errors.StoppedError("The stage was asked to stop.")
        time.sleep(_POLL_SECONDS)
        step += 1
        context.report(Progress(step=step, activity="hold"))


def _sleep(context: StageContext, value: str) -> None:
    for step in range(int(float(value) / _POLL_SECONDS)):
        context.report(Progress(step=step, activity="sleep"))
        time.sleep(_POLL_SECONDS)


def _is_released(store: Store, fingerprint: str, name: str) -> bool:
    try:
        return store.info(_go_key(fingerprint, name)) is not None
    except errors.StorageError:
        return False


def _eat(context: StageContext, value: str) -> None:
    """Use more memory than the pod has."""
    eaten = []
    while True:
        eaten.append(b"\x01" * (8 << 20))


def _hang(context: StageContext, value: str) -> None:
    while True:
        time.sleep(1)


def _fail(context: StageContext, value: str) -> None:
    raise getattr(errors, value)("This stage was told to fail.", hint="Tell it nothing.")


def _look(context: StageContext, value: str) -> None:
    """Try addresses, and look for what the pod of a stage must not have.

    In no cluster do policies hold for a pod from its first moment, so what counts is what two looks agree on.
    """
    addresses = [address for address in value.split(",") if address]
    before, reached = None, [address for address in addresses if _reaches(address)]
    while reached != before:
        time.sleep(_SETTLING_SECONDS)
        before, reached = reached, [address for address in addresses if _reaches(address)]
    token = Path("/var/run/secrets/kubernetes.io").exists()
    found = {"reached": reached, "token": token, "user": os.getuid(), "root_writable": os.access("/opt", os.W_OK)}
    _store().put(_said_key(context.stage.fingerprint), json.dumps(found).encode())


def _reaches(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


_DEEDS: dict[str, Callable[[StageContext, str], None]] = {
    "hold": _hold,
    "eat": _eat,
    "hang": _hang,
    "fail": _fail,
    "look": _look,
    "sleep": _sleep,
    "leave": lambda context, value: os._exit(int(value)),
    "signal": lambda context, value: os.kill(os.getpid(), signal.Signals[value]),
}


def _told_key(fingerprint: str, node: int) -> str:
    return f"told/{fingerprint}/{node}.json"


def _go_key(fingerprint: str, name: str) -> str:
    return f"told/{fingerprint}/released/{name}"


def _said_key(fingerprint: str) -> str:
    return f"told/{fingerprint}/said.json"
