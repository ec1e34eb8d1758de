"""Where the cluster is: in the pod that this process runs in, or in a kubeconfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_core.engine.kubernetes.client import Endpoint
from stilts_core.errors import ClusterError

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def configured(kubeconfig: Path | None, context: str | None, namespace: str | None) -> tuple[Endpoint, str]:
    """The API server, and the namespace.

    Raises:
        ClusterError: there is none, or it cannot be used.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ClusterError(
            "The package `kubernetes` is missing.", hint="Install it: pip install 'stilts[kubernetes]'"
        ) from error
    settings = client.Configuration()
    own = None
    try:
        if kubeconfig is None and context is None and _NAMESPACE_FILE.exists():
            config.load_incluster_config(client_configuration=settings)
            own = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
        else:
            file = None if kubeconfig is None else str(kubeconfig)
            own = _namespace_of(config, file, context)
            config.load_kube_config(config_file=file, context=context, client_configuration=settings)
    except (config.ConfigException, OSError, ValueError) as error:
        if "No configuration found" in str(error):
            raise ClusterError(
                "No cluster is configured: there is no kubeconfig in KUBECONFIG or ~/.kube/config.",
                hint="Get one from who runs the cluster, and see that `kubectl auth whoami` answers.",
            ) from error
        raise ClusterError(
            f"The kubeconfig cannot be used: {error}",
            hint="See that `kubectl config view` shows it, and choose a context of it with --context.",
        ) from error
    settings.connection_pool_maxsize = 32
    pool = client.ApiClient(settings).rest_client.pool_manager

    def headers() -> dict[str, str]:
        # Asked each time: a token is valid for an hour or so, and the package renews it.
        return {
            each["key"]: each["value"]
            for each in settings.auth_settings().values()
            if each["in"] == "header" and each["value"]
        }

    return Endpoint(settings.host.rstrip("/"), pool, headers), namespace or own or "default"


def configured_namespace(context: str | None = None) -> str:
    """The namespace of a context of the kubeconfig; ``default`` where nothing says otherwise. No cluster is asked.

    Raises:
        ClusterError: the kubeconfig has no such context.
    """
    try:
        from kubernetes import config

        return _namespace_of(config, None, context) or "default"
    except ClusterError:
        raise
    except Exception:  # noqa: BLE001 (neither the package nor a kubeconfig is needed)
        return "default"


def _namespace_of(config: Any, file: str | None, context: str | None) -> str | None:
    contexts, active = config.list_kube_config_contexts(config_file=file)
    chosen = next((each for each in contexts if each["name"] == context), None) if context else active
    if chosen is None and context is not None:
        names = ", ".join(sorted(each["name"] for each in contexts)) or "none"
        raise ClusterError(f'The kubeconfig has no context "{context}".', hint=f"It has: {names}.")
    name = (chosen or {}).get("context", {}).get("namespace")
    return None if name is None else str(name)
