"""A small client of the API server, for what is asked many times in a second; the rest is kubectl's."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from cluster.commands import ClusterError

_TIMEOUT: Final = 10.0
MERGE: Final = "application/merge-patch+json"


class Api:
    """The API server of a kubeconfig with a client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        address = urlsplit(config["clusters"][0]["cluster"]["server"])
        authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
        user = config["users"][0]["user"]
        self._context = ssl.create_default_context(cadata=authority.decode())
        with tempfile.NamedTemporaryFile() as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]))
            pair.flush()
            self._context.load_cert_chain(pair.name)
        self._host, self._port = str(address.hostname), address.port or 443

    def ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
        """Status and decoded answer of one request.

        Raises:
            OSError: the server cannot be reached.
        """
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=_TIMEOUT)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": content, "Accept": "application/json"})
            answer = connection.getresponse()
            raw = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw.decode(errors="replace")

    def get(self, path: str) -> Any:
        """What stands at a path.

        Raises:
            ClusterError: the server says no.
        """
        status, answer = self.ask("GET", path)
        if status != 200:
            raise ClusterError(f"GET {path}: {status} {answer}")
        return answer

    def answers(self, path: str) -> bool:
        """Whether a path answers with success."""
        try:
            return self.ask("GET", path)[0] == 200
        except OSError:
            return False
