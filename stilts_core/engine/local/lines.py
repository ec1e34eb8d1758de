"""Lines of JSON over a socket or a pipe, as they come."""

from __future__ import annotations

import json
import os
from typing import Any

_CHUNK = 1 << 16


def encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


class LineReader:
    """Reads what is there on a descriptor that does not block.

    Attributes:
        ended: the other side has closed it, and everything was read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.ended = False

    def read(self) -> list[dict[str, Any]]:
        """The documents of all lines that have come in whole."""
        while not self.ended:
            try:
                piece = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                break
            except OSError:  # a socket whose other side was killed
                piece = b""
            self.ended = not piece
            self._rest += piece
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines if line]
