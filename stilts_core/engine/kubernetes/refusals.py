"""What an answer of the API means, as an error with a sentence. Tokens never appear in one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import SSLError

from stilts_core.errors import ClusterError

_LONGEST = 400
_DENIED = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
)


class UnreachableError(ClusterError):
    """The API server did not answer.

    Attributes:
        transient: it may answer later.
    """

    def __init__(self, message: str, *, hint: str, transient: bool) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class ForbiddenError(ClusterError):
    """A right is missing."""


class QuotaError(ClusterError):
    """A quota of the namespace is used up: later there may be room."""


class InvalidError(ClusterError):
    """The cluster, or a policy of it, will never take this object, or does not have its kind."""


class ExpiredError(ClusterError):
    """The version is older than what the cluster remembers: list again."""


class ConflictError(ClusterError):
    """Somebody else was first.

    Attributes:
        exists: an object of this name is there.
        passing: the same call may succeed at once.
    """

    def __init__(self, message: str, *, exists: bool, passing: bool) -> None:
        super().__init__(message)
        self.exists, self.passing = exists, passing


def unreachable(error: Exception, doing: str, url: str) -> UnreachableError:
    """No answer came."""
    if isinstance(error, SSLError):
        return UnreachableError(
            f"Could not {doing}: the certificate of {url} is not trusted.",
            hint="Check `certificate-authority` in the kubeconfig.",
            transient=False,
        )
    return UnreachableError(
        f"Could not {doing}: the API server {url} does not answer ({type(error).__name__}).",
        hint="Check the kubeconfig, the network and the cluster.",
        transient=True,
    )


def refusal(status: int, answer: Mapping[str, Any], doing: str, namespace: str) -> ClusterError:
    """The server answered with an error.

    Args:
        answer: the Status object that came with it.
    """
    said = " ".join(str(answer.get("message") or "").split())[:_LONGEST]
    reason = str(answer.get("reason") or "")
    what = f"Could not {doing} in namespace {namespace}"
    match status:
        case 401:
            return ClusterError(
                f"{what}: the cluster does not accept the credentials.",
                hint="Log in to the cluster again, and see that `kubectl auth whoami` answers.",
            )
        case 403 if "exceeded quota" in said:
            return QuotaError(f"{what}: {said}", hint="Ask for a larger quota, or wait until others end.")
        case 403 if "admission webhook" in said or "ValidatingAdmissionPolicy" in said or "PodSecurity" in said:
            return InvalidError(f"{what}: a policy of the cluster refuses it: {said}")
        case 403:
            return _forbidden(what, said, namespace)
        case 409:
            exists = reason == "AlreadyExists"
            passing = not exists and "resourcequota" in said
            return ConflictError(f"{what}: {said}", exists=exists, passing=passing)
        case 410:
            return ExpiredError(f"{what}: {said}")
        case 400 | 413 | 422:
            return InvalidError(f"{what}: the cluster will not take it: {said}")
        case 404 if said.startswith("namespaces "):
            return ClusterError(
                f"{what}: there is no such namespace.",
                hint=f"Name another with --namespace, or make it: kubectl create namespace {namespace}",
            )
        case 404:
            return InvalidError(
                f"{what}: {said or 'not found'}", hint="Check the namespace, and that the cluster has this API."
            )
        case _:
            return ClusterError(f"{what}: the API server answered {status}: {said or reason}", hint="Try later.")


def _forbidden(what: str, said: str, namespace: str) -> ForbiddenError:
    denied = _DENIED.search(said)
    if denied is None:
        return ForbiddenError(f"{what}: {said}", hint="Ask who runs the cluster for the right to do so.")
    group = f' of the API group "{denied["group"]}"' if denied["group"] else ""
    return ForbiddenError(
        f"{what}: {denied['user']} has no right to it.",
        hint=f'It needs a Role in {namespace} with the verb "{denied["verb"]}" on "{denied["resource"]}"{group}.',
    )
